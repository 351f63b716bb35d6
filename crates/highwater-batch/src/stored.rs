//! A batch as the log keeps it: its header owned, so that it can be patched, its records a slice of
//! the request they came in.

use std::fmt;

use bytes::{BufMut, Bytes, BytesMut};

use crate::checksum;
use crate::header::{ATTRIBUTES_AT, BatchHeader, CRC_AT, HEADER_BYTES, HeaderError, LEADER_EPOCH_AT, field, put};

/// A frame is held on to only if the batch is at least this part of it (one quarter).
const LEAST_SHARE_OF_FRAME: usize = 4;

/// One record batch in two parts: 61 bytes of header and the rest. Cloning copies the header and
/// shares the rest.
#[derive(Clone, PartialEq, Eq)]
pub struct StoredBatch {
    pub(crate) head: [u8; HEADER_BYTES],
    pub(crate) body: Bytes,
}

impl StoredBatch {
    /// From the bytes of exactly one batch; the records are not copied.
    ///
    /// # Errors
    /// As [`BatchHeader::parse`]; `Truncated` also when `batch` is shorter than its length field
    /// says, `Length` when it is longer.
    pub fn from_bytes(batch: &Bytes) -> Result<Self, HeaderError> {
        let header = BatchHeader::parse_whole(batch)?;
        if header.total_bytes() != batch.len() {
            return Err(HeaderError::Length(header.length));
        }
        let mut head = [0; HEADER_BYTES];
        head.copy_from_slice(&batch[..HEADER_BYTES]);
        Ok(Self { head, body: batch.slice(HEADER_BYTES..) })
    }

    /// From a header and the records behind it. The header's length field is set; its CRC is taken
    /// as given.
    pub fn from_parts(mut header: BatchHeader, body: Bytes) -> Self {
        header.length = i32::try_from(body.len() + HEADER_BYTES - 12).unwrap_or(i32::MAX);
        Self { head: header.encode(), body }
    }

    /// Gives the batch its place in the log: base offset and leader epoch lie outside the CRC.
    pub fn assign(&mut self, base_offset: i64, leader_epoch: i32) {
        put(&mut self.head, 0, base_offset.to_be_bytes());
        put(&mut self.head, LEADER_EPOCH_AT, leader_epoch.to_be_bytes());
    }

    /// All fields of the header.
    pub fn header(&self) -> BatchHeader {
        BatchHeader::decode(&self.head)
    }

    /// Offset of the first record.
    pub fn first_offset(&self) -> i64 {
        i64::from_be_bytes(field(&self.head, 0))
    }

    /// Offset of the last record.
    pub fn last_offset(&self) -> i64 {
        self.header().last_offset()
    }

    /// Bytes of the whole batch.
    #[expect(clippy::len_without_is_empty, reason = "a batch is never empty: it has a header")]
    pub const fn len(&self) -> usize {
        HEADER_BYTES + self.body.len()
    }

    /// The header's bytes as they are now.
    pub const fn head(&self) -> &[u8; HEADER_BYTES] {
        &self.head
    }

    /// Everything behind the header: the records, compressed or not.
    pub const fn body(&self) -> &Bytes {
        &self.body
    }

    /// The two parts in order, for a vectored write; their concatenation is the batch.
    pub fn chunks(&self) -> [&[u8]; 2] {
        [&self.head, &self.body]
    }

    /// The batch in one piece; copies.
    pub fn to_bytes(&self) -> Bytes {
        let mut bytes = BytesMut::with_capacity(self.len());
        bytes.put_slice(&self.head);
        bytes.put_slice(&self.body);
        bytes.freeze()
    }

    /// Whether the CRC in the header is right for header and records.
    pub fn crc_is_right(&self) -> bool {
        self.computed_crc() == u32::from_be_bytes(field(&self.head, CRC_AT))
    }

    /// The CRC computed anew over header and records.
    pub(crate) fn computed_crc(&self) -> u32 {
        checksum::crc32c_of_chunks([&self.head[ATTRIBUTES_AT..], &self.body])
    }

    /// Lets go of a request frame of `frame_bytes` if this batch is less than a quarter of it, by
    /// copying the records; otherwise a small batch kept in the tail would hold a large frame in
    /// memory. `kept_bytes` is what is kept of that frame altogether (all its batches): the frame is
    /// held on to when that is enough. Gives whether it copied.
    pub fn release_frame(&mut self, frame_bytes: usize, kept_bytes: usize) -> bool {
        if kept_bytes.max(self.len()).saturating_mul(LEAST_SHARE_OF_FRAME) >= frame_bytes {
            return false;
        }
        self.body = Bytes::copy_from_slice(&self.body);
        true
    }
}

impl fmt::Debug for StoredBatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let header = self.header();
        f.debug_struct("StoredBatch")
            .field("first_offset", &header.base_offset)
            .field("last_offset", &header.last_offset())
            .field("bytes", &self.len())
            .finish_non_exhaustive()
    }
}

/// Appends the chunks of `batches` to `out` (two for each batch, in order), for an answer or a
/// segment: one allocation for all their headers, none and no copy for their records.
pub fn push_chunks<'a>(batches: impl Iterator<Item = &'a StoredBatch> + Clone, out: &mut Vec<Bytes>) {
    let count = batches.clone().count();
    let mut heads = BytesMut::with_capacity(count * HEADER_BYTES);
    out.reserve(count * 2);
    for batch in batches.clone() {
        heads.put_slice(&batch.head);
    }
    let mut heads = heads.freeze();
    for batch in batches {
        out.push(heads.split_to(HEADER_BYTES));
        if !batch.body.is_empty() {
            out.push(batch.body.clone());
        }
    }
}
