//! One seed from its begin to its end.

use std::collections::BTreeMap;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use highwater_env::marks;
use highwater_meta::NewTopic;
use highwater_types::TopicPartition;

use crate::produce::Producer;
use crate::world::{BROKERS, TOPICS, World};
use crate::{audit, commit, consume, nemesis};

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
    let brokers = if world.chance(400) { 1 } else { 2 + world.below(most as u64 - 1) as usize };
    nemesis::start(world, 0);
    if !begin(world) {
        return world.model.lock().violated("the first broker does not begin though nothing hinders it".to_owned());
    }
    clients(world);
    let actions = world.below(ACTIONS);
    for _ in 0..actions {
        let end = world.env.now() + Duration::from_millis(world.below(BETWEEN_MS));
        world.executor.run_until(end, STEPS, || world.model.lock().violation().is_none());
        if world.model.lock().violation().is_some() {
            return;
        }
        if world.chance(30) {
            nemesis::suspend(world);
        }
        nemesis::act(world, brokers);
    }
    audit::conclude(world);
}

/// Waits for the first broker and creates the topics.
fn begin(world: &Arc<World>) -> bool {
    if !audit::wait(world, BEGINS, || !world.serving().is_empty()) {
        return false;
    }
    let done = Arc::new(AtomicBool::new(false));
    let (seen, creator) = (Arc::clone(&done), Arc::clone(world));
    let create = async move {
        if create_topics(&creator).await.is_some() {
            seen.store(true, Ordering::Relaxed);
        }
    };
    world.executor.spawn(world.outside, "create topics", Box::pin(create));
    audit::wait(world, BEGINS, || done.load(Ordering::Relaxed))
}

async fn create_topics(world: &Arc<World>) -> Option<()> {
    let handles = world.processes.lock()[0].as_ref()?.handles()?;
    for plan in TOPICS {
        let mut topic = NewTopic::new(plan.name, plan.partitions);
        for (key, value) in plan.configs {
            topic = topic.config(*key, *value);
        }
        let created = handles.meta.create_topics(vec![topic], false).await.into_iter().next()?.ok()?;
        for partition in 0..plan.partitions {
            world.partitions.lock().push(TopicPartition { topic: created.id, partition });
            world.model.lock().add(format!("{}-{partition}", plan.name), plan.local, plan.retention);
        }
    }
    let offsets = NewTopic::new("__consumer_offsets", 2).config("highwater.durability", "object");
    handles.meta.create_topics(vec![offsets], false).await.into_iter().next()?.ok()?;
    Some(())
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
    spawn("deleter", Box::pin(consume::delete(Arc::clone(world))));
    spawn("topics", Box::pin(commit::topics(Arc::clone(world))));
    spawn("watch", Box::pin(audit::watch(Arc::clone(world))));
}
