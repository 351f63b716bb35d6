//! `Encoder`: writes the protocol's types into a list of pieces for one vectored write.
//!
//! Small things are written to one buffer; large bytes (record batches above all) are not copied: the
//! encoder remembers where they belong and hands them on as they are.

use bytes::{BufMut, Bytes, BytesMut};

use crate::error::EncodeError;
use crate::{Records, Str, TaggedFields, Uuid};

/// Bytes shorter than this are copied: a copy costs less than one more piece of a vectored write.
const SHARE_FROM: usize = 256;

/// The largest length that 32 bits say; compact lengths are kept to the same.
const LENGTH_LIMIT: usize = i32::MAX as usize;

type Result = std::result::Result<(), EncodeError>;

/// What has been written of one message or frame.
#[derive(Debug, Default)]
pub struct Encoder {
    buffer: BytesMut,
    /// Pieces that are not in `buffer`, each with the place in `buffer` that it stands before; ascending.
    shared: Vec<(usize, Bytes)>,
    shared_len: usize,
    framed: bool,
}

impl Encoder {
    /// An empty one.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// One that starts with the four bytes of a frame's length, which [`Encoder::finish`] fills in.
    #[must_use]
    pub fn for_frame() -> Self {
        let mut buffer = BytesMut::with_capacity(SHARE_FROM);
        buffer.put_i32(0);
        Self { buffer, framed: true, ..Self::default() }
    }

    /// The bytes written so far, the length prefix included.
    #[must_use]
    pub fn len(&self) -> usize {
        self.buffer.len() + self.shared_len
    }

    /// Whether nothing was written.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The pieces in order, none of them empty. Their concatenation is what was written; large pieces of
    /// [`Records`] and bytes are the very ones that were given.
    #[must_use]
    pub fn finish(mut self) -> Vec<Bytes> {
        if self.framed {
            // What is longer than 2 GiB is refused where it is written.
            let length = u32::try_from(self.len() - 4).unwrap_or(u32::MAX);
            self.buffer[..4].copy_from_slice(&length.to_be_bytes());
        }
        let mut rest = self.buffer.freeze();
        let mut pieces = Vec::with_capacity(2 * self.shared.len() + 1);
        let mut cut = 0;
        for (place, bytes) in self.shared {
            if place > cut {
                pieces.push(rest.split_to(place - cut));
                cut = place;
            }
            pieces.push(bytes);
        }
        if !rest.is_empty() {
            pieces.push(rest);
        }
        pieces
    }

    /// Everything as one piece; copies if there are several.
    #[must_use]
    pub fn finish_joined(self) -> Bytes {
        Records::from(self.finish()).into_bytes()
    }

    /// Encodes one message after checking its version.
    pub(crate) fn message<T>(
        &mut self,
        name: &'static str,
        (min, max): (i16, i16),
        version: i16,
        message: &T,
        write: fn(&T, &mut Self, i16) -> Result,
    ) -> Result {
        if !(min..=max).contains(&version) {
            return Err(EncodeError::UnsupportedVersion { message: name, version });
        }
        write(message, self, version)
    }

    /// One byte, 0 or 1.
    pub fn bool(&mut self, value: bool) {
        self.buffer.put_u8(value.into());
    }

    /// Eight bits, signed.
    pub fn i8(&mut self, value: i8) {
        self.buffer.put_i8(value);
    }

    /// 16 bits, signed.
    pub fn i16(&mut self, value: i16) {
        self.buffer.put_i16(value);
    }

    /// 16 bits, unsigned.
    pub fn u16(&mut self, value: u16) {
        self.buffer.put_u16(value);
    }

    /// 32 bits, signed.
    pub fn i32(&mut self, value: i32) {
        self.buffer.put_i32(value);
    }

    /// 32 bits, unsigned.
    pub fn u32(&mut self, value: u32) {
        self.buffer.put_u32(value);
    }

    /// 64 bits, signed.
    pub fn i64(&mut self, value: i64) {
        self.buffer.put_i64(value);
    }

    /// 64 bits, floating point.
    pub fn f64(&mut self, value: f64) {
        self.buffer.put_f64(value);
    }

