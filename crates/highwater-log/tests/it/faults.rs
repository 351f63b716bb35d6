//! The disk and the bucket at their worst.

use std::sync::atomic::Ordering;
use std::time::Duration;

use futures::FutureExt;
use highwater_env::sim::DiskFaults;
use highwater_log::{Acks, AppendError, Isolation, PartitionError, ReadError, ReadRequest};
use highwater_meta::ConfigTarget;
use highwater_store::{Fault, FaultRates, FaultRule, RequestKind};

use crate::world::{Broker, World, plain, values};

const LOCAL: &[(&str, &str)] = &[("highwater.durability", "local")];

/// The next `times` objects of the data's journals are answered after a while.
pub fn answered_after(world: &World, times: u32, delay: Duration) {
    world.bucket.script(FaultRule {
        kind: Some(RequestKind::Create),
        name_contains: "/wal/".to_owned(),
        skip: 0,
        times,
        fault: Fault::DelayedAfter(delay),
    });
}

/// The bucket takes no segment from now on, but for so many objects of the data's journals.
fn no_segments_after(world: &World, first: u32) {
    world.bucket.script(FaultRule {
        kind: Some(RequestKind::Create),
        name_contains: "/wal/".to_owned(),
        skip: first,
        times: u32::MAX,
        fault: Fault::Unavailable,
    });
}

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

#[test]
fn a_crash_during_replay_loses_nothing_the_next_time() {
    let mut world = World::new(15);
    let broker = world.start(1);
    let tp = broker.create("t", 1, LOCAL)[0];
    no_segments_after(&world, 0);
    for value in 1..=3 {
        broker.append(tp, &[value]).unwrap();
    }
    broker.kill();
    for _ in 0..3 {
        world.bucket.heal();
        // The fences of the takeover get through, the flush of what is replayed does not.
        no_segments_after(&world, world.shards);
        let broker = world.start(1);
        assert_eq!(values(&broker, tp), [1, 2, 3]);
        broker.tick(500);
        broker.kill();
    }
    world.bucket.heal();
    let broker = world.start(1);
    assert_eq!(values(&broker, tp), [1, 2, 3]);
    assert_eq!(broker.append(tp, &[4]).unwrap().base_offset, 3);
}

#[test]
fn a_change_of_durability_takes_effect_when_the_former_mode_is_flushed() {
    let mut world = World::new(16);
    let broker = world.start(1);
    let tp = broker.create("t", 1, LOCAL)[0];
    let change = |to: &str| {
        let meta = broker.meta.clone();
        let configs = [("highwater.durability", Some(to))].into();
        broker.run(async move { meta.alter_configs(ConfigTarget::Topic(tp.topic), configs, false).await }).unwrap();
        broker.tick(1);
    };
    for (round, mode) in ["object", "local", "object", "local"].into_iter().enumerate() {
        let value = 2 * round as u64;
        broker.append(tp, &[value]).unwrap();
        change(mode);
        let appended = loop {
            match broker.append(tp, &[value + 1]) {
                Err(AppendError::Backpressure) => broker.tick(5),
                done => break done.unwrap(),
            }
        };
        assert_eq!(appended.base_offset as u64, value + 1);
    }
    broker.kill();
    let broker = world.start(1);
    assert_eq!(values(&broker, tp), (0..8).collect::<Vec<u64>>());
}

#[test]
fn a_takeover_that_came_to_nothing_keeps_nobodys_lineage() {
    let mut world = World::new(17);
    let first = world.start(1);
    let tp = first.create("t", 1, LOCAL)[0];
    first.append(tp, &[1]).unwrap();
    first.stop();
    let second = world.start(2);
    no_segments_after(&world, 0);
    let gap = second.append(tp, &[2]).unwrap().base_offset;
    second.kill();
    // Broker 1 fences twice: the first time it ends before it has published itself.
    world.bucket.heal();
    world.try_start(1, "shards/0/manifest");
    world.bucket.heal();
    let again = world.start(1);
    let next = again.append(tp, &[3]).unwrap().base_offset;
    assert!(next > gap, "offset {gap} of broker 2's record was given again: {next}");
}

#[test]
fn an_edit_trims_no_segment_that_it_does_not_list() {
    let mut world = World::new(21);
    world.shards = 1;
    let broker = world.start(1);
    let tp = broker.create("t", 1, &[("highwater.durability", "object")])[0];
    // Four puts in flight, the first of which is answered last: then the journal knows at once of all
    // four, while the committer takes three of them, which is enough for an edit.
    answered_after(&world, 1, Duration::from_secs(2));
    let tickets: Vec<_> = (0..4u64)
        .map(|value| {
            let ticket = broker.try_append(tp, &plain(&[value]), Acks::All).unwrap();
            broker.tick(10);
            ticket
        })
        .collect();
    for (offset, ticket) in (0..).zip(tickets) {
        assert_eq!(broker.run(ticket).unwrap().base_offset, offset);
    }
    // The edit gets through.
    broker.tick(50);
    broker.kill();
    let broker = world.start(1);
    assert_eq!(values(&broker, tp), [0, 1, 2, 3], "what was acknowledged and not listed is walked to");
}

