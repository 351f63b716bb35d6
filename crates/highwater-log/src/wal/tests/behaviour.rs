//! What the log does when nothing has rotted: grouping, limits, recycling, failures of the disk.

use highwater_env::real::RealEnv;
use highwater_env::sim::DiskFaults;

use super::*;

const SLOW: DiskFaults =
    DiskFaults { full: false, fail_sync: false, slow_sync: Some(Duration::from_millis(10)), fail_read: false };

#[tokio::test]
async fn frames_gather_while_a_sync_is_in_flight() {
    let bench = Bench::new(options()).await;
    bench.write(0, 0, 10).await;
    bench.sim.disk.set_faults(SLOW);
    let before = bench.sim.disk.syncs();
    bench.append(0, 1, 10).unwrap();
    bench.sim.clock.advance(Duration::from_millis(1)).await;
    let gathered: Vec<_> = (2..40).map(|offset| bench.append(offset % 3, i64::from(offset), 100).unwrap()).collect();
    let last = gathered[gathered.len() - 1];
    assert_eq!(bench.heard.synced.lock().unwrap() & 0xffff, 0);
    bench.settle().await;
    assert!(bench.heard.is_synced(last.0));
    assert_eq!(bench.sim.disk.syncs() - before, 2);
    assert_eq!(bench.wal.usage().unsynced_bytes, 0);
}

#[tokio::test]
async fn what_was_synced_comes_back_in_order_and_positions_go_on_ascending() {
    let mut bench = Bench::new(options()).await;
    let mut offset = 0;
    let mut last = WalSeq(0);
    for _ in 0..4 {
        for _ in 0..15 {
            let seq = bench.write((offset % 3) as u32, offset, 1000).await;
            assert!(seq > last);
            (last, offset) = (seq, offset + 1);
        }
        let (next, mut recovered) = bench.kill().await;
        bench = next;
        let frames = all(&mut recovered).await;
        assert_eq!(offsets(&frames), (0..offset).collect::<Vec<_>>());
        assert!(frames.is_sorted_by(|left, right| left.seq < right.seq));
        let frame = &frames[4];
        assert_eq!((frame.shard, frame.epoch, frame.tp), (ShardId(1), Epoch(1), tp(1)));
        assert_eq!(frame.batch, batch(4, 1000));
        assert_eq!(recovered.truncated, None);
    }
}

#[tokio::test]
async fn full_batches_soon_after_a_sync_wait_for_each_other_and_lone_records_do_not() {
    const FULL: usize = 8000;
    const SHORT: Duration = Duration::from_micros(100);
    let bench = Bench::new(WalOptions { pace_from_bytes: FULL, ..options() }).await;
    let (clock, disk) = (&bench.sim.clock, &bench.sim.disk);
    bench.write(0, 0, FULL).await;
    let before = disk.syncs();
    // Longer ago than the interval: at once.
    let first = bench.append(0, 1, FULL).unwrap();
    clock.advance(SHORT).await;
    assert!(bench.heard.is_synced(first.0));
    bench.append(0, 2, FULL).unwrap();
    clock.advance(SHORT).await;
    let third = bench.append(0, 3, FULL).unwrap();
    clock.advance(SHORT).await;
    assert_eq!(disk.syncs() - before, 1, "they wait");
    clock.advance(Duration::from_micros(500)).await;
    assert!(bench.heard.is_synced(third.0));
    assert_eq!(disk.syncs() - before, 2, "one sync for both");
    let lone = bench.append(0, 4, 100).unwrap();
    clock.advance(SHORT).await;
    assert!(bench.heard.is_synced(lone.0));
}

#[tokio::test]
async fn released_files_are_recycled_and_what_they_held_stays_gone() {
    let mut bench = Bench::new(options()).await;
    for offset in 0..200 {
        let seq = bench.write(0, offset, 8000).await;
        bench.wal.release(ShardId(0), seq);
    }
    bench.settle().await;
    // Current, next and two spares.
    assert!(bench.files().await.len() <= 4);
    assert!(bench.wal.usage().disk_bytes <= 4 * FILE_BYTES);
    let (next, mut recovered) = bench.kill().await;
    bench = next;
    // The newest file's frames may come back, nothing older.
    let offsets = offsets(&all(&mut recovered).await);
    assert!(offsets.len() < 10 && offsets.last() == Some(&199) && offsets.is_sorted(), "{offsets:?}");
    bench.wal.release(ShardId(0), WalSeq(u64::MAX));
    bench.settle().await;
    assert_eq!(bench.wal.usage().pinned_bytes, 0);
}

#[tokio::test]
async fn a_slow_shard_pins_only_its_own_files() {
    let bench = Bench::new(WalOptions { max_bytes: 3 * FILE_BYTES, ..options() }).await;
    bench.write(9, 0, 100).await;
    for offset in 1..200 {
        let seq = bench.write(0, offset, 8000).await;
        bench.wal.release(ShardId(0), seq);
    }
    assert_eq!(*bench.heard.pinned.lock(), [ShardId(9)]);
    assert!(bench.wal.usage().pinned_bytes <= 2 * FILE_BYTES);
    let (bench, mut recovered) = bench.kill().await;
    let frames = all(&mut recovered).await;
    assert_eq!(frames[0].shard, ShardId(9));
    assert!(frames.len() < 20);
    bench.wal.release(ShardId(9), frames[0].seq);
    bench.wal.release(ShardId(0), WalSeq(u64::MAX));
    assert_eq!(bench.wal.usage().pinned_bytes, 0);
}

