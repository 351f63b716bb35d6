//! `Decoder`: reads the protocol's types from one frame, and never takes more memory than it was allowed.
//!
//! Text, bytes and records are slices of the frame. What does allocate is the backing of arrays: each is
//! charged to the frame's allowance before it is reserved, and is never reserved for more elements than
//! the bytes that are left could hold. There is no recursion that the bytes could steer: depth is that of
//! the schema.

use bytes::Bytes;

use crate::error::{DecodeError, DecodeErrorKind as Kind};
use crate::frame::frame_charge;
use crate::{Records, Str, TaggedFields, Uuid};

/// The longest text that Kafka takes, in bytes.
const TEXT_LIMIT: usize = i16::MAX as usize;

/// The smallest unknown tagged field: its tag and a length of zero.
const TAG_MIN: usize = 2;

type Result<T> = std::result::Result<T, DecodeError>;

/// A position in one frame, and what decoding it may still allocate.
///
/// Every reading method advances past what it read, or says what is wrong and where; after an error the
/// position means nothing. `flexible` chooses between the old lengths (16 or 32 bits) and the compact ones
/// of KIP-482.
#[derive(Debug)]
pub struct Decoder {
    frame: Bytes,
    /// The next byte.
    at: usize,
    /// Where the frame, or the tagged field at hand, ends; at most the frame's length.
    end: usize,
    allowance: usize,
    charged: usize,
}

impl Decoder {
    /// Starts at the first byte of a frame (without its length prefix), with [`frame_charge`] of its
    /// length as the allowance.
    #[must_use]
    pub fn new(frame: Bytes) -> Self {
        let allowance = frame_charge(frame.len());
        Self::with_allowance(frame, allowance)
    }

    /// The same with what the caller reserved for it, in bytes.
    #[must_use]
    pub fn with_allowance(frame: Bytes, allowance: usize) -> Self {
        Self { at: 0, end: frame.len(), frame, allowance, charged: 0 }
    }

    /// The bytes not yet read.
    #[must_use]
    pub fn remaining(&self) -> usize {
        self.end - self.at
    }

    /// The position, in bytes from the start of the frame.
    #[must_use]
    pub fn position(&self) -> usize {
        self.at
    }

    /// What was charged to the allowance so far, in bytes: an upper bound of what the decoded message
    /// holds besides the frame itself.
    #[must_use]
    pub fn charged(&self) -> usize {
        self.charged
    }

    /// Demands that every byte was read. Kafka's brokers do not: bytes after a request are ignored.
    pub fn expect_end(&self) -> Result<()> {
        match self.remaining() {
            0 => Ok(()),
            left => Err(self.error(Kind::Trailing(left))),
        }
    }

    /// Decodes one message after checking its version, and names it in errors.
    pub(crate) fn message<T>(
        &mut self,
        name: &'static str,
        (min, max): (i16, i16),
        version: i16,
        read: fn(&mut Self, i16) -> Result<T>,
    ) -> Result<T> {
        let decoded = if (min..=max).contains(&version) {
            read(self, version)
        } else {
            Err(self.error(Kind::UnsupportedVersion { version, min, max }))
        };
        decoded.map_err(|mut error| {
            error.message = Some((name, version));
            error
        })
    }

    pub(crate) fn error(&self, kind: Kind) -> DecodeError {
        DecodeError { kind, at: self.at, message: None }
    }

    /// The two numbers that every request starts with, without stepping over them.
    pub(crate) fn peek_key_and_version(&mut self) -> Result<(i16, i16)> {
        let start = self.at;
        let both = (self.i16()?, self.i16()?);
        self.at = start;
        Ok(both)
    }

    /// Books memory before it is allocated.
    fn charge(&mut self, needed: usize) -> Result<()> {
        let left = self.allowance - self.charged;
        if needed > left {
            return Err(self.error(Kind::AllowanceExceeded { needed, left }));
        }
        self.charged += needed;
        Ok(())
    }

