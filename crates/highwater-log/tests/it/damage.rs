//! What the bucket gives back damaged is never served, and asked for again.

use std::path::Path;

use highwater_env::AlignedBuf;
use highwater_env::disk::OpenMode;
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

/// Changes a bit of a broker's write-ahead log, where this value lies.
fn spoil_log(world: &World, broker: &Broker, value: u64) {
    let disk = world.sim.env.disk.clone();
    let value = value.to_be_bytes();
    broker.run(async move {
        for entry in disk.read_dir(Path::new("/wal-1")).await.unwrap() {
            let file = disk.open(&Path::new("/wal-1").join(&entry.name), OpenMode::Write).await.unwrap();
            let bytes = file.read_at(0, 1 << 20).await.unwrap();
            if let Some(at) = bytes.windows(8).position(|window| window == value) {
                let spoilt = AlignedBuf::from_slice(&[bytes[at] ^ 1]);
                file.write_at(at as u64, spoilt, true).await.1.unwrap();
                return;
            }
        }
        panic!("it is in no file of the log");
    });
}

#[test]
fn a_damaged_log_costs_its_record_and_no_offset_is_given_twice() {
    const LOST: u64 = 0x7777_0000_0000_0001;
    let mut world = World::new(53);
    let broker = world.start(1);
    let tps = broker.create("t", 2, &[("highwater.durability", "local")]);
    let before = broker.append(tps[0], &[1]).unwrap().base_offset;
    assert_eq!(broker.append(tps[0], &[LOST]).unwrap().base_offset, before + 1);
    let behind = broker.append(tps[0], &[3]).unwrap().base_offset;
    broker.append(tps[1], &[4]).unwrap();
    let last = broker.append(tps[1], &[LOST + 1]).unwrap().base_offset;
    broker.append(tps[0], &[5]).unwrap();
    spoil_log(&world, &broker, LOST);
    spoil_log(&world, &broker, LOST + 1);
    broker.kill();

    let broker = world.start(1);
    assert!(broker.log.is_ready());
    let seen = |tp| broker.read_from(tp, 0).unwrap().into_iter().map(|seen| (seen.offset, seen.value));
    assert_eq!(seen(tps[0]).collect::<Vec<_>>(), [(before, 1), (behind, 3), (behind + 1, 5)], "behind a gap");
    assert_eq!(seen(tps[1]).collect::<Vec<_>>(), [(0, 4)]);
    let next = broker.append(tps[1], &[6]).unwrap().base_offset;
    assert!(next > last, "{last} was given, and may have been read: {next}");
    // It is so for whoever comes next, too.
    broker.stop();
    let broker = world.start(2);
    let values: Vec<u64> = broker.read_from(tps[0], 0).unwrap().iter().map(|seen| seen.value).collect();
    assert_eq!(values, [1, 3, 5]);
    assert!(broker.append(tps[1], &[7]).unwrap().base_offset > next);
}
