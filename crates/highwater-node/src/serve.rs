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

use highwater_cache::DiskCache;
use highwater_env::Env;
use highwater_env::real::RealEnv;
use highwater_groups::{GroupSettings, Groups, PartitionOffsetsLog};
use highwater_kafka::handlers::HANDLERS;
use highwater_kafka::{
    Broker, Endpoint, Gate, KafkaConfig, KafkaMetrics, NamedBudget, OFFSETS_TOPIC, Server, SingleBroker,
};
use highwater_lease::lost::lost;
use highwater_lease::waiting::acquire_all;
use highwater_lease::{BrokerInfo, Holder, Keeper, LeaseStore};
use highwater_log::{Engine, EngineOptions, LogMetrics, ReadCache};
use highwater_meta::{BrokerSettings, MetaClient, MetaOptions};
use highwater_store::Store;
use highwater_types::{Incarnation, ShardId};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::config::{HostPort, Listener, ServeConfig, StoreTarget, as_kafka};
use crate::errors::StartError;
use crate::http::Pages;
use crate::http::metrics::Observed;
use crate::identity::Identity;
use crate::progress::PutProgress;
use crate::readiness::{Phase, Readiness};
use crate::shutdown::Shutdown;
use crate::telemetry::LogFilter;
use crate::{banner, disk_cache, http, identity, process, storage};

/// Shards of a cluster that this broker founds: enough to spread one cluster over a few brokers,
/// few enough that a flush of each stays large.
const SHARDS: u32 = 4;
/// How often a broker on a bucket looks for metadata that others wrote.
const META_POLL: Duration = Duration::from_secs(10);
/// Of the time for a drain, a third for clients' requests in flight.
const CLIENTS_SHARE: u32 = 3;
/// Of the time for a drain, what each of the last steps (the read cache, the metadata, the leases) may
/// take, at most.
const RESIGN_LIMIT: Duration = Duration::from_secs(3);
/// And at most this part of it, where it is short.
const RESIGN_SHARE: u32 = 8;
/// Those steps.
const RESIGN_STEPS: u32 = 4;

