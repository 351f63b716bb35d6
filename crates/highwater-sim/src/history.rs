//! One seed from its begin to its end.

use std::collections::BTreeMap;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use highwater_env::{Random, marks};
use highwater_meta::{MetaClient, NewTopic};
use highwater_types::{Incarnation, TopicPartition};

use crate::produce::Producer;
use crate::world::{BROKERS, TOPICS, World};
use crate::{audit, commit, consume, members, nemesis, process};

/// Groups that commit.
pub(crate) const GROUPS: u64 = 2;
/// Producers, every second one idempotent.
const PRODUCERS: u64 = 4;
/// Things that happen to brokers in one history, at most.
const ACTIONS: u64 = 40;
/// Longest time between two of them, milliseconds.
const BETWEEN_MS: u64 = 900;
/// Steps between two of them at most.
const STEPS: u64 = 20_000;
/// A broker that founds a cluster is at it for about so many of the slowest ways to the bucket.
const FOUNDING: u64 = 35;
/// How often it is looked whether a broker that founds has ended.
const AGAIN: Duration = Duration::from_secs(1);
/// By then the first broker must serve and the topics must be there.
const BEGINS: Duration = Duration::from_secs(60);

/// What to run.
#[derive(Clone, Copy, Debug)]
pub struct History {
    /// Everything follows from it.
    pub seed: u64,
    /// A protection to do without.
    pub without: Option<&'static str>,
    /// Print what happens.
    pub verbose: bool,
}

/// What came of it.
#[derive(Debug)]
pub struct Outcome {
    /// Events delivered to the code under test.
    pub steps: u64,
    /// Sum of the trace.
    pub trace: u64,
    /// Records that the model knew in the end.
    pub records: usize,
    /// Hazards met.
    pub met: BTreeMap<&'static str, u64>,
    /// What did not hold.
    pub violation: Option<Violation>,
}

/// A history that must not be.
#[derive(Debug)]
pub struct Violation {
    /// What the model says.
    pub what: String,
    /// The last things that happened, oldest first.
    pub events: Vec<String>,
}

impl History {
    /// Runs it.
    #[must_use]
    pub fn run(self) -> Outcome {
        marks::begin(self.without);
        let world = World::new(self.seed, self.verbose);
        if self.verbose {
            world.executor.observe(|step| println!("{step:?}"));
        }
        let ended = std::panic::catch_unwind(AssertUnwindSafe(|| live(&world)));
        let met = marks::end();
        let panicked = ended.err().map(|panic| {
            let text = panic.downcast_ref::<String>().map(String::as_str);
            format!("a task panicked: {}", text.or(panic.downcast_ref::<&str>().copied()).unwrap_or("?"))
        });
        let broken = met.contains_key("shard-broken").then(|| "a shard stopped: its objects contradict".to_owned());
        let what = world.model.lock().violation().cloned().or(panicked).or(broken);
        let violation = what.map(|what| {
            let steps = world.executor.recent();
            let steps = steps.iter().rev().take(12).rev().map(|step| format!("{step:?}"));
            Violation { what, events: world.notes().into_iter().chain(steps).collect() }
        });
        let outcome = Outcome {
            steps: world.executor.steps(),
            trace: world.executor.trace(),
            records: world.model.lock().known(),
            met,
            violation,
        };
        world.executor.close();
        world.processes.lock().clear();
        outcome
    }
}

fn live(world: &Arc<World>) {
    // Half of the histories have one broker only: its disk has to keep every promise.
    let most = if world.leases { 2 } else { BROKERS };
    let alone = !world.sleepers && world.chance(400);
    let brokers = if alone { 1 } else { 2 + world.below(most as u64 - 1) as usize };
    if !create_topics(world) || !begin(world, brokers) {
        return world.model.lock().violated("the first broker does not begin though nothing hinders it".to_owned());
    }
    clients(world);
    let actions = if world.sleepers { ACTIONS / 2 } else { 0 } + world.below(ACTIONS);
    for _ in 0..actions {
        let end = world.env.now() + Duration::from_millis(world.below(BETWEEN_MS));
        world.executor.run_until(end, STEPS, || world.model.lock().violation().is_none());
        if world.model.lock().violation().is_some() {
            return;
        }
        if world.chance(30) {
            nemesis::suspend(world);
        }
        nemesis::wake(world);
        nemesis::act(world, brokers);
    }
    audit::conclude(world);
}

