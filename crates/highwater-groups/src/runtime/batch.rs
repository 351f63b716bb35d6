//! Records of one or more appends as one batch.

use bytes::Bytes;
use highwater_batch::{BatchBuilder, Compression, RecordError};

use crate::records::KeyValue;

/// Encodes an uncompressed batch, as `offsets.topic.compression.codec` has it by default.
pub(crate) fn encode(records: &[KeyValue], timestamp_ms: i64) -> Result<Bytes, RecordError> {
    let mut builder = BatchBuilder::new(Compression::None);
    for record in records {
        builder.push(timestamp_ms, Some(&record.key), record.value.as_deref())?;
    }
    Ok(builder.finish()?.to_bytes())
}
