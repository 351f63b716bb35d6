//! The header of a journal object: what number it is, whose it is, and where its payload begins.
//!
//! Every object of a journal (write-ahead segments, manifest edits, metadata, their snapshots)
//! begins with this header, so that one ranged read tells whether a number is data or a fence, of
//! which epoch, and whose put created it. The payload follows the attributes and is not ours to
//! read. All integers are little-endian.
//!
//! | offset | bytes | field |
//! | --- | --- | --- |
//! | 0 | 8 | magic `HWJENTRY` |
//! | 8 | 2 | version, 1 |
//! | 10 | 1 | kind: 0 data, 1 fence, 2 snapshot |
//! | 11 | 1 | flags: bit 0 the payload has a checksum here; the other bits are 0 |
//! | 12 | 4 | window of the epoch (fences and snapshots; data repeats it) |
//! | 16 | 8 | number |
//! | 24 | 4 | epoch |
//! | 28 | 4 | attributes length, at most 1,024 |
//! | 32 | 8 | incarnation of the writer |
//! | 40 | 8 | put id |
//! | 48 | 8 | payload length |
//! | 56 | 4 | payload CRC32C, 0 when flag bit 0 is clear (the payload checks itself) |
//! | 60 | 4 | attributes CRC32C |
//! | 64 | 60 | reserved: written as 0, ignored when read |
//! | 124 | 4 | CRC32C of bytes 0..124 |
//! | 128 | | attributes, then payload |
//!
//! Upgrades: a reader refuses a version, a kind or a flag that it does not know (a fence that is
//! not understood must stop the reader, not be skipped); what may be ignored goes into the
//! reserved bytes or the attributes.

use bytes::{BufMut, Bytes, BytesMut};
use highwater_types::{Epoch, Incarnation, PutId};

#[cfg(test)]
mod tests;

/// Bytes of the fixed header.
pub const HEADER_LEN: usize = 128;
/// Most bytes of attributes.
pub const ATTRIBUTES_LIMIT: usize = 1024;
/// Bytes to read from the front of an object to be sure of header and attributes.
pub const PROBE_LEN: u64 = (HEADER_LEN + ATTRIBUTES_LIMIT) as u64;

const MAGIC: [u8; 8] = *b"HWJENTRY";
const VERSION: u16 = 1;
const FLAG_PAYLOAD_CRC: u8 = 1;
const CRC_AT: usize = HEADER_LEN - 4;

/// What an object is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum EntryKind {
    /// An entry of the chain with a payload.
    Data,
    /// The start of an epoch.
    Fence,
    /// A whole state, beside the chain.
    Snapshot,
}

impl EntryKind {
    const fn code(self) -> u8 {
        match self {
            Self::Data => 0,
            Self::Fence => 1,
            Self::Snapshot => 2,
        }
    }

    const fn from_code(code: u8) -> Option<Self> {
        match code {
            0 => Some(Self::Data),
            1 => Some(Self::Fence),
            2 => Some(Self::Snapshot),
            _ => None,
        }
    }
}

/// The header with its attributes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EntryHeader {
    /// What the object is.
    pub kind: EntryKind,
    /// Its number in the journal (a snapshot: the first number that it does not hold).
    pub number: u64,
    /// The epoch that it belongs to (a fence: that it starts).
    pub epoch: Epoch,
    /// The window of that epoch: how many numbers a writer may be ahead of the committed prefix.
    pub window: u32,
    /// Whose put it was: the run of the broker.
    pub incarnation: Incarnation,
    /// Whose put it was: the put.
    pub put_id: PutId,
    /// Bytes of payload.
    pub payload_len: u64,
    /// CRC32C of the payload, or `None` when the payload checks itself.
    pub payload_crc: Option<u32>,
    /// Up to [`ATTRIBUTES_LIMIT`] bytes that the journal's user may read without the payload.
    pub attributes: Bytes,
}

