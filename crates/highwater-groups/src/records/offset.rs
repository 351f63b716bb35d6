//! OffsetCommitKey (types 0 and 1) and OffsetCommitValue (versions 0 to 4).
//!
//! ```text
//! key    type i16 = 1 | group string | topic string | partition i32
//! value  version i16 | offset i64 | leader epoch i32 (3+) | metadata string | commit timestamp i64
//!        | expire timestamp i64 (1) | tagged fields (4+): 0 = topic id, 16 bytes, if not zero
//! ```
//! Strings carry an i16 length; from version 4 on an unsigned varint of length + 1. Written as Kafka
//! 4.3 does: version 1 if the client chose an expiry, else version 4.

use std::sync::Arc;

use bytes::Bytes;
use highwater_types::TopicId;

use super::codec::{Reader, RecordError, Writer};
use crate::api::CommittedOffset;

pub(crate) const KEY_TYPE_LEGACY: i16 = 0;
pub(crate) const KEY_TYPE: i16 = 1;
const TOPIC_ID_TAG: u32 = 0;

/// Which offset a record is about.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct OffsetKey {
    /// The group.
    pub group: Arc<str>,
    /// The topic's name.
    pub topic: Arc<str>,
    /// Partition index.
    pub partition: i32,
}

impl OffsetKey {
    pub(crate) fn decode(reader: &mut Reader<'_>) -> Result<Self, RecordError> {
        Ok(Self { group: reader.string(false)?, topic: reader.string(false)?, partition: reader.i32()? })
    }

    /// The record's key.
    ///
    /// # Errors
    /// A name longer than 32,767 bytes.
    pub fn encode(group: &str, topic: &str, partition: i32) -> Result<Bytes, RecordError> {
        let mut writer = Writer::default();
        writer.i16(KEY_TYPE).string(group)?.string(topic)?.i32(partition);
        Ok(writer.finish())
    }
}

/// Reads a value, version first.
///
/// # Errors
/// Bytes that no version of Kafka up to 4.3 writes.
pub fn decode_offset_value(bytes: &[u8]) -> Result<CommittedOffset, RecordError> {
    let mut reader = Reader::new(bytes);
    let version = reader.i16()?;
    if !(0..=4).contains(&version) {
        return Err(RecordError::UnknownVersion(version));
    }
    let flexible = version >= 4;
    let offset = reader.i64()?;
    let leader_epoch = if version >= 3 { reader.i32()? } else { -1 };
    let metadata = reader.string(flexible)?;
    let commit_timestamp_ms = reader.i64()?;
    let expire_timestamp_ms = if version == 1 { Some(reader.i64()?).filter(|at| *at != -1) } else { None };
    let mut topic_id = TopicId::ZERO;
    if flexible {
        reader.tagged(|tag, field| {
            if tag == TOPIC_ID_TAG {
                topic_id = TopicId::from_bytes(field.uuid()?);
            }
            Ok(())
        })?;
    }
    Ok(CommittedOffset { offset, leader_epoch, metadata, commit_timestamp_ms, expire_timestamp_ms, topic_id })
}

/// Writes a value, version first.
///
/// # Errors
/// Metadata longer than 32,767 bytes.
pub fn encode_offset_value(committed: &CommittedOffset) -> Result<Bytes, RecordError> {
    let mut writer = Writer::default();
    if let Some(expire_timestamp_ms) = committed.expire_timestamp_ms {
        writer.i16(1).i64(committed.offset).string(&committed.metadata)?;
        writer.i64(committed.commit_timestamp_ms).i64(expire_timestamp_ms);
        return Ok(writer.finish());
    }
    writer.i16(4).i64(committed.offset).i32(committed.leader_epoch).compact_string(&committed.metadata)?;
    writer.i64(committed.commit_timestamp_ms);
    if committed.topic_id == TopicId::ZERO {
        writer.unsigned_varint(0);
    } else {
        writer.unsigned_varint(1).unsigned_varint(TOPIC_ID_TAG).unsigned_varint(16);
        writer.raw(committed.topic_id.as_bytes());
    }
    Ok(writer.finish())
}
