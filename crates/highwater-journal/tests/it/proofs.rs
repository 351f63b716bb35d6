//! Sleepers: whoever wakes after garbage collection believes nothing it cannot prove.

use std::time::Duration;

use bytes::Bytes;
use highwater_journal::{Claim, TakeOverError, TrimPoint, WalkError, WriteError};
use highwater_store::{Fault, FaultRule, ReadRange, RequestKind, Store};
use highwater_types::Epoch;

use crate::world::{World, body, exists, options};

const GRACE: Duration = Duration::from_secs(20 * 60);

#[tokio::test(start_paused = true)]
async fn an_idle_leader_that_was_deposed_and_trimmed_acks_nothing() {
    let world = World::new(41);
    let trims = world.trims();
    let (old, new) = (world.broker(options()), world.broker(options()));
    let idle = old.journal.take_over(trims.clone(), Claim::Next, Bytes::new()).await.unwrap().writer;
    let taken = new.journal.take_over(trims.clone(), Claim::Next, Bytes::new()).await.unwrap();
    let committed = taken.writer.append(body("kept"), None, Bytes::new()).await.unwrap().await.unwrap();
    assert_eq!((taken.fence.number, committed.number), (1, 4));
    let point = taken.writer.start();
    assert_eq!(point, TrimPoint { number: 4, epoch: Epoch(2), window: 3 });
    assert!(trims.trim(Epoch(2), point));
    let left_at = trims.date().await;

    assert_eq!(new.journal.sweep(point, left_at, 100).await.unwrap().deleted, 0, "grace has not passed");
    world.sim.clock.advance(GRACE + GRACE / 5).await;
    assert_eq!(new.journal.sweep(point, left_at, 100).await.unwrap().deleted, 2);

    let before = world.bucket.len();
    let answer = idle.append(body("lost?"), None, Bytes::new()).await.unwrap().await;
    assert!(matches!(answer, Err(WriteError::Deposed { by: Some(Epoch(2)) })), "{answer:?}");
    assert_eq!(world.bucket.len(), before, "nothing was sent");
}

#[tokio::test(start_paused = true)]
async fn a_put_that_arrives_after_its_number_was_deleted_is_not_believed() {
    let world = World::new(42);
    let trims = world.trims();
    let (old, new) = (world.sleeper(options()), world.broker(options()));
    let writer = old.journal.take_over(trims.clone(), Claim::Next, Bytes::new()).await.unwrap().writer;
    // Sent in time, carried out after garbage collection.
    old.faults.script(FaultRule {
        kind: Some(RequestKind::Create),
        name_contains: "00001".into(),
        skip: 0,
        times: 1,
        fault: Fault::Late(GRACE * 2),
    });
    // The look at the deadline does not get through either.
    old.faults.script(FaultRule {
        kind: Some(RequestKind::Read),
        name_contains: "wal/".into(),
        skip: 0,
        times: 1,
        fault: Fault::DelayedAfter(GRACE * 3),
    });
    old.faults.script(FaultRule {
        kind: Some(RequestKind::Create),
        name_contains: "00001".into(),
        skip: 0,
        times: 10_000,
        fault: Fault::RequestLost,
    });
    let pending = writer.append(body("late"), None, Bytes::new()).await.unwrap();
    let taken = new.journal.take_over(trims.clone(), Claim::Next, Bytes::new()).await.unwrap();
    assert_eq!(taken.fence.number, 1);
    assert!(trims.trim(Epoch(2), taken.writer.start()));
    let left_at = trims.date().await;
    world.sim.clock.advance(GRACE + GRACE / 5).await;
    assert_eq!(new.journal.sweep(taken.writer.start(), left_at, 100).await.unwrap().deleted, 2);
    world.sim.clock.advance(GRACE).await;
    assert!(exists(&world.bucket, &new.journal.name(1)).await, "the deleted number was created again");
    let answer = pending.await;
    assert!(matches!(answer, Err(WriteError::Deposed { .. })), "{answer:?}");
    // Nobody else is misled by it either.
    let next = world.broker(options()).journal.take_over(trims, Claim::Next, Bytes::new()).await.unwrap();
    assert_eq!((next.fence.epoch, next.fence.number), (Epoch(3), 4));
}

