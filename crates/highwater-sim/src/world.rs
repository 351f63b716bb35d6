//! What outlives the brokers: clock, bucket, disks, network, the model, and the topics.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use highwater_env::sim::{NodeId, SimClock, SimDisk, SimExecutor, SimRandom};
use highwater_env::{Env, Instant, Random};
use highwater_store::{Faults, RetryPolicy, Retrying, Store};
use highwater_types::TopicPartition;
use parking_lot::Mutex;

use crate::bucket::Bucket;
use crate::link::{Link, Linked};
use crate::model::Model;
use crate::process::Process;

/// Notes that are kept for a report.
const REMEMBERED: usize = 48;

/// Seeds of the parts are the history's own, each changed by another of these, so that no two parts draw
/// the same numbers.
const SPREAD: u64 = 0x9e37_79b9_7f4a_7c15;

/// In one of so many histories brokers keep leases. In the others they duel, which is harder on the journal.
const LEASES_EVERY: u64 = 5;

/// In so many of a thousand histories brokers found the cluster together, and oversleep: they stand still, or
/// are cut off from the bucket, for longer than it takes others to take over and to delete what they know of.
const SLEEPERS: u64 = 170;
/// How long a request or an answer is on its way between a broker and the bucket, at most: one of these, in
/// milliseconds. Where no time passes there are more steps to a history, and fewer between two requests.
const WAYS_MS: [u64; 3] = [0, 1, 8];

/// A topic of the history.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TopicPlan {
    pub name: &'static str,
    pub partitions: i32,
    pub configs: &'static [(&'static str, &'static str)],
    /// Acknowledged by the broker's disk.
    pub local: bool,
    /// Old records go by themselves.
    pub retention: bool,
}

/// The topics that clients use.
pub(crate) const TOPICS: &[TopicPlan] = &[
    TopicPlan {
        name: "local",
        partitions: 2,
        configs: &[("highwater.durability", "local")],
        local: true,
        retention: false,
    },
    TopicPlan {
        name: "object",
        partitions: 2,
        configs: &[("highwater.durability", "object")],
        local: false,
        retention: false,
    },
    TopicPlan {
        name: "retained",
        partitions: 1,
        configs: &[("highwater.durability", "object"), ("retention.bytes", "3000")],
        local: false,
        retention: true,
    },
];

/// Brokers of a history at most.
pub(crate) const BROKERS: usize = 3;

/// See the module.
pub(crate) struct World {
    pub seed: u64,
    /// Whether brokers wait for each other's leases; else they take over from each other at will.
    pub leases: bool,
    /// Whether brokers oversleep.
    pub sleepers: bool,
    pub executor: SimExecutor,
    pub clock: Arc<SimClock>,
    pub random: Arc<SimRandom>,
    /// The node of clients and of what is on its way in the network.
    pub outside: NodeId,
    /// The environment of clients and of the bucket.
    pub env: Env,
    pub bucket: Arc<Faults>,
    pub disks: Vec<Arc<SimDisk>>,
    /// How long a request or an answer is on its way between a broker and the bucket, at most.
    pub slowest: Duration,
    /// Each broker's way to the bucket.
    pub links: Vec<Arc<Link>>,
    pub processes: Mutex<Vec<Option<Arc<Process>>>>,
    pub model: Mutex<Model>,
    /// Partitions by their number in the model.
    pub partitions: Mutex<Vec<TopicPartition>>,
    /// Answers in a thousand that get lost.
    pub losses: Mutex<u64>,
    /// Until then not much happens: somebody oversleeps.
    pub calm_until: Mutex<Instant>,
    pub quiet: Mutex<bool>,
    notes: Mutex<VecDeque<String>>,
    verbose: bool,
}

impl World {
    pub fn new(seed: u64, verbose: bool) -> Arc<Self> {
        let clock = Arc::new(SimClock::manual());
        let part = |number: u64| seed.wrapping_add(SPREAD.wrapping_mul(number));
        let executor = SimExecutor::new(part(1), Arc::clone(&clock));
        let outside = executor.node();
        let random = Arc::new(SimRandom::new(part(2)));
        let disk = Arc::new(SimDisk::new(Arc::clone(&clock)));
        let env = Env { clock: clock.clone(), random: random.clone(), tasks: executor.tasks(outside), disk };
        let objects: Arc<dyn Store> = Arc::new(Bucket::new(&env));
        let bucket = Arc::new(Faults::new(objects, &env, part(3)));
        let disks = (0..BROKERS).map(|_| Arc::new(SimDisk::new(Arc::clone(&clock)))).collect();
        let slowest = Duration::from_millis(WAYS_MS[random.below(WAYS_MS.len() as u64) as usize]);
        let link = |broker: usize| Arc::new(Link::new(&env, part(4 + broker as u64), slowest));
        let links = (0..BROKERS).map(link).collect();
        let leases = seed.is_multiple_of(LEASES_EVERY);
        let sleepers = random.below(1000) < SLEEPERS;
        Arc::new(Self {
            seed,
            leases,
            sleepers,
            executor,
            clock,
            random,
            outside,
            env,
            bucket,
            disks,
            slowest,
            links,
            processes: Mutex::new(vec![None; BROKERS]),
            model: Mutex::new(Model::new(BROKERS, !leases)),
            partitions: Mutex::new(Vec::new()),
            losses: Mutex::new(0),
            calm_until: Mutex::new(Instant(0)),
            quiet: Mutex::new(false),
            notes: Mutex::new(VecDeque::new()),
            verbose,
        })
    }

    /// The bucket as a broker sees it: at the end of its link, with the retries that a broker has.
    pub fn store(&self, env: &Env, broker: usize) -> Arc<dyn Store> {
        let policy = RetryPolicy { deadline: Duration::from_secs(5), ..RetryPolicy::default() };
        let linked = Linked::new(Arc::clone(&self.links[broker]), self.bucket.clone());
        Arc::new(Retrying::new(Arc::new(linked), env, policy))
    }

    /// An environment for one process.
    pub fn env_of(&self, node: NodeId, broker: usize) -> Env {
        let random = Arc::new(SimRandom::new(self.random.next_u64()));
        let disk = self.disks[broker].clone();
        Env { clock: self.clock.clone(), random, tasks: self.executor.tasks(node), disk }
    }

    /// Uniform in `0..bound`.
    pub fn below(&self, bound: u64) -> u64 {
        self.random.below(bound)
    }

    /// Happens so many times in a thousand.
    pub fn chance(&self, thousandth: u64) -> bool {
        self.below(1000) < thousandth
    }

    /// Something that a report tells, and that the trace holds.
    pub fn note(&self, words: &[u64], text: impl FnOnce() -> String) {
        self.executor.note(words);
        let line = format!("{:>12.6} {}", self.seconds(), text());
        if self.verbose {
            println!("{line}");
        }
        let mut notes = self.notes.lock();
        if notes.len() == REMEMBERED {
            notes.pop_front();
        }
        notes.push_back(line);
    }

    /// The last notes, oldest first.
    pub fn notes(&self) -> Vec<String> {
        self.notes.lock().iter().cloned().collect()
    }

    fn seconds(&self) -> f64 {
        // Virtual time starts far from 0.
        (self.env.now().0 - 1_000_000_000_000_000) as f64 / 1e9
    }

    /// Brokers that serve at present, by number.
    pub fn serving(&self) -> Vec<usize> {
        let processes = self.processes.lock();
        let serving = |process: &Arc<Process>| process.handles().is_some();
        (0..BROKERS).filter(|broker| processes[*broker].as_ref().is_some_and(serving)).collect()
    }
}
