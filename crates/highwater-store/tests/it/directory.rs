//! The directory store: crashes, leftovers, full disks, several processes.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use highwater_env::sim::DiskFaults;
use highwater_env::{Disk, SimEnv};
use highwater_store::{Body, DirectoryStore, ReadRange, Store, StoreErrorKind};

use crate::real_env;

const ALL: ReadRange = ReadRange::All { limit: 1 << 30 };

fn body(number: u64, len: usize) -> Vec<u8> {
    (0..len).map(|i| (i as u64 * 7 + number) as u8).collect()
}

/// Whatever was answered with success survives a power cut, whole; nothing half-written is ever
/// seen; what was not answered is there whole or not at all.
#[tokio::test]
async fn a_power_cut_keeps_every_acknowledged_object_whole() {
    let mut unacknowledged = [0, 0];
    for seed in 0..64 {
        let sim = SimEnv::new(seed);
        let mut acknowledged = Vec::new();
        for round in 0..3u64 {
            let store = DirectoryStore::open(&sim.env, "/data".as_ref()).await.unwrap();
            for number in 0..4u64 {
                let name = format!("wal/{round}/{number}");
                let put = store.create(&name, body(number, 3000 * (number as usize + 1)).into()).await.unwrap();
                acknowledged.push((name, number, put.etag));
            }
            // One that is cut: at every place in turn.
            sim.disk.stop_after(seed % 16);
            let answered = store.create("cut/x", body(9, 5000).into()).await;
            sim.disk.crash(seed * 31 + round);
            let store = DirectoryStore::open(&sim.env, "/data".as_ref()).await.unwrap();
            for (name, number, etag) in &acknowledged {
                let read = store.read(name, ALL, Some(etag)).await.unwrap();
                assert!(read.bytes == body(*number, 3000 * (*number as usize + 1)), "{name}, seed {seed}");
            }
            match store.read("cut/x", ALL, None).await {
                Ok(read) => {
                    assert!(read.bytes == body(9, 5000), "half an object, seed {seed}");
                    unacknowledged[0] += 1;
                }
                Err(error) => {
                    assert_eq!(error.kind, StoreErrorKind::NotFound);
                    assert!(answered.is_err(), "an acknowledged object is gone, seed {seed}");
                    unacknowledged[1] += 1;
                }
            }
            store.delete("cut/x").await.unwrap();
            let staged = sim.disk.read_dir(Path::new("/data/.staging")).await.unwrap();
            assert!(staged.iter().all(|entry| entry.name.ends_with(".lock")), "{staged:?}");
        }
    }
    assert!(unacknowledged.iter().all(|count| *count > 0), "both ends occur: {unacknowledged:?}");
}

#[tokio::test]
async fn a_full_disk_and_a_failed_sync_take_no_effect() {
    let sim = SimEnv::new(1);
    let store = DirectoryStore::open(&sim.env, "/data".as_ref()).await.unwrap();
    for faults in
        [DiskFaults { full: true, ..DiskFaults::default() }, DiskFaults { fail_sync: true, ..DiskFaults::default() }]
    {
        sim.disk.set_faults(faults);
        let error = store.create("a", "x".into()).await.unwrap_err();
        assert_eq!(error.kind, StoreErrorKind::Unavailable, "{error}");
        sim.disk.set_faults(DiskFaults::default());
        assert_eq!(store.read("a", ALL, None).await.unwrap_err().kind, StoreErrorKind::NotFound);
    }
    store.create("a", "x".into()).await.unwrap();
    sim.disk.set_faults(DiskFaults { fail_read: true, ..DiskFaults::default() });
    assert_eq!(store.read("a", ALL, None).await.unwrap_err().kind, StoreErrorKind::Unavailable);
}

#[tokio::test]
async fn a_caller_who_goes_away_leaves_a_whole_object_and_no_leftover() {
    let sim = SimEnv::new(1);
    let store = DirectoryStore::open(&sim.env, "/data".as_ref()).await.unwrap();
    sim.disk.set_faults(DiskFaults { slow_sync: Some(Duration::from_secs(1)), ..DiskFaults::default() });
    let mut put = Box::pin(store.create("a", "x".into()));
    for _ in 0..10 {
        assert!(futures::poll!(&mut put).is_pending());
        tokio::task::yield_now().await;
    }
    drop(put);
    assert_eq!(store.read("a", ALL, None).await.unwrap_err().kind, StoreErrorKind::NotFound);
    sim.clock.advance(Duration::from_secs(5)).await;
    assert_eq!(&store.read("a", ALL, None).await.unwrap().bytes[..], b"x");
    let staged = sim.disk.read_dir(Path::new("/data/.staging")).await.unwrap();
    assert_eq!(staged.len(), 1, "{staged:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn two_openers_do_not_sweep_each_other_and_race_fairly() {
    let directory = tempfile::tempdir().unwrap();
    let env = real_env();
    let one = DirectoryStore::open(&env, directory.path()).await.unwrap();
    let stale = directory.path().join(".staging/0123456789abcdef-7");
    std::fs::write(&stale, "left over").unwrap();
    let writer = {
        let one = one.clone();
        tokio::spawn(async move {
            for number in 0..30u64 {
                one.create(&format!("one/{number}"), body(number, 300_000).into()).await.unwrap();
            }
        })
    };
    for _ in 0..10 {
        let other = DirectoryStore::open(&env, directory.path()).await.unwrap();
        assert!(!stale.exists());
        let name = format!("race/{}", env.random.next_u64());
        let (a, b) = futures::join!(one.create(&name, "a".into()), other.create(&name, "b".into()));
        assert_eq!(usize::from(a.is_ok()) + usize::from(b.is_ok()), 1);
    }
    writer.await.unwrap();
}

#[tokio::test]
async fn versions_survive_a_restart_and_a_copy_of_the_directory() {
    let directory = tempfile::tempdir().unwrap();
    let env = real_env();
    let store = DirectoryStore::open(&env, directory.path()).await.unwrap();
    let put = store.create("a/b", Body::from("x")).await.unwrap();
    drop(store);
    let copy = tempfile::tempdir().unwrap();
    let status = std::process::Command::new("cp").arg("-a").arg(directory.path()).arg(copy.path().join("d")).status();
    assert!(status.unwrap().success());
    for place in [directory.path().to_path_buf(), copy.path().join("d")] {
        let store: Arc<dyn Store> = Arc::new(DirectoryStore::open(&env, &place).await.unwrap());
        assert_eq!(store.read("a/b", ALL, Some(&put.etag)).await.unwrap().etag, put.etag);
        assert_eq!(store.list("", None, 10).await.unwrap().objects.len(), 1);
    }
}
