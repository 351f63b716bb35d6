//! A broker from its start to its end.
//!
//! ```text
//!   lock the data directory ─► bind ─► store ─► metadata ─► leases (wait) ─► engine ─► groups, Kafka
//!   drain: Kafka ─► engine (flush, manifests) ─► metadata ─► leases given up
//! ```
//!
//! What can be refused at once is refused before anything is written.

use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use highwater_env::Env;
use highwater_env::real::RealEnv;
use highwater_groups::{GroupSettings, Groups, PartitionOffsetsLog};
use highwater_kafka::{
    Broker, BrokerInfo as KafkaBroker, Endpoint, Gate, KafkaConfig, OFFSETS_TOPIC, Server, SingleBroker,
};
use highwater_lease::waiting::acquire_all;
use highwater_lease::{BrokerIdentity, BrokerInfo, Holder, Keeper, LeaseStore};
use highwater_log::{Engine, EngineOptions};
use highwater_meta::{BrokerSettings, MetaClient, MetaOptions};
use highwater_store::Store;
use highwater_types::{Incarnation, ShardId};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::config::{ServeConfig, StoreTarget};
use crate::errors::StartError;
use crate::progress::PutProgress;
use crate::readiness::{Phase, Readiness};
use crate::shutdown::Shutdown;
use crate::{banner, http, identity, leadership, storage};

/// Shards of a cluster that this broker founds: enough to spread one cluster over a few brokers,
/// few enough that a flush of each stays large.
const SHARDS: u32 = 4;
/// How often a broker on a bucket looks for metadata that others wrote.
const META_POLL: Duration = Duration::from_secs(10);
/// Time for everything between the first signal and the end.
const DRAIN_LIMIT: Duration = Duration::from_secs(25);
/// Of that, time for clients' requests in flight.
const CLIENTS_LIMIT: Duration = Duration::from_secs(8);
/// Of that, time that giving up the leases may take.
const RESIGN_LIMIT: Duration = Duration::from_secs(3);

/// Runs a broker until a signal. `Ok` is what the process ends with.
pub async fn serve(config: ServeConfig) -> Result<ExitCode, StartError> {
    let mut shutdown = Shutdown::listen()?;
    let env = RealEnv::new(tokio::runtime::Handle::current());
    let readiness = Readiness::new();
    let mut started = Started::default();
    let start = start(&env, &config, &readiness, &mut started);
    let serving = tokio::select! {
        biased;
        () = shutdown.asked() => None,
        serving = start => Some(serving),
    };
    match serving {
        // Asked to end before it was ready: nothing was served.
        None => Ok(stop(&env, &readiness, None, started).await),
        Some(Err(error)) => {
            started.give_up(&env).await;
            Err(error)
        }
        Some(Ok(serving)) => {
            let taken_over = tokio::select! {
                biased;
                () = shutdown.asked() => None,
                holder = serving.lost_leadership(&env) => Some(holder),
            };
            let code = stop(&env, &readiness, Some(serving), started).await;
            taken_over.map_or(Ok(code), |holder| Err(StartError::TakenOver(Box::new(holder))))
        }
    }
}

/// What has to be given up again, whatever happened after it.
#[derive(Default)]
struct Started {
    leases: Option<Arc<dyn LeaseStore>>,
    keeper: Option<Keeper>,
    meta: Option<MetaClient>,
    /// Held to the last: while it is, nobody else uses the data directory.
    _data: Option<highwater_lease::DirectoryLock>,
}

impl Started {
    /// Ends the metadata client and the leases, so that nobody has to wait for them to run out.
    async fn give_up(self, env: &Env) {
        if let Some(meta) = self.meta
            && env.timeout(RESIGN_LIMIT, meta.close()).await.is_err()
        {
            tracing::warn!("a change of the metadata was not finished");
        }
        if let Some(keeper) = self.keeper {
            keeper.stop().await;
        }
        let Some(leases) = self.leases else { return };
        match env.timeout(RESIGN_LIMIT, leases.resign()).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => {
                tracing::warn!(%error, "the leases were not given up; they run out by themselves")
            }
            Err(_) => {
                tracing::warn!("the leases were not given up in time; they run out by themselves")
            }
        }
    }
}

