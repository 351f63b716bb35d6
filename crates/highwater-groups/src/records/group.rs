//! GroupMetadataKey (type 2) and GroupMetadataValue (versions 0 to 4).
//!
//! ```text
//! key    type i16 = 2 | group string
//! value  version i16 | protocol type string | generation i32 | protocol string? | leader string?
//!        | current state timestamp i64 (2+) | members [member] | tagged fields (4+)
//! member member id string | group instance id string? (3+) | client id string | client host string
//!        | rebalance timeout i32 (1+) | session timeout i32 | subscription bytes | assignment bytes
//!        | tagged fields (4+)
//! ```
//! Written as Kafka 4.3 does: version 3. No members means an empty group, members a stable one.

use std::sync::Arc;

use bytes::Bytes;

use super::codec::{Reader, RecordError, Writer};

pub(crate) const KEY_TYPE: i16 = 2;
const WRITTEN_VERSION: i16 = 3;

/// A group as the log keeps it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupMetadata {
    /// `consumer`, `connect`, ...; empty for a group that only keeps offsets.
    pub protocol_type: Arc<str>,
    /// The generation.
    pub generation: i32,
    /// The chosen protocol; None for an empty group.
    pub protocol: Option<Arc<str>>,
    /// The leader's member id; None for an empty group.
    pub leader: Option<Arc<str>>,
    /// When the group came into this state, milliseconds since 1970 (version 2 and up).
    pub state_timestamp_ms: Option<i64>,
    /// Its members.
    pub members: Vec<MemberMetadata>,
}

/// A member as the log keeps it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemberMetadata {
    /// The member's id.
    pub member_id: Arc<str>,
    /// Its `group.instance.id`.
    pub instance_id: Option<Arc<str>>,
    /// Its client id.
    pub client_id: Arc<str>,
    /// Its address.
    pub client_host: Arc<str>,
    /// Milliseconds; version 0 has none, and the session timeout stands in.
    pub rebalance_timeout_ms: i32,
    /// Milliseconds.
    pub session_timeout_ms: i32,
    /// Its metadata for the chosen protocol.
    pub subscription: Bytes,
    /// Its assignment.
    pub assignment: Bytes,
}

/// The record's key.
///
/// # Errors
/// A group id longer than 32,767 bytes.
pub fn encode_group_key(group: &str) -> Result<Bytes, RecordError> {
    let mut writer = Writer::default();
    writer.i16(KEY_TYPE).string(group)?;
    Ok(writer.finish())
}

pub(crate) fn decode_group_key(reader: &mut Reader<'_>) -> Result<Arc<str>, RecordError> {
    reader.string(false)
}

impl GroupMetadata {
    /// Reads a value, version first.
    ///
    /// # Errors
    /// Bytes that no version of Kafka up to 4.3 writes.
    pub fn decode(bytes: &[u8]) -> Result<Self, RecordError> {
        let mut reader = Reader::new(bytes);
        let version = reader.i16()?;
        if !(0..=4).contains(&version) {
            return Err(RecordError::UnknownVersion(version));
        }
        let flexible = version >= 4;
        let protocol_type = reader.string(flexible)?;
        let generation = reader.i32()?;
        let protocol = reader.nullable_string(flexible)?;
        let leader = reader.nullable_string(flexible)?;
        let state_timestamp_ms = if version >= 2 { Some(reader.i64()?).filter(|at| *at != -1) } else { None };
        let count = reader.array_length(flexible)?;
        let members = (0..count).map(|_| MemberMetadata::decode(&mut reader, version)).collect::<Result<_, _>>()?;
        if flexible {
            reader.tagged(|_, _| Ok(()))?;
        }
        Ok(Self { protocol_type, generation, protocol, leader, state_timestamp_ms, members })
    }

    /// Writes a value, version first.
    ///
    /// # Errors
    /// A string longer than 32,767 bytes.
    pub fn encode(&self) -> Result<Bytes, RecordError> {
        let mut writer = Writer::default();
        writer.i16(WRITTEN_VERSION).string(&self.protocol_type)?.i32(self.generation);
        writer.nullable_string(self.protocol.as_deref())?.nullable_string(self.leader.as_deref())?;
        writer.i64(self.state_timestamp_ms.unwrap_or(-1));
        writer.i32(i32::try_from(self.members.len()).map_err(|_| RecordError::BadLength)?);
        for member in &self.members {
            writer.string(&member.member_id)?.nullable_string(member.instance_id.as_deref())?;
            writer.string(&member.client_id)?.string(&member.client_host)?;
            writer.i32(member.rebalance_timeout_ms).i32(member.session_timeout_ms);
            writer.byte_field(&member.subscription)?.byte_field(&member.assignment)?;
        }
        Ok(writer.finish())
    }
}

impl MemberMetadata {
    fn decode(reader: &mut Reader<'_>, version: i16) -> Result<Self, RecordError> {
        let flexible = version >= 4;
        let member_id = reader.string(flexible)?;
        let instance_id = if version >= 3 { reader.nullable_string(flexible)? } else { None };
        let client_id = reader.string(flexible)?;
        let client_host = reader.string(flexible)?;
        let rebalance_timeout_ms = if version >= 1 { reader.i32()? } else { -1 };
        let session_timeout_ms = reader.i32()?;
        let member = Self {
            member_id,
            instance_id,
            client_id,
            client_host,
            rebalance_timeout_ms: if rebalance_timeout_ms < 0 { session_timeout_ms } else { rebalance_timeout_ms },
            session_timeout_ms,
            subscription: reader.bytes(flexible)?,
            assignment: reader.bytes(flexible)?,
        };
        if flexible {
            reader.tagged(|_, _| Ok(()))?;
        }
        Ok(member)
    }
}
