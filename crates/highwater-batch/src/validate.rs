//! What a batch must keep before it may be appended, as far as its header tells: nothing is
//! decompressed and no record is looked at.
//!
//! Follows Kafka 4: `UnifiedLog.analyzeAndValidateRecords` and `LogValidator.validateBatch`, in
//! their order, so that a batch with two faults gets the same code.

use crate::checksum;
use crate::header::{Attributes, BatchHeader, HeaderError, NO_PRODUCER_EPOCH, TimestampType};

/// Why a batch is refused. The text goes to the client and into the log.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidBatch {
    /// Wrong CRC or impossible length.
    #[error("record batch is corrupt: {0}")]
    Corrupt(String),
    /// Against the rules.
    #[error("{0}")]
    Record(String),
    /// Magic 0 or 1, or one that does not exist.
    #[error("only record batches with magic version 2 are allowed, this one has {0}")]
    Magic(i8),
    /// A codec number that is not assigned.
    #[error("unknown compression type id {0}")]
    Codec(u8),
    /// Larger than the topic's `max.message.bytes`.
    #[error("the record batch has {size} bytes, more than the maximum of {limit}")]
    TooLarge {
        /// Bytes of the batch.
        size: usize,
        /// The topic's limit in bytes.
        limit: usize,
    },
    /// A timestamp outside what the topic takes.
    #[error("timestamp {timestamp} is out of range: it must be within {earliest} and {latest}")]
    Timestamp {
        /// Milliseconds since 1970.
        timestamp: i64,
        /// The earliest that is taken.
        earliest: i64,
        /// The latest that is taken.
        latest: i64,
    },
}

impl InvalidBatch {
    /// Kafka's error code. `Magic` is INVALID_RECORD, as Kafka 4 answers a Produce of version 3 and
    /// up; UNSUPPORTED_FOR_MESSAGE_FORMAT (43) is what other APIs may make of it.
    pub const fn kafka_code(&self) -> i16 {
        match self {
            Self::Corrupt(_) => 2,
            Self::TooLarge { .. } => 10,
            Self::Timestamp { .. } => 32,
            Self::Codec(_) => 76,
            Self::Record(_) | Self::Magic(_) => 87,
        }
    }
}

impl From<HeaderError> for InvalidBatch {
    fn from(error: HeaderError) -> Self {
        match error {
            HeaderError::UnsupportedMagic(magic) => Self::Magic(magic),
            HeaderError::Truncated { .. } | HeaderError::Length(_) => Self::Corrupt(error.to_string()),
        }
    }
}

/// Who appends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// A producer: no control records, base offset 0, one offset for each record.
    Client,
    /// A coordinator of this broker: may write control records.
    Coordinator,
}

/// The range of timestamps that a topic takes, milliseconds since 1970
/// (`message.timestamp.before.max.ms` and `.after.max.ms` around the broker's time).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimestampBounds {
    /// The earliest that is taken.
    pub earliest: i64,
    /// The latest that is taken.
    pub latest: i64,
}

impl TimestampBounds {
    /// Everything.
    pub const NONE: Self = Self { earliest: i64::MIN, latest: i64::MAX };

    /// The bounds at `now_ms` for the two settings, which are milliseconds, 0 and up.
    pub const fn around(now_ms: i64, before_max_ms: i64, after_max_ms: i64) -> Self {
        Self { earliest: now_ms.saturating_sub(before_max_ms), latest: now_ms.saturating_add(after_max_ms) }
    }

    /// Whether a timestamp is taken; "no timestamp" (-1) always is.
    pub const fn contains(&self, timestamp: i64) -> bool {
        timestamp == crate::header::NO_TIMESTAMP || (timestamp >= self.earliest && timestamp <= self.latest)
    }
}

/// What to hold a batch against.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BatchLimits {
    /// The topic's `max.message.bytes`: the whole batch, header included.
    pub max_bytes: usize,
    /// What timestamps the topic takes; not looked at with LogAppendTime. The header tells the
    /// first and the largest timestamp only: a topic that bounds the past has to open the batch.
    pub timestamps: TimestampBounds,
}

