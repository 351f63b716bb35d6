//! One life of one broker: from its start to a kill, an orderly end, or a failure to start.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use futures::channel::oneshot;
use futures::future::{Either, select};
use highwater_env::marks::met;
use highwater_env::sim::NodeId;
use highwater_env::{Env, Instant};
use highwater_groups::{GroupSettings, Groups, PartitionOffsetsLog};
use highwater_lease::conformance::info;
use highwater_lease::lost::lost;
use highwater_lease::waiting::acquire_all;
use highwater_lease::{BucketLeases, Holder, Keeper, LeaseStore};
use highwater_log::{Engine, EngineOptions, Log, StartError};
use highwater_meta::{MetaClient, MetaOptions};
use highwater_store::Store;
use highwater_types::{Incarnation, ShardId};
use parking_lot::Mutex;

use crate::follow::follow;
use crate::world::World;

/// Where each broker has its write-ahead log, on its own disk.
pub(crate) const WAL_DIR: &str = "/wal";
/// Shards of the cluster.
const SHARDS: u32 = 2;

/// How long names outlive their use.
pub(crate) const GC_GRACE: Duration = Duration::from_secs(4);

/// How long a lease lives, where there are leases: others wait for two seconds longer.
const LEASE: Duration = Duration::from_millis(1500);

/// Pause after a request for the leases that failed.
const AGAIN: Duration = Duration::from_millis(100);

/// What clients reach of a broker that serves.
#[derive(Clone)]
pub(crate) struct Handles {
    pub log: Log,
    pub meta: MetaClient,
    pub groups: Groups,
}

/// How far a process has come.
enum Stage {
    Starting,
    Serving(Box<Handles>),
    Ending,
    Ended,
}

/// See the module.
pub(crate) struct Process {
    pub broker: usize,
    pub node: NodeId,
    stage: Mutex<Stage>,
    stop: Mutex<Option<oneshot::Sender<()>>>,
    /// Whether it stands still, and until when at least.
    pub paused: Mutex<Option<Instant>>,
}

impl Process {
    /// Starts a broker on its disk.
    pub fn start(world: &Arc<World>, broker: usize) -> Arc<Self> {
        let node = world.executor.node();
        let (stop, stopped) = oneshot::channel();
        let process = Arc::new(Self {
            broker,
            node,
            stage: Mutex::new(Stage::Starting),
            stop: Mutex::new(Some(stop)),
            paused: Mutex::new(None),
        });
        world.model.lock().alive(broker);
        let life = life(Arc::clone(world), Arc::clone(&process), stopped);
        world.executor.spawn(node, "main", Box::pin(life));
        process
    }

    pub fn handles(&self) -> Option<Handles> {
        match &*self.stage.lock() {
            Stage::Serving(handles) => Some(Handles::clone(handles)),
            _ => None,
        }
    }

    pub fn is_starting(&self) -> bool {
        matches!(&*self.stage.lock(), Stage::Starting)
    }

    pub fn has_ended(&self) -> bool {
        matches!(&*self.stage.lock(), Stage::Ended)
    }

    /// Asks for an orderly end.
    pub fn stop(&self) {
        if let Some(stop) = self.stop.lock().take() {
            // It may have failed to start.
            let _ = stop.send(());
        }
    }

    fn reach(&self, stage: Stage) {
        let before = std::mem::replace(&mut *self.stage.lock(), stage);
        drop(before);
    }

    /// kill -9.
    pub fn kill(&self, world: &World) {
        world.executor.kill(self.node);
        self.reach(Stage::Ended);
    }
}

async fn life(world: Arc<World>, process: Arc<Process>, stopped: oneshot::Receiver<()>) {
    let broker = process.broker;
    serve(&world, &process, stopped).await;
    process.reach(Stage::Ended);
    world.model.lock().dead(broker, world.env.now());
}

/// Returns when the process has ended by itself.
async fn serve(world: &Arc<World>, process: &Arc<Process>, stopped: oneshot::Receiver<()>) {
    let env = world.env_of(process.node, process.broker);
    let store = world.store(&env, process.broker);
    for shard in (0..SHARDS).map(ShardId) {
        let following = follow(Arc::clone(world), env.clone(), Arc::clone(&store), shard);
        let _until_the_process_ends = env.spawn("follower", following);
    }
    let incarnation = Incarnation(env.random.next_u64());
    let mut options = meta_options();
    options.node_id = i32::try_from(process.broker).unwrap_or(i32::MAX);
    options.poll_interval = Some(Duration::from_millis(500));
    let broker = process.broker;
    let meta = match MetaClient::open(&env, Arc::clone(&store), incarnation, options).await {
        Ok(meta) => meta,
        Err(error) => {
            world.note(&[1, broker as u64], || format!("broker {broker} does not start: {error}"));
            return;
        }
    };
    let mut options = engine_options(world, broker);
    let leading = if world.leases { Some(Leases::acquire(world, &env, &store, broker).await) } else { None };
    if let Some(leading) = &leading {
        options.tenure = leading.keeper.tenure();
        if let Err(error) = meta.refresh().await {
            world.note(&[5, broker as u64], || format!("broker {broker} does not start: {error}"));
            return;
        }
    }
    let started = Engine::start(env.clone(), store, meta.clone(), incarnation, options).await;
    let engine = match started {
        Ok(engine) => engine,
        Err(error) => {
            world.note(&[2, broker as u64], || format!("broker {broker} does not start: {error}"));
            if let StartError::Recover { shard, source } = &error
                && format!("{source:?}").starts_with("Corrupt")
            {
                world.model.lock().violated(format!("shard {shard} cannot be taken over: {source}"));
            }
            return;
        }
    };
    let log = engine.log();
    let metadata = meta.clone();
    let topic =
        Arc::new(move || metadata.state().topic("__consumer_offsets").map(|t| (t.id, t.partitions.len() as u32)));
    let offsets = Arc::new(PartitionOffsetsLog::new(log.clone(), topic));
    let groups = Groups::start(env.clone(), offsets, group_settings());
    world.note(&[3, broker as u64], || format!("broker {broker} serves"));
    process.reach(Stage::Serving(Box::new(Handles { log: log.clone(), meta: meta.clone(), groups })));
    match replaced_or(stopped, &env, &log, leading.as_ref()).await {
        End::Abandoned => return std::future::pending().await,
        End::Asked => {}
        End::Replaced => world.note(&[6, broker as u64], || format!("broker {broker} gives way")),
    }
    process.reach(Stage::Ending);
    engine.shutdown().await;
    meta.close().await;
    if let Some(leading) = leading {
        leading.give_up().await;
    }
    world.note(&[4, broker as u64], || format!("broker {broker} has ended in order"));
}

