//! What the bucket gives back damaged is never served, and asked for again.

use highwater_log::{OffsetQuery, ReadError};
use highwater_store::{Fault, FaultRule, RequestKind};

use crate::world::{Broker, World, values};

const OBJECT: &[(&str, &str)] = &[("highwater.durability", "object")];

/// A broker with one segment of four batches, and nothing of it in memory.
fn filled(world: &mut World) -> (Broker, highwater_types::TopicPartition) {
    world.shards = 1;
    let broker = world.start(1);
    let tp = broker.create("t", 1, OBJECT)[0];
    broker.append(tp, &[0, 1, 2, 3]).unwrap();
    broker.stop();
    (world.start(1), tp)
}

/// The next read of the data's chain is damaged.
fn damage_one_read(world: &World) {
    world.bucket.script(FaultRule {
        kind: Some(RequestKind::Read),
        name_contains: "/wal/".into(),
        skip: 0,
        times: 1,
        fault: Fault::Damaged,
    });
}

#[test]
fn a_damaged_read_is_an_error_and_the_next_one_asks_the_bucket_again() {
    let mut world = World::new(51);
    let (broker, tp) = filled(&mut world);
    damage_one_read(&world);
    let refused = broker.read_from(tp, 0);
    assert!(matches!(&refused, Err(ReadError::Storage(why)) if why.contains("checksum")), "{refused:?}");
    assert_eq!(values(&broker, tp), [0, 1, 2, 3]);
}

#[test]
fn neither_are_times_looked_up_in_damage() {
    let mut world = World::new(52);
    let (broker, tp) = filled(&mut world);
    damage_one_read(&world);
    let first = |broker: &Broker| {
        let partition = broker.partition(tp);
        broker.run(async move { partition.offset_for(OffsetQuery::Timestamp(0)).await })
    };
    let refused = first(&broker);
    assert!(matches!(&refused, Err(ReadError::Storage(why)) if why.contains("checksum")), "{refused:?}");
    assert_eq!(first(&broker).unwrap().unwrap().offset, 0);
}
