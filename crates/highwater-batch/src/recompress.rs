//! The same records under another codec, for topics whose `compression.type` is not `producer`.

use bytes::Bytes;

use crate::compression::{Compression, Expansion};
use crate::header::BatchHeader;
use crate::records::RecordError;
use crate::stored::StoredBatch;

/// `batch` with its records compressed by `to`, at a level of it or at its usual one; the same batch
/// when it is already. The records
/// themselves are not parsed. All other fields are kept; length and CRC are set.
///
/// # Errors
/// [`RecordError`] when the records cannot be decompressed within `limit`, or compressed.
pub fn recompress(
    batch: &StoredBatch,
    to: Compression,
    level: Option<i32>,
    limit: Expansion,
) -> Result<StoredBatch, RecordError> {
    let header = batch.header();
    let from = header.attributes.compression().ok_or(RecordError::UnknownCodec(header.attributes.codec_id()))?;
    if from == to {
        return Ok(batch.clone());
    }
    let plain = from.decompress(batch.body(), limit)?;
    let body = Bytes::from(to.compress_at(level, &plain)?);
    let header = BatchHeader { attributes: header.attributes.with_compression(to), ..header };
    let mut batch = StoredBatch::from_parts(header, body);
    batch.seal();
    Ok(batch)
}