/// Why a broker that serves ends.
enum End {
    /// The history is over.
    Abandoned,
    Asked,
    /// Another broker holds its leases.
    Replaced,
}

async fn replaced_or(stopped: oneshot::Receiver<()>, env: &Env, log: &Log, leading: Option<&Leases>) -> End {
    let replaced = async {
        match leading {
            Some(leading) => leading.lost(env, log).await,
            None => std::future::pending().await,
        }
    };
    futures::pin_mut!(replaced);
    match select(stopped, replaced).await {
        Either::Left((Err(_), _)) => End::Abandoned,
        Either::Left((Ok(()), _)) => End::Asked,
        Either::Right(((), _)) => End::Replaced,
    }
}

/// The leases of a broker, as the product keeps them.
struct Leases {
    store: Arc<dyn LeaseStore>,
    keeper: Keeper,
    shards: Vec<ShardId>,
}

impl Leases {
    /// Waits until it holds every shard.
    async fn acquire(world: &World, env: &Env, bucket: &Arc<dyn Store>, broker: usize) -> Self {
        let me = info(u32::try_from(broker).unwrap_or(u32::MAX));
        let store: Arc<dyn LeaseStore> = Arc::new(BucketLeases::new(Arc::clone(bucket), me, LEASE));
        let shards: Vec<ShardId> = (0..SHARDS).map(ShardId).collect();
        let keeper = loop {
            match Keeper::start(env, Arc::clone(&store), Arc::new(|| true)).await {
                Ok(keeper) => break keeper,
                Err(_) => env.sleep(AGAIN).await,
            }
        };
        let told = |_: &Holder| met("waited-for-a-lease");
        while acquire_all(env, &*store, &keeper, &shards, told).await.is_err() {
            env.sleep(AGAIN).await;
        }
        world.note(&[7, broker as u64], || format!("broker {broker} holds the leases"));
        Self { store, keeper, shards }
    }

    async fn lost(&self, env: &Env, log: &Log) {
        lost(env, &*self.store, &self.keeper, &self.shards, || log.is_ready()).await;
    }

    async fn give_up(self) {
        self.keeper.stop().await;
        // They run out by themselves.
        let _ = self.store.resign().await;
    }
}

/// How the cluster's metadata is kept.
pub(crate) fn meta_options() -> MetaOptions {
    let mut options = MetaOptions::new();
    options.shards = SHARDS;
    options.gc_grace = GC_GRACE;
    options
}

/// Sessions and delays of a second, where histories are of seconds.
fn group_settings() -> GroupSettings {
    GroupSettings { min_session_timeout_ms: 500, initial_rebalance_delay_ms: 150, ..GroupSettings::default() }
}

/// Short times and small sizes, so that a history of seconds meets their ends.
fn engine_options(world: &World, broker: usize) -> EngineOptions {
    let mut options = EngineOptions::new(PathBuf::from(WAL_DIR), broker as u128 + 1, true);
    options.paced = world.seed % 4 != 3;
    options.flush_bytes = 2048;
    options.flush_interval = Duration::from_millis(20);
    options.flush_max_age = Duration::from_millis(400);
    options.wal_file_bytes = 1 << 18;
    options.wal_max_bytes = 1 << 20;
    options.wal_pace_from_bytes = 512;
    options.unflushed_max_bytes = 16 << 10;
    options.tail_max_bytes = 4096;
    options.block_cache_bytes = 64 << 10;
    options.read_ahead = world.seed.is_multiple_of(2);
    // Brokers differ in it: a fence goes on by the window of the epoch that it ends.
    options.window = 1 + ((world.seed / 3 + 3 * broker as u64) % 7) as u32;
    options.manifest_every = 3;
    options.snapshot_every = 3;
    options.put_deadline = Duration::from_millis(1500);
    options.gc_grace = GC_GRACE;
    options.upkeep_interval = Duration::from_secs(1);
    options.compaction_bytes = 256 << 10;
    options
}
