//! Old records go, and their objects are deleted: never too early, never what somebody needs.

use std::sync::Arc;
use std::time::Duration;

use highwater_log::ReadError;
use highwater_log::verify::verify;
use highwater_store::{Fault, FaultRule, Store};
use highwater_types::TopicPartition;

use crate::world::{Broker, World, values};

const MINUTE_MS: u64 = 60_000;
/// The interval of upkeep, and as much again.
const A_PASS: u64 = 10 * MINUTE_MS;
/// The grace and a tenth, and a pass on either side.
const THE_GRACE: u64 = 22 * MINUTE_MS + 2 * A_PASS;
/// Records have the time at which the clock starts: before the first pass they are older than this.
const EXPIRED: &[(&str, &str)] = &[("highwater.durability", "object"), ("retention.ms", "60000")];
const KEPT: &[(&str, &str)] = &[("highwater.durability", "object"), ("retention.ms", "-1")];

fn world(seed: u64) -> World {
    let mut world = World::new(seed);
    world.shards = 1;
    world
}

fn fill(broker: &Broker, tp: TopicPartition, from: u64, count: u64) {
    for value in from..from + count {
        broker.append(tp, &[value]).unwrap();
    }
}

fn log_start(broker: &Broker, tp: TopicPartition) -> i64 {
    broker.partition(tp).marks().unwrap().log_start
}

#[test]
fn records_go_by_age_and_their_objects_after_the_grace() {
    let mut world = world(41);
    let broker = world.start(1);
    let old = broker.create("old", 1, EXPIRED)[0];
    let kept = broker.create("kept", 1, KEPT)[0];
    fill(&broker, old, 0, 20);
    fill(&broker, kept, 0, 5);
    let before = broker.segments().len();
    broker.tick(A_PASS);
    assert_eq!(log_start(&broker, old), 20, "everything is older than a minute");
    assert!(matches!(broker.read_from(old, 0), Err(ReadError::OutOfRange(_))));
    assert_eq!(values(&broker, kept), (0..5).collect::<Vec<u64>>());
    broker.tick(15 * MINUTE_MS);
    assert_eq!(broker.segments().len(), before, "the grace has not passed");
    broker.tick(THE_GRACE);
    let left = broker.segments().len();
    assert!(left <= 6, "{left} objects of {before}: those of the topic that is kept, and no fence");
    assert_eq!(values(&broker, kept), (0..5).collect::<Vec<u64>>());
    fill(&broker, old, 20, 1);
    assert_eq!(broker.read_from(old, 20).unwrap().len(), 1);

    broker.kill();
    let broker = world.start(1);
    assert_eq!((log_start(&broker, old), values(&broker, kept)), (20, (0..5).collect()), "after a restart");
    broker.stop();
    let broker = world.start(2);
    assert_eq!((log_start(&broker, old), values(&broker, kept)), (20, (0..5).collect()), "after a takeover");
}

#[test]
fn records_go_by_size() {
    let mut world = world(42);
    let broker = world.start(1);
    let configs = [("highwater.durability", "object"), ("retention.ms", "-1"), ("retention.bytes", "500")];
    let tp = broker.create("t", 1, &configs)[0];
    fill(&broker, tp, 0, 50);
    let before = broker.partition(tp).bytes().unwrap();
    broker.tick(A_PASS);
    let after = broker.partition(tp).bytes().unwrap();
    assert!(before > 1_000 && (500..600).contains(&after), "{before} bytes before, {after} after");
    let start = log_start(&broker, tp);
    let left: Vec<u64> = broker.read_from(tp, start).unwrap().iter().map(|seen| seen.value).collect();
    assert_eq!(left, (start.unsigned_abs()..50).collect::<Vec<u64>>());
}

#[test]
fn a_deleted_topic_frees_the_bucket_though_nothing_else_happens() {
    let mut world = world(43);
    let broker = world.start(1);
    let gone = broker.create("gone", 1, KEPT)[0];
    fill(&broker, gone, 0, 4);
    let meta = broker.meta.clone();
    broker.run(async move { meta.delete_topics(vec![gone.topic]).await })[0].as_ref().unwrap();
    broker.tick(2 * A_PASS + THE_GRACE);
    assert_eq!(broker.segments(), Vec::<String>::new());
    world.bucket.script(FaultRule {
        kind: None,
        name_contains: "shards/".into(),
        skip: 0,
        times: u32::MAX,
        fault: Fault::Unavailable,
    });
    let met = world.bucket.injected();
    broker.tick(10 * A_PASS);
    assert_eq!(world.bucket.injected(), met, "nothing has changed: nothing is asked");
    world.bucket.heal();
    let tp = broker.create("next", 1, KEPT)[0];
    fill(&broker, tp, 0, 4);
    broker.kill();
    assert_eq!(values(&world.start(1), tp), [0, 1, 2, 3]);
}

#[test]
fn what_an_edit_would_leave_behind_stays_until_the_edit_is_durable() {
    let mut world = world(44);
    world.upkeep_interval = Duration::from_secs(10);
    let broker = world.start(1);
    let tp = broker.create("t", 1, KEPT)[0];
    fill(&broker, tp, 0, 10);
    // The edit that says what goes does not come to be.
    world.refuse_creates("/manifest/log/");
    let partition = broker.partition(tp);
    let mut deleting = Box::pin(async move { partition.delete_records(None).await });
    broker.run(async { assert!(futures::FutureExt::now_or_never(&mut deleting).is_none()) });
    // A pass meets it, the machine sleeps for longer than the grace, and another pass comes before anybody
    // has noticed.
    broker.tick(13_000);
    world.sim.clock.suspend(Duration::from_millis(THE_GRACE));
    broker.tick(13_000);
    broker.kill();
    world.bucket.heal();
    let broker = world.start(2);
    assert_eq!(values(&broker, tp), (0..10).collect::<Vec<u64>>(), "the next leader serves them");
}

#[test]
fn a_walk_through_the_bucket_beside_it_finds_nothing_wrong() {
    let mut world = world(45);
    let broker = world.start(1);
    let tp = broker.create("t", 1, KEPT)[0];
    fill(&broker, tp, 0, 40);
    let store: Arc<dyn Store> = world.bucket.clone();
    let mut walked = 0;
    // After the first segments, all of them go: the walk meets names that are gone.
    let mut walk = Box::pin(verify(&world.sim.env, &store, |_| {
        walked += 1;
        if walked == 1 {
            let partition = broker.partition(tp);
            broker.run(async move { partition.delete_records(None).await }).unwrap();
            broker.tick(THE_GRACE);
        }
    }));
    // Not on a runtime: the broker's runs in the middle of it.
    let verified = std::iter::repeat_with(|| futures::FutureExt::now_or_never(&mut walk)).flatten().next();
    let verified = verified.unwrap().unwrap();
    assert!(verified.segments < 40, "none of them was gone: {verified:?}");
    assert_eq!(verified.findings, []);
}
