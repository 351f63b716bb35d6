//! What the coordinator keeps in `__consumer_offsets`, byte for byte as Kafka writes it.
//!
//! A key starts with the type of its record, a value with the version of its fields; a null value is
//! a tombstone. Types 3 and up belong to Kafka's newer group protocols (KIP-848, KIP-932, KIP-1071).
//!
//! - [`entry`]: a key and value made sense of. - [`offset`]: OffsetCommitKey and -Value.
//! - [`group`]: GroupMetadataKey and -Value. - [`subscription`]: topics of a consumer's subscription.
//! - `codec`: integers, strings, tagged fields.

mod codec;
pub mod entry;
pub mod group;
pub mod offset;
pub mod subscription;

#[cfg(test)]
mod golden_tests;

pub use codec::RecordError;
pub use entry::Entry;
pub use group::{GroupMetadata, MemberMetadata};
pub use offset::{OffsetKey, decode_offset_value};

use bytes::Bytes;

/// A record to append. Its timestamp is the batch's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyValue {
    /// Type and fields of the key.
    pub key: Bytes,
    /// None is a tombstone.
    pub value: Option<Bytes>,
}

impl KeyValue {
    /// Bytes of key and value.
    pub fn len(&self) -> usize {
        self.key.len() + self.value.as_ref().map_or(0, Bytes::len)
    }

    /// Whether there are none; never so for a record of this crate.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}
