//! One writer at a time: appends, acks, retries, hedges, holes, hand-over.

use std::time::Duration;

use bytes::Bytes;
use highwater_journal::{Claim, Corruption, TakeOverError, TrimPoint, WalkError, WriteError};
use highwater_store::{Body, Fault, FaultRule, RequestKind, Store};
use highwater_types::Epoch;

use crate::world::{World, body, options};

fn create_fault(name_contains: &str, times: u32, fault: Fault) -> FaultRule {
    FaultRule { kind: Some(RequestKind::Create), name_contains: name_contains.into(), skip: 0, times, fault }
}

#[tokio::test(start_paused = true)]
async fn entries_are_committed_in_order_and_read_back() {
    let world = World::new(1);
    let (broker, trims) = (world.broker(options()), world.trims());
    let taken = broker.journal.take_over(trims.clone(), Claim::Next, Bytes::from_static(b"reserve=0")).await.unwrap();
    assert_eq!((taken.fence.number, taken.fence.epoch, taken.chain.len()), (0, Epoch(1), 0));
    assert_eq!((taken.ended.epoch, taken.ended.window, taken.ended.fence), (Epoch::NONE, 1, None));
    let writer = taken.writer;
    let mut pending = Vec::new();
    for at in 0..10 {
        let payload = Body::from(vec![Bytes::from(format!("head {at} ")), Bytes::from(format!("tail {at}"))]);
        pending.push(writer.append(payload, None, Bytes::from(format!("a{at}"))).await.unwrap());
    }
    for (number, pending) in (1..).zip(pending) {
        let committed = pending.await.unwrap();
        assert_eq!((committed.number, committed.epoch), (number, Epoch(1)));
        assert!(committed.etag.is_some());
    }
    assert_eq!(writer.committed_prefix(), 11);
    assert_eq!(writer.point_after(10), Some(TrimPoint { number: 11, epoch: Epoch(1), window: 3 }));
    assert_eq!(writer.point_after(11), None);
    assert_eq!(writer.point_after(0), None);

    let other = world.broker(options());
    let next = other.journal.take_over(trims.clone(), Claim::Next, Bytes::new()).await.unwrap();
    assert_eq!((next.fence.number, next.fence.epoch), (11, Epoch(2)));
    assert_eq!(next.ended.fence.as_ref().unwrap().attributes, &b"reserve=0"[..]);
    assert_eq!(next.chain.len(), 10);
    for (at, entry) in next.chain.iter().enumerate() {
        assert_eq!(entry.attributes, format!("a{at}"));
        let payload = other.journal.read_payload(entry, 0..entry.payload_len).await.unwrap();
        assert_eq!(payload, format!("head {at} tail {at}"));
        assert_eq!(other.journal.read_payload(entry, 0..4).await.unwrap(), "head");
        assert!(other.journal.read_payload(entry, 0..entry.payload_len + 1).await.is_err());
    }
    // The new epoch goes on behind the window of the old one.
    let committed = next.writer.append(body("x"), None, Bytes::new()).await.unwrap().await.unwrap();
    assert_eq!(committed.number, 14);
    // The old leader hears of it with its next put, and by nothing else.
    let late = writer.append(body("too late"), None, Bytes::new()).await.unwrap().await;
    assert!(matches!(late, Err(WriteError::Deposed { by: Some(Epoch(2)) })), "{late:?}");
    assert!(matches!(writer.ended().await, WriteError::Deposed { by: Some(Epoch(2)) }));
    assert!(writer.append(body("never"), None, Bytes::new()).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn lost_answers_are_looked_up_and_not_written_twice() {
    let world = World::new(2);
    let (broker, trims) = (world.broker(options()), world.trims());
    broker.faults.script(create_fault("wal/", 1, Fault::ResponseLost));
    let taken = broker.journal.take_over(trims.clone(), Claim::Next, Bytes::new()).await.unwrap();
    assert_eq!(taken.fence.epoch, Epoch(1));
    broker.faults.script(create_fault("00001", 3, Fault::ResponseLost));
    broker.faults.script(create_fault("00002", 2, Fault::RequestLost));
    broker.faults.script(create_fault("00003", 1, Fault::Late(Duration::from_millis(10))));
    broker.faults.script(create_fault("00004", 2, Fault::Throttled));
    let mut pending = Vec::new();
    for at in 0..4 {
        pending.push(taken.writer.append(body(&format!("{at}")), None, Bytes::new()).await.unwrap());
    }
    for (number, pending) in (1..).zip(pending) {
        assert_eq!(pending.await.unwrap().number, number);
    }
    let walk = broker.journal.walk(trims, None).await.unwrap();
    assert_eq!(walk.entries.len(), 4);
    assert_eq!(walk.end.number, 5);
    assert_eq!(world.bucket.len(), 5);
}

#[tokio::test(start_paused = true)]
async fn a_put_without_an_answer_is_looked_up_at_its_deadline() {
    let world = World::new(3);
    let (broker, trims) = (world.broker(options()), world.trims());
    let taken = broker.journal.take_over(trims, Claim::Next, Bytes::new()).await.unwrap();
    broker.faults.script(create_fault("00001", 1, Fault::DelayedAfter(Duration::from_secs(300))));
    let began = world.env().now();
    let committed = taken.writer.append(body("x"), None, Bytes::new()).await.unwrap().await.unwrap();
    assert_eq!(committed.number, 1);
    let took = world.env().now().since(began);
    assert!(took >= Duration::from_secs(30) && took < Duration::from_secs(40), "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn acks_wait_for_the_hole_and_a_hole_left_by_a_crash_is_fenced() {
    let world = World::new(4);
    let (broker, trims) = (world.broker(options()), world.trims());
    let taken = broker.journal.take_over(trims.clone(), Claim::Next, Bytes::new()).await.unwrap();
    let mut pending = vec![taken.writer.append(body("1"), None, Bytes::new()).await.unwrap()];
    assert!(pending.pop().unwrap().await.is_ok());
    // 2 never arrives, 3 and 4 do, 5 is beyond the window.
    broker.faults.script(create_fault("00002", 1000, Fault::DelayedBefore(Duration::from_secs(3600))));
    for at in 2..=5 {
        pending.push(taken.writer.append(body(&at.to_string()), None, Bytes::new()).await.unwrap());
    }
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert!(pending.iter_mut().all(|pending| futures::FutureExt::now_or_never(pending).is_none()));
    assert_eq!(world.bucket.len(), 4, "fence, 1, 3, 4; 5 waits for the window");
    assert_eq!(taken.writer.committed_prefix(), 2);
    assert_eq!(taken.writer.oldest_put_age().map(|age| age.as_secs()), Some(5));

    let other = world.broker(options());
    let next = other.journal.take_over(trims.clone(), Claim::Next, Bytes::new()).await.unwrap();
    assert_eq!(next.fence.number, 2);
    assert_eq!(next.chain.iter().map(|entry| entry.number).collect::<Vec<_>>(), [1]);
    let committed = next.writer.append(body("new"), None, Bytes::new()).await.unwrap().await.unwrap();
    assert_eq!(committed.number, 5, "behind the window of the ended epoch");
    broker.faults.heal();
    for pending in pending {
        assert!(matches!(pending.await, Err(WriteError::Deposed { by: Some(Epoch(2)) })));
    }
    let walk = other.journal.walk(trims, None).await.unwrap();
    assert_eq!(walk.entries.iter().map(|entry| entry.number).collect::<Vec<_>>(), [1, 5]);
    assert_eq!(walk.fences.iter().map(|fence| fence.number).collect::<Vec<_>>(), [0, 2]);
}

#[tokio::test(start_paused = true)]
async fn a_slow_put_is_hedged_within_the_budget() {
    let world = World::new(5);
    let (broker, trims) = (world.broker(options()), world.trims());
    let taken = broker.journal.take_over(trims, Claim::Next, Bytes::new()).await.unwrap();
    for _ in 0..60 {
        taken.writer.append(body("x"), None, Bytes::new()).await.unwrap().await.unwrap();
    }
    broker.faults.script(create_fault("wal/", 1, Fault::DelayedBefore(Duration::from_secs(20))));
    let began = world.env().now();
    taken.writer.append(body("slow"), None, Bytes::new()).await.unwrap().await.unwrap();
    let took = world.env().now().since(began);
    assert!(took < Duration::from_millis(100), "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_there_stops_the_journal() {
    let world = World::new(6);
    let (broker, trims) = (world.broker(options()), world.trims());
    let taken = broker.journal.take_over(trims.clone(), Claim::Next, Bytes::new()).await.unwrap();
    taken.writer.append(body("x"), None, Bytes::new()).await.unwrap().await.unwrap();
    world.bucket.create(&broker.journal.name(2), body("garbage")).await.unwrap();
    let stopped = taken.writer.append(body("y"), None, Bytes::new()).await.unwrap().await;
    assert!(matches!(stopped, Err(WriteError::Corrupt(Corruption::Unreadable { number: 2, .. }))), "{stopped:?}");
    let other = world.broker(options());
    let failed = other.journal.take_over(trims.clone(), Claim::Next, Bytes::new()).await.err();
    assert!(matches!(failed, Some(TakeOverError::Corrupt(_))), "{failed:?}");
    let failed = other.journal.walk(trims, None).await;
    assert!(matches!(failed, Err(WalkError::Corrupt(_))), "{failed:?}");
}

#[tokio::test(start_paused = true)]
async fn a_closed_writer_has_brought_everything_to_its_end() {
    let world = World::new(7);
    let (broker, trims) = (world.broker(options()), world.trims());
    let taken = broker.journal.take_over(trims.clone(), Claim::Next, Bytes::new()).await.unwrap();
    broker.faults.script(create_fault("00002", 1, Fault::DelayedBefore(Duration::from_secs(3))));
    let mut pending = Vec::new();
    for at in 0..8 {
        pending.push(taken.writer.append(body(&at.to_string()), None, Bytes::new()).await.unwrap());
    }
    taken.writer.close().await;
    for pending in pending {
        pending.await.unwrap();
    }
    assert!(matches!(taken.writer.append(body("x"), None, Bytes::new()).await, Err(WriteError::Closed)));
    assert_eq!(broker.journal.walk(trims, None).await.unwrap().entries.len(), 8);
}

#[tokio::test(start_paused = true)]
async fn a_full_queue_pushes_back() {
    let world = World::new(8);
    let (broker, trims) = (world.broker(options()), world.trims());
    let taken = broker.journal.take_over(trims, Claim::Next, Bytes::new()).await.unwrap();
    broker.faults.script(create_fault("00001", 1, Fault::DelayedBefore(Duration::from_secs(3))));
    let mut pending = Vec::new();
    let full = loop {
        match taken.writer.try_append(body("x"), None, Bytes::new()) {
            Ok(next) => pending.push(next),
            Err(error) => break error,
        }
    };
    assert!(matches!(full, WriteError::Full) && pending.len() == 19, "{full:?} {}", pending.len());
    let too_large = taken.writer.try_append(body("x"), None, Bytes::from(vec![0; 1025]));
    assert!(matches!(too_large, Err(WriteError::Full)));
    for pending in pending {
        pending.await.unwrap();
    }
    let too_large = taken.writer.try_append(body("x"), None, Bytes::from(vec![0; 1025]));
    assert!(matches!(too_large, Err(WriteError::TooLarge(_))));
}

#[tokio::test(start_paused = true)]
async fn a_tail_follows_the_chain_through_fences() {
    let world = World::new(9);
    let trims = world.trims();
    let reader = world.broker(options());
    let mut tail = reader.journal.tail(trims.clone(), TrimPoint::GENESIS);
    assert_eq!(tail.advance().await.unwrap(), highwater_journal::Advanced::default());
    let mut numbers = Vec::new();
    for round in 1..=3u32 {
        let broker = world.broker(options());
        let taken = broker.journal.take_over(trims.clone(), Claim::Next, Bytes::new()).await.unwrap();
        assert_eq!(taken.fences.len() + 1, round as usize);
        for _ in 0..5 {
            let pending = taken.writer.append(body("x"), None, Bytes::new()).await.unwrap();
            numbers.push(pending.await.unwrap().number);
            if numbers.len().is_multiple_of(4) {
                tail.advance().await.unwrap();
            }
        }
    }
    assert_eq!(tail.position().number, *numbers.get(11).unwrap() + 1);
    let rest = tail.advance().await.unwrap();
    assert_eq!(rest.entries.iter().map(|entry| entry.number).collect::<Vec<_>>(), numbers[12..]);
}
