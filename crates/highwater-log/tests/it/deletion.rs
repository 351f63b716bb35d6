//! DeleteRecords, deleted topics, and where epochs end.

use std::time::Duration;

use highwater_log::{Acks, AppendError, DeleteError, Isolation, OffsetQuery, ReadError};

use crate::faults::answered_after;
use crate::world::{World, plain, sequenced, values};

const LOCAL: &[(&str, &str)] = &[("highwater.durability", "local")];
const OBJECT: &[(&str, &str)] = &[("highwater.durability", "object")];

#[test]
fn deleted_records_stay_deleted() {
    for configs in [LOCAL, OBJECT] {
        let mut world = World::new(31);
        let broker = world.start(1);
        let tp = broker.create("t", 1, configs)[0];
        for value in 0..10 {
            broker.append(tp, &[value]).unwrap();
        }
        let delete = |broker: &crate::world::Broker, before| {
            let partition = broker.partition(tp);
            broker.run(async move { partition.delete_records(before).await })
        };
        assert_eq!(delete(&broker, Some(0)), Ok(0));
        assert_eq!(delete(&broker, Some(4)), Ok(4), "waits for the bucket by itself");
        assert_eq!(delete(&broker, Some(2)), Ok(4), "never back");
        assert_eq!(delete(&broker, Some(11)), Err(DeleteError::OutOfRange));
        assert_eq!(delete(&broker, Some(-2)), Err(DeleteError::OutOfRange));
        let values = |broker: &crate::world::Broker| -> Vec<u64> {
            broker.read_from(tp, 4).unwrap().into_iter().map(|seen| seen.value).collect()
        };
        assert!(matches!(broker.read_from(tp, 3), Err(ReadError::OutOfRange(_))));
        assert_eq!(values(&broker), [4, 5, 6, 7, 8, 9]);
        broker.kill();
        let broker = world.start(1);
        assert!(matches!(broker.read_from(tp, 3), Err(ReadError::OutOfRange(_))));
        assert_eq!(values(&broker), [4, 5, 6, 7, 8, 9]);
        broker.stop();

        let broker = world.start(2);
        let partition = broker.partition(tp);
        let earliest = broker.run(async move { partition.offset_for(OffsetQuery::Earliest).await }).unwrap().unwrap();
        assert_eq!(earliest.offset, 4, "another broker knows it");
        let end = broker.partition(tp).marks().unwrap().high_watermark;
        assert_eq!(delete(&broker, None), Ok(end), "everything");
        assert_eq!(broker.partition(tp).bytes().unwrap(), 0);
        assert_eq!(broker.append(tp, &[10]).unwrap().base_offset, end);
        assert_eq!(broker.append(tp, &[11]).unwrap().log_start_offset, end);
    }
}

#[test]
fn a_topic_deleted_while_its_segment_is_on_its_way_leaves_nothing_behind() {
    let mut world = World::new(32);
    world.shards = 1;
    let broker = world.start(1);
    let gone = broker.create("gone", 1, OBJECT)[0];
    let kept = broker.create("kept", 1, OBJECT)[0];
    for value in 0..2 {
        broker.append(kept, &[value]).unwrap();
    }
    // The third segment leads to an edit, which takes the deletion; the fourth holds what was deleted.
    answered_after(&world, 1, Duration::from_millis(500));
    let third = broker.try_append(kept, &plain(&[2]), Acks::All).unwrap();
    broker.tick(10);
    answered_after(&world, 1, Duration::from_secs(1));
    let partition = broker.partition(gone);
    let fourth = broker.try_append(gone, &plain(&[1, 2, 3]), Acks::All).unwrap();
    broker.tick(10);
    let meta = broker.meta.clone();
    broker.run(async move { meta.delete_topics(vec![gone.topic]).await })[0].as_ref().unwrap();
    broker.run(third).unwrap();
    assert_eq!(broker.run(fourth), Err(AppendError::Unknown));
    broker.tick(2_000);
    assert!(matches!(partition.marks(), Err(ReadError::Unknown)));
    assert!(broker.log.partition(gone).is_err(), "it does not come back as an empty one");
    for value in 3..9 {
        broker.append(kept, &[value]).unwrap();
    }
    assert_eq!(broker.log.recorded_partitions(), 1, "the manifest has forgotten it");
    assert_eq!(broker.log.unflushed_bytes(), 0, "nothing is on the account any more");
    broker.stop();
    let broker = world.start(1);
    assert!(broker.log.partition(gone).is_err());
    assert_eq!(broker.read_from(kept, 0).unwrap().len(), 9);
}

