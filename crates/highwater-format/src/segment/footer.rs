//! The footer: all that is said of a segment's payload.
//!
//! ```text
//!  size field               big-endian; a count is 4 bytes
//!     4 shard
//!     4 epoch               in which the segment was sealed
//!     1 level               0: a flush
//!     3 zero
//!       count, extents      ascending by topic id and partition:
//!          16 topic id
//!           4 partition
//!           8 first offset
//!           8 last offset
//!           8 max timestamp
//!           8 position      in the segment; extents lie back to back from 0 on
//!           4 length
//!           8 reserve end   -1: none
//!             count, epochs     4 leader epoch, 8 first offset
//!             count, strides    8 first offset, 4 position in the extent, 8 max timestamp,
//!                               4 CRC32C of the batch headers
//!             count, aborted    8 producer id, 8 first, 8 last, 8 last stable offset
//!             count, producers  8 producer id, 2 epoch, 4 coordinator epoch, 8 last timestamp,
//!                               8 first offset of the open transaction, 1 count of batches:
//!                                 4 first, 4 last sequence, 8 first, 8 last offset
//!       count, reserves     of partitions without an extent, ascending:
//!          16 topic id, 4 partition, 8 reserve end
//! ```

use std::ops::Range;

use bytes::{BufMut, Bytes, BytesMut};
use highwater_types::{Epoch, Offset, ShardId, TopicId, TopicPartition};

use crate::cursor::Cursor;
use crate::segment::{
    AbortedTxn, EpochStart, Extent, MAX_FOOTER_BYTES, MAX_PRODUCER_BATCHES, ProducerBatch, ProducerDelta, SegmentError,
    Stride,
};

pub(crate) const TRAILER_BYTES: usize = 32;
pub(crate) const MAGIC: &[u8; 8] = b"HWATRSEG";
const VERSION: u32 = 1;

const EXTENT_LEAST_BYTES: usize = 80;
const EPOCH_BYTES: usize = 12;
const STRIDE_ENTRY_BYTES: usize = 24;
const ABORTED_BYTES: usize = 32;
const PRODUCER_LEAST_BYTES: usize = 31;
const RESERVE_BYTES: usize = 28;

/// A partition's reserve without batches of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reserve {
    /// The partition.
    pub tp: TopicPartition,
    /// As [`Extent::reserve_end`].
    pub reserve_end: Offset,
}

/// All that is said of a segment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Footer {
    /// Whose partitions these are.
    pub shard: ShardId,
    /// Epoch in which the segment was sealed.
    pub epoch: Epoch,
    /// 0 for a flush, higher for what compaction wrote.
    pub level: u8,
    /// Bytes of the whole segment; not stored, but known from the trailer. An object that is larger
    /// has other bytes in front.
    pub segment_bytes: u64,
    /// Bytes of all extents.
    pub payload_bytes: u64,
    /// Strictly ascending by partition, back to back from byte 0 on.
    pub extents: Vec<Extent>,
    /// Strictly ascending by partition.
    pub reserves: Vec<Reserve>,
}

/// What a read of the tail gave.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Tail {
    /// All of the footer.
    Whole(Footer),
    /// The footer is larger: read this many bytes of the tail.
    NeedMore {
        /// Bytes, counted from the segment's end.
        bytes: usize,
    },
}

impl Footer {
    /// This partition's extent.
    pub fn extent(&self, tp: TopicPartition) -> Option<&Extent> {
        let found = self.extents.binary_search_by_key(&tp, |extent| extent.tp).ok()?;
        self.extents.get(found)
    }

