//! The manifest: snapshots, ownership by the epoch of the write-ahead journal, sweeping.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use highwater_journal::{JournalOptions, SnapshotJournal, TakeOverError, TrimSource, WriteError};
use highwater_store::Store;
use highwater_types::{Epoch, Incarnation};

use crate::world::{World, body};

fn manifest(world: &World, incarnation: u64) -> SnapshotJournal {
    let store: Arc<dyn Store> = world.bucket.clone();
    let options = JournalOptions { window: 2, ..JournalOptions::new("manifest") };
    SnapshotJournal::new(world.env(), store, Incarnation(incarnation), options)
}

#[tokio::test(start_paused = true)]
async fn the_newest_snapshot_and_the_edits_behind_it_are_the_state() {
    let world = World::new(51);
    let owner = manifest(&world, 1);
    let taken = owner.take_over(Epoch(3), Bytes::new()).await.unwrap();
    assert!(taken.snapshot.is_none() && taken.edits.is_empty());
    let writer = taken.taken.writer;
    assert_eq!(writer.epoch(), Epoch(3));
    let mut state = String::new();
    for at in 0..20u64 {
        let edit = format!("{at},");
        let pending = writer.append(body(&edit), None, Bytes::new()).await.unwrap();
        let committed = pending.await.unwrap();
        state.push_str(&edit);
        if at % 7 == 6 {
            owner.write_snapshot(writer.point_after(committed.number).unwrap(), body(&state)).await.unwrap();
            owner.write_snapshot(writer.point_after(committed.number).unwrap(), body(&state)).await.unwrap();
        }
    }
    let loaded = manifest(&world, 2).load().await.unwrap();
    let snapshot = loaded.snapshot.unwrap();
    assert_eq!(loaded.edits.len(), 6);
    let mut found = String::from_utf8(snapshot.bytes.to_vec()).unwrap();
    loaded.edits.iter().for_each(|(_, edit)| found.push_str(std::str::from_utf8(edit).unwrap()));
    assert_eq!(found, state);
    assert_eq!(loaded.end.number, writer.committed_prefix());

    let next = manifest(&world, 3).take_over(Epoch(4), Bytes::from_static(b"n")).await.unwrap();
    assert_eq!((next.snapshot.unwrap().point, next.edits.len()), (snapshot.point, 6));
    assert_eq!(next.taken.ended.epoch, Epoch(3));
    let late = writer.append(body("late"), None, Bytes::new()).await.unwrap().await;
    assert!(matches!(late, Err(WriteError::Deposed { by: Some(Epoch(4)) })), "{late:?}");
}

#[tokio::test(start_paused = true)]
async fn a_lower_or_equal_epoch_steps_down() {
    let world = World::new(52);
    let first = manifest(&world, 1).take_over(Epoch(2), Bytes::new()).await.unwrap();
    for epoch in [1, 2] {
        let refused = manifest(&world, 2).take_over(Epoch(epoch), Bytes::new()).await.err();
        assert!(matches!(refused, Some(TakeOverError::Lost { by: Epoch(2) })), "{refused:?}");
    }
    // Also when only the snapshot tells.
    let writer = first.taken.writer;
    let committed = writer.append(body("x"), None, Bytes::new()).await.unwrap().await.unwrap();
    let owner = manifest(&world, 1);
    owner.write_snapshot(writer.point_after(committed.number).unwrap(), body("x")).await.unwrap();
    let refused = manifest(&world, 2).take_over(Epoch(1), Bytes::new()).await.err();
    assert!(matches!(refused, Some(TakeOverError::Lost { by: Epoch(2) })), "{refused:?}");
    assert_eq!(manifest(&world, 3).take_over(Epoch(9), Bytes::new()).await.unwrap().taken.fence.epoch, Epoch(9));
}

#[tokio::test(start_paused = true)]
async fn what_a_snapshot_left_behind_is_deleted_after_the_grace() {
    let world = World::new(53);
    let owner = manifest(&world, 1);
    let writer = owner.take_over(Epoch(1), Bytes::new()).await.unwrap().taken.writer;
    for at in 0..30u64 {
        let committed = writer.append(body(&at.to_string()), None, Bytes::new()).await.unwrap().await.unwrap();
        if at % 10 == 9 {
            owner.write_snapshot(writer.point_after(committed.number).unwrap(), body("state")).await.unwrap();
        }
    }
    assert_eq!(world.bucket.len(), 34);
    let swept = owner.sweep(1000).await.unwrap();
    assert_eq!((swept.deleted, swept.more), (0, true));
    world.sim.clock.advance(Duration::from_secs(23 * 60)).await;
    let committed = writer.append(body("late"), None, Bytes::new()).await.unwrap().await.unwrap();
    owner.write_snapshot(writer.point_after(committed.number).unwrap(), body("newest")).await.unwrap();
    let swept = owner.sweep(1000).await.unwrap();
    assert_eq!((swept.deleted, swept.more), (33, true), "31 of the log and 2 snapshots; the newest has no grace yet");
    let (point, _) = owner.newest().await.unwrap();
    assert_eq!(point.number, committed.number + 1);
    let loaded = owner.load().await.unwrap();
    assert_eq!((loaded.snapshot.unwrap().bytes, loaded.edits.len()), (Bytes::from_static(b"newest"), 0));
    let next = manifest(&world, 2).take_over(Epoch(2), Bytes::new()).await.unwrap();
    assert_eq!(next.taken.fence.number, committed.number + 1);
    assert!(next.taken.ended.fence.is_none());
}
