//! One broker at a time: offsets, reads anywhere, restarts.

use highwater_log::{Acks, AppendError, Isolation, OffsetQuery, PartitionError, ReadError, ReadRequest};
use highwater_types::{TopicId, TopicPartition};

use crate::world::{World, plain, sequenced};

const LOCAL: (&str, &str) = ("highwater.durability", "local");
const OBJECT: (&str, &str) = ("highwater.durability", "object");

#[test]
fn every_offset_can_be_read_from_memory_and_from_the_bucket() {
    for durability in [LOCAL, OBJECT] {
        let mut world = World::new(1);
        let broker = world.start(1);
        let tp = broker.create("t", 1, &[durability])[0];
        let mut next = 0;
        for round in 0..200u64 {
            let values: Vec<u64> = (0..1 + round % 5).map(|n| round * 10 + n).collect();
            let appended = broker.append(tp, &values).unwrap();
            assert_eq!(appended.base_offset, next);
            next += values.len() as i64;
        }
        broker.tick(2_000);
        let all = broker.read_from(tp, 0).unwrap();
        assert_eq!(all.len() as i64, next);
        for (offset, seen) in all.iter().enumerate() {
            assert_eq!(seen.offset, offset as i64);
        }
        for from in (0..next).step_by(7) {
            assert_eq!(broker.read_from(tp, from).unwrap(), all[from as usize..]);
        }
        broker.stop();
        let broker = world.start(1);
        assert_eq!(broker.read_from(tp, 0).unwrap(), all, "after an orderly restart ({durability:?})");
        broker.kill();
        let broker = world.start(1);
        assert_eq!(broker.read_from(tp, 0).unwrap(), all, "after a kill ({durability:?})");
    }
}

#[test]
fn offsets_out_of_range_and_unknown_partitions_say_so() {
    let mut world = World::new(2);
    let broker = world.start(1);
    let tp = broker.create("t", 1, &[LOCAL])[0];
    broker.append(tp, &[1, 2, 3]).unwrap();
    assert!(matches!(broker.read_from(tp, 4), Err(ReadError::OutOfRange(marks)) if marks.log_end == 3));
    assert!(matches!(broker.read_from(tp, -1), Err(ReadError::OutOfRange(_))));
    assert_eq!(broker.read_from(tp, 3).unwrap(), Vec::new());
    let beyond = TopicPartition { topic: tp.topic, partition: 1 };
    assert_eq!(broker.log.partition(beyond).err(), Some(PartitionError::Unknown));
    let nobody = TopicPartition { topic: TopicId::ZERO, partition: 0 };
    assert_eq!(broker.log.partition(nobody).err(), Some(PartitionError::Unknown));
}

#[test]
fn a_repeated_batch_is_answered_with_its_first_offset_even_after_restarts() {
    for durability in [LOCAL, OBJECT] {
        let mut world = World::new(3);
        let mut broker = world.start(1);
        let tp = broker.create("t", 1, &[durability])[0];
        for n in 0..4 {
            let batch = sequenced(9, 0, n, &[u64::from(n.cast_unsigned())]);
            let ticket = broker.try_append(tp, &batch, Acks::All).unwrap();
            assert_eq!(broker.run(ticket).unwrap().base_offset, i64::from(n));
        }
        for restart in 0..3 {
            let batch = sequenced(9, 0, 3, &[3]);
            let ticket = broker.try_append(tp, &batch, Acks::All).unwrap();
            assert_eq!(broker.run(ticket).unwrap().base_offset, 3, "restart {restart}, {durability:?}");
            let gap = broker.try_append(tp, &sequenced(9, 0, 5, &[5]), Acks::All);
            assert!(matches!(gap.err(), Some(AppendError::OutOfOrderSequence { expected: 4, got: 5, .. })));
            if restart == 0 {
                broker.kill();
            } else {
                broker.stop();
            }
            broker = world.start(1);
        }
        assert_eq!(broker.read_from(tp, 0).unwrap().len(), 4);
    }
}

