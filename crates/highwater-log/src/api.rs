//! What the engine takes and gives: the types that the Kafka layer and the coordinators see.
//!
//! Nothing here names a Kafka message; error enums are mapped to Kafka's codes by the front door.

use bytes::Bytes;
use highwater_types::{Epoch, Offset};

/// How many acknowledgements a producer asked for (Kafka's `acks`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Acks {
    /// 0: nobody waits; the ticket resolves at once.
    None,
    /// 1: the leader's own part: its write-ahead log, or the bucket where there is none.
    Leader,
    /// -1: the topic's durability.
    All,
}

/// Who appends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// A client's Produce: every rule of the topic applies, internal topics included.
    Client,
    /// A coordinator of this broker: no size limit but the segment's, no key or timestamp rules.
    Coordinator,
}

/// How far a reader may see (KIP-98).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Isolation {
    /// Up to the high watermark.
    ReadUncommitted,
    /// Up to the last stable offset.
    ReadCommitted,
}

/// A partition's marks at one moment. `log_start <= last_stable <= high_watermark <= log_end`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Marks {
    /// First offset that may be read.
    pub log_start: Offset,
    /// First offset that is not durable in the topic's mode: what consumers read up to.
    pub high_watermark: Offset,
    /// First offset of the oldest open transaction, or the high watermark.
    pub last_stable: Offset,
    /// Offset that the next record gets.
    pub log_end: Offset,
    /// The shard's epoch, Kafka's leader epoch.
    pub leader_epoch: i32,
}

impl Marks {
    /// End of what a reader of this isolation may see (exclusive).
    pub const fn readable_end(&self, isolation: Isolation) -> Offset {
        match isolation {
            Isolation::ReadUncommitted => self.high_watermark,
            Isolation::ReadCommitted => self.last_stable,
        }
    }
}

/// A batch that is in the log, in the asked durability.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Appended {
    /// Offset of its first record; of the first occurrence, if it was a duplicate.
    pub base_offset: Offset,
    /// Milliseconds since 1970 for LogAppendTime topics, else -1.
    pub log_append_time_ms: i64,
    /// The partition's first readable offset.
    pub log_start_offset: Offset,
}

/// Why a batch was not appended. Nothing of it is in the log, but for `Storage` and `NotLeader`
/// from a ticket, where its fate is unknown to the caller (a producer sends it again).
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AppendError {
    /// Checksum or framing is wrong. Kafka: CORRUPT_MESSAGE.
    #[error("corrupt batch: {0}")]
    Corrupt(String),
    /// Well formed, but against the rules. Kafka: INVALID_RECORD.
    #[error("invalid record: {0}")]
    InvalidRecord(String),
    /// Message format 0 or 1. Kafka: UNSUPPORTED_FOR_MESSAGE_FORMAT.
    #[error("message format {0} is not supported")]
    UnsupportedMagic(i8),
    /// Larger than max.message.bytes. Kafka: MESSAGE_TOO_LARGE.
    #[error("batch of {size} bytes exceeds max.message.bytes {limit}")]
    TooLarge {
        /// Bytes of the batch.
        size: usize,
        /// The topic's limit.
        limit: usize,
    },
    /// Timestamp outside message.timestamp.{before,after}.max.ms. Kafka: INVALID_TIMESTAMP.
    #[error("timestamp out of bounds: {0}")]
    InvalidTimestamp(String),
    /// A gap in the producer's sequence. Kafka: OUT_OF_ORDER_SEQUENCE_NUMBER.
    #[error("out of order sequence: producer {producer_id}, expected {expected}, got {got}")]
    OutOfOrderSequence {
        /// The producer.
        producer_id: i64,
        /// Sequence that would follow.
        expected: i32,
        /// First sequence of the batch.
        got: i32,
    },
    /// An older epoch of this producer. Kafka: INVALID_PRODUCER_EPOCH.
    #[error("producer {producer_id} has epoch {current}, got {got}")]
    InvalidProducerEpoch {
        /// The producer.
        producer_id: i64,
        /// Epoch on record.
        current: i16,
        /// Epoch of the batch.
        got: i16,
    },
    /// Memory or disk is at its limit: wait for [`crate::Log::room`] and try again.
    #[error("the broker's buffers are full")]
    Backpressure,
    /// This broker does not lead the partition (any more). Kafka: NOT_LEADER_OR_FOLLOWER.
    #[error("not the leader")]
    NotLeader,
    /// The topic was deleted. Kafka: UNKNOWN_TOPIC_OR_PARTITION or UNKNOWN_TOPIC_ID.
    #[error("unknown partition")]
    Unknown,
    /// The bucket or the disk failed. Kafka: KAFKA_STORAGE_ERROR (retriable).
    #[error("storage failed: {0}")]
    Storage(String),
}

