//! The disk and the bucket at their worst.

use highwater_env::sim::DiskFaults;
use highwater_log::{Acks, PartitionError};
use highwater_store::FaultRates;

use crate::world::{World, plain};

#[test]
fn another_broker_goes_on_behind_a_gap_and_the_old_tail_is_set_aside() {
    let mut world = World::new(11);
    let broker = world.start(1);
    let tp = broker.create("t", 1, &[("highwater.durability", "local")])[0];
    broker.append(tp, &[1, 2]).unwrap();
    broker.tick(3_000);
    broker.append(tp, &[3]).unwrap();
    broker.kill();
    let other = world.start(2);
    assert_eq!(other.read_from(tp, 0).unwrap().iter().map(|seen| seen.value).collect::<Vec<_>>(), [1, 2]);
    let after = other.append(tp, &[4]).unwrap().base_offset;
    assert!(after > 3, "offset 2 was given to a record that may have been read: {after}");
    assert_eq!(other.read_from(tp, 2).unwrap().iter().map(|seen| seen.value).collect::<Vec<_>>(), [4]);
    other.stop();
    let first = world.start(1);
    let values: Vec<u64> = first.read_from(tp, 0).unwrap().iter().map(|seen| seen.value).collect();
    assert_eq!(values, [1, 2, 4], "the deposed tail is never inserted");
    let aside = first.run(world.sim.env.disk.read_dir(std::path::Path::new("/wal-1/deposed"))).unwrap();
    assert_eq!(aside.len(), 1, "and never dropped in silence");
}

#[test]
fn a_deposed_leader_acknowledges_nothing_more() {
    let mut world = World::new(12);
    let old = world.start(1);
    let tp = old.create("t", 1, &[("highwater.durability", "object")])[0];
    old.append(tp, &[1]).unwrap();
    let new = world.start(2);
    new.append(tp, &[2]).unwrap();
    let ticket = old.try_append(tp, &plain(&[3]), Acks::All).unwrap();
    assert!(old.run(ticket).is_err());
    assert!(matches!(old.log.partition(tp), Err(PartitionError::NotLeader) | Ok(_)));
}

#[test]
fn a_failed_sync_is_not_trusted_and_the_bucket_makes_up_for_it() {
    let mut world = World::new(13);
    let broker = world.start(1);
    let tp = broker.create("t", 1, &[("highwater.durability", "local")])[0];
    broker.append(tp, &[1]).unwrap();
    world.sim.disk.set_faults(DiskFaults { fail_sync: true, ..DiskFaults::default() });
    let ticket = broker.try_append(tp, &plain(&[2]), Acks::All).unwrap();
    assert_eq!(broker.run(ticket).unwrap().base_offset, 1);
    world.sim.disk.set_faults(DiskFaults::default());
    broker.append(tp, &[3]).unwrap();
    broker.kill();
    world.sim.disk.crash(13);
    let broker = world.start(1);
    let values: Vec<u64> = broker.read_from(tp, 0).unwrap().iter().map(|seen| seen.value).collect();
    assert_eq!(values, [1, 2, 3]);
}

#[test]
fn a_bucket_that_loses_answers_and_fails_loses_no_record() {
    let mut world = World::new(14);
    let broker = world.start(1);
    let tps = broker.create("t", 4, &[("highwater.durability", "object")]);
    world.rates(FaultRates { unavailable: 100, throttled: 100, response_lost: 200, ..FaultRates::default() });
    for round in 0..60u64 {
        for tp in &tps {
            broker.append(*tp, &[round]).unwrap();
        }
    }
    world.bucket.heal();
    broker.kill();
    let broker = world.start(1);
    for tp in &tps {
        let values: Vec<u64> = broker.read_from(*tp, 0).unwrap().iter().map(|seen| seen.value).collect();
        assert_eq!(values, (0..60).collect::<Vec<u64>>());
    }
}