    /// 16 bytes.
    pub fn uuid(&mut self, value: Uuid) {
        self.buffer.put_slice(&value.0);
    }

    /// An unsigned number, seven bits to a byte, the lowest first.
    pub fn uvarint(&mut self, value: u32) {
        let (bytes, length) = uvarint_bytes(value);
        self.buffer.put_slice(&bytes[..length]);
    }

    /// The length of an array, of bytes or of records; none for null.
    fn length(&mut self, flexible: bool, length: Option<usize>) -> Result {
        let length = length.map(|length| as_length(length, LENGTH_LIMIT)).transpose()?;
        if flexible {
            self.uvarint(length.map_or(0, |length| length + 1));
        } else {
            self.i32(length.map_or(-1, u32::cast_signed));
        }
        Ok(())
    }

    /// Text of at most 32,767 bytes.
    pub fn string(&mut self, flexible: bool, text: &Str) -> Result {
        self.nullable_string(flexible, Some(text))
    }

    /// Text or null.
    pub fn nullable_string(&mut self, flexible: bool, text: Option<&Str>) -> Result {
        let Some(text) = text else {
            if flexible {
                self.uvarint(0);
            } else {
                self.i16(-1);
            }
            return Ok(());
        };
        let length = as_length(text.len(), i16::MAX as usize)?;
        if flexible {
            self.uvarint(length + 1);
        } else {
            // At most 32,767, so the lower half is the number.
            self.buffer.put_u16(length as u16);
        }
        self.buffer.put_slice(text.as_bytes());
        Ok(())
    }

    /// Bytes.
    pub fn bytes(&mut self, flexible: bool, bytes: &Bytes) -> Result {
        self.nullable_bytes(flexible, Some(bytes))
    }

    /// Bytes or null.
    pub fn nullable_bytes(&mut self, flexible: bool, bytes: Option<&Bytes>) -> Result {
        self.length(flexible, bytes.map(Bytes::len))?;
        bytes.map_or(Ok(()), |bytes| self.share(bytes))
    }

    /// Record batches.
    pub fn records(&mut self, flexible: bool, records: &Records) -> Result {
        self.nullable_records(flexible, Some(records))
    }

    /// Record batches or null.
    pub fn nullable_records(&mut self, flexible: bool, records: Option<&Records>) -> Result {
        self.length(flexible, records.map(Records::len))?;
        for chunk in records.map_or(&[][..], Records::chunks) {
            self.share(chunk)?;
        }
        Ok(())
    }

    /// Copies what is small and notes what is large.
    fn share(&mut self, bytes: &Bytes) -> Result {
        as_length(self.len().saturating_add(bytes.len()), LENGTH_LIMIT)?;
        if bytes.len() < SHARE_FROM {
            self.buffer.put_slice(bytes);
        } else {
            self.shared.push((self.buffer.len(), bytes.clone()));
            self.shared_len += bytes.len();
        }
        Ok(())
    }

    /// An array.
    pub(crate) fn array<T>(
        &mut self,
        flexible: bool,
        list: &[T],
        write: impl FnMut(&mut Self, &T) -> Result,
    ) -> Result {
        self.nullable_array(flexible, Some(list), write)
    }

    /// An array or null.
    pub(crate) fn nullable_array<T>(
        &mut self,
        flexible: bool,
        list: Option<&[T]>,
        mut write: impl FnMut(&mut Self, &T) -> Result,
    ) -> Result {
        self.length(flexible, list.map(<[T]>::len))?;
        for element in list.unwrap_or_default() {
            write(self, element)?;
        }
        Ok(())
    }

    /// A struct or null: one byte says which.
    pub(crate) fn nullable_struct<T>(
        &mut self,
        value: Option<&T>,
        write: impl FnOnce(&mut Self, &T) -> Result,
    ) -> Result {
        match value {
            Some(value) => {
                self.i8(1);
                write(self, value)
            }
            None => {
                self.i8(-1);
                Ok(())
            }
        }
    }

