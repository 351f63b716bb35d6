//! What the settings mean together: checked, with defaults, before anything is touched.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use highwater_store::StoreOptions;
use highwater_types::NodeId;

use super::bucket::{self, StoreTarget};
use super::host_port::HostPort;
use super::key::{Facts, Key};
use super::keys;
use super::listeners::{self, Listener};
use super::settings::{self, Given, Settings};
use super::size;
use crate::errors::StartError;
use crate::telemetry::LogFormat;

/// A broker's configuration.
#[derive(Clone, Debug)]
pub struct ServeConfig {
    /// Data directory, absolute.
    pub data: PathBuf,
    /// Where Kafka's clients come in; one at least.
    pub listeners: Vec<Listener>,
    /// The probes' socket.
    pub http: HostPort,
    /// URL of the bucket.
    pub store_url: String,
    /// What kind that is.
    pub store_target: StoreTarget,
    /// The rest of it.
    pub store_options: StoreOptions,
    /// Kafka's node.id, if one was asked for, and how that is called where it was.
    pub node_id: Option<(NodeId, String)>,
    /// Kafka's broker.rack.
    pub zone: Option<String>,
    /// Kafka broker configurations.
    pub configs: BTreeMap<String, String>,
    /// Log filter.
    pub log: String,
    /// How its lines are written.
    pub log_format: LogFormat,
    /// Most bytes of write-ahead log on disk.
    pub wal_max_bytes: u64,
    /// A shard's buffer is flushed at this size.
    pub flush_bytes: usize,
    /// Pace of flushes that are not full.
    pub flush_interval: Duration,
    /// How long an object that nobody needs stays.
    pub gc_grace: Duration,
    /// Bytes of segments in memory, for readers behind the tail.
    pub cache_memory_bytes: usize,
    /// Where segments are kept on disk, too, and how many bytes of them; nothing where there is no
    /// such cache.
    pub disk_cache: Option<(PathBuf, u64)>,
    /// Bytes of records that the bucket does not have yet.
    pub unflushed_memory_bytes: usize,
    /// Bytes of flushed records for consumers at the tail.
    pub tail_memory_bytes: usize,
    /// Bytes of requests being read or handled.
    pub request_memory_bytes: usize,
    /// Bytes of records on their way to consumers.
    pub fetch_memory_bytes: usize,
    /// Largest request.
    pub socket_request_max_bytes: usize,
    /// Connections of all listeners.
    pub max_connections: usize,
    /// When an idle connection is closed.
    pub connections_max_idle: Duration,
    /// From the first signal to the end.
    pub drain_limit: Duration,
}

impl ServeConfig {
    /// Checks the settings, each and together.
    ///
    /// # Errors
    /// One line that says which setting, where it was given, what it got and what it takes.
    pub fn resolve(settings: &Settings) -> Result<Self, StartError> {
        let data = absolute(settings, &keys::DATA.facts, &settings.value(&keys::DATA)?)?;
        let (store_url, store_target) = bucket::target(settings, &data)?;
        let node_id = settings.get(&keys::NODE_ID)?;
        let config = Self {
            listeners: listeners(settings)?,
            http: settings.value(&keys::HTTP)?,
            store_options: bucket::options(settings, &store_url, &store_target)?,
            node_id: node_id.map(|node| (NodeId(node), settings.spelled(&keys::NODE_ID.facts))),
            zone: settings.get(&keys::ZONE)?,
            configs: settings.kafka().iter().map(|(name, given)| (name.clone(), given.text.clone())).collect(),
            log: settings.value(&keys::LOG)?,
            log_format: if settings.value(&keys::LOG_JSON)? { LogFormat::Json } else { LogFormat::Text },
            wal_max_bytes: settings.value(&keys::WAL_MAX_BYTES)?,
            flush_bytes: bytes(settings, &keys::FLUSH_BYTES)?,
            flush_interval: settings.value(&keys::FLUSH_INTERVAL_MS)?,
            gc_grace: settings.value(&keys::GC_GRACE_MS)?,
            cache_memory_bytes: bytes(settings, &keys::CACHE_MEMORY_BYTES)?,
            disk_cache: disk_cache(settings, &data, &store_target)?,
            unflushed_memory_bytes: bytes(settings, &keys::UNFLUSHED_MEMORY_BYTES)?,
            tail_memory_bytes: bytes(settings, &keys::TAIL_MEMORY_BYTES)?,
            request_memory_bytes: bytes(settings, &keys::REQUEST_MEMORY_BYTES)?,
            fetch_memory_bytes: bytes(settings, &keys::FETCH_MEMORY_BYTES)?,
            socket_request_max_bytes: bytes(settings, &keys::SOCKET_REQUEST_MAX_BYTES)?,
            max_connections: bytes(settings, &keys::MAX_CONNECTIONS)?,
            connections_max_idle: settings.value(&keys::CONNECTIONS_MAX_IDLE_MS)?,
            drain_limit: settings.value(&keys::DRAIN_LIMIT_MS)?,
            data,
            store_url,
            store_target,
        };
        config.check(settings)?;
        Ok(config)
    }