/// A header read back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReadEntry {
    /// The header.
    pub header: EntryHeader,
    /// The header's own CRC32C, which covers payload length, payload CRC and attributes CRC: two
    /// objects of one name and one checksum hold the same bytes.
    pub checksum: u32,
    /// Offset of the payload in the object.
    pub payload_at: u64,
}

/// Why bytes are not an entry header.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EntryError {
    /// Fewer bytes than the header and its attributes need.
    #[error("journal entry is cut short: {have} bytes of {need}")]
    Short {
        /// Bytes at hand.
        have: usize,
        /// Bytes needed.
        need: usize,
    },
    /// Not one of our objects.
    #[error("not a journal entry (wrong magic)")]
    Magic,
    /// Written by a later version.
    #[error("journal entry of version {0}; this program reads version {VERSION}")]
    Version(u16),
    /// A kind that this version does not know.
    #[error("journal entry of unknown kind {0}")]
    Kind(u8),
    /// A flag that this version does not know.
    #[error("journal entry with unknown flags {0:#04x}")]
    Flags(u8),
    /// The header's checksum does not match.
    #[error("journal entry header is damaged: checksum {got:#010x}, expected {want:#010x}")]
    HeaderChecksum {
        /// Computed.
        got: u32,
        /// Stored.
        want: u32,
    },
    /// The attributes' checksum does not match.
    #[error("journal entry attributes are damaged")]
    AttributesChecksum,
    /// More attributes than the limit.
    #[error("journal entry has {0} bytes of attributes; the limit is {ATTRIBUTES_LIMIT}")]
    Attributes(usize),
}

impl EntryHeader {
    /// Offset of the payload in the object.
    #[must_use]
    pub fn payload_at(&self) -> u64 {
        (HEADER_LEN + self.attributes.len()) as u64
    }

    /// Header and attributes as one chunk; the payload's chunks follow it in the object.
    ///
    /// # Errors
    /// [`EntryError::Attributes`] when there are too many.
    pub fn encode(&self) -> Result<(Bytes, u32), EntryError> {
        if self.attributes.len() > ATTRIBUTES_LIMIT {
            return Err(EntryError::Attributes(self.attributes.len()));
        }
        let attributes_len = u32::try_from(self.attributes.len()).unwrap_or(u32::MAX);
        let mut out = BytesMut::with_capacity(HEADER_LEN + self.attributes.len());
        out.put_slice(&MAGIC);
        out.put_u16_le(VERSION);
        out.put_u8(self.kind.code());
        out.put_u8(if self.payload_crc.is_some() { FLAG_PAYLOAD_CRC } else { 0 });
        out.put_u32_le(self.window);
        out.put_u64_le(self.number);
        out.put_u32_le(self.epoch.0);
        out.put_u32_le(attributes_len);
        out.put_u64_le(self.incarnation.0);
        out.put_u64_le(self.put_id.0);
        out.put_u64_le(self.payload_len);
        out.put_u32_le(self.payload_crc.unwrap_or(0));
        out.put_u32_le(crc32c::crc32c(&self.attributes));
        out.put_bytes(0, CRC_AT - out.len());
        let checksum = crc32c::crc32c(&out);
        out.put_u32_le(checksum);
        out.put_slice(&self.attributes);
        Ok((out.freeze(), checksum))
    }

