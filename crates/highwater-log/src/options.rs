//! The engine's settings, each with its default and its reason.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use highwater_lease::Tenure;

use crate::metrics::LogMetrics;
use crate::read::tier::ReadCache;

/// Bytes in one mebibyte.
const MIB: usize = 1 << 20;

/// Settings of one broker's engine. Tests shorten times and sizes; users change few of them.
#[derive(Clone)]
pub struct EngineOptions {
    /// Where the write-ahead log lives.
    pub wal_dir: PathBuf,
    /// Most bytes of write-ahead log on disk; at the limit producers wait.
    pub wal_max_bytes: u64,
    /// Bytes of one write-ahead log file; preallocated and recycled.
    pub wal_file_bytes: u64,
    /// Less than so many bytes in the write-ahead log never wait for more: `batch.size`, by default.
    pub wal_pace_from_bytes: usize,
    /// Who this broker is, over restarts: its own unflushed tail may be replayed only by itself.
    pub identity: u128,
    /// A shard's buffer is sealed at this size.
    pub flush_bytes: usize,
    /// Pace of flushes that are not full: one token each, shared by the broker's shards; also the
    /// age at which a buffer that an ack waits for is sealed.
    pub flush_interval: Duration,
    /// Whether flushes are paced at all: puts on a remote bucket cost money, on a directory not.
    pub paced: bool,
    /// Age at which bytes are flushed that the write-ahead log has made durable already. On a remote
    /// bucket other brokers see them only then. A directory is read by nobody else, and each flush
    /// there delays the log's syncs on the same disk by some milliseconds: once a second would be
    /// one in a hundred of a slow producer's acknowledgements.
    pub flush_max_age: Duration,
    /// Unflushed bytes of all shards; at the limit producers wait.
    pub unflushed_max_bytes: usize,
    /// Flushed bytes kept in memory for readers at the tail.
    pub tail_max_bytes: usize,
    /// Bytes of segments kept in memory for readers behind the tail.
    pub block_cache_bytes: usize,
    /// Keeps those blocks on disk, too; none where the bucket is a directory, which is that disk.
    pub read_cache: Option<Arc<dyn ReadCache>>,
    /// Whether the next blocks of a reader in order are loaded before it asks: for a bucket that answers
    /// slowly. On a directory it lets readers of one topic drift apart (RFC 0004).
    pub read_ahead: bool,
    /// A manifest edit is written at least every so many segments: it bounds the walk of recovery.
    pub manifest_every: usize,
    /// A manifest snapshot is written every so many edits.
    pub snapshot_every: u64,
    /// Idle producers are forgotten after this (Kafka's producer.id.expiration.ms).
    pub producer_expiration: Duration,
    /// Puts of one shard in flight (the epoch's window).
    pub window: u32,
    /// Puts that hang are sent again, and given up after this.
    pub put_deadline: Duration,
    /// Names are not deleted earlier than this after the manifest left them behind.
    pub gc_grace: Duration,
    /// How often a shard's old records and the objects that nobody needs are looked for (Kafka's
    /// log.retention.check.interval.ms).
    pub upkeep_interval: Duration,
    /// What a segment of compaction holds at most, about; it is in memory while it is written. What is
    /// worth compacting follows from it.
    pub compaction_bytes: u64,
    /// Until when nobody else can lead; what the log on disk has is acknowledged no longer without the
    /// bucket.
    pub tenure: Tenure,
    /// Where it counts.
    pub metrics: LogMetrics,
}

impl EngineOptions {
    /// Defaults for a data directory; `remote` says whether the bucket is across a network.
    pub fn new(wal_dir: PathBuf, identity: u128, remote: bool) -> Self {
        Self {
            wal_dir,
            wal_max_bytes: 1 << 30,
            wal_file_bytes: 64 << 20,
            wal_pace_from_bytes: 16 << 10,
            identity,
            flush_bytes: 8 * MIB,
            flush_interval: Duration::from_millis(100),
            paced: remote,
            flush_max_age: Duration::from_secs(if remote { 1 } else { 10 }),
            unflushed_max_bytes: 128 * MIB,
            tail_max_bytes: 64 * MIB,
            block_cache_bytes: 128 * MIB,
            read_cache: None,
            read_ahead: remote,
            manifest_every: 32,
            snapshot_every: 64,
            producer_expiration: Duration::from_secs(86_400),
            window: 4,
            put_deadline: Duration::from_secs(30),
            gc_grace: Duration::from_secs(20 * 60),
            upkeep_interval: Duration::from_secs(300),
            compaction_bytes: 64 * MIB as u64,
            tenure: Tenure::unlimited(),
            metrics: LogMetrics::default(),
        }
    }
}