#[test]
fn epochs_end_where_the_next_one_begins() {
    let mut world = World::new(33);
    let broker = world.start(1);
    let tp = broker.create("t", 1, LOCAL)[0];
    broker.append(tp, &[1, 2]).unwrap();
    let first = broker.partition(tp).marks().unwrap().leader_epoch;
    let end = |broker: &crate::world::Broker, epoch| {
        let found = broker.partition(tp).epoch_end(epoch).unwrap();
        found.map(|end| (end.epoch.as_leader_epoch(), end.end_offset))
    };
    assert_eq!(end(&broker, first), Some((first, 2)));
    assert_eq!(end(&broker, first + 1), None);
    assert_eq!(end(&broker, first - 1), None);
    broker.kill();
    let broker = world.start(1);
    let second = broker.partition(tp).marks().unwrap().leader_epoch;
    assert!(second > first);
    assert_eq!(end(&broker, first), Some((first, 2)), "nothing was written since");
    broker.append(tp, &[3]).unwrap();
    assert_eq!(end(&broker, first), Some((first, 2)), "before and after it is flushed");
    broker.tick(11_000);
    assert_eq!(end(&broker, first), Some((first, 2)));
    assert_eq!(end(&broker, second), Some((second, 3)));
}

#[test]
fn producers_are_told() {
    let mut world = World::new(34);
    let broker = world.start(1);
    let tp = broker.create("t", 1, LOCAL)[0];
    let ticket = broker.try_append(tp, &sequenced(7, 2, 0, &[1, 2, 3]), Acks::All).unwrap();
    broker.run(ticket).unwrap();
    let producers = broker.partition(tp).producers().unwrap();
    assert_eq!(producers.len(), 1);
    assert_eq!((producers[0].producer_id, producers[0].epoch, producers[0].last_sequence), (7, 2, 2));
    assert!(broker.partition(tp).bytes().unwrap() > 0);
    assert_eq!(broker.partition(tp).readable_end(Isolation::ReadUncommitted), Ok(3));
}

#[test]
fn a_repetition_waits_for_the_edit_that_is_under_way() {
    let mut world = World::new(98);
    let broker = world.start(1);
    let tp = broker.create("t", 1, &[("highwater.durability", "object")])[0];
    for value in 0..10 {
        broker.append(tp, &[value]).unwrap();
    }
    // The edit that moves the log start never comes to be durable.
    world.refuse_creates("/manifest/log/");
    let delete = |before| {
        let partition = broker.partition(tp);
        let mut deleting = Box::pin(async move { partition.delete_records(Some(before)).await });
        broker.run(async { assert!(futures::FutureExt::now_or_never(&mut deleting).is_none(), "not durable") });
        broker.tick(2_000);
        broker.run(async { assert!(futures::FutureExt::now_or_never(&mut deleting).is_none(), "still not") });
    };
    delete(7);
    assert_eq!(broker.partition(tp).marks().unwrap().log_start, 7, "readers stop there at once");
    // Somebody asks for the same, or for less: what they are told must outlive a takeover.
    delete(7);
    delete(3);
    broker.kill();
    world.bucket.heal();
    let broker = world.start(2);
    assert_eq!(values(&broker, tp), (0..10).collect::<Vec<u64>>());
}