/// Runs a broker until a signal. `Ok` is what the process ends with.
pub async fn serve(config: ServeConfig, log: LogFilter) -> Result<ExitCode, StartError> {
    let mut shutdown = Shutdown::listen()?;
    let (env, tasks) = RealEnv::with_census(tokio::runtime::Handle::current());
    #[cfg(feature = "faults")]
    let (env, config, faults) = crate::faults::around(env, config);
    let readiness = Readiness::new();
    let pages = Pages {
        readiness: readiness.clone(),
        observed: Arc::new(Observed::new()),
        tasks,
        log,
        #[cfg(feature = "faults")]
        faults,
    };
    let mut started = Started::default();
    let start = start(&env, &config, pages, &mut started);
    let serving = tokio::select! {
        biased;
        () = shutdown.asked() => None,
        serving = start => Some(serving),
    };
    match serving {
        // Asked to end before it was ready: nothing was served.
        None => Ok(stop(&env, &readiness, None, started, config.drain_limit).await),
        Some(Err(error)) => {
            started.give_up(&env, resign_limit(config.drain_limit)).await;
            Err(error)
        }
        Some(Ok(serving)) => {
            let taken_over = tokio::select! {
                biased;
                () = shutdown.asked() => None,
                holder = serving.lost_leadership(&env, started.keeper.as_ref()) => Some(holder),
            };
            let code = stop(&env, &readiness, Some(serving), started, config.drain_limit).await;
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
    async fn give_up(self, env: &Env, limit: Duration) {
        if let Some(meta) = self.meta
            && env.timeout(limit, meta.close()).await.is_err()
        {
            tracing::warn!("a change of the metadata was not finished");
        }
        if let Some(keeper) = self.keeper {
            keeper.stop().await;
        }
        let Some(leases) = self.leases else { return };
        match env.timeout(limit, leases.resign()).await {
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
    disk_cache: Option<Arc<DiskCache>>,
    leases: Arc<dyn LeaseStore>,
    shards: Vec<ShardId>,
}

impl Serving {
    async fn lost_leadership(&self, env: &Env, keeper: Option<&Keeper>) -> Holder {
        let Some(keeper) = keeper else { return std::future::pending().await };
        let log = self.engine.log();
        lost(env, &*self.leases, keeper, &self.shards, || log.is_ready()).await
    }
}

async fn start(env: &Env, config: &ServeConfig, pages: Pages, started: &mut Started) -> Result<Serving, StartError> {
    let (readiness, observed) = (pages.readiness.clone(), Arc::clone(&pages.observed));
    started._data = Some(storage::lock_data(env, config).await?);
    let identity = identity::load_or_create(&config.data, config.node_id.as_ref(), &*env.random)?;
    let incarnation = Incarnation(env.random.next_u64());
    let probes = http::bind(resolve(&config.http, "--http")?).await?;
    let http_address = probes.local_addr().map_err(StartError::Listener)?;
    let addresses: Vec<SocketAddr> =
        config.listeners.iter().map(|listener| resolve(&listener.address, "--listen")).collect::<Result<_, _>>()?;
    let sockets = bind_kafka(&addresses)?;
    let kafka_at = bound(config, &sockets)?;
    http::start(probes, pages);

    let metrics = &observed.metrics;
    let store = storage::open_store(env, config, metrics).await?;
    let me = who(config, identity, incarnation, &kafka_at);
    let leases = storage::open_leases(env, config, &store, me).await?;
    started.leases = Some(Arc::clone(&leases));
    let meta = MetaClient::open(env, Arc::clone(&store), incarnation, meta_options(config, identity, &*store)).await?;
    started.meta = Some(meta.clone());
    let cluster = meta.state().cluster_id_text();
    tracing::info!(cluster, identity = %identity.broker, store = store.describe(), "found the cluster");
    as_kafka::tell_of_stored_only(&config.configs);
    let progress = PutProgress::new(env.clone());
    let keeper = started.keeper.insert(Keeper::start(env, Arc::clone(&leases), progress.as_progress()).await?);
    let shards: Vec<ShardId> = (0..meta.state().shards).map(ShardId).collect();
    let listen: Vec<SocketAddr> = kafka_at.iter().map(|(socket, _)| *socket).collect();
    let sockets = lead(env, &readiness, (&*leases, keeper), &shards, &meta, sockets, &listen).await?;

    let disk_cache = disk_cache::open(config).await?;
    let options = EngineOptions {
        metrics: LogMetrics::register(metrics),
        tenure: keeper.tenure(),
        read_cache: disk_cache.clone().map(|cache| cache as Arc<dyn ReadCache>),
        ..engine_options(config, identity, !store.is_local(), meta.state().settings())
    };
    let engine = Engine::start(env.clone(), store, meta.clone(), incarnation, options).await?;
    progress.watch(engine.log());
    let watched = engine.log();
    readiness.watch_leadership(Box::new(move || watched.is_ready()));
    let kafka =
        start_kafka(env, config, identity, &kafka_at, sockets, Below { engine: &engine, meta, observed: &observed })?;
    process::warn_of_few_open_files(config.max_connections);
    readiness.set(Phase::Ready);
    banner::print(&banner::lines(config, &kafka_at, http_address));
    Ok(Serving { kafka, engine, disk_cache, leases, shards })
}

fn resolve(address: &HostPort, flag: &'static str) -> Result<SocketAddr, StartError> {
    address.resolve().map_err(|error| StartError::Resolve { address: address.to_string(), flag, error })
}

fn bind_kafka(addresses: &[SocketAddr]) -> Result<Vec<TcpListener>, StartError> {
    let bind = |address: SocketAddr| {
        highwater_kafka::bind(address).map_err(|source| StartError::Bind { address, flag: "--listen", source })
    };
    addresses.iter().copied().map(bind).collect()
}

/// For each listener its socket, and what its clients are told.
fn bound(config: &ServeConfig, sockets: &[TcpListener]) -> Result<Vec<(SocketAddr, Endpoint)>, StartError> {
    let one = |(listener, socket): (&Listener, &TcpListener)| {
        socket.local_addr().map(|address| (address, listener.endpoint(address.port())))
    };
    config.listeners.iter().zip(sockets).map(one).collect::<Result<_, _>>().map_err(StartError::Listener)
}

fn engine_options(config: &ServeConfig, identity: Identity, remote: bool, settings: &BrokerSettings) -> EngineOptions {
    let defaults = EngineOptions::new(config.data.join("wal"), identity.broker.0.as_u128(), remote);
    EngineOptions {
        gc_grace: config.gc_grace,
        // Nobody believes an answer that is older than half of the grace.
        put_deadline: defaults.put_deadline.min(config.gc_grace / 4),
        upkeep_interval: Duration::from_millis(settings.retention_check_ms.unsigned_abs()),
        wal_max_bytes: config.wal_max_bytes,
        flush_bytes: config.flush_bytes,
        flush_interval: config.flush_interval,
        unflushed_max_bytes: config.unflushed_memory_bytes,
        tail_max_bytes: config.tail_memory_bytes,
        block_cache_bytes: config.cache_memory_bytes,
        ..defaults
    }
}

fn who(
    config: &ServeConfig,
    identity: Identity,
    incarnation: Incarnation,
    kafka_at: &[(SocketAddr, Endpoint)],
) -> BrokerInfo {
    // Others only show it to people who wait for this broker.
    let address = kafka_at.first().map(|(_, endpoint)| format!("{}:{}", endpoint.host, endpoint.port));
    BrokerInfo {
        identity: identity.broker,
        incarnation,
        node_id: identity.node_id,
        address: address.unwrap_or_default(),
        zone: config.zone.clone(),
    }
}

fn meta_options(config: &ServeConfig, identity: Identity, store: &dyn Store) -> MetaOptions {
    MetaOptions {
        node_id: identity.node_id.0,
        shards: SHARDS,
        configs: as_kafka::start_up_configs(config, identity.node_id, store.is_local()),
        poll_interval: (config.store_target == StoreTarget::Bucket).then_some(META_POLL),
        gc_grace: config.gc_grace,
    }
}

/// Takes every shard's lease. While another broker has one, nobody listens on the Kafka port, so
/// that clients are refused instead of left hanging.
async fn lead(
    env: &Env,
    readiness: &Readiness,
    (leases, keeper): (&dyn LeaseStore, &Keeper),
    shards: &[ShardId],
    meta: &MetaClient,
    sockets: Vec<TcpListener>,
    listen: &[SocketAddr],
) -> Result<Vec<TcpListener>, StartError> {
    let mut sockets = Some(sockets);
    acquire_all(env, leases, keeper, shards, |holder| {
        sockets = None;
        let line = format!("highwater: waiting for {holder}, which leads here; not ready until its lease ends\n");
        banner::print(&line);
        readiness.set(Phase::Waiting(holder.to_string()));
    })
    .await?;
    match sockets {
        Some(sockets) => Ok(sockets),
        None => {
            readiness.set(Phase::Starting);
            // What the other one wrote while it led.
            meta.refresh().await?;
            bind_kafka(listen)
        }
    }
}

/// What the front door stands on, and where it counts.
struct Below<'a> {
    engine: &'a Engine,
    meta: MetaClient,
    observed: &'a Observed,
}

fn start_kafka(
    env: &Env,
    config: &ServeConfig,
    identity: Identity,
    kafka_at: &[(SocketAddr, Endpoint)],
    sockets: Vec<TcpListener>,
    below: Below<'_>,
) -> Result<Server, StartError> {
    let Below { engine, meta, observed } = below;
    let node = identity.node_id;
    let kafka = KafkaConfig {
        rack: config.zone.clone(),
        log_dir: config.data.display().to_string(),
        max_request_bytes: config.socket_request_max_bytes,
        max_connections: config.max_connections,
        connections_max_idle: config.connections_max_idle,
        request_memory_bytes: config.request_memory_bytes,
        fetch_memory_bytes: config.fetch_memory_bytes,
        metrics: KafkaMetrics::register(&observed.metrics, HANDLERS.iter().map(|handler| handler.key)),
        ..KafkaConfig::new(node)
    };
    let of = meta.clone();
    let offsets_topic = Arc::new(move || {
        let state = of.state();
        let topic = state.topic(OFFSETS_TOPIC)?;
        Some((topic.id, topic.partition_count().cast_unsigned()))
    });
    let offsets = Arc::new(PartitionOffsetsLog::new(engine.log(), offsets_topic));
    let groups = Groups::start(env.clone(), offsets, group_settings(meta.state().settings()));
    let endpoints = kafka_at.iter().map(|(_, endpoint)| endpoint.clone()).collect();
    let led = engine.log();
    let epoch_of = move |shard| led.leader_epoch(shard).unwrap_or(-1);
    let brokers = Arc::new(SingleBroker::new(node, config.zone.clone(), endpoints, epoch_of));
    let draining = CancellationToken::new();
    let broker = Broker::new(env.clone(), kafka.clone(), engine.log(), meta.clone(), groups, brokers, draining.clone());
    let fetches = NamedBudget { name: "fetches", budget: broker.fetch_memory.clone() };
    let gate = Arc::new(Gate::new(broker));
    let server = Server::start(env, sockets, gate, &kafka, draining).map_err(StartError::Listener)?;
    observed.watch(&engine.log(), &meta, &server, fetches);
    Ok(server)
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

/// What each step of giving up the leases may take.
fn resign_limit(drain_limit: Duration) -> Duration {
    RESIGN_LIMIT.min(drain_limit / RESIGN_SHARE)
}

/// Drains within `limit`. What is acknowledged is safe in any case; the exit code says
/// whether everything was finished.
async fn stop(
    env: &Env,
    readiness: &Readiness,
    serving: Option<Serving>,
    started: Started,
    limit: Duration,
) -> ExitCode {
    let resign_limit = resign_limit(limit);
    readiness.set(Phase::Draining);
    let mut finished = true;
    if let Some(Serving { kafka, engine, disk_cache, .. }) = serving {
        let began = env.now();
        let cut_off = kafka.drain(limit / CLIENTS_SHARE).await;
        if cut_off > 0 {
            tracing::warn!(connections = cut_off, "connections were cut off");
        }
        let left = limit.saturating_sub(RESIGN_STEPS * resign_limit).saturating_sub(env.now().since(began));
        if env.timeout(left, engine.shutdown()).await.is_err() {
            tracing::warn!(
                "not everything was flushed in time; what was acknowledged is safe, the next start flushes it"
            );
            finished = false;
        }
        if let Some(cache) = disk_cache {
            // What it forgets is in the bucket.
            let _ = env.timeout(resign_limit, cache.close()).await;
        }
    }
    started.give_up(env, resign_limit).await;
    tracing::info!("stopped");
    if finished { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
