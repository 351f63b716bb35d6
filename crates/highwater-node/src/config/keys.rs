//! Every setting of a broker, defined once: name, type, default, limits and meaning.
//!
//! The doc comment is the text that people read, too: in `--help` and in the reference.

use std::path::PathBuf;
use std::time::Duration;

use super::host_port::{Advertised, HostPort};
use super::kafka;
use super::key::{Facts, Fallback, Kafka, Key, Shape};
use super::kind::{self, Kind};
use super::listeners::Named;
use crate::telemetry::DEFAULT_FILTER;

const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;
const TIB: u64 = 1 << 40;
const SECOND_MS: u64 = 1_000;
const DAY_MS: u64 = 86_400 * SECOND_MS;

/// The least and the most that budgets of memory may have: room for one batch of the default size
/// and more, and what one semaphore can count.
const MEMORY: Kind = Kind::Size { least: 8 * MIB, most: 4095 * MIB };

/// Most facts of most settings.
const BASE: Facts = Facts {
    name: "",
    doc: "",
    kind: Kind::Switch,
    shape: Shape::One,
    fallback: Fallback::Unset("none"),
    kafka: Kafka::Unknown,
    flag: None,
    also: &[],
};

/// Makes a static for each setting, and [`ALL`].
macro_rules! keys {
    ($(
        $(#[doc = $doc:literal])+
        $id:ident: $type:ty = $name:literal, $kind:expr, $read:path, $fallback:expr
        $(, $field:ident: $value:expr)*;
    )+) => {
        $(
            $(#[doc = $doc])+
            pub static $id: Key<$type> = Key {
                facts: Facts {
                    name: $name,
                    doc: concat!($($doc),+),
                    kind: $kind,
                    fallback: $fallback,
                    $($field: $value,)*
                    ..BASE
                },
                read: $read,
            };
        )+

        /// Every setting, in the order in which people are shown them.
        pub static ALL: &[&Facts] = &[$(&$id.facts),+];
    };
}

keys! {
    /// A TOML file with settings. Only a file that is named is read.
    CONFIG_FILE: PathBuf = "config.file", Kind::File, kind::path, Fallback::Unset("no file");

    /// Directory for the write-ahead log, the broker's identity and, without `store`, the bucket.
    DATA: PathBuf = "data", Kind::Directory, kind::path, Fallback::Value("./highwater-data"),
        kafka: Kafka::Instead("log.dirs");
    /// Addresses for Kafka clients. Several listeners have a name each.
    LISTEN: Named<HostPort> = "listen", Kind::Listener, kind::listener, Fallback::Value("127.0.0.1:9092"),
        shape: Shape::Many, kafka: Kafka::Instead("listeners");
    /// What clients of a listener are told to connect to; needed for a listener at a wildcard
    /// address. Without a port it is the listener's.
    ADVERTISE: Named<Advertised> = "advertise", Kind::Advertised, kind::advertised,
        Fallback::Unset("the address of the listener"),
        shape: Shape::Many, kafka: Kafka::Instead("advertised.listeners");
    /// Address for HTTP, for operators: probes at /livez and /readyz, /metrics, /debug.
    HTTP: HostPort = "http", Kind::Socket, kind::socket, Fallback::Value("127.0.0.1:8090");
    /// The bucket.
    STORE: String = "store", Kind::Store, kind::text, Fallback::Unset("a directory in `data`");
    /// Endpoint of an S3-compatible service.
    S3_ENDPOINT: String = "s3.endpoint", Kind::Endpoint, kind::endpoint,
        Fallback::Unset("that of AWS's variables or profile, else AWS's own");
    /// Region of the bucket.
    S3_REGION: String = "s3.region", Kind::Text { most: 64 }, kind::text,
        Fallback::Unset("the AWS profile's, else where the bucket says that it is"),
        also: &["AWS_REGION", "AWS_DEFAULT_REGION"];
    /// Address the bucket by path (endpoint/bucket) instead of by host name; always so where the
    /// endpoint is an IP address or the bucket's name has dots.
    S3_PATH_STYLE: bool = "s3.path.style", Kind::Switch, kind::switch, Fallback::Value("false");
    /// Allow an endpoint without TLS.
    S3_ALLOW_HTTP: bool = "s3.allow.http", Kind::Switch, kind::switch, Fallback::Value("false");
    /// Certificates (PEM) to trust beside the system's, for a service with a private authority.
    S3_CA_FILE: PathBuf = "s3.ca.file", Kind::File, kind::path, Fallback::Unset("none"), also: &["AWS_CA_BUNDLE"];
    /// The broker's number. It is kept in the data directory from the first start on; a start with
    /// another number on the same data is refused.
    NODE_ID: i32 = "node.id", Kind::Number { least: 0, most: i32::MAX as u64 }, kind::node_id,
        Fallback::Unset("what the data directory keeps, and 1 at first"), kafka: Kafka::Same("node.id");
    /// Availability zone; clients see it as the broker's rack.
    ZONE: String = "zone", Kind::Text { most: 255 }, kind::text, Fallback::Unset("none"),
        kafka: Kafka::Same("broker.rack");
    /// Broker settings by Kafka's names. A change of theirs through Kafka's own tools is stronger.
    KAFKA: (String, String) = "kafka", Kind::Pair, kafka::pair, Fallback::Unset("Kafka's defaults"),
        shape: Shape::Table, flag: Some("config");
    /// Log level (error, warn, info, debug, trace), or a filter by module.
    LOG: String = "log", Kind::Filter, kind::filter, Fallback::Value(DEFAULT_FILTER), also: &["RUST_LOG"];
    /// Write each line of the log as a JSON object.
    LOG_JSON: bool = "logs.json", Kind::Switch, kind::switch, Fallback::Value("false");

    /// Most bytes of write-ahead log on disk; at the limit producers wait for flushes.
    WAL_MAX_BYTES: u64 = "wal.max.bytes", Kind::Size { least: 128 * MIB, most: 256 * GIB }, kind::size,
        Fallback::Value("1GiB");
    /// Size at which a shard's buffer is flushed to the bucket, as one object.
    FLUSH_BYTES: u64 = "flush.bytes", Kind::Size { least: 64 * KIB, most: 128 * MIB }, kind::size,
        Fallback::Value("8MiB");
    /// Pace of flushes that are not full: one in each interval, shared by the broker's shards. It
    /// bounds the requests that a bucket is paid for; a local directory needs no pace.
    FLUSH_INTERVAL_MS: Duration = "flush.interval.ms", Kind::Duration { least: 5, most: 10 * SECOND_MS },
        kind::duration, Fallback::Value("100ms");
    /// How long an object outlives the moment at which nobody needs it any more, by the bucket's clock;
    /// a tenth is added. A promise to every broker of the cluster: raise it everywhere before one counts
    /// on it, and lower it the other way round. S3 refuses delayed requests after 15 minutes.
    GC_GRACE_MS: Duration = "gc.grace.ms", Kind::Duration { least: 10 * SECOND_MS, most: 30 * DAY_MS },
        kind::duration, Fallback::Value("1200s");
    /// Cap of the cache of segments in memory. A consumer that is behind in many partitions reads whole
    /// flushes of every shard: with less than four times `flush.bytes` for each of 4 shards it may read
    /// them more than once.
    CACHE_MEMORY_BYTES: u64 = "cache.memory.bytes", MEMORY, kind::size, Fallback::Value("128MiB");
    /// Cap of the cache of segments on disk; 0 is none. Never more than half of what is free there. Where
    /// the bucket is a directory there is none: it would be the same disk.
    CACHE_DISK_BYTES: u64 = "cache.disk.bytes", Kind::Size { least: 0, most: 16 * TIB }, kind::size,
        Fallback::Value("10GiB");
    /// Directory of the cache on disk, for nothing else; whatever is in it may be lost.
    CACHE_DISK_DIR: PathBuf = "cache.disk.dir", Kind::Directory, kind::path, Fallback::Unset("cache in `data`");
    /// Memory for records that the bucket does not have yet; at the limit producers wait.
    UNFLUSHED_MEMORY_BYTES: u64 = "unflushed.memory.bytes", MEMORY, kind::size, Fallback::Value("128MiB");
    /// Memory for the newest flushed records, for consumers at the tail.
    TAIL_MEMORY_BYTES: u64 = "tail.memory.bytes", Kind::Size { least: 0, most: TIB }, kind::size,
        Fallback::Value("64MiB");
    /// Memory for requests that are being read or handled; at the limit connections are not read
    /// from. A quarter of it is kept for requests other than Produce.
    REQUEST_MEMORY_BYTES: u64 = "request.memory.bytes", MEMORY, kind::size, Fallback::Value("128MiB"),
        kafka: Kafka::Same("queued.max.request.bytes");
    /// Memory for records on their way to consumers; at the limit fetches wait.
    FETCH_MEMORY_BYTES: u64 = "fetch.memory.bytes", MEMORY, kind::size, Fallback::Value("128MiB");
    /// Largest request; larger ones close their connection.
    SOCKET_REQUEST_MAX_BYTES: u64 = "socket.request.max.bytes", Kind::Size { least: MIB, most: 2047 * MIB },
        kind::size, Fallback::Value("100MiB"), kafka: Kafka::Same("socket.request.max.bytes");
    /// Connections of all listeners together; at the limit new ones wait until one ends. Each needs
    /// an open file.
    MAX_CONNECTIONS: u64 = "max.connections", Kind::Number { least: 1, most: 1_000_000 }, kind::number,
        Fallback::Value("16000"), kafka: Kafka::Same("max.connections");
    /// A connection without a request for this long is closed.
    CONNECTIONS_MAX_IDLE_MS: Duration = "connections.max.idle.ms",
        Kind::Duration { least: SECOND_MS, most: 30 * DAY_MS }, kind::duration, Fallback::Value("600s"),
        kafka: Kafka::Same("connections.max.idle.ms");
    /// Time for everything between the first signal to end and the end: answering what is in flight,
    /// flushing, giving up the leases. Whoever supervises the broker has to wait longer.
    DRAIN_LIMIT_MS: Duration = "drain.limit.ms", Kind::Duration { least: 2 * SECOND_MS, most: DAY_MS },
        kind::duration, Fallback::Value("25s");
}