    /// Reads footer and trailer from the last bytes of a segment, as many as there are at hand
    /// ([`crate::segment::TAIL_BYTES`] is a good first try).
    ///
    /// # Errors
    /// Any [`SegmentError`] but `Batch`; never allocates by a length that the bytes do not cover.
    pub fn from_tail(tail: &[u8]) -> Result<Tail, SegmentError> {
        let (rest, trailer) = tail.split_last_chunk::<TRAILER_BYTES>().ok_or(SegmentError::Short)?;
        let (payload_bytes, footer_bytes, footer_crc) = decode_trailer(trailer)?;
        let bytes = footer_bytes + TRAILER_BYTES;
        let Some(start) = rest.len().checked_sub(footer_bytes) else {
            return Ok(Tail::NeedMore { bytes });
        };
        let footer = &rest[start..];
        if crc32c::crc32c(footer) != footer_crc {
            return Err(SegmentError::Checksum("footer"));
        }
        let mut cursor = Cursor::new(footer);
        let mut footer = decode(&mut cursor)?;
        if cursor.left() != 0 {
            return Err(SegmentError::Invalid("bytes behind the footer"));
        }
        footer.payload_bytes = payload_bytes;
        footer.segment_bytes =
            payload_bytes.checked_add(bytes as u64).ok_or(SegmentError::Invalid("payload length"))?;
        footer.check()?;
        Ok(Tail::Whole(footer))
    }

    /// Footer and trailer as they follow the payload.
    pub(super) fn encode_tail(&self) -> Bytes {
        let mut out = BytesMut::new();
        out.put_u32(self.shard.0);
        out.put_u32(self.epoch.0);
        out.put_u8(self.level);
        out.put_bytes(0, 3);
        put_count(&mut out, self.extents.len());
        for extent in &self.extents {
            encode_extent(&mut out, extent);
        }
        put_count(&mut out, self.reserves.len());
        for reserve in &self.reserves {
            put_partition(&mut out, reserve.tp);
            out.put_i64(reserve.reserve_end);
        }
        let footer_bytes = out.len();
        let footer_crc = crc32c::crc32c(&out);
        let mut trailer = [0; TRAILER_BYTES];
        trailer[..8].copy_from_slice(&self.payload_bytes.to_be_bytes());
        trailer[8..12].copy_from_slice(&u32::try_from(footer_bytes).unwrap_or(u32::MAX).to_be_bytes());
        trailer[12..16].copy_from_slice(&footer_crc.to_be_bytes());
        trailer[20..24].copy_from_slice(&VERSION.to_be_bytes());
        trailer[24..].copy_from_slice(MAGIC);
        let crc = trailer_crc(&trailer);
        trailer[16..20].copy_from_slice(&crc.to_be_bytes());
        out.put_slice(&trailer);
        out.freeze()
    }

    /// What the lookups rely on.
    fn check(&self) -> Result<(), SegmentError> {
        let mut end = 0;
        for extent in &self.extents {
            if extent.bytes.start != end {
                return Err(SegmentError::Invalid("extents are not back to back"));
            }
            end = extent.bytes.end;
            check_extent(extent)?;
        }
        if end != self.payload_bytes {
            return Err(SegmentError::Invalid("extents do not fill the payload"));
        }
        let ascend = self.extents.is_sorted_by(|left, right| left.tp < right.tp)
            && self.reserves.is_sorted_by(|left, right| left.tp < right.tp);
        if ascend { Ok(()) } else { Err(SegmentError::Invalid("partitions do not ascend")) }
    }
}

fn check_extent(extent: &Extent) -> Result<(), SegmentError> {
    let ordered = extent
        .index
        .is_sorted_by(|left, right| left.position < right.position && left.first_offset < right.first_offset)
        && extent.epochs.is_sorted_by(|left, right| left.first_offset < right.first_offset);
    let (Some(first), Some(last), Some(epoch)) = (extent.index.first(), extent.index.last(), extent.epochs.first())
    else {
        return Err(SegmentError::Invalid("extent without index or epoch"));
    };
    let starts = first.position == 0
        && first.first_offset == extent.first_offset
        && epoch.first_offset == extent.first_offset
        && extent.first_offset >= 0;
    let ends = u64::from(last.position) < extent.bytes.end - extent.bytes.start
        && last.first_offset <= extent.last_offset
        && extent.epochs.last().is_some_and(|epoch| epoch.first_offset <= extent.last_offset);
    if ordered && starts && ends { Ok(()) } else { Err(SegmentError::Invalid("index is not in order")) }
}

