//! Appends at a limit: who is flushed for them, and what a batch that waits gets.

use std::time::Duration;

use highwater_env::sim::DiskFaults;
use highwater_log::{Acks, AppendError, Origin};

use crate::world::{Broker, World, large, plain};

const LOCAL: (&str, &str) = ("highwater.durability", "local");
const LARGE_BYTES: usize = 900 << 10;
/// Far less than `flush.max.age`, at which a shard is flushed by itself.
const SOON_MS: u64 = 20;

/// Nothing is full.
fn unhurried(seed: u64) -> World {
    let mut world = World::new(seed);
    world.flush_bytes = 64 << 20;
    world
}

/// Objects of both shards' chains: each has its fence.
fn objects(broker: &Broker) -> [usize; 2] {
    let names = broker.segments();
    ["shards/0/", "shards/1/"].map(|shard| names.iter().filter(|name| name.starts_with(shard)).count())
}

#[test]
fn a_full_buffer_of_the_log_waits_for_its_sync_and_seals_nothing() {
    let mut world = unhurried(1);
    let broker = world.start(1);
    let tp = broker.create("t", 1, &[LOCAL])[0];
    broker.append(tp, &[1]).unwrap();
    let before = objects(&broker);
    let slow_sync = Some(Duration::from_millis(3 * SOON_MS));
    world.sim.disk.set_faults(DiskFaults { slow_sync, ..DiskFaults::default() });
    let mut taken = 0;
    let refused = loop {
        match broker.try_append(tp, &large(LARGE_BYTES), Acks::All) {
            Ok(_ticket) => taken += 1,
            Err(error) => break error,
        }
        assert!(taken < 100, "the buffer has no limit");
    };
    assert_eq!(refused, AppendError::Backpressure);
    broker.tick(SOON_MS);
    assert_eq!(objects(&broker), before, "only the sync gives room, a flush does not");
    world.sim.disk.set_faults(DiskFaults::default());
    broker.tick(10 * SOON_MS);
    broker.try_append(tp, &plain(&[2]), Acks::All).unwrap();
}

#[test]
fn a_log_that_fills_has_the_shards_flushed_that_hold_its_oldest_file() {
    let mut world = unhurried(2);
    let broker = world.start(1);
    let partitions = broker.create("t", 2, &[LOCAL]);
    broker.append(partitions[0], &[1]).unwrap();
    broker.append(partitions[1], &[2]).unwrap();
    let before = objects(&broker);
    // More than half of the log's files, from one shard alone, and less than all of them.
    for _ in 0..5 {
        broker.try_append(partitions[0], &large(LARGE_BYTES), Acks::All).unwrap();
        broker.tick(SOON_MS);
    }
    let after = objects(&broker);
    assert!(after[0] > before[0] && after[1] > before[1], "both hold its first file: {before:?}, {after:?}");
}

#[test]
fn the_time_of_a_batch_that_waited_is_that_of_its_append() {
    let mut world = World::new(3);
    let broker = world.start(1);
    let tp = broker.create("t", 1, &[("message.timestamp.type", "LogAppendTime")])[0];
    let partition = broker.partition(tp);
    let records = plain(&[1]);
    let admitted = partition.admit(&records, records.len(), Origin::Client).unwrap();
    broker.tick(5_000);
    let now_ms = world.sim.env.wall_ms();
    let ticket = partition.append(&admitted, Acks::All).unwrap();
    assert_eq!(broker.run(ticket).unwrap().log_append_time_ms, now_ms);
    assert_eq!(broker.read_from(tp, 0).unwrap().len(), 1, "its checksum is right");
}