/// A broker that serves.
struct Serving {
    kafka: Server,
    engine: Engine,
    leases: Arc<dyn LeaseStore>,
    shards: Vec<ShardId>,
}

impl Serving {
    async fn lost_leadership(&self, env: &Env) -> Holder {
        leadership::lost(env, &*self.leases, &self.shards, &self.engine.log()).await
    }
}

async fn start(
    env: &Env,
    config: &ServeConfig,
    readiness: &Readiness,
    started: &mut Started,
) -> Result<Serving, StartError> {
    started._data = Some(storage::lock_data(env, config).await?);
    let identity = identity::load_or_create(&config.data, &*env.random)?;
    let incarnation = Incarnation(env.random.next_u64());
    let probes = http::bind(config.http).await?;
    let http_address = probes.local_addr().map_err(StartError::Listener)?;
    let listener = bind_kafka(config.listen)?;
    let listen = listener.local_addr().map_err(StartError::Listener)?;
    let advertised = config.advertised(listen);
    http::start(probes, readiness.clone());

    let store = storage::open_store(env, config).await?;
    let me = who(config, identity, incarnation, &advertised);
    let leases = storage::open_leases(env, config, &store, me).await?;
    started.leases = Some(Arc::clone(&leases));
    let meta = MetaClient::open(env, Arc::clone(&store), incarnation, meta_options(config, &*store)).await?;
    started.meta = Some(meta.clone());
    tracing::info!(cluster = meta.state().cluster_id_text(), %identity, store = store.describe(), "found the cluster");
    let progress = PutProgress::new(env.clone());
    started.keeper = Some(Keeper::start(env, Arc::clone(&leases), progress.as_progress()).await?);
    let shards: Vec<ShardId> = (0..meta.state().shards).map(ShardId).collect();
    let listener = lead(env, readiness, &*leases, &shards, &meta, listener, listen).await?;

    let options = EngineOptions::new(config.data.join("wal"), identity.0.as_u128(), !store.is_local());
    let engine = Engine::start(env.clone(), store, meta.clone(), incarnation, options).await?;
    progress.watch(engine.log());
    let watched = engine.log();
    readiness.watch_leadership(Box::new(move || watched.is_ready()));
    let kafka = start_kafka(env, config, &advertised, listener, &engine, meta)?;
    readiness.set(Phase::Ready);
    banner::print(&banner::lines(config, listen, http_address, &advertised));
    Ok(Serving { kafka, engine, leases, shards })
}

fn bind_kafka(address: SocketAddr) -> Result<TcpListener, StartError> {
    highwater_kafka::bind(address).map_err(|source| StartError::Bind { address, flag: "--listen", source })
}

fn who(config: &ServeConfig, identity: BrokerIdentity, incarnation: Incarnation, advertised: &Endpoint) -> BrokerInfo {
    BrokerInfo {
        identity,
        incarnation,
        node_id: config.node_id,
        address: format!("{}:{}", advertised.host, advertised.port),
        zone: config.zone.clone(),
    }
}

fn meta_options(config: &ServeConfig, store: &dyn Store) -> MetaOptions {
    let mut configs = config.configs.clone();
    // On a directory the bucket is the same disk as the log: waiting for it makes nothing safer.
    let durability = if store.is_local() { "local" } else { "object" };
    configs.entry(highwater_meta::config::topic::DURABILITY.to_owned()).or_insert_with(|| durability.to_owned());
    MetaOptions {
        node_id: config.node_id.0,
        shards: SHARDS,
        configs,
        poll_interval: (config.store_target == StoreTarget::Bucket).then_some(META_POLL),
    }
}