    /// Steps over `needed` bytes; gives where they start.
    fn advance(&mut self, needed: usize) -> Result<usize> {
        let left = self.remaining();
        if needed > left {
            return Err(self.error(Kind::Truncated { needed, left }));
        }
        let start = self.at;
        self.at += needed;
        Ok(start)
    }

    fn fixed<const N: usize>(&mut self) -> Result<[u8; N]> {
        let start = self.advance(N)?;
        let mut bytes = [0; N];
        bytes.copy_from_slice(&self.frame[start..start + N]);
        Ok(bytes)
    }

    fn slice(&mut self, length: usize) -> Result<Bytes> {
        let start = self.advance(length)?;
        Ok(self.frame.slice(start..start + length))
    }

    /// One byte; anything but zero is true.
    pub fn bool(&mut self) -> Result<bool> {
        Ok(self.i8()? != 0)
    }

    /// Eight bits, signed.
    pub fn i8(&mut self) -> Result<i8> {
        self.fixed().map(i8::from_be_bytes)
    }

    /// 16 bits, signed.
    pub fn i16(&mut self) -> Result<i16> {
        self.fixed().map(i16::from_be_bytes)
    }

    /// 16 bits, unsigned.
    pub fn u16(&mut self) -> Result<u16> {
        self.fixed().map(u16::from_be_bytes)
    }

    /// 32 bits, signed.
    pub fn i32(&mut self) -> Result<i32> {
        self.fixed().map(i32::from_be_bytes)
    }

    /// 32 bits, unsigned.
    pub fn u32(&mut self) -> Result<u32> {
        self.fixed().map(u32::from_be_bytes)
    }

    /// 64 bits, signed.
    pub fn i64(&mut self) -> Result<i64> {
        self.fixed().map(i64::from_be_bytes)
    }

    /// 64 bits, floating point.
    pub fn f64(&mut self) -> Result<f64> {
        self.fixed().map(f64::from_be_bytes)
    }

    /// 16 bytes.
    pub fn uuid(&mut self) -> Result<Uuid> {
        self.fixed().map(Uuid)
    }

