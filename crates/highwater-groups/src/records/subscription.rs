//! The topics in a consumer's subscription (ConsumerProtocolSubscription): the one part of member
//! metadata that the broker looks into, to keep the offsets of topics that are being consumed.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::codec::{Reader, RecordError};

/// Topic names of a subscription of protocol type `consumer`. All versions begin alike: version i16,
/// topics as an array of strings.
///
/// # Errors
/// Metadata of another shape; clients are free to send any.
pub fn subscribed_topics(metadata: &[u8]) -> Result<BTreeSet<Arc<str>>, RecordError> {
    let mut reader = Reader::new(metadata);
    let version = reader.i16()?;
    if version < 0 {
        return Err(RecordError::UnknownVersion(version));
    }
    let count = reader.array_length(false)?;
    (0..count).map(|_| reader.string(false)).collect()
}