/// Takes every shard's lease. While another broker has one, nobody listens on the Kafka port, so
/// that clients are refused instead of left hanging.
async fn lead(
    env: &Env,
    readiness: &Readiness,
    leases: &dyn LeaseStore,
    shards: &[ShardId],
    meta: &MetaClient,
    listener: TcpListener,
    listen: SocketAddr,
) -> Result<TcpListener, StartError> {
    let mut listener = Some(listener);
    acquire_all(env, leases, shards, |holder| {
        listener = None;
        let line = format!("highwater: waiting for {holder}, which leads here; not ready until its lease ends\n");
        banner::print(&line);
        readiness.set(Phase::Waiting(holder.to_string()));
    })
    .await?;
    match listener {
        Some(listener) => Ok(listener),
        None => {
            readiness.set(Phase::Starting);
            // What the other one wrote while it led.
            meta.refresh().await?;
            bind_kafka(listen)
        }
    }
}

fn start_kafka(
    env: &Env,
    config: &ServeConfig,
    advertised: &Endpoint,
    listener: TcpListener,
    engine: &Engine,
    meta: MetaClient,
) -> Result<Server, StartError> {
    let mut kafka = KafkaConfig::new(config.node_id, advertised.clone());
    kafka.rack.clone_from(&config.zone);
    let of = meta.clone();
    let offsets_topic = Arc::new(move || {
        let state = of.state();
        let topic = state.topic(OFFSETS_TOPIC)?;
        Some((topic.id, topic.partition_count().cast_unsigned()))
    });
    let offsets = Arc::new(PartitionOffsetsLog::new(engine.log(), offsets_topic));
    let groups = Groups::start(env.clone(), offsets, group_settings(meta.state().settings()));
    let info = KafkaBroker { node: config.node_id, endpoint: advertised.clone(), rack: config.zone.clone() };
    let led = engine.log();
    let brokers = Arc::new(SingleBroker::new(info, move |shard| led.leader_epoch(shard).unwrap_or(-1)));
    let draining = CancellationToken::new();
    let broker = Broker::new(env.clone(), kafka.clone(), engine.log(), meta, groups, brokers, draining.clone());
    Server::start(env, listener, Arc::new(Gate::new(broker)), &kafka, draining).map_err(StartError::Listener)
}

fn group_settings(settings: &BrokerSettings) -> GroupSettings {
    let int = |value: i64| i32::try_from(value).unwrap_or(i32::MAX);
    let unsigned = |value: i64| u32::try_from(value).unwrap_or(u32::MAX);
    GroupSettings {
        min_session_timeout_ms: int(settings.group_min_session_timeout_ms),
        max_session_timeout_ms: int(settings.group_max_session_timeout_ms),
        initial_rebalance_delay_ms: unsigned(settings.group_initial_rebalance_delay_ms),
        max_size: settings.group_max_size,
        offset_metadata_max_bytes: settings.offset_metadata_max_bytes,
        offsets_retention_ms: settings.offsets_retention_ms,
        offsets_retention_check_interval_ms: unsigned(settings.offsets_retention_check_ms),
    }
}

/// Drains within [`DRAIN_LIMIT`]. What is acknowledged is safe in any case; the exit code says
/// whether everything was finished.
async fn stop(env: &Env, readiness: &Readiness, serving: Option<Serving>, started: Started) -> ExitCode {
    readiness.set(Phase::Draining);
    let mut finished = true;
    if let Some(Serving { kafka, engine, .. }) = serving {
        let began = env.now();
        let cut_off = kafka.drain(CLIENTS_LIMIT).await;
        if cut_off > 0 {
            tracing::warn!(connections = cut_off, "connections were cut off");
        }
        let left = (DRAIN_LIMIT - 3 * RESIGN_LIMIT).saturating_sub(env.now().since(began));
        if env.timeout(left, engine.shutdown()).await.is_err() {
            tracing::warn!(
                "not everything was flushed in time; what was acknowledged is safe, the next start flushes it"
            );
            finished = false;
        }
    }
    started.give_up(env).await;
    tracing::info!("stopped");
    if finished { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
