//! One extent in memory: checked once, indexed by batch, served as slices.

use bytes::Bytes;
use highwater_batch::Batches;
use highwater_types::Offset;

/// Where a batch lies in a block.
#[derive(Clone, Copy, Debug)]
struct BatchAt {
    last_offset: Offset,
    max_timestamp_ms: i64,
    start: usize,
    end: usize,
}

/// A run of whole batches of one partition.
pub struct Block {
    bytes: Bytes,
    batches: Vec<BatchAt>,
}

/// Why bytes from the bucket are not served.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BlockError {
    #[error("batch at byte {at} is malformed: {why}")]
    Malformed { at: usize, why: String },
    #[error("batch at byte {at} (offset {offset}) has a wrong checksum")]
    Checksum { at: usize, offset: Offset },
    #[error("offsets do not follow each other at byte {at}: {got} after {after}")]
    Order { at: usize, got: Offset, after: Offset },
    #[error("holds offsets up to {got}, the manifest says {expected}")]
    End { got: Offset, expected: Offset },
}

impl Block {
    /// Checks every batch's checksum and order; `first` and `last` are what the manifest says.
    pub fn open(bytes: Bytes, first: Offset, last: Offset) -> Result<Self, BlockError> {
        let mut batches = Vec::new();
        let mut at = 0;
        let mut after = first - 1;
        for batch in Batches::new(bytes.clone()) {
            let (header, batch) = batch.map_err(|error| BlockError::Malformed { at, why: error.to_string() })?;
            if header.base_offset <= after {
                return Err(BlockError::Order { at, got: header.base_offset, after });
            }
            if !highwater_batch::checksum::batch_crc_is_right(&batch) {
                return Err(BlockError::Checksum { at, offset: header.base_offset });
            }
            after = header.last_offset();
            batches.push(BatchAt {
                last_offset: after,
                max_timestamp_ms: header.max_timestamp,
                start: at,
                end: at + batch.len(),
            });
            at += batch.len();
        }
        if after != last {
            return Err(BlockError::End { got: after, expected: last });
        }
        Ok(Self { bytes, batches })
    }

    /// One slice of whole batches: from the one that holds `offset` (or the next), below `end`, of
    /// `max_bytes` at most but for the first if `at_least_one`.
    pub fn slice(&self, offset: Offset, end: Offset, max_bytes: usize, at_least_one: bool) -> Bytes {
        let from = self.batches.partition_point(|batch| batch.last_offset < offset);
        let Some(first) = self.batches.get(from) else {
            return Bytes::new();
        };
        let mut until = first.start;
        for batch in &self.batches[from..] {
            let fits = batch.end - first.start <= max_bytes || (at_least_one && until == first.start);
            if batch.last_offset >= end || !fits {
                break;
            }
            until = batch.end;
        }
        self.bytes.slice(first.start..until)
    }

    /// The first batch with a timestamp at or after `timestamp_ms`.
    pub fn batch_at_timestamp(&self, timestamp_ms: i64) -> Option<Bytes> {
        let batch = self.batches.iter().find(|batch| batch.max_timestamp_ms >= timestamp_ms)?;
        Some(self.bytes.slice(batch.start..batch.end))
    }
}