/// Why a partition cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PartitionError {
    /// No such topic id or partition.
    #[error("unknown partition")]
    Unknown,
    /// Another broker leads it, or nobody yet.
    #[error("not the leader")]
    NotLeader,
    /// Nobody can lead its shard: the objects contradict each other, and a person has to look. Kafka:
    /// KAFKA_STORAGE_ERROR (retriable).
    #[error("the shard was stopped, its objects contradict each other")]
    Stopped,
}

/// What to read.
#[derive(Clone, Copy, Debug)]
pub struct ReadRequest {
    /// First offset wanted; may lie inside a batch.
    pub offset: Offset,
    /// Bytes at most, counted in whole batches.
    pub max_bytes: usize,
    /// Give the first batch even if it is larger than `max_bytes` (KIP-74).
    pub at_least_one_batch: bool,
    /// How far to see.
    pub isolation: Isolation,
}

/// Whole batches, the first of which may begin before the asked offset.
#[derive(Clone, Debug)]
pub struct ReadOutcome {
    /// Concatenated they are the records; shared with the tail or the read cache, not copies.
    pub chunks: Vec<Bytes>,
    /// Sum of the chunks.
    pub bytes: usize,
    /// Marks at the time of the plan.
    pub marks: Marks,
    /// Aborted transactions that overlap: producer id and first offset.
    pub aborted: Vec<(i64, Offset)>,
}

/// Why nothing was read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    /// Before the log start or beyond the log end. Kafka: OFFSET_OUT_OF_RANGE.
    #[error("offset out of range")]
    OutOfRange(Marks),
    /// This broker does not lead the partition (any more). Kafka: NOT_LEADER_OR_FOLLOWER.
    #[error("not the leader")]
    NotLeader,
    /// The topic was deleted.
    #[error("unknown partition")]
    Unknown,
    /// There is no memory at present to read from the bucket: ask again. A fetch answers nothing.
    #[error("no memory to read from the bucket at present")]
    Busy,
    /// The bucket failed. Kafka: KAFKA_STORAGE_ERROR.
    #[error("storage failed: {0}")]
    Storage(String),
}

/// Why records were not deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DeleteError {
    /// Before 0 or beyond the high watermark. Kafka: OFFSET_OUT_OF_RANGE.
    #[error("offset out of range")]
    OutOfRange,
    /// This broker does not lead the partition (any more); what was asked may have taken effect.
    /// Kafka: NOT_LEADER_OR_FOLLOWER.
    #[error("not the leader")]
    NotLeader,
    /// The topic was deleted.
    #[error("unknown partition")]
    Unknown,
}

/// An idempotent producer as a partition knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ActiveProducer {
    /// The producer.
    pub producer_id: i64,
    /// Its epoch.
    pub epoch: i16,
    /// Last sequence that it wrote, -1 if none.
    pub last_sequence: i32,
    /// When it wrote last, milliseconds since 1970.
    pub last_timestamp_ms: i64,
}

/// What ListOffsets asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OffsetQuery {
    /// The log start.
    Earliest,
    /// The end that this isolation sees.
    Latest(Isolation),
    /// First record at or after this time (ms since 1970).
    Timestamp(i64),
    /// The record with the greatest timestamp (KIP-734).
    MaxTimestamp,
}

/// Answer to an [`OffsetQuery`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FoundOffset {
    /// The offset.
    pub offset: Offset,
    /// Its record's timestamp, or -1 for `Earliest` and `Latest`.
    pub timestamp_ms: i64,
    /// Epoch in which it was written.
    pub leader_epoch: i32,
}

/// Where an epoch ends (KIP-101), for OffsetForLeaderEpoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EpochEnd {
    /// The largest epoch that is not above the asked one.
    pub epoch: Epoch,
    /// First offset of the next epoch, or the log end.
    pub end_offset: Offset,
}
