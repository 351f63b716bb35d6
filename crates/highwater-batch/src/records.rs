//! The records inside a batch, for whoever has to look: coordinators, compaction, the lake, the
//! console. Never on the produce or fetch path.
//!
//! ```text
//! varint  length of what follows      varint   key length, -1 for null;   key
//! int8    attributes (unused)         varint   value length, -1 for null; value
//! varlong timestamp delta             varint   count of headers, then for each:
//! varint  offset delta                varint     name length; name (UTF-8)
//!                                     varint     value length, -1 for null; value
//! ```

use bytes::{Buf, Bytes};

use crate::compression::Expansion;
use crate::header::{BatchHeader, TimestampType};
use crate::stored::StoredBatch;
use crate::varint::{self, VarintError};

/// Why records cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RecordError {
    /// A codec number that is not assigned.
    #[error("unknown compression type id {0}")]
    UnknownCodec(u8),
    /// The codec does not understand the bytes.
    #[error("cannot decompress or compress records with {codec}: {detail}")]
    Codec {
        /// The codec's name.
        codec: &'static str,
        /// What it says.
        detail: String,
    },
    /// More comes out than the caller allows.
    #[error("decompressed records exceed the limit of {limit} bytes")]
    TooLarge {
        /// Most bytes that were allowed.
        limit: usize,
    },
    /// A record that does not keep to the layout, or count and bytes that do not agree.
    #[error("malformed record: {0}")]
    Malformed(&'static str),
}

impl From<VarintError> for RecordError {
    fn from(_: VarintError) -> Self {
        Self::Malformed("bad variable-length integer")
    }
}

/// One header of a record. Names may repeat; their order is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordHeader {
    /// The name; UTF-8 by Kafka's rules, not checked here.
    pub name: Bytes,
    /// The value; null is not the same as empty.
    pub value: Option<Bytes>,
}

/// One record; its parts share the memory of the decompressed batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Its offset in the partition.
    pub offset: i64,
    /// Milliseconds since 1970; the batch's with LogAppendTime, -1 for none.
    pub timestamp: i64,
    /// The key; null is not the same as empty.
    pub key: Option<Bytes>,
    /// The value; null (a tombstone in a compacted topic) is not the same as empty.
    pub value: Option<Bytes>,
    /// The headers, in order, repeated names kept.
    pub headers: Vec<RecordHeader>,
}

/// Iterates over the records of one batch, in order of offset; ends after the first error.
pub struct Records {
    rest: Bytes,
    header: BatchHeader,
    left: i32,
    last_delta: i32,
}

impl Records {
    /// Over the records of `batch`, decompressed within `limit`.
    ///
    /// # Errors
    /// [`RecordError`] when they cannot be decompressed.
    pub fn open(batch: &StoredBatch, limit: Expansion) -> Result<Self, RecordError> {
        Self::open_parts(&batch.header(), batch.body(), limit)
    }

    /// As [`Records::open`], from a header and what stands behind it.
    ///
    /// # Errors
    /// [`RecordError`] when the records cannot be decompressed.
    pub fn open_parts(header: &BatchHeader, body: &Bytes, limit: Expansion) -> Result<Self, RecordError> {
        let codec = header.attributes.compression().ok_or(RecordError::UnknownCodec(header.attributes.codec_id()))?;
        let rest = codec.decompress(body, limit)?;
        Ok(Self { rest, header: *header, left: header.record_count.max(0), last_delta: -1 })
    }

    fn read(&mut self) -> Result<Record, RecordError> {
        let length =
            usize::try_from(varint::get_i32(&mut self.rest)?).map_err(|_| RecordError::Malformed("negative length"))?;
        if length > self.rest.len() {
            return Err(RecordError::Malformed("longer than its batch"));
        }
        let mut record = self.rest.split_to(length);
        if record.is_empty() {
            return Err(RecordError::Malformed("empty"));
        }
        record.advance(1);
        let timestamp_delta = varint::get_i64(&mut record)?;
        let offset_delta = varint::get_i32(&mut record)?;
        if offset_delta <= self.last_delta || offset_delta > self.header.last_offset_delta {
            return Err(RecordError::Malformed("offset out of order or outside its batch"));
        }
        self.last_delta = offset_delta;
        let key = nullable(&mut record)?;
        let value = nullable(&mut record)?;
        let headers = headers(&mut record)?;
        if !record.is_empty() {
            return Err(RecordError::Malformed("bytes left over in a record"));
        }
        let timestamp = match self.header.attributes.timestamp_type() {
            TimestampType::CreateTime => self.header.base_timestamp.wrapping_add(timestamp_delta),
            TimestampType::LogAppendTime => self.header.max_timestamp,
        };
        Ok(Record {
            offset: self.header.base_offset.wrapping_add(i64::from(offset_delta)),
            timestamp,
            key,
            value,
            headers,
        })
    }
}

impl Iterator for Records {
    type Item = Result<Record, RecordError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.left == 0 {
            if self.rest.is_empty() {
                return None;
            }
            self.rest = Bytes::new();
            return Some(Err(RecordError::Malformed("bytes left over behind the last record")));
        }
        self.left -= 1;
        let record = self.read();
        if record.is_err() {
            self.left = 0;
            self.rest = Bytes::new();
        }
        Some(record)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        // A count that the batch claims must not decide how much a collector reserves.
        (0, usize::try_from(self.left).ok().map(|left| left.saturating_add(1)))
    }
}

fn nullable(record: &mut Bytes) -> Result<Option<Bytes>, RecordError> {
    let length = varint::get_i32(record)?;
    if length < 0 {
        // Kafka writes -1 and takes any negative length for null.
        return Ok(None);
    }
    let length = usize::try_from(length).unwrap_or(usize::MAX);
    if length > record.len() {
        return Err(RecordError::Malformed("field longer than its record"));
    }
    Ok(Some(record.split_to(length)))
}

fn headers(record: &mut Bytes) -> Result<Vec<RecordHeader>, RecordError> {
    /// The least bytes of a header: two lengths.
    const LEAST_HEADER_BYTES: usize = 2;
    let count =
        usize::try_from(varint::get_i32(record)?).map_err(|_| RecordError::Malformed("negative header count"))?;
    if count > record.len() / LEAST_HEADER_BYTES {
        return Err(RecordError::Malformed("more headers than bytes"));
    }
    let mut headers = Vec::with_capacity(count);
    for _ in 0..count {
        let name = nullable(record)?.ok_or(RecordError::Malformed("header without a name"))?;
        headers.push(RecordHeader { name, value: nullable(record)? });
    }
    Ok(headers)
}