#[test]
fn readers_that_hold_all_memory_do_not_stop_each_other_for_good() {
    let mut world = World::new(22);
    world.shards = 1;
    world.block_cache_bytes = 4096;
    let broker = world.start(1);
    let tps = broker.create("t", 3, &[("highwater.durability", "object")]);
    let values: Vec<u64> = (0..60).collect();
    for _ in 0..20 {
        for tp in &tps {
            broker.append(*tp, &values).unwrap();
        }
    }
    let read = |number: usize| {
        let partition = broker.partition(tps[number % tps.len()]);
        let request = ReadRequest {
            offset: 60 * (number / tps.len()) as i64,
            max_bytes: 1,
            at_least_one_batch: true,
            isolation: Isolation::ReadUncommitted,
        };
        broker.run(async move { partition.read(request).await })
    };
    // Each answer keeps its block in memory for as long as it lives.
    let mut held = Vec::new();
    let busy = loop {
        match read(held.len()) {
            Ok(outcome) if held.len() < 20 => held.push(outcome),
            Ok(_) => break false,
            Err(error) => {
                assert_eq!(error, ReadError::Busy, "it gives up instead of waiting for itself");
                break true;
            }
        }
    };
    assert!(busy, "the budget holds");
    let held_before = held.len();
    drop(held);
    assert!(read(held_before).unwrap().bytes > 0, "and is there again when the readers have let go");
}

#[test]
fn a_tail_that_was_set_aside_for_nothing_is_replayed() {
    let mut world = World::new(99);
    world.shards = 1;
    let broker = world.start(1);
    let tp = broker.create("t", 1, &[("highwater.durability", "local")])[0];
    let put = |broker: &Broker, from: u64| {
        for value in from..from + 5 {
            broker.append(tp, &[value]).unwrap();
        }
    };
    put(&broker, 0);
    broker.tick(5_000);
    // Another broker fences the data, and comes to nothing before it has published itself.
    put(&broker, 5);
    world.try_start(2, "shards/0/manifest");
    // The leader meets the fence when it flushes, sets its tail aside, and ends before it is back.
    broker.tick(1_500);
    assert!(!broker.log.is_ready(), "deposed");
    broker.stop();
    world.bucket.heal();
    let broker = world.start(1);
    assert_eq!(values(&broker, tp), (0..10).collect::<Vec<u64>>(), "nobody else has led: nothing is lost");
    assert_eq!(broker.append(tp, &[10]).unwrap().base_offset, 10);
}

#[test]
fn after_a_lapse_of_its_lease_a_leader_acknowledges_from_its_log_when_it_is_proven_anew() {
    let mut world = World::new(101);
    world.shards = 1;
    world.lease = Some(Duration::from_secs(6));
    let broker = world.start(1);
    let tp = broker.create("t", 1, LOCAL)[0];
    broker.append(tp, &[0]).unwrap();
    let epoch = broker.partition(tp).marks().unwrap().leader_epoch;
    let pass = |seconds: u64| (0..10 * seconds).for_each(|_| broker.tick(100));
    pass(2);
    no_segments_after(&world, 0);
    broker.append(tp, &[1]).unwrap();
    assert!(broker.log.confirm(tp, epoch) && !broker.log.confirm(tp, epoch + 1));

    world.bucket.heal();
    world.renews.store(false, Ordering::Relaxed);
    pass(10);
    assert!(!broker.log.confirm(tp, epoch), "another broker may lead by now");
    let keeper = broker.keeper.as_ref().unwrap();
    let renewed = || {
        world.renews.store(true, Ordering::Relaxed);
        pass(5);
        keeper.run().expect("the lease is valid again")
    };
    let run = renewed();
    assert!(!broker.log.confirm(tp, epoch), "though nobody has looked at the shards' leases");
    keeper.hold(run);
    pass(1);
    assert!(broker.log.confirm(tp, epoch), "an edit of the manifest has proven it, though nobody writes");

    no_segments_after(&world, 0);
    world.renews.store(false, Ordering::Relaxed);
    pass(10);
    let mut ticket = Box::pin(broker.try_append(tp, &plain(&[2]), Acks::All).unwrap());
    pass(2);
    assert!(ticket.as_mut().now_or_never().is_none(), "acknowledged by the log alone");
    keeper.hold(renewed());
    pass(1);
    assert!(ticket.as_mut().now_or_never().is_none(), "only the bucket makes that batch durable");
    world.bucket.heal();
    assert_eq!(broker.run(ticket).unwrap().base_offset, 2);
    pass(2);
    no_segments_after(&world, 0);
    assert_eq!(broker.append(tp, &[3]).unwrap().base_offset, 3, "by the log alone");
    assert_eq!(values(&broker, tp), [0, 1, 2, 3]);
}