/// Has the topics created, as from the command line: they are there before any broker leads.
fn create_topics(world: &Arc<World>) -> bool {
    let done = Arc::new(AtomicBool::new(false));
    let (seen, creator) = (Arc::clone(&done), Arc::clone(world));
    let create = async move {
        if create_each(&creator).await.is_some() {
            seen.store(true, Ordering::Relaxed);
        }
    };
    world.executor.spawn(world.outside, "create topics", Box::pin(create));
    audit::wait(world, BEGINS, || done.load(Ordering::Relaxed))
}

async fn create_each(world: &Arc<World>) -> Option<()> {
    let incarnation = Incarnation(world.random.next_u64());
    let meta = MetaClient::open(&world.env, world.bucket.clone(), incarnation, process::meta_options()).await.ok()?;
    for plan in TOPICS {
        let mut topic = NewTopic::new(plan.name, plan.partitions);
        for (key, value) in plan.configs {
            topic = topic.config(*key, *value);
        }
        let created = meta.create_topics(vec![topic], false).await.into_iter().next()?.ok()?;
        for partition in 0..plan.partitions {
            world.partitions.lock().push(TopicPartition { topic: created.id, partition });
            world.model.lock().add(format!("{}-{partition}", plan.name), plan.local, plan.retention);
        }
    }
    let offsets = NewTopic::new("__consumer_offsets", 2).config("highwater.durability", "object");
    meta.create_topics(vec![offsets], false).await.into_iter().next()?.ok()?;
    meta.close().await;
    Some(())
}

/// Starts the first broker, or two at about the same time, and waits for one that serves.
fn begin(world: &Arc<World>, brokers: usize) -> bool {
    if world.sleepers {
        found_together(world, brokers);
    } else {
        nemesis::start(world, 0);
    }
    let end = world.env.now() + BEGINS;
    // Who founds may lose against another; it comes again.
    let lost = || world.processes.lock()[0].as_ref().is_none_or(|process| process.has_ended());
    while world.serving().is_empty() && world.env.now() < end {
        if lost() {
            nemesis::start(world, 0);
        }
        audit::wait(world, AGAIN, || lost() || !world.serving().is_empty());
    }
    !world.serving().is_empty()
}

/// Two brokers start in a bucket without shards, and one of them may oversleep in the middle of it.
fn found_together(world: &Arc<World>, brokers: usize) {
    let run = || {
        let time = Duration::from_micros(world.below(1 + FOUNDING * world.slowest.as_micros() as u64));
        world.executor.run_until(world.env.now() + time, STEPS, || true);
    };
    if world.chance(300) {
        nemesis::start(world, 0);
        run();
    }
    nemesis::start(world, 1);
    run();
    let process = world.processes.lock()[1].clone().filter(|process| process.is_starting());
    if let Some(process) = process {
        // Then somebody else begins.
        let still = world.chance(800);
        nemesis::oversleep(world, &process, brokers, still);
    }
}

fn clients(world: &Arc<World>) {
    let spawn = |name, future| drop(world.executor.spawn(world.outside, name, future));
    for number in 1..=PRODUCERS {
        let producer = Producer { number, idempotent: number % 2 == 0 };
        spawn("producer", Box::pin(producer.run(Arc::clone(world))));
    }
    let partitions = world.partitions.lock().len();
    for partition in 0..partitions {
        spawn("consumer", Box::pin(consume::follow(Arc::clone(world), partition)));
    }
    for group in 0..GROUPS {
        spawn("member", Box::pin(commit::run(Arc::clone(world), group)));
    }
    for member in 0..members::TEAMS * members::MEMBERS {
        spawn("team member", Box::pin(members::run(Arc::clone(world), member % members::TEAMS)));
    }
    spawn("deleter", Box::pin(consume::delete(Arc::clone(world))));
    spawn("topics", Box::pin(commit::topics(Arc::clone(world))));
    spawn("watch", Box::pin(audit::watch(Arc::clone(world))));
}
