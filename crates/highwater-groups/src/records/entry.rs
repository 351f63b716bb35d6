//! A record of `__consumer_offsets` made sense of.

use std::sync::Arc;

use super::codec::{Reader, RecordError};
use super::group::{self, GroupMetadata};
use super::offset::{self, OffsetKey, decode_offset_value};
use crate::api::CommittedOffset;

/// What a record says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Entry {
    /// An offset was committed, or forgotten.
    Offset(OffsetKey, Option<CommittedOffset>),
    /// A group changed, or went away.
    Group(Arc<str>, Option<GroupMetadata>),
    /// A record of a type that the classic protocol does not have.
    Other(i16),
}

impl Entry {
    /// Reads key and value.
    ///
    /// # Errors
    /// A key or value that is not as its type and version say.
    pub fn decode(key: &[u8], value: Option<&[u8]>) -> Result<Self, RecordError> {
        let mut reader = Reader::new(key);
        match reader.i16()? {
            offset::KEY_TYPE_LEGACY | offset::KEY_TYPE => {
                Ok(Self::Offset(OffsetKey::decode(&mut reader)?, value.map(decode_offset_value).transpose()?))
            }
            group::KEY_TYPE => {
                let id = group::decode_group_key(&mut reader)?;
                Ok(Self::Group(id, value.map(GroupMetadata::decode).transpose()?))
            }
            other => Ok(Self::Other(other)),
        }
    }
}