#[test]
fn bad_batches_are_refused_and_change_nothing() {
    let mut world = World::new(4);
    let broker = world.start(1);
    let tp = broker.create("t", 1, &[LOCAL, ("max.message.bytes", "200")])[0];
    let mut corrupt = plain(&[1]).to_vec();
    *corrupt.last_mut().unwrap() ^= 1;
    let corrupt = broker.try_append(tp, &corrupt.into(), Acks::All);
    assert!(matches!(corrupt.err(), Some(AppendError::Corrupt(_))));
    let large = broker.try_append(tp, &plain(&(0..100).collect::<Vec<_>>()), Acks::All);
    assert!(matches!(large.err(), Some(AppendError::TooLarge { limit: 200, .. })));
    assert_eq!(broker.append(tp, &[1]).unwrap().base_offset, 0);
}

#[test]
fn acks_of_object_topics_wait_for_the_bucket_and_local_ones_for_the_disk() {
    let mut world = World::new(5);
    let broker = world.start(1);
    let local = broker.create("local", 1, &[LOCAL])[0];
    let object = broker.create("object", 1, &[OBJECT])[0];
    broker.append(local, &[1]).unwrap();
    assert!(broker.log.unflushed_bytes() > 0, "acknowledged by the write-ahead log");
    broker.append(object, &[1]).unwrap();
    broker.tick(2_000);
    assert_eq!(broker.log.unflushed_bytes(), 0);
    let marks = broker.partition(local).marks().unwrap();
    assert_eq!((marks.high_watermark, marks.log_end), (1, 1));
}

#[test]
fn offsets_are_found_by_time_and_by_end() {
    let mut world = World::new(6);
    let broker = world.start(1);
    let tp = broker.create("t", 1, &[LOCAL, ("message.timestamp.type", "LogAppendTime")])[0];
    let mut times = Vec::new();
    for n in 0..50 {
        times.push(broker.append(tp, &[n]).unwrap().log_append_time_ms);
        broker.tick(100);
    }
    let partition = broker.partition(tp);
    for (offset, time) in times.iter().enumerate() {
        let found = broker.run(partition.offset_for(OffsetQuery::Timestamp(*time))).unwrap().unwrap();
        assert_eq!((found.offset, found.timestamp_ms), (offset as i64, *time));
    }
    let none = broker.run(partition.offset_for(OffsetQuery::Timestamp(times[49] + 1))).unwrap();
    assert_eq!(none, None);
    let last = broker.run(partition.offset_for(OffsetQuery::MaxTimestamp)).unwrap().unwrap();
    assert_eq!(last.offset, 49);
    let end = broker.run(partition.offset_for(OffsetQuery::Latest(Isolation::ReadUncommitted))).unwrap().unwrap();
    assert_eq!(end.offset, 50);
}

#[test]
fn a_deleted_topic_is_gone_and_its_name_comes_back_empty() {
    let mut world = World::new(7);
    let broker = world.start(1);
    let old = broker.create("t", 1, &[LOCAL])[0];
    broker.append(old, &[1, 2]).unwrap();
    let partition = broker.partition(old);
    let meta = broker.meta.clone();
    broker.run(async move { meta.delete_topics(vec![old.topic]).await })[0].as_ref().unwrap();
    broker.tick(10);
    let request =
        ReadRequest { offset: 0, max_bytes: 100, at_least_one_batch: true, isolation: Isolation::ReadUncommitted };
    assert!(matches!(broker.run(partition.read(request)).err(), Some(ReadError::Unknown)));
    let new = broker.create("t", 1, &[LOCAL])[0];
    assert_ne!(new.topic, old.topic);
    assert_eq!(broker.read_from(new, 0).unwrap(), Vec::new());
    assert_eq!(broker.append(new, &[7]).unwrap().base_offset, 0);
    broker.kill();
    let broker = world.start(1);
    assert_eq!(broker.log.partition(old).err(), Some(PartitionError::Unknown));
    assert_eq!(broker.read_from(new, 0).unwrap().len(), 1);
}
