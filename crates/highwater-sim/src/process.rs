//! One life of one broker: from its start to a kill, an orderly end, or a failure to start.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use futures::channel::oneshot;
use highwater_env::sim::NodeId;
use highwater_groups::{GroupSettings, Groups, PartitionOffsetsLog};
use highwater_log::{Engine, EngineOptions, Log, StartError};
use highwater_meta::{MetaClient, MetaOptions};
use highwater_types::Incarnation;
use parking_lot::Mutex;

use crate::world::World;

/// Shards of the cluster.
const SHARDS: u32 = 2;

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
    pub paused: Mutex<bool>,
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
            paused: Mutex::new(false),
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
    let store = world.store(&env);
    let incarnation = Incarnation(env.random.next_u64());
    let mut options = MetaOptions::new();
    options.shards = SHARDS;
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
    let started = Engine::start(env.clone(), store, meta.clone(), incarnation, engine_options(world, broker)).await;
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
    let groups = Groups::start(env.clone(), offsets, GroupSettings::default());
    world.note(&[3, broker as u64], || format!("broker {broker} serves"));
    process.reach(Stage::Serving(Box::new(Handles { log, meta: meta.clone(), groups })));
    if stopped.await.is_err() {
        return std::future::pending().await;
    }
    process.reach(Stage::Ending);
    engine.shutdown().await;
    meta.close().await;
    world.note(&[4, broker as u64], || format!("broker {broker} has ended in order"));
}

/// Short times and small sizes, so that a history of seconds meets their ends.
fn engine_options(world: &World, broker: usize) -> EngineOptions {
    let mut options = EngineOptions::new(PathBuf::from("/wal"), broker as u128 + 1, true);
    options.paced = world.seed % 4 != 3;
    options.flush_bytes = 2048;
    options.flush_interval = Duration::from_millis(20);
    options.flush_max_age = Duration::from_millis(400);
    options.wal_file_bytes = 1 << 18;
    options.wal_max_bytes = 1 << 20;
    options.unflushed_max_bytes = 16 << 10;
    options.tail_max_bytes = 4096;
    options.block_cache_bytes = 64 << 10;
    options.read_ahead = world.seed.is_multiple_of(2);
    options.manifest_every = 3;
    options.snapshot_every = 3;
    options.put_deadline = Duration::from_millis(1500);
    options.gc_grace = Duration::from_secs(4);
    options.upkeep_interval = Duration::from_secs(1);
    options.compaction_bytes = 256 << 10;
    options
}
