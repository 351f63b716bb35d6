//! The front door's settings, filled by the node. Names follow Kafka's where Kafka has one. What
//! Kafka lets administrators change while brokers run (`num.partitions`, `auto.create.topics.enable`,
//! ...) is in the cluster's metadata instead.

use std::time::Duration;

use highwater_types::NodeId;

use crate::metrics::KafkaMetrics;

/// Requests of one connection that may be in flight: read and not answered yet. Twice as many of a client's
/// default batches (16 KiB) as make a segment: where an acknowledgement waits for the bucket, a client that
/// pipelines without a limit of its own (librdkafka) is then bound by bytes, not by the pace of flushes.
/// With 64, 10 MB/s in batches of 12 KiB were too much, and its own queue grew without end.
pub const MAX_IN_FLIGHT_PER_CONNECTION: usize = 1024;

/// A peer that stops in the middle of a request for this long is cut off: memory for the whole of
/// it is reserved.
pub const STALL_LIMIT: Duration = Duration::from_secs(30);

/// A peer that takes no byte of its answer for this long is cut off, whoever it is.
pub const UNREAD_LIMIT: Duration = Duration::from_secs(600);

/// The same while others wait for the memory that its answer holds. The client connects again and
/// asks again.
pub const UNREAD_LIMIT_WHEN_WANTED: Duration = Duration::from_secs(2);

/// Where clients reach a broker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// Host name or address.
    pub host: String,
    /// Port.
    pub port: u16,
}

/// One of this broker's listeners: its place among those that the server was given.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ListenerId(pub usize);

/// Settings of the Kafka listeners and their handlers; all listeners share them.
#[derive(Clone, Debug)]
pub struct KafkaConfig {
    /// `node.id`.
    pub node_id: NodeId,
    /// `broker.rack`.
    pub rack: Option<String>,
    /// `log.dirs`, as DescribeLogDirs shows it: the one place where this broker keeps data of its own.
    pub log_dir: String,
    /// `socket.request.max.bytes`: the largest frame.
    pub max_request_bytes: usize,
    /// `fetch.max.bytes`: most records in one answer, whatever the client asks.
    pub fetch_max_bytes: usize,
    /// `max.connections`, of all listeners together: at the limit no more are served until one ends.
    pub max_connections: usize,
    /// `connections.max.idle.ms`.
    pub connections_max_idle: Duration,
    /// Bytes of all request frames that are being read or handled (`queued.max.request.bytes`).
    pub request_memory_bytes: usize,
    /// Bytes of all records that are read for answers and not written to their sockets yet.
    pub fetch_memory_bytes: usize,
    /// `max.incremental.fetch.session.cache.slots`.
    pub fetch_session_slots: usize,
    /// Where it counts.
    pub metrics: KafkaMetrics,
}

impl KafkaConfig {
    /// Kafka's defaults for a broker of this number; connections and memory for a small machine.
    pub fn new(node_id: NodeId) -> Self {
        Self {
            node_id,
            rack: None,
            log_dir: ".".to_owned(),
            max_request_bytes: 100 << 20,
            fetch_max_bytes: 55 << 20,
            max_connections: 16_000,
            connections_max_idle: Duration::from_secs(600),
            request_memory_bytes: 128 << 20,
            fetch_memory_bytes: 128 << 20,
            fetch_session_slots: 1_000,
            metrics: KafkaMetrics::default(),
        }
    }
}