    /// The tagged fields of a struct that knows none, if the version has them.
    pub(crate) fn unknown_tags(&mut self, flexible: bool, unknown: &TaggedFields) -> Result {
        if !flexible {
            return Ok(());
        }
        if unknown.is_empty() {
            self.uvarint(0);
            return Ok(());
        }
        self.tags(unknown).finish()
    }

    /// Starts the tagged fields of a struct.
    pub(crate) fn tags<'a>(&'a mut self, unknown: &'a TaggedFields) -> TagWriter<'a> {
        let start = self.buffer.len();
        self.buffer.put_u8(0);
        TagWriter { encoder: self, unknown: unknown.as_slice(), start, count: 0, last: None }
    }

    /// Puts a variable-length number where one byte was kept free for it, moving what follows if it takes
    /// more.
    fn fill_uvarint(&mut self, place: usize, value: u32) {
        let (bytes, length) = uvarint_bytes(value);
        let more = length - 1;
        if more > 0 {
            let end = self.buffer.len();
            self.buffer.put_bytes(0, more);
            self.buffer.copy_within(place + 1..end, place + length);
            let moved = self.shared.partition_point(|(before, _)| *before <= place);
            for (before, _) in &mut self.shared[moved..] {
                *before += more;
            }
        }
        self.buffer[place..place + length].copy_from_slice(&bytes[..length]);
    }
}

/// Writes the tagged fields of one struct: the known ones in ascending order, the unknown ones between
/// them.
pub(crate) struct TagWriter<'a> {
    encoder: &'a mut Encoder,
    unknown: &'a [(u32, Bytes)],
    start: usize,
    count: u32,
    last: Option<u32>,
}

impl TagWriter<'_> {
    /// Writes a known field.
    pub(crate) fn field(&mut self, tag: u32, write: impl FnOnce(&mut Encoder) -> Result) -> Result {
        while let Some(((next, content), rest)) = self.unknown.split_first() {
            if *next > tag {
                break;
            }
            self.unknown = rest;
            self.put(*next, |e| e.share(content))?;
        }
        self.put(tag, write)
    }

    /// Writes the unknown fields that are left, and the count.
    pub(crate) fn finish(mut self) -> Result {
        for (tag, content) in std::mem::take(&mut self.unknown) {
            self.put(*tag, |e| e.share(content))?;
        }
        self.encoder.fill_uvarint(self.start, self.count);
        Ok(())
    }

    fn put(&mut self, tag: u32, write: impl FnOnce(&mut Encoder) -> Result) -> Result {
        if self.last.is_some_and(|last| last >= tag) {
            return Err(EncodeError::TagOrder { tag });
        }
        self.last = Some(tag);
        self.count += 1;
        let e = &mut *self.encoder;
        e.uvarint(tag);
        let place = e.buffer.len();
        e.buffer.put_u8(0);
        let before = e.len();
        write(e)?;
        let length = as_length(e.len() - before, LENGTH_LIMIT)?;
        e.fill_uvarint(place, length);
        Ok(())
    }
}

fn as_length(length: usize, limit: usize) -> std::result::Result<u32, EncodeError> {
    match u32::try_from(length) {
        Ok(short) if length <= limit => Ok(short),
        _ => Err(EncodeError::TooLong { length, limit }),
    }
}

fn uvarint_bytes(mut value: u32) -> ([u8; 5], usize) {
    let mut bytes = [0; 5];
    let mut length = 0;
    loop {
        let low = (value & 0x7f) as u8;
        value >>= 7;
        bytes[length] = if value == 0 { low } else { low | 0x80 };
        length += 1;
        if value == 0 {
            return (bytes, length);
        }
    }
}

/// A field that the version lacks must have its default, since it may not be dropped.
pub(crate) fn must_be_default(field: &'static str, version: i16, is_default: bool) -> Result {
    if is_default { Ok(()) } else { Err(EncodeError::FieldNotInVersion { field, version }) }
}

/// The value of a field in a version that does not let it be null.
pub(crate) fn non_null<T>(field: &'static str, version: i16, value: Option<T>) -> std::result::Result<T, EncodeError> {
    value.ok_or(EncodeError::NullNotInVersion { field, version })
}
