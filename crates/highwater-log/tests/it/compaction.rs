//! Small extents become large ones: the same records, whatever happens meanwhile.

use std::sync::Arc;
use std::time::Duration;

use highwater_log::verify::{Verified, verify};
use highwater_log::{Isolation, ReadError, ReadRequest};
use highwater_store::{Fault, FaultRule, RequestKind, Store};
use highwater_types::TopicPartition;

use crate::world::{Broker, World, plain, values};

const MINUTE_MS: u64 = 60_000;
/// The interval of upkeep, and as much again.
const A_PASS: u64 = 10 * MINUTE_MS;
/// The grace and a tenth, and two passes.
const THE_GRACE: u64 = 22 * MINUTE_MS + 2 * A_PASS;
const KEPT: &[(&str, &str)] = &[("highwater.durability", "object"), ("retention.ms", "-1")];

/// Segments of 64 KiB, so that an extent is small below 1 KiB and a reader fetches 4 KiB at once.
fn world(seed: u64) -> World {
    let mut world = World::new(seed);
    world.shards = 1;
    world.compaction_bytes = 64 << 10;
    world
}

/// One flush for each record, of one partition after the other.
fn fill(broker: &Broker, tps: &[TopicPartition], from: u64, count: u64) {
    for value in from..from + count {
        for tp in tps {
            broker.append(*tp, &[value]).unwrap();
        }
    }
}

fn walk(world: &World, broker: &Broker) -> Verified {
    let store: Arc<dyn Store> = world.bucket.clone();
    let env = world.sim.env.clone();
    let verified = broker.run(async move { verify(&env, &store, |_| {}).await.unwrap() });
    assert_eq!(verified.findings, []);
    verified
}

fn rule(kind: RequestKind, name: &str, times: u32, fault: Fault) -> FaultRule {
    FaultRule { kind: Some(kind), name_contains: name.into(), skip: 0, times, fault }
}

#[test]
fn many_flushes_become_few_segments_with_the_same_records() {
    let mut world = world(71);
    let broker = world.start(1);
    let tps = broker.create("t", 4, KEPT);
    fill(&broker, &tps, 0, 40);
    let flushes = broker.segments().len();
    broker.tick(A_PASS);
    let compacted = broker.objects("/compacted/");
    assert_eq!(compacted.len(), 2, "two jobs, and one segment of each is shared by all");
    assert!(broker.segments().len() >= flushes, "the grace has not passed");
    let expected: Vec<u64> = (0..40).collect();
    for tp in &tps {
        assert_eq!(values(&broker, *tp), expected);
        assert_eq!(broker.read_from(*tp, 17).unwrap().first().unwrap().offset, 17, "from the middle");
    }
    broker.tick(THE_GRACE);
    let left = broker.segments().len();
    assert!(left < 40, "{left} flushes of {flushes} are left");
    let verified = walk(&world, &broker);
    assert_eq!((verified.partitions, verified.unneeded), (4, 0));

    broker.kill();
    let broker = world.start(1);
    assert!(tps.iter().all(|tp| values(&broker, *tp) == expected), "after a restart");
    fill(&broker, &tps, 40, 1);
    broker.stop();
    let broker = world.start(2);
    let expected: Vec<u64> = (0..41).collect();
    assert!(tps.iter().all(|tp| values(&broker, *tp) == expected), "after a takeover");
}

#[test]
fn a_large_partition_gets_segments_of_its_own_read_in_pieces() {
    let mut world = world(72);
    let broker = world.start(1);
    let tps = broker.create("t", 2, KEPT);
    // Some 750 bytes a batch: the first partition has 90 KiB, the other one 2 KiB.
    for round in 0..120u64 {
        let batch: Vec<u64> = (round * 50..round * 50 + 50).collect();
        broker.append(tps[0], &batch).unwrap();
        if round % 40 == 0 {
            broker.append(tps[1], &batch).unwrap();
        }
    }
    broker.tick(A_PASS);
    assert_eq!(broker.objects("/compacted/").len(), 3, "two of one partition, one of the other");
    broker.tick(THE_GRACE);
    assert_eq!(values(&broker, tps[0]), (0..6_000).collect::<Vec<u64>>());
    let bytes = broker.partition(tps[0]).bytes().unwrap();
    let (loaded, _) = broker.log.read_cache_bytes();
    assert!(bytes > 64 << 10 && loaded > 0, "{bytes} bytes, {loaded} of them in memory");
    walk(&world, &broker);
}

#[test]
fn runs_of_compaction_are_compacted_again_and_appends_go_on() {
    let mut world = world(73);
    world.upkeep_interval = Duration::from_secs(60);
    let broker = world.start(1);
    let tps = broker.create("t", 20, KEPT);
    for round in 0..20 {
        fill(&broker, &tps, 3 * round, 3);
        broker.tick(2 * MINUTE_MS);
    }
    broker.tick(THE_GRACE);
    let (flushes, compacted) = (broker.segments().len(), broker.objects("/compacted/").len());
    assert!(flushes < 60 && compacted < 20, "{flushes} flushes and {compacted} other segments of 1,200");
    let expected: Vec<u64> = (0..60).collect();
    assert!(tps.iter().all(|tp| values(&broker, *tp) == expected));
    walk(&world, &broker);
}

