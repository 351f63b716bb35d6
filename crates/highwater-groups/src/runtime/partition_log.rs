//! [`OffsetsLog`] over the engine.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use futures::FutureExt;
use highwater_log::{Acks, AppendError, Isolation, Log, Origin, Partition, ReadError, ReadRequest, Waiter};
use highwater_types::{Offset, TopicId, TopicPartition};

use super::log::{AppendFailure, Appending, OffsetsLog, ReadFailure, Term};

/// Bytes of one read.
const READ_BYTES: usize = 1 << 20;

/// Id and number of partitions of `__consumer_offsets`, as the metadata knows them now.
pub type OffsetsTopic = Arc<dyn Fn() -> Option<(TopicId, u32)> + Send + Sync>;

/// The engine's partitions of `__consumer_offsets`.
pub struct PartitionOffsetsLog {
    log: Log,
    topic: OffsetsTopic,
}

impl PartitionOffsetsLog {
    /// Over `log`; `topic` is asked with every request.
    pub fn new(log: Log, topic: OffsetsTopic) -> Self {
        Self { log, topic }
    }

    /// The partition, if this broker leads it in this term.
    fn partition(&self, partition: u32, term: Term) -> Option<Partition> {
        let partition = i32::try_from(partition).ok()?;
        let found = self.log.partition(TopicPartition { topic: term.topic, partition }).ok()?;
        (found.marks().ok()?.leader_epoch == term.epoch).then_some(found)
    }
}

fn append_failure(error: &AppendError) -> AppendFailure {
    match error {
        AppendError::NotLeader | AppendError::Unknown => AppendFailure::NotLeader,
        AppendError::TooLarge { .. } => AppendFailure::TooLarge,
        AppendError::Backpressure | AppendError::Storage(_) => AppendFailure::Unavailable,
        // A batch of our own that the log finds wrong is a defect; members may try again elsewhere.
        other => {
            tracing::error!(error = %other, "the log refused a batch of the group coordinator");
            AppendFailure::Unavailable
        }
    }
}

fn read_failure(error: ReadError) -> ReadFailure {
    match error {
        ReadError::NotLeader | ReadError::Unknown => ReadFailure::NotLeader,
        // Records before the log start were deleted while we read: the next try begins behind them.
        ReadError::OutOfRange(marks) => ReadFailure::Storage(format!("log starts at {} now", marks.log_start)),
        ReadError::Storage(detail) => ReadFailure::Storage(detail),
        ReadError::Busy => ReadFailure::Storage(error.to_string()),
    }
}

#[async_trait]
impl OffsetsLog for PartitionOffsetsLog {
    fn partitions(&self) -> Option<u32> {
        (self.topic)().map(|(_, partitions)| partitions)
    }

    fn term(&self, partition: u32) -> Option<Term> {
        let (topic, partitions) = (self.topic)()?;
        let index = i32::try_from(partition).ok().filter(|_| partition < partitions)?;
        let found = self.log.partition(TopicPartition { topic, partition: index }).ok()?;
        Some(Term { topic, epoch: found.marks().ok()?.leader_epoch })
    }

    fn append(&self, partition: u32, term: Term, batch: Bytes) -> Result<Appending, AppendFailure> {
        let partition = self.partition(partition, term).ok_or(AppendFailure::NotLeader)?;
        let batch = partition.admit(&batch, batch.len(), Origin::Coordinator);
        let ticket = batch.and_then(|batch| partition.append(&batch, Acks::All));
        let ticket = ticket.map_err(|error| append_failure(&error))?;
        Ok(ticket.map(|outcome| outcome.map(|_| ()).map_err(|error| append_failure(&error))).boxed())
    }

    async fn read(&self, partition: u32, term: Term, from: Offset) -> Result<Bytes, ReadFailure> {
        let partition = self.partition(partition, term).ok_or(ReadFailure::NotLeader)?;
        loop {
            let marks = partition.marks().map_err(read_failure)?;
            let from = from.max(marks.log_start);
            let request = ReadRequest {
                offset: from,
                max_bytes: READ_BYTES,
                at_least_one_batch: true,
                isolation: Isolation::ReadUncommitted,
            };
            if from >= marks.log_end {
                return Ok(Bytes::new());
            }
            let outcome = match partition.read(request).await {
                // It has waited for memory already.
                Err(ReadError::Busy) => continue,
                outcome => outcome.map_err(read_failure)?,
            };
            if !outcome.chunks.is_empty() || marks.high_watermark >= marks.log_end {
                return Ok(concatenated(outcome.chunks, outcome.bytes));
            }
            let waiter = Arc::new(Waiter::default());
            partition.wake_on_progress(marks.high_watermark, &waiter);
            waiter.woken().await;
        }
    }

    /// A coordinator that was deposed and has not heard of it would rewind consumers: only while nobody else
    /// can lead.
    async fn confirm(&self, partition: u32, term: Term) -> bool {
        let Ok(index) = i32::try_from(partition) else { return false };
        let tp = TopicPartition { topic: term.topic, partition: index };
        self.term(partition) == Some(term) && self.log.confirm(tp, term.epoch)
    }
}

fn concatenated(mut chunks: Vec<Bytes>, bytes: usize) -> Bytes {
    if chunks.len() <= 1 {
        return chunks.pop().unwrap_or_default();
    }
    let mut whole = BytesMut::with_capacity(bytes);
    for chunk in &chunks {
        whole.extend_from_slice(chunk);
    }
    whole.freeze()
}
