//! One extent in memory: indexed by batch, served as slices.
//!
//! A batch's checksum is checked when it is first served, not when the block comes: its bytes are then in
//! the processor's cache when they are copied to the socket.

use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use highwater_batch::Batches;
use highwater_types::Offset;

/// Where a batch lies in a block.
#[derive(Debug)]
struct BatchAt {
    last_offset: Offset,
    max_timestamp_ms: i64,
    start: usize,
    end: usize,
    checked: AtomicBool,
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
    #[error("batch at byte {at} (offsets up to {last_offset}) has a wrong checksum")]
    Checksum { at: usize, last_offset: Offset },
    #[error("offsets do not follow each other at byte {at}: {got} after {after}")]
    Order { at: usize, got: Offset, after: Offset },
    #[error("holds offsets up to {got}, the manifest says {expected}")]
    End { got: Offset, expected: Offset },
}

impl Block {
    /// Checks headers and order; `first` and `last` are what the manifest says.
    pub fn open(bytes: Bytes, first: Offset, last: Offset) -> Result<Self, BlockError> {
        let mut batches = Vec::new();
        let mut at = 0;
        let mut after = first - 1;
        for batch in Batches::new(bytes.clone()) {
            let (header, batch) = batch.map_err(|error| BlockError::Malformed { at, why: error.to_string() })?;
            if header.base_offset <= after {
                return Err(BlockError::Order { at, got: header.base_offset, after });
            }
            after = header.last_offset();
            batches.push(BatchAt {
                last_offset: after,
                max_timestamp_ms: header.max_timestamp,
                start: at,
                end: at + batch.len(),
                checked: AtomicBool::new(false),
            });
            at += batch.len();
        }
        if after != last {
            return Err(BlockError::End { got: after, expected: last });
        }
        Ok(Self { bytes, batches })
    }

    /// Opens it and checks the checksum of every batch at once, for bytes that need not be served.
    pub fn open_checked(bytes: Bytes, first: Offset, last: Offset) -> Result<Self, BlockError> {
        let block = Self::open(bytes, first, last)?;
        block.batches.iter().try_for_each(|batch| block.check_batch(batch))?;
        Ok(block)
    }

    fn check_batch(&self, batch: &BatchAt) -> Result<(), BlockError> {
        // Two readers at once may both do the work.
        if batch.checked.load(Ordering::Relaxed) {
            return Ok(());
        }
        if !highwater_batch::checksum::batch_crc_is_right(&self.bytes[batch.start..batch.end]) {
            return Err(BlockError::Checksum { at: batch.start, last_offset: batch.last_offset });
        }
        batch.checked.store(true, Ordering::Relaxed);
        Ok(())
    }

    /// One slice of whole batches: from the one that holds `offset` (or the next), below `end`, of
    /// `max_bytes` at most but for the first if `at_least_one`.
    pub fn slice(
        &self,
        offset: Offset,
        end: Offset,
        max_bytes: usize,
        at_least_one: bool,
    ) -> Result<Bytes, BlockError> {
        let from = self.batches.partition_point(|batch| batch.last_offset < offset);
        let Some(first) = self.batches.get(from) else {
            return Ok(Bytes::new());
        };
        let mut until = first.start;
        for batch in &self.batches[from..] {
            let fits = batch.end - first.start <= max_bytes || (at_least_one && until == first.start);
            if batch.last_offset >= end || !fits {
                break;
            }
            match self.check_batch(batch) {
                Ok(()) => until = batch.end,
                // What comes before the damage is served; the next read begins with it.
                Err(_) if until > first.start => break,
                Err(error) => return Err(error),
            }
        }
        Ok(self.bytes.slice(first.start..until))
    }

    /// Its batches, as slices.
    pub fn batches(&self) -> impl Iterator<Item = Bytes> + '_ {
        self.batches.iter().map(|batch| self.bytes.slice(batch.start..batch.end))
    }

    /// The first batch with a timestamp at or after `timestamp_ms`.
    pub fn batch_at_timestamp(&self, timestamp_ms: i64) -> Result<Option<Bytes>, BlockError> {
        let Some(batch) = self.batches.iter().find(|batch| batch.max_timestamp_ms >= timestamp_ms) else {
            return Ok(None);
        };
        self.check_batch(batch)?;
        Ok(Some(self.bytes.slice(batch.start..batch.end)))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use bytes::BytesMut;
    use highwater_batch::{BatchBuilder, Compression};

    use super::*;

    const BATCHES: i64 = 4;

    fn batch(base_offset: Offset) -> Bytes {
        let mut builder = BatchBuilder::new(Compression::None);
        builder.push(0, None, Some(&[7; 100])).unwrap();
        let mut batch = builder.finish().unwrap();
        batch.assign(base_offset, 1);
        batch.to_bytes()
    }

    /// Four batches of one record each, of which the damaged ones have another last byte.
    fn block(damaged: &[i64]) -> (Bytes, usize) {
        let (mut bytes, mut len) = (BytesMut::new(), 0);
        for offset in 0..BATCHES {
            let mut batch = batch(offset).to_vec();
            len = batch.len();
            if damaged.contains(&offset) {
                batch[len - 1] ^= 1;
            }
            bytes.extend_from_slice(&batch);
        }
        (bytes.freeze(), len)
    }

    #[test]
    fn what_lies_around_damage_is_served() {
        let (bytes, len) = block(&[2]);
        let block = Block::open(bytes.clone(), 0, BATCHES - 1).unwrap();
        for _ in 0..2 {
            assert_eq!(block.slice(0, BATCHES, usize::MAX, true).unwrap(), bytes[..2 * len]);
            assert_eq!(block.slice(3, BATCHES, usize::MAX, true).unwrap(), bytes[3 * len..]);
            assert!(matches!(
                block.slice(2, BATCHES, usize::MAX, true),
                Err(BlockError::Checksum { last_offset: 2, .. })
            ));
        }
        assert!(Block::open_checked(bytes, 0, BATCHES - 1).is_err());
    }

    #[test]
    fn damage_beyond_what_is_asked_for_does_not_matter() {
        let (bytes, len) = block(&[1, 3]);
        let block = Block::open(bytes.clone(), 0, BATCHES - 1).unwrap();
        assert_eq!(block.slice(0, 1, usize::MAX, true).unwrap(), bytes[..len]);
        assert_eq!(block.slice(0, BATCHES, 1, true).unwrap(), bytes[..len], "at least one batch");
        assert_eq!(block.slice(0, BATCHES, 1, false).unwrap(), Bytes::new());
        assert_eq!(block.slice(BATCHES, BATCHES, usize::MAX, true).unwrap(), Bytes::new());
    }

    #[test]
    fn what_the_manifest_does_not_say_is_refused() {
        let (bytes, len) = block(&[]);
        assert!(matches!(Block::open(bytes.clone(), 0, BATCHES), Err(BlockError::End { got: 3, expected: 4 })));
        assert!(matches!(Block::open(bytes.clone(), 1, 3), Err(BlockError::Order { at: 0, got: 0, after: 0 })));
        assert!(matches!(Block::open(bytes.slice(..len + 20), 0, 3), Err(BlockError::Malformed { .. })));
    }
}
