//! The simulated world: its clock, and what its disk loses.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::disk::{ALIGNMENT, AlignedBuf, Disk, OpenMode};
use crate::random::Random;

#[tokio::test]
async fn the_manual_clock_follows_a_chain_of_sleeps_in_order() {
    let sim = SimEnv::new(1);
    let ticks = Arc::new(AtomicU64::new(0));
    let (env, seen) = (sim.env.clone(), ticks.clone());
    let task = sim.env.spawn("ticker", async move {
        for _ in 0..5 {
            env.sleep(Duration::from_secs(1)).await;
            seen.fetch_add(1, Ordering::SeqCst);
        }
    });
    sim.clock.advance(Duration::from_millis(3500)).await;
    assert_eq!(ticks.load(Ordering::SeqCst), 3);
    sim.clock.advance(Duration::from_secs(10)).await;
    task.ended().await;
    let wall = sim.env.wall_ms();
    sim.clock.suspend(Duration::from_secs(3600));
    assert_eq!(sim.env.wall_ms() - wall, 3_600_000);
    sim.clock.jump_wall(-5000);
    assert_eq!(sim.env.wall_ms() - wall, 3_595_000);
}

#[tokio::test]
async fn a_dropped_sleep_is_forgotten() {
    let sim = SimEnv::new(1);
    let mut sleep = sim.env.sleep(Duration::from_secs(1));
    assert!(futures::poll!(&mut sleep).is_pending());
    assert!(sim.clock.next_deadline().is_some());
    drop(sleep);
    assert!(sim.clock.next_deadline().is_none());
}

#[tokio::test]
async fn the_same_seed_gives_the_same_numbers() {
    let draw = |seed| (0..10).map(|_| SimRandom::new(seed).next_u64()).collect::<Vec<_>>();
    assert_eq!(draw(7), draw(7));
    assert_ne!(draw(7), draw(8));
}

#[tokio::test]
async fn faults_switch_on_and_off() {
    let sim = SimEnv::new(1);
    let path = Path::new("/a");
    let file = sim.disk.open(path, OpenMode::WriteDirect).await.unwrap();
    let page = || AlignedBuf::from_slice(&[1; ALIGNMENT]);
    file.preallocate(ALIGNMENT as u64).await.unwrap();
    sim.disk.set_faults(DiskFaults { full: true, ..DiskFaults::default() });
    file.write_at(0, page(), true).await.1.unwrap();
    let error = file.write_at(ALIGNMENT as u64, page(), true).await.1.unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::StorageFull);
    sim.disk.set_faults(DiskFaults { fail_sync: true, ..DiskFaults::default() });
    assert!(file.write_at(0, page(), true).await.1.is_err());
    sim.disk.set_faults(DiskFaults::default());
    assert!(file.sync().await.is_err(), "a failed sync is final");
}

#[tokio::test]
async fn names_without_a_sync_of_the_directory_may_be_lost_and_locks_are_freed() {
    let mut outcomes = std::collections::BTreeSet::new();
    for seed in 0..32 {
        let sim = SimEnv::new(seed);
        sim.disk.create_dir_all(Path::new("/d")).await.unwrap();
        sim.disk.open(Path::new("/d/kept"), OpenMode::Create).await.unwrap();
        sim.disk.sync_dir(Path::new("/d")).await.unwrap();
        sim.disk.open(Path::new("/d/new"), OpenMode::Create).await.unwrap();
        let _lock = sim.disk.lock(Path::new("/d/lock"), "me").await.unwrap();
        assert!(sim.disk.lock(Path::new("/d/lock"), "you").await.is_err());
        sim.disk.crash(seed);
        let names: Vec<_> = sim.disk.read_dir(Path::new("/d")).await.unwrap().into_iter().map(|e| e.name).collect();
        assert!(names.contains(&"kept".to_owned()));
        outcomes.insert(names.contains(&"new".to_owned()));
        sim.disk.lock(Path::new("/d/lock"), "you").await.unwrap();
    }
    assert_eq!(outcomes.len(), 2, "both outcomes occur");
}

proptest! {
    /// Synced pages survive; an unsynced page is, sector by sector, old or new.
    #[test]
    fn a_crash_keeps_what_was_synced(pages in prop::collection::vec((0..8u64, any::<u8>(), any::<bool>()), 1..20), seed: u64) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let sim = SimEnv::new(seed);
            let path = Path::new("/a");
            let file = sim.disk.open(path, OpenMode::WriteDirect).await.unwrap();
            sim.disk.sync_dir(Path::new("/")).await.unwrap();
            let mut possible = vec![std::collections::BTreeSet::from([0u8]); 8];
            for (page, fill, sync) in pages {
                file.write_at(page * ALIGNMENT as u64, AlignedBuf::from_slice(&[fill; ALIGNMENT]), false).await.1.unwrap();
                possible[page as usize].insert(fill);
                if sync {
                    file.sync().await.unwrap();
                    let bytes = file.read_at(0, 8 * ALIGNMENT).await.unwrap();
                    for (page, set) in possible.iter_mut().enumerate() {
                        *set = std::collections::BTreeSet::from([bytes.get(page * ALIGNMENT).copied().unwrap_or(0)]);
                    }
                }
            }
            sim.disk.crash(seed);
            assert!(file.sync().await.is_err());
            let bytes = sim.disk.open(path, OpenMode::Read).await.unwrap().read_at(0, 8 * ALIGNMENT).await.unwrap();
            for (index, sector) in bytes.chunks(512).enumerate() {
                assert!(sector.iter().all(|byte| *byte == sector[0]));
                assert!(possible[index / 8].contains(&sector[0]));
            }
        });
    }
}
