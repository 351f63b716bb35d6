//! One partition's part of a segment: what it holds, and where.

use std::ops::Range;

use highwater_types::{Offset, TopicPartition};

/// A place where batches can be read from: whole batches from here to the next stride.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stride {
    /// First offset that it answers for: right behind the last record of the stride before, which
    /// is in a gap if offsets are missing there.
    pub first_offset: Offset,
    /// Bytes from the extent's start.
    pub position: u32,
    /// Largest timestamp of its batches, ms since 1970, -1 for none.
    pub max_timestamp: i64,
    /// CRC32C over the 61-byte headers of its batches.
    pub heads_crc: u32,
}

/// From which offset on batches carry a leader epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EpochStart {
    /// Kafka's leader epoch.
    pub epoch: i32,
    /// First offset in this extent with it.
    pub first_offset: Offset,
}

/// An aborted transaction that ends in this extent (KIP-98; the fields of Kafka's index).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AbortedTxn {
    /// Who.
    pub producer_id: i64,
    /// First offset of the transaction.
    pub first_offset: Offset,
    /// Offset of the abort marker.
    pub last_offset: Offset,
    /// Last stable offset when the marker was written.
    pub last_stable_offset: Offset,
}

/// One batch of a producer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProducerBatch {
    /// Sequence of its first record.
    pub first_sequence: i32,
    /// Sequence of its last record.
    pub last_sequence: i32,
    /// Offset of its first record.
    pub first_offset: Offset,
    /// Offset of its last record.
    pub last_offset: Offset,
}

/// A producer's state after this extent; producers without a batch in it are not named.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProducerDelta {
    /// Who.
    pub producer_id: i64,
    /// Its epoch.
    pub producer_epoch: i16,
    /// Epoch of the coordinator that wrote its last marker, -1 for none.
    pub coordinator_epoch: i32,
    /// Time of its last batch, ms since 1970, for expiry.
    pub last_timestamp_ms: i64,
    /// First offset of its open transaction, -1 for none.
    pub open_txn_first_offset: Offset,
    /// Its last batches, oldest first, at most [`crate::segment::MAX_PRODUCER_BATCHES`].
    pub batches: Vec<ProducerBatch>,
}

/// One partition's part of a segment. Never empty; one with a place in a decoded footer keeps:
/// `index` starts at position 0 with `first_offset`, positions and offsets ascend, `epochs` starts
/// at `first_offset`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Extent {
    /// The partition.
    pub tp: TopicPartition,
    /// Offset of the first record.
    pub first_offset: Offset,
    /// Offset of the last record.
    pub last_offset: Offset,
    /// Largest timestamp, ms since 1970, -1 for none.
    pub max_timestamp: i64,
    /// Bytes of the segment; below 2^32 of them.
    pub bytes: Range<u64>,
    /// Leader epochs, ascending by offset.
    pub epochs: Vec<EpochStart>,
    /// Every 64 KiB or the next batch after.
    pub index: Vec<Stride>,
    /// Aborted transactions that end here.
    pub aborted: Vec<AbortedTxn>,
    /// Producers that wrote here.
    pub producers: Vec<ProducerDelta>,
    /// End of the offsets reserved when the segment was sealed (exclusive): none at or past it had
    /// been given to anyone. -1 for none.
    pub reserve_end: Offset,
}

impl Extent {
    /// Bytes of the segment that hold stride `number`, or `None` beyond the last.
    pub fn stride_bytes(&self, number: usize) -> Option<Range<u64>> {
        let stride = self.index.get(number)?;
        let start = self.bytes.start + u64::from(stride.position);
        let end = self.index.get(number + 1).map_or(self.bytes.end, |next| self.bytes.start + u64::from(next.position));
        Some(start..end)
    }

    /// Bytes of the segment to read for records from `offset` on: whole strides, the first of which
    /// holds `offset` (or is the first at all), and as many more as `max_bytes` allows, at least
    /// one. `None` if `offset` lies behind the last record.
    pub fn range_from(&self, offset: Offset, max_bytes: u64) -> Option<Range<u64>> {
        if offset > self.last_offset {
            return None;
        }
        let first = self.index.partition_point(|stride| stride.first_offset <= offset).saturating_sub(1);
        let Range { start, mut end } = self.stride_bytes(first)?;
        // The furthest stride whose end is still within the limit.
        let room = start.saturating_add(max_bytes);
        if self.bytes.end <= room {
            end = self.bytes.end;
        } else {
            let beyond = self.index.partition_point(|next| self.bytes.start + u64::from(next.position) <= room);
            if let Some(last) = beyond.checked_sub(1)
                && last > first
            {
                end = self.bytes.start + u64::from(self.index[last].position);
            }
        }
        Some(start..end)
    }

    /// Bytes of the first stride that has a batch whose largest timestamp is `timestamp` or later;
    /// the record is the first such in the first such batch. `None` if there is none.
    pub fn range_at_timestamp(&self, timestamp: i64) -> Option<Range<u64>> {
        let number = self.index.iter().position(|stride| stride.max_timestamp >= timestamp)?;
        self.stride_bytes(number)
    }
}