    /// Reads header and attributes from the front of an object ([`PROBE_LEN`] bytes, or all of a
    /// shorter one). What follows the attributes is not looked at.
    ///
    /// # Errors
    /// Any [`EntryError`]: the object is not an intact entry of this version.
    pub fn decode(bytes: &Bytes) -> Result<ReadEntry, EntryError> {
        let Some(fixed) = bytes.first_chunk::<HEADER_LEN>() else {
            return Err(EntryError::Short { have: bytes.len(), need: HEADER_LEN });
        };
        if fixed[..8] != MAGIC {
            return Err(EntryError::Magic);
        }
        // The version is looked at before the checksum: a later layout may keep it elsewhere.
        let version = u16::from_le_bytes([fixed[8], fixed[9]]);
        if version != VERSION {
            return Err(EntryError::Version(version));
        }
        let want = u32_at(fixed, CRC_AT);
        let got = crc32c::crc32c(&fixed[..CRC_AT]);
        if got != want {
            return Err(EntryError::HeaderChecksum { got, want });
        }
        let kind = EntryKind::from_code(fixed[10]).ok_or(EntryError::Kind(fixed[10]))?;
        let flags = fixed[11];
        if flags & !FLAG_PAYLOAD_CRC != 0 {
            return Err(EntryError::Flags(flags));
        }
        let attributes_len = usize::try_from(u32_at(fixed, 28)).unwrap_or(usize::MAX);
        if attributes_len > ATTRIBUTES_LIMIT {
            return Err(EntryError::Attributes(attributes_len));
        }
        let need = HEADER_LEN + attributes_len;
        if bytes.len() < need {
            return Err(EntryError::Short { have: bytes.len(), need });
        }
        let attributes = bytes.slice(HEADER_LEN..need);
        if crc32c::crc32c(&attributes) != u32_at(fixed, 60) {
            return Err(EntryError::AttributesChecksum);
        }
        let header = Self::fields(fixed, kind, attributes);
        Ok(ReadEntry { payload_at: header.payload_at(), header, checksum: want })
    }

    fn fields(fixed: &[u8; HEADER_LEN], kind: EntryKind, attributes: Bytes) -> Self {
        Self {
            kind,
            number: u64_at(fixed, 16),
            epoch: Epoch(u32_at(fixed, 24)),
            window: u32_at(fixed, 12),
            incarnation: Incarnation(u64_at(fixed, 32)),
            put_id: PutId(u64_at(fixed, 40)),
            payload_len: u64_at(fixed, 48),
            payload_crc: (fixed[11] & FLAG_PAYLOAD_CRC != 0).then(|| u32_at(fixed, 56)),
            attributes,
        }
    }

    /// Whether bytes begin as an entry does.
    pub(crate) fn has_magic(bytes: &[u8]) -> bool {
        bytes.starts_with(&MAGIC)
    }

    /// Whether bytes would be a whole header if they began with the magic.
    pub(crate) fn is_entry_without_magic(bytes: &[u8]) -> bool {
        bytes.first_chunk::<HEADER_LEN>().is_some_and(|fixed| {
            let crc = crc32c::crc32c_append(crc32c::crc32c(&MAGIC), &fixed[MAGIC.len()..CRC_AT]);
            crc == u32_at(fixed, CRC_AT)
        })
    }

    /// The fields of a header that does not check, for people; `None` for fewer bytes than it has.
    /// Nothing may be decided by them.
    pub(crate) fn decode_unchecked(bytes: &[u8]) -> Option<ReadEntry> {
        let fixed = bytes.first_chunk::<HEADER_LEN>()?;
        let kind = EntryKind::from_code(fixed[10]).unwrap_or(EntryKind::Data);
        let header = Self::fields(fixed, kind, Bytes::new());
        Some(ReadEntry { payload_at: header.payload_at(), header, checksum: u32_at(fixed, CRC_AT) })
    }
}

/// CRC32C of a payload that comes in chunks.
#[must_use]
pub fn payload_crc<'a>(chunks: impl IntoIterator<Item = &'a Bytes>) -> u32 {
    chunks.into_iter().fold(0, |crc, chunk| crc32c::crc32c_append(crc, chunk))
}

fn u32_at(bytes: &[u8; HEADER_LEN], at: usize) -> u32 {
    let mut word = [0; 4];
    word.copy_from_slice(&bytes[at..at + 4]);
    u32::from_le_bytes(word)
}

fn u64_at(bytes: &[u8; HEADER_LEN], at: usize) -> u64 {
    let mut word = [0; 8];
    word.copy_from_slice(&bytes[at..at + 8]);
    u64::from_le_bytes(word)
}