/// Checks exactly one whole batch whose header has been parsed from it.
///
/// # Errors
/// The first rule that it breaks, in Kafka's order: base offset, size, CRC, offset range and record
/// count, control records, producer fields, attributes, timestamps.
pub fn validate(header: &BatchHeader, batch: &[u8], source: Source, limits: &BatchLimits) -> Result<(), InvalidBatch> {
    if source == Source::Client && header.base_offset != 0 {
        return Err(InvalidBatch::Record(format!(
            "the base offset of a produced record batch should be 0, but it is {}",
            header.base_offset
        )));
    }
    if batch.len() > limits.max_bytes {
        return Err(InvalidBatch::TooLarge { size: batch.len(), limit: limits.max_bytes });
    }
    if !checksum::batch_crc_is_right(batch) {
        return Err(InvalidBatch::Corrupt(format!("stored crc = {}", header.crc)));
    }
    check_counts(header, source, batch.len())?;
    if source == Source::Client && header.attributes.is_control() {
        return Err(InvalidBatch::Record("clients are not allowed to write control records".into()));
    }
    check_producer(header)?;
    check_attributes(header.attributes, source)?;
    check_timestamps(header, &limits.timestamps)
}

/// The least bytes of a record: length, attributes, timestamp, offset, key, value, header count.
const LEAST_RECORD_BYTES: usize = 7;

fn check_counts(header: &BatchHeader, source: Source, batch_bytes: usize) -> Result<(), InvalidBatch> {
    if header.last_offset_delta < 0 {
        return Err(InvalidBatch::Record(format!(
            "record batch has an invalid offset range: [{}, {}]",
            header.base_offset,
            header.last_offset()
        )));
    }
    if header.record_count <= 0 {
        return Err(InvalidBatch::Record(format!("invalid reported count for record batch: {}", header.record_count)));
    }
    let offsets = i64::from(header.last_offset_delta) + 1;
    let count = i64::from(header.record_count);
    if count > offsets || (source == Source::Client && count != offsets) {
        return Err(InvalidBatch::Record(format!(
            "inconsistent record batch offset range [{}, {}] and count of records {}",
            header.base_offset,
            header.last_offset(),
            header.record_count
        )));
    }
    let compressed = header.attributes.codec_id() != 0;
    let least = usize::try_from(header.record_count).unwrap_or(usize::MAX).saturating_mul(LEAST_RECORD_BYTES);
    if !compressed && batch_bytes.saturating_sub(crate::header::HEADER_BYTES) < least {
        return Err(InvalidBatch::Record(format!(
            "record batch of {batch_bytes} bytes cannot hold {} records",
            header.record_count
        )));
    }
    Ok(())
}

fn check_producer(header: &BatchHeader) -> Result<(), InvalidBatch> {
    if header.has_producer() {
        // Markers of transactions have a producer and no sequence.
        if header.base_sequence < 0 && !header.attributes.is_control() {
            return Err(InvalidBatch::Record(format!(
                "invalid sequence number {} in record batch with producer id {}",
                header.base_sequence, header.producer_id
            )));
        }
        if header.producer_epoch <= NO_PRODUCER_EPOCH {
            return Err(InvalidBatch::Record(format!(
                "invalid producer epoch {} in record batch with producer id {}",
                header.producer_epoch, header.producer_id
            )));
        }
    } else if header.attributes.is_transactional() {
        return Err(InvalidBatch::Record("transactional record batch without a producer id".into()));
    }
    Ok(())
}

fn check_attributes(attributes: Attributes, source: Source) -> Result<(), InvalidBatch> {
    if attributes.compression().is_none() {
        return Err(InvalidBatch::Codec(attributes.codec_id()));
    }
    // Kafka's LogValidator: a client may not send LogAppendTime, nor what compaction writes.
    if source == Source::Client && attributes.has_delete_horizon() {
        return Err(InvalidBatch::Record("clients are not allowed to set a delete horizon".into()));
    }
    Ok(())
}

fn check_timestamps(header: &BatchHeader, bounds: &TimestampBounds) -> Result<(), InvalidBatch> {
    if header.attributes.timestamp_type() == TimestampType::LogAppendTime {
        return Ok(());
    }
    for timestamp in [header.base_timestamp, header.max_timestamp] {
        if !bounds.contains(timestamp) {
            return Err(InvalidBatch::Timestamp { timestamp, earliest: bounds.earliest, latest: bounds.latest });
        }
    }
    Ok(())
}
