//! The real environment on a temporary directory.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::time::Duration;

use super::*;
use crate::disk::{ALIGNMENT, AlignedBuf, OpenMode};

fn env() -> Env {
    RealEnv::new(Handle::current())
}

#[tokio::test]
async fn direct_writes_read_back_and_seal_to_their_exact_length() {
    let dir = tempfile::tempdir().unwrap();
    let disk = env().disk;
    let path = dir.path().join("a");
    let file = disk.open(&path, OpenMode::CreateDirect).await.unwrap();
    file.reserve(3 * ALIGNMENT as u64).await.unwrap();
    assert_eq!(file.len().await.unwrap(), 0);
    let body: Vec<u8> = (0..5000u32).map(|i| i as u8).collect();
    let mut buffer = AlignedBuf::from_slice(&body);
    buffer.pad();
    let (buffer, outcome) = file.write_at(0, buffer, false).await;
    outcome.unwrap();
    assert_eq!(buffer.len(), 2 * ALIGNMENT);
    let meta = file.seal(5000, 1_700_000_000_123_457_000).await.unwrap();
    assert_eq!((meta.len, meta.modified_ns), (5000, 1_700_000_000_123_457_000));
    assert_eq!(&file.read_at(4095, 10_000).await.unwrap()[..], &body[4095..]);
    assert_eq!(file.read_at(9000, 10).await.unwrap().len(), 0);
    let again = disk.open(&path, OpenMode::Read).await.unwrap();
    assert_eq!(&again.read_at(0, 10_000).await.unwrap()[..], &body[..]);
    assert_eq!(
        disk.open(&path, OpenMode::CreateDirect).await.map(|_| ()).unwrap_err().kind(),
        std::io::ErrorKind::AlreadyExists
    );
    let unaligned = AlignedBuf::from_slice(b"x");
    assert!(file.write_at(0, unaligned, false).await.1.is_err());
}

#[tokio::test]
async fn preallocation_keeps_what_is_there() {
    let dir = tempfile::tempdir().unwrap();
    let disk = env().disk;
    let file = disk.open(&dir.path().join("a"), OpenMode::WriteDirect).await.unwrap();
    file.write_at(0, AlignedBuf::from_slice(&[5; ALIGNMENT]), true).await.1.unwrap();
    file.set_len(100).await.unwrap();
    file.preallocate(3_000_000).await.unwrap();
    assert!(file.len().await.unwrap() >= 3_000_000);
    let bytes = file.read_at(0, 3_000_000).await.unwrap();
    assert!(bytes[..100].iter().all(|byte| *byte == 5));
    assert!(bytes[100..].iter().all(|byte| *byte == 0));
}

#[tokio::test]
async fn a_lock_has_one_holder_and_says_who() {
    let dir = tempfile::tempdir().unwrap();
    let disk = env().disk;
    let path = dir.path().join("lock");
    let held = disk.lock(&path, "broker 1").await.unwrap();
    let refused = disk.lock(&path, "broker 2").await.map(|_| ()).unwrap_err();
    assert_eq!(refused.kind(), std::io::ErrorKind::WouldBlock);
    assert_eq!(disk.lock_note(&path).await.unwrap(), "broker 1");
    drop(held);
    disk.lock(&path, "broker 2").await.unwrap();
}

#[tokio::test]
async fn names() {
    let dir = tempfile::tempdir().unwrap();
    let disk = env().disk;
    let deep = dir.path().join("x/y/z");
    disk.create_dir_all(&deep).await.unwrap();
    disk.create_dir_all(&deep).await.unwrap();
    disk.open(&deep.join("a"), OpenMode::Write).await.unwrap();
    disk.hard_link(&deep.join("a"), &deep.join("b")).await.unwrap();
    let lost = disk.hard_link(&deep.join("a"), &deep.join("b")).await.unwrap_err();
    assert_eq!(lost.kind(), std::io::ErrorKind::AlreadyExists);
    disk.rename(&deep.join("b"), &deep.join("c")).await.unwrap();
    disk.sync_dir(&deep).await.unwrap();
    let mut names: Vec<_> = disk.read_dir(&deep).await.unwrap().into_iter().map(|entry| entry.name).collect();
    names.sort();
    assert_eq!(names, ["a", "c"]);
    assert_eq!(disk.read_dir(&deep.join("no")).await.unwrap_err().kind(), std::io::ErrorKind::NotFound);
    let (free, total) = disk.space(&deep).await.unwrap();
    assert!(free <= total && total > 0);
}

#[tokio::test]
async fn time_and_tasks() {
    let env = env();
    let start = env.now();
    env.sleep(Duration::from_millis(5)).await;
    assert!(env.now() - start >= Duration::from_millis(5));
    assert!(env.timeout(Duration::from_millis(1), std::future::pending::<()>()).await.is_err());
    assert!(env.wall_ms() > 1_600_000_000_000);
    let endless = env.spawn("endless", std::future::pending());
    endless.abort();
    endless.ended().await;
    env.spawn("panics", async { std::panic::resume_unwind(Box::new("boom")) }).ended().await;
    let (send, receive) = std::sync::mpsc::channel();
    env.tasks.blocking("work", Box::new(move || send.send(7).unwrap())).await;
    assert_eq!(receive.recv().unwrap(), 7);
    assert_ne!(env.random.next_u128(), env.random.next_u128());
    assert!((0..100).all(|_| env.random.below(10) < 10));
}

#[tokio::test]
async fn a_task_for_the_disk_has_a_thread_of_its_own_and_ends_by_itself_by_abort_and_by_panic() {
    let (env, census) = RealEnv::with_census(Handle::current());
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a");
    let disk = env.disk.clone();
    let (tell, told) = std::sync::mpsc::channel();
    let writes = env.spawn_for_disk("writes", async move {
        let file = disk.open(&path, OpenMode::CreateDirect).await.unwrap();
        let (_, outcome) = file.write_at(0, AlignedBuf::from_slice(&[5; ALIGNMENT]), true).await;
        outcome.unwrap();
        tell.send(std::thread::current().id()).unwrap();
    });
    writes.ended().await;
    assert_ne!(told.recv().unwrap(), std::thread::current().id());
    assert_eq!(std::fs::read(dir.path().join("a")).unwrap(), [5; ALIGNMENT]);
    let (clock, naps) = (env.clone(), [300, 1300].map(Duration::from_micros));
    let (tell, told) = std::sync::mpsc::channel();
    let sleeps = env.spawn_for_disk("sleeps", async move {
        for nap in naps {
            let start = clock.now();
            clock.sleep(nap).await;
            tell.send(clock.now() - start).unwrap();
        }
    });
    sleeps.ended().await;
    assert!(naps.into_iter().all(|nap| told.recv().unwrap() >= nap));
    let waits = env.spawn_for_disk("waits", std::future::pending());
    waits.abort();
    waits.ended().await;
    env.spawn_for_disk("panics", async { panic!("on purpose") }).ended().await;
    let counts = census.counts();
    assert_eq!(counts.len(), 4);
    assert!(counts.iter().all(|(_, count)| (count.running, count.started) == (0, 1)), "{counts:?}");
}
