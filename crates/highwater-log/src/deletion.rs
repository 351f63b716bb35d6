//! The oldest records of a partition go, because somebody said so (Kafka's DeleteRecords, KIP-107).
//!
//! The log start is part of the manifest: it moves by an edit, so a takeover finds it where it was
//! acknowledged to be. Objects are not freed here.

use highwater_types::Offset;

use crate::api::{DeleteError, ReadError};
use crate::partition::Partition;

impl Partition {
    /// Deletes the records below `before`, or below the high watermark for `None`; gives the log
    /// start. Waits until what lies below is in the bucket and the manifest's edit is durable. May be
    /// cancelled: what was asked may then take effect or not.
    ///
    /// # Errors
    /// See [`DeleteError`].
    pub async fn delete_records(&self, before: Option<Offset>) -> Result<Offset, DeleteError> {
        let marks = self.marks().map_err(unreadable)?;
        let before = before.unwrap_or(marks.high_watermark);
        if before < 0 || before > marks.high_watermark {
            return Err(DeleteError::OutOfRange);
        }
        let start = before.max(marks.log_start);
        // Readers stop at a log start before its edit is durable: one that is still under way is waited for,
        // too, since a takeover would not find it where it was acknowledged to be.
        let durable = before <= marks.log_start && self.shard.edits.lock().settled().is_some();
        if start > 0 && !durable {
            self.flush_below(start);
            let deleted = self.shard.log_starts.ask(self.tp, start);
            if deleted.await.is_err() {
                return Err(self.marks().err().map_or(DeleteError::NotLeader, unreadable));
            }
        }
        self.marks().map_err(unreadable)?;
        Ok(start)
    }

    /// Has the flusher hurry if the bucket does not have everything below `end`.
    fn flush_below(&self, end: Offset) {
        let mut live = self.shard.live.lock();
        let unflushed = live.partition(self.slot).is_some_and(|partition| partition.flushed_end < end);
        if unflushed && live.open_since.is_some() {
            live.ack_waits = true;
            self.shard.flush.notify_one();
        }
    }
}

fn unreadable(error: ReadError) -> DeleteError {
    match error {
        ReadError::Unknown => DeleteError::Unknown,
        _ => DeleteError::NotLeader,
    }
}