#[tokio::test]
async fn at_the_limit_appends_wait_for_a_release() {
    let bench = Bench::new(WalOptions { max_bytes: 2 * FILE_BYTES, ..options() }).await;
    let mut taken = Vec::new();
    let full = loop {
        match bench.append(0, taken.len() as i64, 8000) {
            Ok(seq) => taken.push(seq),
            Err(full) => {
                bench.settle().await;
                if bench.append(0, taken.len() as i64, 8000).is_err() {
                    break full;
                }
                taken.push(WalSeq(0));
            }
        }
    };
    assert_eq!(full, WalFull::Busy);
    let wal = bench.wal.clone();
    let waiter = tokio::spawn(async move { wal.wait_for_space().await });
    bench.settle().await;
    assert!(!waiter.is_finished());
    assert_eq!(bench.wal.usage().waiting, 1);
    assert_eq!(*bench.heard.pinned.lock(), [ShardId(0)]);
    assert_eq!(bench.wal.usage().disk_bytes, 2 * FILE_BYTES);
    bench.wal.release(ShardId(0), WalSeq(bench.heard.synced.lock().unwrap()));
    bench.settle().await;
    waiter.await.unwrap();
    bench.append(0, taken.len() as i64, 8000).unwrap();
    assert_eq!(bench.wal.usage().waiting, 0);
}

#[tokio::test]
async fn a_full_disk_is_waited_out() {
    let bench = Bench::new(options()).await;
    bench.settle().await;
    bench.sim.disk.set_faults(DiskFaults { full: true, ..DiskFaults::default() });
    let mut offset = 0;
    while bench.append(0, offset, 8000).is_ok() {
        bench.settle().await;
        offset += 1;
    }
    // Current and next were there already.
    assert!(offset > 10);
    bench.sim.disk.set_faults(DiskFaults::default());
    bench.sim.clock.advance(Duration::from_secs(2)).await;
    bench.wal.wait_for_space().await;
    let last = bench.write(0, offset, 8000).await;
    assert!(bench.heard.failed.lock().is_empty());
    let (_bench, mut recovered) = bench.kill().await;
    let frames = all(&mut recovered).await;
    assert_eq!(offsets(&frames), (0..=offset).collect::<Vec<_>>());
    assert_eq!(frames.last().unwrap().seq, last);
}

#[tokio::test]
async fn a_failed_sync_is_final_for_its_file() {
    let bench = Bench::new(options()).await;
    bench.write(0, 0, 100).await;
    bench.sim.disk.set_faults(DiskFaults { fail_sync: true, ..DiskFaults::default() });
    let failed = bench.append(0, 1, 100).unwrap();
    bench.sim.clock.advance(Duration::from_millis(1)).await;
    assert_eq!(*bench.heard.failed.lock(), [(failed.0, failed.0)]);
    bench.sim.disk.set_faults(DiskFaults::default());
    bench.sim.clock.advance(Duration::from_secs(2)).await;
    bench.write(0, 2, 100).await;
    // The failed frame is whole on disk, and not trusted all the same.
    let (bench, mut recovered) = bench.kill().await;
    assert_eq!(offsets(&all(&mut recovered).await), [0, 2]);
    bench.wal.release(ShardId(0), WalSeq(u64::MAX));
    bench.settle().await;
    assert_eq!(bench.wal.usage().pinned_bytes, 0);
}

#[tokio::test]
async fn a_file_that_cannot_be_synced_at_start_is_replayed_and_given_up() {
    let bench = Bench::new(options()).await;
    bench.write(0, 0, 100).await;
    bench.sim.disk.set_faults(DiskFaults { fail_sync: true, ..DiskFaults::default() });
    bench.append(0, 1, 100).unwrap();
    bench.sim.clock.advance(Duration::from_millis(1)).await;
    // The file does not sync any more, whatever comes.
    bench.sim.disk.set_faults(DiskFaults::default());
    let (bench, mut recovered) = bench.kill().await;
    assert_eq!(offsets(&all(&mut recovered).await), [0, 1]);
    let before = bench.files().await;
    bench.sim.clock.advance(Duration::from_secs(2)).await;
    let last = bench.write(0, 2, 100).await;
    bench.wal.release(ShardId(0), last);
    bench.settle().await;
    assert!(!bench.files().await.contains(&before[0]));
}