#[test]
fn what_is_deleted_meanwhile_does_not_come_back() {
    let mut world = world(74);
    let broker = world.start(1);
    let tps = broker.create("t", 3, KEPT);
    let gone = broker.create("gone", 1, KEPT)[0];
    fill(&broker, &[&tps[..], &[gone]].concat(), 0, 20);
    // The job's segment is held back while records go.
    world.bucket.script(rule(RequestKind::Create, "/compacted/", 1, Fault::DelayedAfter(Duration::from_secs(20))));
    while broker.objects("/compacted/").is_empty() {
        broker.tick(1_000);
    }
    for (tp, before) in [(tps[0], 7), (tps[1], 20)] {
        let partition = broker.partition(tp);
        broker.run(async move { partition.delete_records(Some(before)).await }).unwrap();
    }
    let meta = broker.meta.clone();
    broker.run(async move { meta.delete_topics(vec![gone.topic]).await })[0].as_ref().unwrap();
    broker.tick(MINUTE_MS);
    let seen = |broker: &Broker, tp: TopicPartition, from: i64| -> Vec<u64> {
        broker.read_from(tp, from).unwrap().iter().map(|seen| seen.value).collect()
    };
    let check = |broker: &Broker| {
        assert_eq!(seen(broker, tps[0], 7), (7..20).collect::<Vec<u64>>());
        assert_eq!(seen(broker, tps[1], 20), Vec::<u64>::new());
        assert_eq!(seen(broker, tps[2], 0), (0..20).collect::<Vec<u64>>());
    };
    check(&broker);
    broker.tick(THE_GRACE);
    check(&broker);
    assert_eq!(walk(&world, &broker).partitions, 2);
    broker.kill();
    check(&world.start(2));
}

#[test]
fn an_answer_that_is_lost_costs_nothing() {
    let mut world = world(75);
    let broker = world.start(1);
    let tps = broker.create("t", 2, KEPT);
    fill(&broker, &tps, 0, 20);
    world.bucket.script(rule(RequestKind::Create, "/compacted/", 1, Fault::ResponseLost));
    broker.tick(A_PASS);
    assert_eq!(broker.objects("/compacted/").len(), 1, "it is recognised");
    let verified = walk(&world, &broker);
    assert!(verified.segments < 10, "{verified:?}");
    assert_eq!(values(&broker, tps[0]), (0..20).collect::<Vec<u64>>());
}

#[test]
fn what_a_job_leaves_behind_goes_and_the_successors_segments_stay() {
    let mut world = world(76);
    let broker = world.start(1);
    let tps = broker.create("t", 2, KEPT);
    fill(&broker, &tps, 0, 20);
    // The edit does not come to be: the segment of this leader is nobody's.
    world.bucket.script(rule(RequestKind::Create, "/manifest/log/", u32::MAX, Fault::Unavailable));
    while broker.objects("/compacted/").is_empty() {
        broker.tick(1_000);
    }
    let orphan = broker.objects("/compacted/");
    let deposed = broker;
    world.bucket.heal();
    let broker = world.start(2);
    broker.tick(A_PASS);
    let both = broker.objects("/compacted/");
    assert_eq!((both.len(), both.contains(&orphan[0])), (2, true), "the successor has compacted");
    broker.tick(THE_GRACE);
    let left = broker.objects("/compacted/");
    assert_eq!((left.len(), left.contains(&orphan[0])), (1, false));
    // The deposed leader wakes up and tidies by what it knew.
    deposed.tick(THE_GRACE);
    assert_eq!(broker.objects("/compacted/"), left);
    assert!(tps.iter().all(|tp| values(&broker, *tp) == (0..20).collect::<Vec<u64>>()));
    walk(&world, &broker);
}

#[test]
fn a_deposed_leader_leaves_the_successors_segments_alone() {
    let mut world = world(81);
    let deposed = world.start(1);
    let tps = deposed.create("t", 2, KEPT);
    fill(&deposed, &tps, 0, 20);
    deposed.tick(A_PASS);
    let broker = world.start(2);
    fill(&broker, &tps, 20, 20);
    broker.tick(A_PASS);
    let segments = broker.objects("/compacted/");
    assert_eq!(segments.len(), 2, "one of each");
    // It has not heard of its successor when it tidies.
    deposed.tick(2 * A_PASS + THE_GRACE);
    assert_eq!(broker.objects("/compacted/"), segments);
    assert!(tps.iter().all(|tp| values(&broker, *tp) == (0..40).collect::<Vec<u64>>()));
}

