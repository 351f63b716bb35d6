//! From a request's records to a batch that may be appended: everything that needs no lock.

use bytes::Bytes;
use highwater_batch::recompress::recompress;
use highwater_batch::{
    BatchLimits, Compression, Expansion, InvalidBatch, Records, Source, StoredBatch, TimestampBounds,
};
use highwater_meta::{CompressionType, TimestampType, TopicSettings};

use super::live::NewBatch;
use super::producers::Sequence;
use crate::api::{AppendError, Origin};

impl From<InvalidBatch> for AppendError {
    fn from(error: InvalidBatch) -> Self {
        match error {
            InvalidBatch::Corrupt(why) => Self::Corrupt(why),
            InvalidBatch::Magic(magic) => Self::UnsupportedMagic(magic),
            InvalidBatch::TooLarge { size, limit } => Self::TooLarge { size, limit },
            InvalidBatch::Timestamp { .. } => Self::InvalidTimestamp(error.to_string()),
            InvalidBatch::Record(_) | InvalidBatch::Codec(_) => Self::InvalidRecord(error.to_string()),
        }
    }
}

/// Validates the one batch of `records` against the topic's settings, at `now_ms`.
///
/// `frame_bytes` is the size of the buffer that `records` is a slice of: a small batch of a large
/// frame is copied, so that it does not keep the frame in memory.
pub fn admit(
    records: &Bytes,
    frame_bytes: usize,
    origin: Origin,
    settings: &TopicSettings,
    now_ms: i64,
) -> Result<NewBatch, AppendError> {
    let (header, batch) = highwater_batch::single_batch(records)?;
    let client = origin == Origin::Client;
    let log_append_time = settings.timestamp_type == TimestampType::LogAppendTime;
    let timestamps = if client && !log_append_time {
        TimestampBounds::around(now_ms, settings.timestamp_before_max_ms, settings.timestamp_after_max_ms)
    } else {
        TimestampBounds::NONE
    };
    let max_bytes = if client { settings.max_message_bytes } else { usize::MAX };
    let source = if client { Source::Client } else { Source::Coordinator };
    highwater_batch::validate(&header, &batch, source, &BatchLimits { max_bytes, timestamps })?;
    let mut stored = StoredBatch::from_bytes(&batch).map_err(|error| AppendError::Corrupt(error.to_string()))?;
    if client && settings.cleanup.compact {
        refuse_null_keys(&stored)?;
    }
    if client && let Some((codec, level)) = wanted_codec(settings.compression_type) {
        let invalid = |error: highwater_batch::RecordError| AppendError::InvalidRecord(error.to_string());
        stored = recompress(&stored, codec, level, Expansion::default()).map_err(invalid)?;
        if stored.len() > max_bytes {
            return Err(AppendError::TooLarge { size: stored.len(), limit: max_bytes });
        }
    }
    stored.release_frame(frame_bytes, 0);
    let sequence = (header.has_producer() && header.base_sequence >= 0).then(|| Sequence {
        producer_id: header.producer_id,
        epoch: header.producer_epoch,
        first: header.base_sequence,
        last: header.last_sequence(),
    });
    Ok(NewBatch {
        stored,
        offsets: i64::from(header.last_offset_delta) + 1,
        max_timestamp_ms: header.max_timestamp,
        sequence,
        log_append_time_ms: if log_append_time { now_ms } else { -1 },
    })
}

/// The codec that the topic keeps its batches in, and its level; `None` for the producer's.
const fn wanted_codec(kept_in: CompressionType) -> Option<(Compression, Option<i32>)> {
    Some(match kept_in {
        CompressionType::Producer => return None,
        CompressionType::Uncompressed => (Compression::None, None),
        CompressionType::Gzip(-1) => (Compression::Gzip, None),
        CompressionType::Gzip(level) => (Compression::Gzip, Some(level)),
        CompressionType::Snappy => (Compression::Snappy, None),
        CompressionType::Lz4(_) => (Compression::Lz4, None),
        CompressionType::Zstd(level) => (Compression::Zstd, Some(level)),
    })
}

/// A compacted topic keeps the last record of each key, so each record needs one (as Kafka does).
fn refuse_null_keys(batch: &StoredBatch) -> Result<(), AppendError> {
    let invalid = |error: highwater_batch::RecordError| AppendError::InvalidRecord(error.to_string());
    for record in Records::open(batch, Expansion::default()).map_err(invalid)? {
        if record.map_err(invalid)?.key.is_none() {
            let why = "compacted topic cannot accept message without key";
            return Err(AppendError::InvalidRecord(why.into()));
        }
    }
    Ok(())
}