fn trailer_crc(trailer: &[u8; TRAILER_BYTES]) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c(&trailer[..16]), &trailer[20..])
}

/// Payload length, footer length, CRC of the footer.
pub(crate) fn decode_trailer(trailer: &[u8; TRAILER_BYTES]) -> Result<(u64, usize, u32), SegmentError> {
    if &trailer[24..] != MAGIC {
        return Err(SegmentError::Magic);
    }
    let mut cursor = Cursor::new(trailer);
    let fields = (|| Some((cursor.u64()?, cursor.u32()?, cursor.u32()?, cursor.u32()?, cursor.u32()?)))();
    let (payload_bytes, footer_bytes, footer_crc, crc, version) = fields.ok_or(SegmentError::Short)?;
    if crc != trailer_crc(trailer) {
        return Err(SegmentError::Checksum("trailer"));
    }
    if version != VERSION {
        return Err(SegmentError::Version(version));
    }
    let footer_bytes = usize::try_from(footer_bytes).unwrap_or(usize::MAX);
    if footer_bytes > MAX_FOOTER_BYTES {
        return Err(SegmentError::Invalid("footer larger than 64 MiB"));
    }
    Ok((payload_bytes, footer_bytes, footer_crc))
}

fn put_count(out: &mut BytesMut, count: usize) {
    out.put_u32(u32::try_from(count).unwrap_or(u32::MAX));
}

fn put_partition(out: &mut BytesMut, tp: TopicPartition) {
    out.put_slice(tp.topic.as_bytes());
    out.put_i32(tp.partition);
}

fn encode_extent(out: &mut BytesMut, extent: &Extent) {
    put_partition(out, extent.tp);
    out.put_i64(extent.first_offset);
    out.put_i64(extent.last_offset);
    out.put_i64(extent.max_timestamp);
    out.put_u64(extent.bytes.start);
    out.put_u32(u32::try_from(extent.bytes.end - extent.bytes.start).unwrap_or(u32::MAX));
    out.put_i64(extent.reserve_end);
    put_count(out, extent.epochs.len());
    for epoch in &extent.epochs {
        out.put_i32(epoch.epoch);
        out.put_i64(epoch.first_offset);
    }
    put_count(out, extent.index.len());
    for stride in &extent.index {
        out.put_i64(stride.first_offset);
        out.put_u32(stride.position);
        out.put_i64(stride.max_timestamp);
        out.put_u32(stride.heads_crc);
    }
    put_count(out, extent.aborted.len());
    for aborted in &extent.aborted {
        out.put_i64(aborted.producer_id);
        out.put_i64(aborted.first_offset);
        out.put_i64(aborted.last_offset);
        out.put_i64(aborted.last_stable_offset);
    }
    put_count(out, extent.producers.len());
    for producer in &extent.producers {
        out.put_i64(producer.producer_id);
        out.put_i16(producer.producer_epoch);
        out.put_i32(producer.coordinator_epoch);
        out.put_i64(producer.last_timestamp_ms);
        out.put_i64(producer.open_txn_first_offset);
        // The writer refuses more than MAX_PRODUCER_BATCHES.
        out.put_u8(u8::try_from(producer.batches.len()).unwrap_or(u8::MAX));
        for batch in &producer.batches {
            out.put_i32(batch.first_sequence);
            out.put_i32(batch.last_sequence);
            out.put_i64(batch.first_offset);
            out.put_i64(batch.last_offset);
        }
    }
}