#[test]
fn damage_is_not_copied_and_bars_only_its_neighbourhood() {
    let mut world = world(77);
    let broker = world.start(1);
    let tps = broker.create("t", 1, KEPT);
    fill(&broker, &tps, 0, 20);
    world.bucket.script(rule(RequestKind::Read, "/wal/", u32::MAX, Fault::Damaged));
    broker.tick(A_PASS);
    assert_eq!(broker.objects("/compacted/").len(), 0);
    world.bucket.heal();
    fill(&broker, &tps, 20, 30);
    broker.tick(A_PASS);
    assert_eq!(broker.objects("/compacted/").len(), 1, "what comes later is compacted");
    assert_eq!(values(&broker, tps[0]), (0..50).collect::<Vec<u64>>());
    walk(&world, &broker);
}

#[test]
fn objects_that_are_mostly_dead_are_rewritten() {
    let mut world = world(78);
    let broker = world.start(1);
    let kept = broker.create("kept", 1, KEPT)[0];
    let gone = broker.create("gone", 10, KEPT);
    for round in 0..20u64 {
        fill(&broker, &gone, round, 1);
        broker.append(kept, &[round]).unwrap();
    }
    broker.tick(A_PASS);
    let before = broker.objects("/compacted/");
    let meta = broker.meta.clone();
    broker.run(async move { meta.delete_topics(vec![gone[0].topic]).await })[0].as_ref().unwrap();
    broker.tick(2 * A_PASS + THE_GRACE);
    let after = broker.objects("/compacted/");
    assert!(after.iter().all(|name| !before.contains(name)), "{before:?} {after:?}");
    assert_eq!(values(&broker, kept), (0..20).collect::<Vec<u64>>());
    assert!(walk(&world, &broker).bytes < 5_000);
}

#[test]
fn a_reader_that_planned_on_what_is_gone_asks_again() {
    let mut world = world(79);
    world.upkeep_interval = Duration::from_secs(5);
    let broker = world.start(1);
    let tp = broker.create("t", 1, KEPT)[0];
    fill(&broker, &[tp], 0, 20);
    broker.kill();
    let broker = world.start(1);
    // The read's request arrives only when its object is gone.
    world.bucket.script(rule(RequestKind::Read, "/wal/", 1, Fault::DelayedBefore(Duration::from_secs(15))));
    let partition = broker.partition(tp);
    let request =
        ReadRequest { offset: 0, max_bytes: 100, at_least_one_batch: true, isolation: Isolation::ReadUncommitted };
    let mut reading = Box::pin(async move { partition.read(request).await });
    broker.run(async { assert!(futures::FutureExt::now_or_never(&mut reading).is_none()) });
    while broker.objects("/compacted/").is_empty() {
        broker.tick(1_000);
    }
    broker.tick(100);
    for name in broker.segments() {
        let store = Arc::clone(&world.bucket);
        broker.run(async move { store.delete(&name).await }).unwrap();
    }
    assert_eq!(broker.run(reading).unwrap_err(), ReadError::Busy);
    assert_eq!(values(&broker, tp), (0..20).collect::<Vec<u64>>());
}

#[test]
fn batches_of_every_size_survive() {
    let mut world = world(80);
    world.flush_bytes = 20_000;
    let broker = world.start(1);
    let tps = broker.create("t", 3, KEPT);
    let mut next = 0u64;
    let mut expected: Vec<Vec<u64>> = vec![Vec::new(); 3];
    for round in 0..60u64 {
        for (at, tp) in tps.iter().enumerate() {
            let count = 1 + (round * 7 + at as u64 * 13) % 90;
            let batch: Vec<u64> = (next..next + count).collect();
            next += count;
            expected[at].extend(&batch);
            drop(broker.try_append(*tp, &plain(&batch), highwater_log::Acks::All).unwrap());
        }
        broker.tick(200);
    }
    broker.tick(A_PASS + THE_GRACE);
    for (tp, expected) in tps.iter().zip(&expected) {
        assert_eq!(&values(&broker, *tp), expected);
    }
    assert!(walk(&world, &broker).segments < 20);
}

#[test]
fn a_deposed_tail_is_set_aside_though_compaction_has_gone_over_its_offsets() {
    let mut world = world(82);
    let broker = world.start(1);
    let tp = broker.create("t", 1, &[("highwater.durability", "local"), ("retention.ms", "-1")])[0];
    let flushed = |broker: &Broker, values: std::ops::Range<u64>| {
        for value in values {
            broker.append(tp, &[value]).unwrap();
            broker.tick(1_500);
        }
    };
    flushed(&broker, 0..6);
    let last = broker.append(tp, &[99]).unwrap().base_offset;
    broker.kill();
    // Another broker goes on behind a gap, and writes both sides of it into one segment.
    let broker = world.start(2);
    flushed(&broker, 6..14);
    broker.tick(A_PASS);
    assert_eq!(broker.objects("/compacted/").len(), 1);
    assert_eq!(values(&broker, tp), (0..14).collect::<Vec<u64>>());
    assert_eq!(broker.read_from(tp, last).unwrap().first().unwrap().value, 6, "from within the gap");
    broker.stop();
    let broker = world.start(1);
    let aside = broker.run(world.sim.env.disk.read_dir(std::path::Path::new("/wal-1/deposed"))).unwrap();
    assert_eq!(aside.len(), 1, "the record is not in the bucket");
    walk(&world, &broker);
}