    /// What is wrong with settings that are each right.
    fn check(&self, settings: &Settings) -> Result<(), StartError> {
        // What does not fit its budget would be handled alone, and go beyond it.
        let request = (&keys::SOCKET_REQUEST_MAX_BYTES.facts, self.socket_request_max_bytes);
        let flush = (&keys::FLUSH_BYTES.facts, self.flush_bytes);
        let fits = [
            (request, (&keys::REQUEST_MEMORY_BYTES.facts, self.request_memory_bytes)),
            (flush, (&keys::UNFLUSHED_MEMORY_BYTES.facts, self.unflushed_memory_bytes)),
            (flush, (&keys::CACHE_MEMORY_BYTES.facts, self.cache_memory_bytes)),
        ];
        for ((part, bytes), (budget, budget_bytes)) in fits {
            if bytes > budget_bytes {
                return Err(StartError::Config(format!(
                    "{} is {}, which is more than {} is, {}: lower the one or raise the other",
                    settings.spelled(part),
                    size::show(bytes as u64),
                    settings.spelled(budget),
                    size::show(budget_bytes as u64),
                )));
            }
        }
        Ok(())
    }
}

fn disk_cache(settings: &Settings, data: &Path, target: &StoreTarget) -> Result<Option<(PathBuf, u64)>, StartError> {
    let dir = match settings.get(&keys::CACHE_DISK_DIR)? {
        Some(dir) => absolute(settings, &keys::CACHE_DISK_DIR.facts, &dir)?,
        None => data.join("cache"),
    };
    let bytes = settings.value(&keys::CACHE_DISK_BYTES)?;
    if bytes > 0 && bytes < highwater_cache::LEAST_BYTES {
        return Err(StartError::Config(format!(
            "{} is {}: it takes 0, which is no cache on disk, or at least {}",
            settings.spelled(&keys::CACHE_DISK_BYTES.facts),
            size::show(bytes),
            size::show(highwater_cache::LEAST_BYTES),
        )));
    }
    Ok((bytes > 0 && *target == StoreTarget::Bucket).then_some((dir, bytes)))
}

fn listeners(settings: &Settings) -> Result<Vec<Listener>, StartError> {
    let listen = settings.given(&keys::LISTEN.facts);
    let advertise = settings.given(&keys::ADVERTISE.facts);
    listeners::combine(all(&keys::LISTEN, &listen)?, all(&keys::ADVERTISE, &advertise)?)
}

fn all<'a, T>(key: &Key<T>, given: &'a [Given]) -> Result<Vec<(T, &'a Given)>, StartError> {
    given.iter().map(|given| settings::read(key, given).map(|value| (value, given))).collect()
}

/// A size or a count of things in memory.
fn bytes(settings: &Settings, key: &Key<u64>) -> Result<usize, StartError> {
    // What a machine cannot address it will never reach either.
    Ok(usize::try_from(settings.value(key)?).unwrap_or(usize::MAX))
}

fn absolute(settings: &Settings, facts: &Facts, path: &Path) -> Result<PathBuf, StartError> {
    std::path::absolute(path)
        .map_err(|error| StartError::Config(format!("{} {}: {error}", settings.spelled(facts), path.display())))
}