#[tokio::test(start_paused = true)]
async fn a_reader_that_slept_does_not_serve_a_resurrected_number() {
    let world = World::new(43);
    let trims = world.trims();
    let (leader, reader) = (world.broker(options()), world.broker(options()));
    let mut tail = reader.journal.tail(trims.clone(), TrimPoint::GENESIS);
    assert!(tail.advance().await.unwrap().fences.is_empty());
    let taken = leader.journal.take_over(trims.clone(), Claim::Next, Bytes::new()).await.unwrap();
    taken.writer.append(body("x"), None, Bytes::new()).await.unwrap().await.unwrap();
    let fence = leader.journal.name(0);
    let fence = world.bucket.read(&fence, ReadRange::All { limit: 9999 }, None).await.unwrap().bytes;
    assert!(trims.trim(Epoch(1), taken.writer.point()));
    world.sim.clock.advance(GRACE * 2).await;
    for number in 0..2 {
        world.bucket.delete(&leader.journal.name(number)).await.unwrap();
    }
    world.bucket.create(&leader.journal.name(0), fence.into()).await.unwrap();
    let answer = tail.advance().await;
    assert!(matches!(answer, Err(WalkError::Trimmed { point }) if point.number == 2), "{answer:?}");
    // An old position is refused by a walk as well.
    let answer = reader.journal.walk(trims.clone(), Some(TrimPoint::GENESIS)).await;
    assert!(matches!(answer, Err(WalkError::Trimmed { .. })), "{answer:?}");
    assert_eq!(reader.journal.walk(trims, None).await.unwrap().end.number, 2);
}

#[tokio::test(start_paused = true)]
async fn a_leader_that_was_only_idle_goes_on() {
    let world = World::new(44);
    let trims = world.trims();
    let broker = world.broker(options());
    let writer = broker.journal.take_over(trims.clone(), Claim::Next, Bytes::new()).await.unwrap().writer;
    for number in 1..5 {
        world.sim.clock.advance(GRACE * 3).await;
        let committed = writer.append(body("x"), None, Bytes::new()).await.unwrap().await.unwrap();
        assert_eq!(committed.number, number);
        assert!(trims.trim(Epoch(1), writer.point_after(number).unwrap()));
    }
}

#[tokio::test(start_paused = true)]
async fn a_candidate_that_slept_before_its_fence_begins_again() {
    let world = World::new(45);
    let trims = world.trims();
    let (slow, quick) = (world.sleeper(options()), world.broker(options()));
    slow.faults.script(FaultRule {
        kind: Some(RequestKind::Create),
        name_contains: "wal/".into(),
        skip: 0,
        times: 1,
        fault: Fault::Late(GRACE * 2),
    });
    slow.faults.script(FaultRule {
        kind: Some(RequestKind::Read),
        name_contains: "wal/".into(),
        skip: 1,
        times: 1,
        fault: Fault::DelayedAfter(GRACE * 3),
    });
    let (journal, source) = (slow.journal.clone(), trims.clone());
    let waiting = tokio::spawn(async move { journal.take_over(source, Claim::Next, Bytes::new()).await });
    tokio::time::sleep(Duration::from_secs(1)).await;
    let taken = quick.journal.take_over(trims.clone(), Claim::Next, Bytes::new()).await.unwrap();
    assert!(trims.trim(Epoch(1), taken.writer.start()));
    let left_at = trims.date().await;
    world.sim.clock.advance(GRACE + GRACE / 5).await;
    assert_eq!(quick.journal.sweep(taken.writer.start(), left_at, 10).await.unwrap().deleted, 1);
    match waiting.await.unwrap() {
        Ok(late) => assert_eq!((late.fence.epoch, late.fence.number), (Epoch(2), 1)),
        Err(TakeOverError::Lost { .. }) => {}
        Err(error) => panic!("{error}"),
    }
    let walk = quick.journal.walk(trims, None).await.unwrap();
    assert_eq!(walk.from.number, 1);
    assert!(walk.fences.iter().all(|fence| fence.epoch == Epoch(2)));
}