fn decode(cursor: &mut Cursor<'_>) -> Result<Footer, SegmentError> {
    let head = (|| Some((cursor.u32()?, cursor.u32()?, cursor.u8()?, cursor.array::<3>()?)))();
    let (shard, epoch, level, _) = head.ok_or(SegmentError::Short)?;
    let extents = list(cursor, EXTENT_LEAST_BYTES, decode_extent)?;
    let reserves =
        list(cursor, RESERVE_BYTES, |cursor| Some(Reserve { tp: partition(cursor)?, reserve_end: cursor.i64()? }))?;
    Ok(Footer {
        shard: ShardId(shard),
        epoch: Epoch(epoch),
        level,
        segment_bytes: 0,
        payload_bytes: 0,
        extents,
        reserves,
    })
}

fn list<T>(
    cursor: &mut Cursor<'_>,
    least_bytes: usize,
    item: impl Fn(&mut Cursor<'_>) -> Option<T>,
) -> Result<Vec<T>, SegmentError> {
    items(cursor, least_bytes, item).ok_or(SegmentError::Invalid("footer is cut short"))
}

fn items<T>(
    cursor: &mut Cursor<'_>,
    least_bytes: usize,
    item: impl Fn(&mut Cursor<'_>) -> Option<T>,
) -> Option<Vec<T>> {
    let count = cursor.count(least_bytes)?;
    let mut items = Vec::with_capacity(count);
    for _ in 0..count {
        items.push(item(cursor)?);
    }
    Some(items)
}

fn partition(cursor: &mut Cursor<'_>) -> Option<TopicPartition> {
    Some(TopicPartition { topic: TopicId::from_bytes(cursor.array()?), partition: cursor.i32()? })
}

fn decode_extent(cursor: &mut Cursor<'_>) -> Option<Extent> {
    let tp = partition(cursor)?;
    let (first_offset, last_offset, max_timestamp) = (cursor.i64()?, cursor.i64()?, cursor.i64()?);
    let bytes = byte_range(cursor.u64()?, cursor.u32()?)?;
    let reserve_end = cursor.i64()?;
    let epochs =
        items(cursor, EPOCH_BYTES, |cursor| Some(EpochStart { epoch: cursor.i32()?, first_offset: cursor.i64()? }))?;
    let index = items(cursor, STRIDE_ENTRY_BYTES, |cursor| {
        Some(Stride {
            first_offset: cursor.i64()?,
            position: cursor.u32()?,
            max_timestamp: cursor.i64()?,
            heads_crc: cursor.u32()?,
        })
    })?;
    let aborted = items(cursor, ABORTED_BYTES, |cursor| {
        Some(AbortedTxn {
            producer_id: cursor.i64()?,
            first_offset: cursor.i64()?,
            last_offset: cursor.i64()?,
            last_stable_offset: cursor.i64()?,
        })
    })?;
    let producers = items(cursor, PRODUCER_LEAST_BYTES, decode_producer)?;
    Some(Extent { tp, first_offset, last_offset, max_timestamp, bytes, epochs, index, aborted, producers, reserve_end })
}

fn byte_range(start: u64, len: u32) -> Option<Range<u64>> {
    Some(start..start.checked_add(u64::from(len))?)
}

fn decode_producer(cursor: &mut Cursor<'_>) -> Option<ProducerDelta> {
    let (producer_id, producer_epoch, coordinator_epoch) = (cursor.i64()?, cursor.i16()?, cursor.i32()?);
    let (last_timestamp_ms, open_txn_first_offset) = (cursor.i64()?, cursor.i64()?);
    let count = usize::from(cursor.u8()?);
    if count > MAX_PRODUCER_BATCHES {
        return None;
    }
    let mut batches = Vec::with_capacity(count);
    for _ in 0..count {
        batches.push(ProducerBatch {
            first_sequence: cursor.i32()?,
            last_sequence: cursor.i32()?,
            first_offset: cursor.i64()?,
            last_offset: cursor.i64()?,
        });
    }
    Some(ProducerDelta {
        producer_id,
        producer_epoch,
        coordinator_epoch,
        last_timestamp_ms,
        open_txn_first_offset,
        batches,
    })
}
