//! The disk cache on a real disk: kept over restarts, within its bytes, indifferent to damage.

#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "tests of real files on a real clock")]

use std::time::{Duration, Instant};

use highwater_log::SegmentId;
use highwater_store::Etag;
use highwater_types::ShardId;

use super::*;

fn key(number: u64) -> BlockKey {
    BlockKey {
        shard: ShardId(3),
        segment: SegmentId::Flushed(number),
        start: 61,
        etag: Etag::from("\"0123456789abcdef\""),
    }
}

/// Bytes that differ with the number and do not compress.
fn block(number: u64, len: usize) -> Bytes {
    let mut state = number.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut byte = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state as u8
    };
    (0..len).map(|_| byte()).collect()
}

/// How long a slow disk may take for anything here.
const PATIENCE: Duration = Duration::from_secs(60);

/// The block, as soon as it is there.
async fn eventually(cache: &DiskCache, number: u64) -> Option<Bytes> {
    let started = Instant::now();
    loop {
        match cache.get(&key(number)).await {
            None if started.elapsed() < PATIENCE => tokio::time::sleep(Duration::from_millis(10)).await,
            found => return found,
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_offered_is_found_again_after_a_restart_too() {
    let dir = tempfile::tempdir().unwrap();
    let cache = DiskCache::open(dir.path(), LEAST_BYTES).await.unwrap();
    assert!(cache.get(&key(1)).await.is_none());
    cache.offer(key(1), &block(1, 100));
    cache.offer(key(2), &block(2, 8 << 20));
    assert_eq!(eventually(&cache, 1).await.unwrap(), block(1, 100));
    assert!(eventually(&cache, 2).await.unwrap() == block(2, 8 << 20));
    let other = BlockKey { etag: Etag::from("other"), ..key(1) };
    assert!(cache.get(&other).await.is_none(), "another object of that name");
    cache.close().await;
    drop(cache);
    let again = DiskCache::open(dir.path(), LEAST_BYTES).await.unwrap();
    assert!(again.get(&key(2)).await.unwrap() == block(2, 8 << 20));
    again.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_forgotten_is_gone() {
    let dir = tempfile::tempdir().unwrap();
    let cache = DiskCache::open(dir.path(), LEAST_BYTES).await.unwrap();
    cache.offer(key(1), &block(1, 1_000));
    assert!(eventually(&cache, 1).await.is_some());
    cache.forget(&key(1));
    // A block that is still on its way to disk is seen until it has arrived there.
    let started = Instant::now();
    while cache.get(&key(1)).await.is_some() {
        assert!(started.elapsed() < PATIENCE, "it stays");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    cache.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn it_stays_within_its_bytes_and_keeps_the_newest() {
    let dir = tempfile::tempdir().unwrap();
    let cache = DiskCache::open(dir.path(), LEAST_BYTES).await.unwrap();
    let newest = 3 * LEAST_BYTES / (4 << 20);
    for number in 0..=newest {
        // What a slow disk cannot take yet is declined.
        let started = Instant::now();
        loop {
            cache.offer(key(number), &block(number, 4 << 20));
            if cache.get(&key(number)).await.is_some() {
                break;
            }
            assert!(started.elapsed() < PATIENCE, "{number} is always declined");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
    assert!(cache.get(&key(0)).await.is_none(), "the oldest has made room");
    cache.close().await;
    drop(cache);
    let again = DiskCache::open(dir.path(), LEAST_BYTES).await.unwrap();
    let mut kept = 0;
    for number in newest - newest / 4..=newest {
        kept += u64::from(again.get(&key(number)).await.is_some());
    }
    again.close().await;
    assert!(kept >= newest / 8, "{kept} are left of the last quarter of {newest}");
    let on_disk: u64 = std::fs::read_dir(dir.path()).unwrap().map(|file| file.unwrap().metadata().unwrap().len()).sum();
    assert!(on_disk <= LEAST_BYTES, "{on_disk} bytes");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_block_that_is_too_long_is_declined() {
    let dir = tempfile::tempdir().unwrap();
    let cache = DiskCache::open(dir.path(), LEAST_BYTES).await.unwrap();
    cache.offer(key(1), &block(1, LONGEST_BLOCK + 1));
    cache.offer(key(2), &block(2, LONGEST_BLOCK));
    assert!(eventually(&cache, 2).await.is_some());
    assert!(cache.get(&key(1)).await.is_none());
    cache.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn damaged_files_cost_blocks_and_nothing_else() {
    let dir = tempfile::tempdir().unwrap();
    let cache = DiskCache::open(dir.path(), LEAST_BYTES).await.unwrap();
    for number in 0..8 {
        cache.offer(key(number), &block(number, 1 << 20));
        assert!(eventually(&cache, number).await.is_some());
    }
    cache.close().await;
    drop(cache);
    for file in std::fs::read_dir(dir.path()).unwrap() {
        let path = file.unwrap().path();
        let mut bytes = std::fs::read(&path).unwrap();
        bytes.iter_mut().skip(100).step_by(5_001).for_each(|byte| *byte ^= 0x55);
        std::fs::write(&path, bytes).unwrap();
    }
    let again = DiskCache::open(dir.path(), LEAST_BYTES).await.unwrap();
    for number in 0..8 {
        let found = again.get(&key(number)).await;
        assert!(found.is_none_or(|bytes| bytes == block(number, 1 << 20)), "{number}: other bytes");
    }
    again.offer(key(100), &block(100, 1 << 20));
    assert!(eventually(&again, 100).await.is_some());
    again.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_directory_that_cannot_be_made_is_an_error_that_names_it() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("file");
    std::fs::write(&file, b"").unwrap();
    let error = DiskCache::open(&file.join("cache"), LEAST_BYTES).await.err().unwrap();
    assert!(error.to_string().contains("file/cache"), "{error}");
}
