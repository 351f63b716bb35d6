//! Integers, strings, bytes and tagged fields of Kafka's record schemas, bounded by the bytes at hand.

use std::sync::Arc;

use bytes::{BufMut, Bytes, BytesMut};

use crate::settings::MAX_STRING_BYTES;

/// Why a key or value could not be read, or a string not written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RecordError {
    /// The bytes end inside a field.
    #[error("record ends inside a field")]
    Truncated,
    /// A length that no writer gives.
    #[error("record holds an illegal length")]
    BadLength,
    /// A string that is not UTF-8.
    #[error("record holds a string that is not UTF-8")]
    NotUtf8,
    /// A value version that this release does not know.
    #[error("record value has unknown version {0}")]
    UnknownVersion(i16),
    /// A string longer than the format can hold.
    #[error("string of {0} bytes does not fit a record")]
    StringTooLong(usize),
}

/// A reader over one key or value.
pub(crate) struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(crate) const fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    fn take(&mut self, len: usize) -> Result<&'a [u8], RecordError> {
        let (taken, rest) = self.rest.split_at_checked(len).ok_or(RecordError::Truncated)?;
        self.rest = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], RecordError> {
        let (taken, rest) = self.rest.split_first_chunk::<N>().ok_or(RecordError::Truncated)?;
        self.rest = rest;
        Ok(*taken)
    }

    pub(crate) fn i16(&mut self) -> Result<i16, RecordError> {
        self.array().map(i16::from_be_bytes)
    }

    pub(crate) fn i32(&mut self) -> Result<i32, RecordError> {
        self.array().map(i32::from_be_bytes)
    }

    pub(crate) fn i64(&mut self) -> Result<i64, RecordError> {
        self.array().map(i64::from_be_bytes)
    }

    pub(crate) fn uuid(&mut self) -> Result<[u8; 16], RecordError> {
        self.array()
    }

    pub(crate) fn unsigned_varint(&mut self) -> Result<u32, RecordError> {
        let mut value = 0_u64;
        for shift in (0..35).step_by(7) {
            let [byte] = self.array()?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return u32::try_from(value).map_err(|_| RecordError::BadLength);
            }
        }
        Err(RecordError::BadLength)
    }

    /// Length of a string or byte field; None is null. Compact lengths are one more than they say.
    fn length(&mut self, compact: bool, wide: bool) -> Result<Option<usize>, RecordError> {
        let length = if compact {
            i64::from(self.unsigned_varint()?) - 1
        } else if wide {
            i64::from(self.i32()?)
        } else {
            i64::from(self.i16()?)
        };
        match length {
            -1 => Ok(None),
            _ => usize::try_from(length).map(Some).map_err(|_| RecordError::BadLength),
        }
    }

    pub(crate) fn nullable_string(&mut self, compact: bool) -> Result<Option<Arc<str>>, RecordError> {
        let Some(length) = self.length(compact, false)? else {
            return Ok(None);
        };
        let text = std::str::from_utf8(self.take(length)?).map_err(|_| RecordError::NotUtf8)?;
        Ok(Some(Arc::from(text)))
    }

    pub(crate) fn string(&mut self, compact: bool) -> Result<Arc<str>, RecordError> {
        self.nullable_string(compact)?.ok_or(RecordError::BadLength)
    }

    pub(crate) fn bytes(&mut self, compact: bool) -> Result<Bytes, RecordError> {
        let length = self.length(compact, true)?.ok_or(RecordError::BadLength)?;
        self.take(length).map(Bytes::copy_from_slice)
    }

    /// Number of elements of an array; null counts as none.
    pub(crate) fn array_length(&mut self, compact: bool) -> Result<usize, RecordError> {
        let length = self.length(compact, true)?.unwrap_or(0);
        // Every element of our schemas takes a byte at least.
        if length > self.rest.len() { Err(RecordError::Truncated) } else { Ok(length) }
    }

    /// Tagged fields (KIP-482); `known` reads those it knows from their own bytes.
    pub(crate) fn tagged(
        &mut self,
        mut known: impl FnMut(u32, &mut Reader<'a>) -> Result<(), RecordError>,
    ) -> Result<(), RecordError> {
        for _ in 0..self.unsigned_varint()? {
            let tag = self.unsigned_varint()?;
            let length = self.unsigned_varint()?;
            let field = self.take(usize::try_from(length).map_err(|_| RecordError::BadLength)?)?;
            known(tag, &mut Reader::new(field))?;
        }
        Ok(())
    }
}

/// A writer of one key or value.
#[derive(Default)]
pub(crate) struct Writer {
    bytes: BytesMut,
}

impl Writer {
    pub(crate) fn i16(&mut self, value: i16) -> &mut Self {
        self.bytes.put_i16(value);
        self
    }

    pub(crate) fn i32(&mut self, value: i32) -> &mut Self {
        self.bytes.put_i32(value);
        self
    }

    pub(crate) fn i64(&mut self, value: i64) -> &mut Self {
        self.bytes.put_i64(value);
        self
    }

    pub(crate) fn raw(&mut self, value: &[u8]) -> &mut Self {
        self.bytes.put_slice(value);
        self
    }

    pub(crate) fn unsigned_varint(&mut self, mut value: u32) -> &mut Self {
        while value >= 0x80 {
            self.bytes.put_u8((value & 0x7f) as u8 | 0x80);
            value >>= 7;
        }
        self.bytes.put_u8(value as u8);
        self
    }

    pub(crate) fn string(&mut self, text: &str) -> Result<&mut Self, RecordError> {
        let length = i16::try_from(text.len()).map_err(|_| RecordError::StringTooLong(text.len()))?;
        Ok(self.i16(length).raw(text.as_bytes()))
    }

    pub(crate) fn nullable_string(&mut self, text: Option<&str>) -> Result<&mut Self, RecordError> {
        match text {
            Some(text) => self.string(text),
            None => Ok(self.i16(-1)),
        }
    }

    /// A string of a flexible version, held to the limit of the older ones.
    pub(crate) fn compact_string(&mut self, text: &str) -> Result<&mut Self, RecordError> {
        let length = u32::try_from(text.len()).ok().filter(|_| text.len() <= MAX_STRING_BYTES);
        let length = length.ok_or(RecordError::StringTooLong(text.len()))?;
        Ok(self.unsigned_varint(length + 1).raw(text.as_bytes()))
    }

    pub(crate) fn byte_field(&mut self, value: &[u8]) -> Result<&mut Self, RecordError> {
        let length = i32::try_from(value.len()).map_err(|_| RecordError::BadLength)?;
        Ok(self.i32(length).raw(value))
    }

    pub(crate) fn finish(self) -> Bytes {
        self.bytes.freeze()
    }
}
