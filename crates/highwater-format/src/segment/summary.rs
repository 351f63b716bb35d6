//! What is said of a run of batches: built by the writer, built again by the verifier.

use highwater_batch::{BatchHeader, StoredBatch};

use crate::segment::{EpochStart, STRIDE_BYTES, Stride};

/// What batches that follow each other amount to.
#[derive(Debug, Default)]
pub(super) struct Summary {
    pub(super) first_offset: i64,
    pub(super) last_offset: i64,
    pub(super) max_timestamp: i64,
    pub(super) bytes: u32,
    pub(super) epochs: Vec<EpochStart>,
    pub(super) index: Vec<Stride>,
}

impl Summary {
    /// Takes the next batch. The error says why it cannot follow.
    pub(super) fn push(&mut self, batch: &StoredBatch) -> Result<(), &'static str> {
        let header = batch.header();
        let last_offset = checked_last_offset(&header)?;
        let end = u32::try_from(batch.len()).ok().and_then(|bytes| self.bytes.checked_add(bytes));
        let end = end.ok_or("extent of 4 GiB or more")?;
        // Where a stride begins to answer: right behind the batch before, so that an offset in a gap
        // finds the batch behind the gap.
        let answers_from = if self.index.is_empty() {
            self.first_offset = header.base_offset;
            self.max_timestamp = header.max_timestamp;
            header.base_offset
        } else if header.base_offset <= self.last_offset {
            return Err("offsets do not ascend");
        } else {
            self.last_offset + 1
        };
        self.last_offset = last_offset;
        self.max_timestamp = self.max_timestamp.max(header.max_timestamp);
        if self.epochs.last().is_none_or(|last| last.epoch != header.leader_epoch) {
            self.epochs.push(EpochStart { epoch: header.leader_epoch, first_offset: header.base_offset });
        }
        match self.index.last_mut() {
            Some(stride) if self.bytes - stride.position < STRIDE_BYTES => {
                stride.max_timestamp = stride.max_timestamp.max(header.max_timestamp);
                stride.heads_crc = crc32c::crc32c_append(stride.heads_crc, batch.head());
            }
            _ => self.index.push(Stride {
                first_offset: answers_from,
                position: self.bytes,
                max_timestamp: header.max_timestamp,
                heads_crc: crc32c::crc32c(batch.head()),
            }),
        }
        self.bytes = end;
        Ok(())
    }
}

fn checked_last_offset(header: &BatchHeader) -> Result<i64, &'static str> {
    if header.base_offset < 0 || header.last_offset_delta < 0 {
        return Err("negative offset");
    }
    header.base_offset.checked_add(i64::from(header.last_offset_delta)).ok_or("offset beyond 2^63")
}