#[tokio::test]
async fn close_writes_what_it_has_and_leaves_nothing_to_replay() {
    let bench = Bench::new(options()).await;
    let released = bench.write(0, 0, 100).await;
    let last = bench.append(0, 1, 100).unwrap();
    let (wal, other) = (bench.wal.clone(), bench.wal.clone());
    wal.close().await;
    assert!(bench.heard.is_synced(last.0));
    assert_eq!(bench.append(0, 2, 100), Err(WalFull::Closed));
    other.close().await;
    bench.wal.wait_for_space().await;
    let (bench, mut recovered) = bench.kill().await;
    assert_eq!(offsets(&all(&mut recovered).await), [0, 1]);
    assert!(bench.write(0, 2, 100).await > released);
    bench.wal.release(ShardId(0), WalSeq(u64::MAX));
    bench.wal.clone().close().await;
    let last = bench.heard.synced.lock().unwrap();
    let (bench, mut recovered) = bench.kill().await;
    assert_eq!(offsets(&all(&mut recovered).await), [0_i64; 0]);
    assert!(bench.write(0, 3, 100).await.0 > last);
}

#[tokio::test]
async fn close_without_room_reports_failure() {
    let bench = Bench::new(WalOptions { max_bytes: 2 * FILE_BYTES, ..options() }).await;
    let mut last = None;
    for offset in 0.. {
        match bench.append(0, offset, 8000) {
            Ok(seq) => last = Some(seq.0),
            Err(_) => break,
        }
        bench.settle().await;
    }
    bench.wal.clone().close().await;
    let failed = bench.heard.failed.lock().clone();
    assert_eq!(failed.last().map(|(_, to)| *to), last);
}

#[tokio::test]
async fn frames_too_large_and_impossible_options_are_refused() {
    let bench = Bench::new(options()).await;
    assert!(matches!(bench.append(0, 0, 48 * 1024), Err(WalFull::TooLarge { bytes, limit }) if bytes > limit));
    bench.write(0, 0, 47 * 1024).await;
    bench.write(0, 1, 47 * 1024).await;
    for wrong in [
        WalOptions { file_bytes: 5000, ..options() },
        WalOptions { file_bytes: 0, ..options() },
        WalOptions { max_bytes: FILE_BYTES, ..options() },
        WalOptions { max_bytes: u64::MAX, ..options() },
        WalOptions { buffer_bytes: 100, ..options() },
        WalOptions { file_bytes: 8192, ..options() },
    ] {
        assert!(matches!(Bench::open(SimEnv::new(1), wrong).await, Err(WalError::Options(_))));
    }
}

#[tokio::test]
async fn a_deposed_tail_is_set_aside_and_can_be_read() {
    let bench = Bench::new(options()).await;
    for offset in 0..30 {
        bench.write((offset % 2) as u32, offset, 3000).await;
    }
    let (bench, mut recovered) = bench.kill().await;
    let mut frames = all(&mut recovered).await;
    frames.retain(|frame| frame.shard == ShardId(1));
    let path = bench.wal.set_aside(ShardId(1), Epoch(1), &frames).await.unwrap();
    assert_eq!(bench.wal.set_aside(ShardId(1), Epoch(1), &frames).await.unwrap(), path);
    assert!(matches!(bench.wal.set_aside(ShardId(1), Epoch(1), &[]).await, Err(WalError::Nothing)));
    bench.wal.release(ShardId(1), frames.last().unwrap().seq);
    let mut side = SideFile::open(&bench.sim.env, &path).await.unwrap();
    for frame in &frames {
        let read = side.next().await.unwrap().unwrap();
        assert_eq!(RecoveredFrame { seq: frame.seq, ..read }, *frame);
    }
    assert!(side.next().await.unwrap().is_none());
    spoil(&bench.sim.env, &path, 9000).await;
    let mut side = SideFile::open(&bench.sim.env, &path).await.unwrap();
    let first_error = loop {
        match side.next().await {
            Ok(frame) => assert!(frame.is_some()),
            Err(error) => break error,
        }
    };
    assert!(matches!(first_error, WalError::Damaged(_)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_the_machines_own_disk() {
    let dir = tempfile::tempdir().unwrap();
    let env = RealEnv::new(tokio::runtime::Handle::current());
    let options = WalOptions {
        dir: dir.path().join("wal"),
        file_bytes: 1 << 20,
        max_bytes: 16 << 20,
        buffer_bytes: 256 << 10,
        pace_from_bytes: 16 << 10,
        metrics: LogMetrics::default(),
    };
    let heard = Arc::new(Heard::default());
    let (wal, _) = Wal::open(env.clone(), options.clone(), heard.clone()).await.unwrap();
    let writers = (0..4u32).map(|shard| {
        let wal = wal.clone();
        tokio::spawn(async move {
            for offset in 0..250 {
                while let Err(full) = append(&wal, shard, offset, 4000) {
                    assert_eq!(full, WalFull::Busy);
                    wal.wait_for_space().await;
                }
            }
        })
    });
    for writer in writers.collect::<Vec<_>>() {
        writer.await.unwrap();
    }
    wal.close().await;
    assert!(heard.failed.lock().is_empty());
    let (wal, mut recovered) = Wal::open(env, options, heard).await.unwrap();
    let frames = all(&mut recovered).await;
    for shard in 0..4 {
        let mut own = frames.clone();
        own.retain(|frame| frame.shard == ShardId(shard));
        assert_eq!(offsets(&own), (0..250).collect::<Vec<_>>());
    }
    wal.close().await;
}
