//! What administrators ask of a partition: where epochs end, who produces, how large it is.

use highwater_types::{Epoch, Offset};

use crate::api::{ActiveProducer, EpochEnd, ReadError};
use crate::manifest::PartitionRecord;
use crate::partition::Partition;
use crate::shard::producers::Producer;

impl Partition {
    /// Where an epoch ends (KIP-101): for the largest known epoch that is not above `epoch`.
    pub fn epoch_end(&self, epoch: i32) -> Result<Option<EpochEnd>, ReadError> {
        let marks = self.marks()?;
        let committed = self.shard.committed.read();
        let epochs = committed.partitions.get(&self.tp).map_or(&[][..], |record| &record.epochs);
        if epoch >= marks.leader_epoch {
            return Ok(
                (epoch == marks.leader_epoch).then_some(EpochEnd { epoch: self.epoch, end_offset: marks.log_end })
            );
        }
        let after = epochs.partition_point(|(known, _)| *known <= epoch);
        let later = epochs.get(after).map(|(_, first)| *first);
        let known = after.checked_sub(1).and_then(|at| epochs.get(at)).map(|(known, _)| *known);
        let flushed = committed.partitions.get(&self.tp).map_or(0, |record| record.log_end);
        drop(committed);
        // Memory has what the bucket does not: batches of this epoch, or of earlier ones, replayed.
        let (in_memory, first_later) = self.epochs_in_memory(flushed, epoch);
        let Some(found) = known.max(in_memory) else {
            return Ok(None);
        };
        let end_offset = later.or(first_later).unwrap_or(marks.log_end);
        Ok(Some(EpochEnd { epoch: Epoch(found.cast_unsigned()), end_offset }))
    }

    /// Of the batches from `from` on in memory: the largest epoch up to `epoch`, and where a larger
    /// one begins.
    fn epochs_in_memory(&self, from: Offset, epoch: i32) -> (Option<i32>, Option<Offset>) {
        let live = self.shard.live.lock();
        let Some(partition) = live.partition(self.slot) else { return (None, None) };
        let mut found = None;
        for batch in partition.tail.iter().filter(|batch| batch.first_offset >= from) {
            let written_in = batch.stored.header().leader_epoch;
            if written_in > epoch {
                return (found, Some(batch.first_offset));
            }
            found = Some(written_in);
        }
        (found, None)
    }

    /// The idempotent producers that the partition knows, ascending by id.
    pub fn producers(&self) -> Result<Vec<ActiveProducer>, ReadError> {
        self.marks()?;
        let live = self.shard.live.lock();
        let partition = live.partition(self.slot).ok_or(ReadError::NotLeader)?;
        let active = |(producer_id, producer): (i64, &Producer)| ActiveProducer {
            producer_id,
            epoch: producer.epoch,
            last_sequence: producer.batches.last().map_or(-1, |batch| batch.last_sequence),
            last_timestamp_ms: producer.last_timestamp_ms,
        };
        Ok(partition.producers.iter().map(active).collect())
    }

    /// Bytes of the partition's records: in the bucket, and in memory on their way there.
    pub fn bytes(&self) -> Result<u64, ReadError> {
        self.marks()?;
        let (unflushed, flushed_end) = {
            let live = self.shard.live.lock();
            let partition = live.partition(self.slot).ok_or(ReadError::NotLeader)?;
            let open = partition.tail.iter().filter(|batch| batch.first_offset >= partition.flushed_end);
            (open.map(|batch| batch.len() as u64).sum::<u64>(), partition.flushed_end)
        };
        let committed = self.shard.committed.read();
        let flushed = committed.partitions.get(&self.tp).filter(|_| flushed_end > 0);
        Ok(unflushed + flushed.map_or(0, PartitionRecord::bytes))
    }
}