    /// An unsigned number of at most 32 bits, seven to a byte, the lowest first.
    pub fn uvarint(&mut self) -> Result<u32> {
        let start = self.at;
        let mut value = 0;
        for shift in [0, 7, 14, 21, 28] {
            let [byte] = self.fixed()?;
            if shift == 28 && byte > 0x0f {
                break;
            }
            value |= u32::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Ok(value);
            }
        }
        self.at = start;
        Err(self.error(Kind::VarintTooLong))
    }

    /// A compact length: one more than it is, and zero for null.
    fn compact_length(&mut self) -> Result<Option<usize>> {
        Ok(self.uvarint()?.checked_sub(1).map(|length| length as usize))
    }

    /// A signed length; −1 is null.
    fn plain_length(&mut self, length: i64) -> Result<Option<usize>> {
        match length {
            -1 => Ok(None),
            _ => usize::try_from(length).map(Some).map_err(|_| self.error(Kind::NegativeLength(length))),
        }
    }

    fn text_length(&mut self, flexible: bool) -> Result<Option<usize>> {
        if flexible {
            self.compact_length()
        } else {
            let length = self.i16()?;
            self.plain_length(length.into())
        }
    }

    /// The length of an array, of bytes or of records.
    fn length(&mut self, flexible: bool) -> Result<Option<usize>> {
        if flexible {
            self.compact_length()
        } else {
            let length = self.i32()?;
            self.plain_length(length.into())
        }
    }

    fn non_null<T>(&self, value: Option<T>) -> Result<T> {
        value.ok_or_else(|| self.error(Kind::Null))
    }

    /// Text.
    pub fn string(&mut self, flexible: bool) -> Result<Str> {
        let text = self.nullable_string(flexible)?;
        self.non_null(text)
    }

    /// Text or null.
    pub fn nullable_string(&mut self, flexible: bool) -> Result<Option<Str>> {
        let Some(length) = self.text_length(flexible)? else {
            return Ok(None);
        };
        if length > TEXT_LIMIT {
            return Err(self.error(Kind::TextTooLong(length)));
        }
        let bytes = self.slice(length)?;
        match Str::from_utf8(bytes) {
            Ok(text) => Ok(Some(text)),
            Err(_) => Err(self.error(Kind::NotUtf8)),
        }
    }

    /// Bytes, as a slice of the frame.
    pub fn bytes(&mut self, flexible: bool) -> Result<Bytes> {
        let bytes = self.nullable_bytes(flexible)?;
        self.non_null(bytes)
    }

    /// Bytes or null.
    pub fn nullable_bytes(&mut self, flexible: bool) -> Result<Option<Bytes>> {
        match self.length(flexible)? {
            Some(length) => self.slice(length).map(Some),
            None => Ok(None),
        }
    }

    /// Record batches, as one slice of the frame; what is in them is not looked at.
    pub fn records(&mut self, flexible: bool) -> Result<Records> {
        self.bytes(flexible).map(Records::from)
    }

    /// Record batches or null, in the same way.
    pub fn nullable_records(&mut self, flexible: bool) -> Result<Option<Records>> {
        Ok(self.nullable_bytes(flexible)?.map(Records::from))
    }

    /// An array. No element takes less than `element_min` bytes in any version.
    pub(crate) fn array<T>(
        &mut self,
        flexible: bool,
        element_min: usize,
        read: impl FnMut(&mut Self) -> Result<T>,
    ) -> Result<Vec<T>> {
        let list = self.nullable_array(flexible, element_min, read)?;
        self.non_null(list)
    }

    /// An array or null.
    pub(crate) fn nullable_array<T>(
        &mut self,
        flexible: bool,
        element_min: usize,
        mut read: impl FnMut(&mut Self) -> Result<T>,
    ) -> Result<Option<Vec<T>>> {
        let Some(count) = self.length(flexible)? else {
            return Ok(None);
        };
        self.expect_elements(count, element_min)?;
        self.charge(count.saturating_mul(size_of::<T>()))?;
        let mut list = Vec::with_capacity(count);
        for _ in 0..count {
            list.push(read(self)?);
        }
        Ok(Some(list))
    }

    /// Refuses a count that the bytes at hand cannot hold.
    fn expect_elements(&self, count: usize, element_min: usize) -> Result<()> {
        let left = self.remaining();
        if count > left / element_min.max(1) {
            return Err(self.error(Kind::CountTooLarge { count, left }));
        }
        Ok(())
    }

    /// A struct or null: one byte says which.
    pub(crate) fn nullable_struct<T>(&mut self, read: impl FnOnce(&mut Self) -> Result<T>) -> Result<Option<T>> {
        if self.i8()? < 0 {
            return Ok(None);
        }
        read(self).map(Some)
    }

    /// The tagged fields of a struct that knows none, if the version has them.
    pub(crate) fn unknown_tags(&mut self, flexible: bool) -> Result<TaggedFields> {
        if flexible { self.tags(|_, _| Ok(false)) } else { Ok(TaggedFields::default()) }
    }

    /// The tagged fields of a struct. `known` reads the field of a number that it knows, and says false,
    /// having read nothing, for another; those are kept. As in Kafka the order does not matter, and of a
    /// known field that comes twice the last one stands.
    pub(crate) fn tags(&mut self, mut known: impl FnMut(&mut Self, u32) -> Result<bool>) -> Result<TaggedFields> {
        let mut unknown = TaggedFields::default();
        let count = self.uvarint()? as usize;
        self.expect_elements(count, TAG_MIN)?;
        for index in 0..count {
            let tag = self.uvarint()?;
            let size = self.uvarint()? as usize;
            let start = self.advance(size)?;
            let outer = std::mem::replace(&mut self.end, self.at);
            self.at = start;
            if !known(self, tag)? {
                if unknown.is_empty() {
                    let more = count - index;
                    self.charge(size_of::<Vec<()>>() + more * size_of::<(u32, Bytes)>())?;
                    unknown.reserve_exact(more);
                }
                unknown.push(tag, self.slice(size)?);
            }
            match self.remaining() {
                0 => self.end = outer,
                left => return Err(self.error(Kind::TagSize { tag, left })),
            }
        }
        Ok(unknown)
    }
}
