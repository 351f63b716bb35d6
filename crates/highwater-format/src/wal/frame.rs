//! A frame: one record batch of one partition.
//!
//! ```text
//!  at size field            big-endian
//!   0    4 CRC32C           of the frame's sequence (8 bytes), of bytes 4 to 36, and of the
//!                           batch's header (61 bytes)
//!   4    4 batch length     bytes
//!   8    4 shard
//!  12    4 epoch            of the shard
//!  16   16 topic id
//!  32    4 partition
//!  36      batch            a record batch v2 as in [`highwater_batch`]; offsets are in its header
//! ```
//!
//! The sequence is not stored: it is the block's first sequence plus the frame's place in the
//! block. As sequences never come back, a frame left from an earlier life of the file does not
//! check. The frame's checksum does not run over the records: they are covered by the batch's own
//! CRC32C, which lies in the batch's header. So every byte is covered, and the records are not
//! summed a second time on the write path.

use bytes::Bytes;
use highwater_batch::{HEADER_BYTES, StoredBatch};
use highwater_types::{Epoch, ShardId, TopicId, TopicPartition};

use crate::cursor::Cursor;
use crate::wal::BlockHeader;

/// Bytes of a frame before its batch.
pub const FRAME_HEADER_BYTES: usize = 36;

/// Bytes of a frame with this batch.
pub const fn frame_bytes(batch: &StoredBatch) -> usize {
    FRAME_HEADER_BYTES + batch.len()
}

/// Whose batch it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FrameHeader {
    /// The shard that appended it.
    pub shard: ShardId,
    /// Its epoch at that time.
    pub epoch: Epoch,
    /// The partition.
    pub tp: TopicPartition,
}

impl FrameHeader {
    /// The bytes before the batch. A batch is below 2^31 bytes by its own length field.
    pub fn encode(&self, seq: u64, batch: &StoredBatch) -> [u8; FRAME_HEADER_BYTES] {
        let mut bytes = [0; FRAME_HEADER_BYTES];
        let batch_bytes = u32::try_from(batch.len()).unwrap_or(u32::MAX);
        bytes[4..8].copy_from_slice(&batch_bytes.to_be_bytes());
        bytes[8..12].copy_from_slice(&self.shard.0.to_be_bytes());
        bytes[12..16].copy_from_slice(&self.epoch.0.to_be_bytes());
        bytes[16..32].copy_from_slice(self.tp.topic.as_bytes());
        bytes[32..36].copy_from_slice(&self.tp.partition.to_be_bytes());
        let crc = checksum(seq, &bytes, batch.head());
        bytes[..4].copy_from_slice(&crc.to_be_bytes());
        bytes
    }
}

fn checksum(seq: u64, header: &[u8; FRAME_HEADER_BYTES], batch_head: &[u8]) -> u32 {
    let crc = crc32c::crc32c(&seq.to_be_bytes());
    let crc = crc32c::crc32c_append(crc, &header[4..]);
    crc32c::crc32c_append(crc, batch_head)
}

/// A frame that checks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// Its sequence.
    pub seq: u64,
    /// Whose it is.
    pub header: FrameHeader,
    /// The batch, a slice of the block.
    pub batch: StoredBatch,
}

/// The first place of a block where a frame should be and none checks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FrameFault {
    /// Byte in the block's body.
    pub at: usize,
    /// Sequence of the frame that should be there.
    pub seq: u64,
}

/// The frames of one block, in order; ends after the first fault.
#[derive(Clone, Debug)]
pub struct Frames {
    body: Bytes,
    at: usize,
    seq: u64,
    left: u32,
    ended: bool,
}

impl Frames {
    /// `body` is what lies behind `header`; padding behind it may be there and is not looked at. A
    /// body shorter than the header says shows as a fault.
    pub fn new(header: &BlockHeader, body: &Bytes) -> Self {
        let bytes = usize::try_from(header.body_bytes).unwrap_or(usize::MAX).min(body.len());
        Self { body: body.slice(..bytes), at: 0, seq: header.first_seq, left: header.count, ended: false }
    }

    /// The first fault, if there is one; reads all frames.
    pub fn fault(self) -> Option<FrameFault> {
        self.into_iter().find_map(Result::err)
    }

    fn frame(&self) -> Option<Frame> {
        let rest = self.body.get(self.at..)?;
        let header = rest.first_chunk::<FRAME_HEADER_BYTES>()?;
        let mut cursor = Cursor::new(header);
        let crc = cursor.u32()?;
        let batch_bytes = usize::try_from(cursor.u32()?).ok()?;
        if batch_bytes < HEADER_BYTES || batch_bytes > rest.len() - FRAME_HEADER_BYTES {
            return None;
        }
        let head = &rest[FRAME_HEADER_BYTES..FRAME_HEADER_BYTES + HEADER_BYTES];
        if crc != checksum(self.seq, header, head) {
            return None;
        }
        let start = self.at + FRAME_HEADER_BYTES;
        let batch = StoredBatch::from_bytes(&self.body.slice(start..start + batch_bytes)).ok()?;
        let shard = ShardId(cursor.u32()?);
        let epoch = Epoch(cursor.u32()?);
        let topic = TopicId::from_bytes(cursor.array()?);
        let tp = TopicPartition { topic, partition: cursor.i32()? };
        batch.crc_is_right().then_some(Frame { seq: self.seq, header: FrameHeader { shard, epoch, tp }, batch })
    }
}

impl Iterator for Frames {
    type Item = Result<Frame, FrameFault>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.ended || (self.left == 0 && self.at == self.body.len()) {
            return None;
        }
        // With no frame left, bytes that remain are a fault: the header promised none.
        let frame = if self.left == 0 { None } else { self.frame() };
        let Some(frame) = frame else {
            self.ended = true;
            return Some(Err(FrameFault { at: self.at, seq: self.seq }));
        };
        self.at += frame_bytes(&frame.batch);
        self.seq = self.seq.wrapping_add(1);
        self.left -= 1;
        Some(Ok(frame))
    }
}
