//! One partition as the layers above see it: append, read, marks, offsets by time.

use std::sync::Arc;

use bytes::Bytes;
use highwater_batch::{Expansion, Records, StoredBatch};
use highwater_types::{Epoch, Offset, TopicPartition};

use crate::api::{
    Acks, AppendError, FoundOffset, Isolation, Marks, OffsetQuery, Origin, ReadError, ReadOutcome, ReadRequest,
};
use crate::manifest::Located;
use crate::read::ahead;
use crate::read::block::{Block, BlockError};
use crate::read::cache::LoadError;
use crate::read::tier::BlockKey;
use crate::shard::Shard;
use crate::shard::admit;
use crate::shard::live::{Append, NewBatch, Slot};
use crate::shared::Shared;
use crate::ticket::AppendTicket;
use crate::waiter::Waiter;

/// A handle to a partition that this broker leads; cheap to clone, valid until leadership or the
/// topic goes away (then every call says so).
#[derive(Clone)]
pub struct Partition {
    pub(crate) shared: Arc<Shared>,
    pub(crate) shard: Arc<Shard>,
    pub(crate) slot: Slot,
    pub(crate) epoch: Epoch,
    pub(crate) tp: TopicPartition,
}

/// A batch that may be appended, to the partition that has admitted it.
pub struct Admitted {
    batch: NewBatch,
    origin: Origin,
}

/// What a plan of a read found.
enum Plan {
    /// Served from memory.
    Tail(ReadOutcome),
    /// To be read from this extent.
    Bucket(Box<Located>, Marks),
}

impl Partition {
    /// Which one.
    pub const fn topic_partition(&self) -> TopicPartition {
        self.tp
    }

    /// Validates the one batch of `records`, once, however often its append has to wait. `frame_bytes` is the
    /// size of the buffer that `records` is a slice of (a small slice of a large frame is copied).
    pub fn admit(&self, records: &Bytes, frame_bytes: usize, origin: Origin) -> Result<Admitted, AppendError> {
        let now_ms = self.shared.env.wall_ms();
        let settings = {
            let live = self.shard.live.lock();
            let partition = live.partition(self.slot).ok_or(AppendError::NotLeader)?;
            Arc::clone(&partition.settings)
        };
        let batch = admit::admit(records, frame_bytes, origin, &settings, now_ms)?;
        Ok(Admitted { batch, origin })
    }

    /// Gives the batch its offsets and puts it on its way.
    ///
    /// Never waits: what has to be waited for is the ticket. Calls of one task are appended in their
    /// order. On an error nothing was appended; [`AppendError::Backpressure`] asks to wait for
    /// [`crate::Log::room`] and call again.
    pub fn append(&self, admitted: &Admitted, acks: Acks) -> Result<AppendTicket, AppendError> {
        let now_ms = self.shared.env.wall_ms();
        let mut batch = admitted.batch.clone();
        batch.stamp(now_ms);
        let bytes = batch.stored.len();
        match admitted.origin {
            Origin::Client if !self.shard.room.charge(bytes) => {
                self.shared.options.metrics.backpressure_met();
                return Err(AppendError::Backpressure);
            }
            Origin::Client => {}
            Origin::Coordinator => self.shard.room.force(bytes),
        }
        let now = self.shared.env.now();
        let wants_ack = acks != Acks::None;
        let mut live = self.shard.live.lock();
        if live.epoch != Some(self.epoch) {
            drop(live);
            self.shard.room.release(bytes);
            return Err(AppendError::NotLeader);
        }
        let append = Append { slot: self.slot, batch, now, now_ms, wants_ack };
        let sequenced = match live.append(self.shard.id, append, &self.shared.wal) {
            Ok(sequenced) => sequenced,
            Err(error) => {
                drop(live);
                if error == AppendError::Backpressure {
                    // If only a flush gives room again, the shard knows.
                    self.shard.flush.notify_one();
                    self.shared.options.metrics.backpressure_met();
                }
                self.shard.room.release(bytes);
                return Err(error);
            }
        };
        let (ticket, effects) = if wants_ack {
            let (sender, ticket) = AppendTicket::waiting();
            (ticket, Some(live.await_durable(self.slot, sequenced.end, sequenced.outcome, sender)))
        } else {
            (AppendTicket::ready(sequenced.outcome), None)
        };
        drop(live);
        self.shard.room.release(bytes - sequenced.bytes);
        if sequenced.bytes > 0 {
            self.shared.options.metrics.appended(sequenced.bytes);
        }
        if let Some(effects) = effects {
            effects.run();
        }
        if sequenced.flush {
            self.shard.flush.notify_one();
        }
        Ok(ticket)
    }

    /// Present marks.
    pub fn marks(&self) -> Result<Marks, ReadError> {
        let live = self.shard.live.lock();
        if live.epoch != Some(self.epoch) {
            return Err(ReadError::NotLeader);
        }
        match live.partition(self.slot) {
            Some(partition) if partition.deleted => Err(ReadError::Unknown),
            _ => live.marks(self.slot).ok_or(ReadError::NotLeader),
        }
    }

    /// Wakes `waiter` when the high watermark passes `beyond`, or the partition goes away; at once
    /// if it has. May wake early.
    pub fn wake_on_progress(&self, beyond: Offset, waiter: &Arc<Waiter>) {
        let mut live = self.shard.live.lock();
        let watching = live.epoch == Some(self.epoch) && live.watch(self.slot, beyond, waiter);
        drop(live);
        if !watching {
            waiter.wake();
        }
    }

    /// Reads whole batches; empty at the end of what the isolation sees. May be cancelled.
    pub async fn read(&self, request: ReadRequest) -> Result<ReadOutcome, ReadError> {
        match self.plan(&request)? {
            Plan::Tail(outcome) => Ok(outcome),
            Plan::Bucket(extent, marks) => {
                self.read_ahead(&extent);
                let block = self.block(&extent).await?;
                let end = marks.readable_end(request.isolation);
                let bytes = block.slice(request.offset, end, request.max_bytes, request.at_least_one_batch);
                let bytes = bytes.map_err(|error| self.damaged(&extent, &error))?;
                let (chunks, len) = if bytes.is_empty() { (Vec::new(), 0) } else { (vec![bytes.clone()], bytes.len()) };
                Ok(ReadOutcome { chunks, bytes: len, marks, aborted: Vec::new() })
            }
        }
    }

    /// Where to read: memory if it reaches back to the offset, else the extent that holds it or,
    /// in a gap, the next one.
    fn plan(&self, request: &ReadRequest) -> Result<Plan, ReadError> {
        let live = self.shard.live.lock();
        if live.epoch != Some(self.epoch) {
            return Err(ReadError::NotLeader);
        }
        let partition = live.partition(self.slot).ok_or(ReadError::NotLeader)?;
        if partition.deleted {
            return Err(ReadError::Unknown);
        }
        let marks = live.marks(self.slot).ok_or(ReadError::NotLeader)?;
        if request.offset < marks.log_start || request.offset > marks.log_end {
            return Err(ReadError::OutOfRange(marks));
        }
        let end = marks.readable_end(request.isolation);
        if request.offset < end && partition.tail_start().is_none_or(|start| request.offset < start) {
            let committed = self.shard.committed.read();
            // Memory may hold the extent's end already; it is read from the bucket all the same.
            let extent = committed.partitions.get(&self.tp).and_then(|record| record.extent_at(request.offset));
            if let Some(extent) = extent.filter(|extent| extent.first_offset < end) {
                return Ok(Plan::Bucket(Box::new(extent.clone()), marks));
            }
        }
        let (chunks, bytes) = partition.read_tail(request.offset, end, request.max_bytes, request.at_least_one_batch);
        Ok(Plan::Tail(ReadOutcome { chunks, bytes, marks, aborted: Vec::new() }))
    }

    /// Has the next blocks loaded, if this one is read in order.
    fn read_ahead(&self, extent: &Located) {
        if !self.shared.options.read_ahead {
            return;
        }
        let next = {
            let committed = self.shard.committed.read();
            let extents = committed.partitions.get(&self.tp).map_or(&[][..], |record| &record.extents);
            let at = extents.partition_point(|one| one.last_offset < extent.first_offset);
            if at == extents.len() {
                return;
            }
            ahead::plan(extents, at, |one| self.shared.blocks.has(&self.key(one)))
        };
        for extent in next {
            let Ok(turn) = Arc::clone(&self.shared.read_ahead).try_acquire_owned() else {
                return;
            };
            let Some(reserved) = self.shared.blocks.reserve(self.key(&extent), &extent) else {
                continue;
            };
            let (shared, shard) = (Arc::clone(&self.shared), self.shard.id);
            self.shared.env.spawn("read-ahead", async move {
                let name = extent.segment.id.name(shard);
                shared.blocks.load_ahead(reserved, &name, &extent).await;
                drop(turn);
            });
        }
    }

    fn key(&self, extent: &Located) -> BlockKey {
        BlockKey {
            shard: self.shard.id,
            segment: extent.segment.id,
            start: extent.start,
            etag: extent.segment.etag.clone(),
        }
    }

    async fn block(&self, extent: &Located) -> Result<Arc<Block>, ReadError> {
        let name = extent.segment.id.name(self.shard.id);
        let loaded = self.shared.blocks.get(self.key(extent), &name, extent).await;
        match loaded {
            Ok(block) => block.ok_or(ReadError::Busy),
            // Its records are elsewhere by now, or gone: whoever asks again is told.
            Err(error) if !self.refers_to(extent) => {
                tracing::debug!(partition = %self.tp, %error, "a segment was replaced while it was to be read");
                Err(ReadError::Busy)
            }
            Err(error) => Err(self.unreadable(&error)),
        }
    }

    /// Whether the manifest still refers to an extent.
    fn refers_to(&self, extent: &Located) -> bool {
        let committed = self.shard.committed.read();
        let now = committed.partitions.get(&self.tp).and_then(|record| record.extent_at(extent.first_offset));
        now.is_some_and(|now| now.segment.id == extent.segment.id)
    }

    /// A block that came and is not what it should be.
    fn damaged(&self, extent: &Located, error: &BlockError) -> ReadError {
        self.shared.blocks.discard(&self.key(extent));
        let name = extent.segment.id.name(self.shard.id);
        self.unreadable(&LoadError::Block { name, source: error.clone() })
    }

    fn unreadable(&self, error: &LoadError) -> ReadError {
        tracing::error!(partition = %self.tp, %error, "a segment could not be read");
        ReadError::Storage(error.to_string())
    }

    /// Finds an offset by position or time. `None` if no record is at or after the time.
    pub async fn offset_for(&self, query: OffsetQuery) -> Result<Option<FoundOffset>, ReadError> {
        let marks = self.marks()?;
        match query {
            OffsetQuery::Earliest => Ok(Some(self.at(marks.log_start, -1))),
            OffsetQuery::Latest(isolation) => Ok(Some(FoundOffset {
                offset: marks.readable_end(isolation),
                timestamp_ms: -1,
                leader_epoch: marks.leader_epoch,
            })),
            OffsetQuery::Timestamp(timestamp_ms) => self.first_at(timestamp_ms, marks).await,
            OffsetQuery::MaxTimestamp => match self.max_timestamp(marks.high_watermark) {
                Some(timestamp_ms) => self.first_at(timestamp_ms, marks).await,
                None => Ok(None),
            },
        }
    }

    fn at(&self, offset: Offset, timestamp_ms: i64) -> FoundOffset {
        let known = self.shard.committed.read().partitions.get(&self.tp).map_or(-1, |record| record.epoch_at(offset));
        let leader_epoch = if known < 0 { self.epoch.as_leader_epoch() } else { known };
        FoundOffset { offset, timestamp_ms, leader_epoch }
    }

    /// The greatest timestamp below `end`, by batches.
    fn max_timestamp(&self, end: Offset) -> Option<i64> {
        let live = self.shard.live.lock();
        let tail = live.partition(self.slot)?.tail.iter().filter(|batch| batch.last_offset < end);
        let in_memory = tail.map(|batch| batch.max_timestamp_ms).max();
        let committed = self.shard.committed.read();
        let extents = committed.partitions.get(&self.tp).map_or(&[][..], |record| &record.extents);
        in_memory.max(extents.iter().map(|extent| extent.max_timestamp_ms).max())
    }

    /// The first record with a timestamp at or after `timestamp_ms`, below the high watermark.
    async fn first_at(&self, timestamp_ms: i64, marks: Marks) -> Result<Option<FoundOffset>, ReadError> {
        let extents: Vec<Located> = {
            let committed = self.shard.committed.read();
            let extents = committed.partitions.get(&self.tp).map_or(&[][..], |record| &record.extents);
            let late =
                |extent: &&Located| extent.max_timestamp_ms >= timestamp_ms && extent.last_offset >= marks.log_start;
            extents.iter().find(late).cloned().into_iter().collect()
        };
        for extent in &extents {
            let block = self.block(extent).await?;
            let batch = block.batch_at_timestamp(timestamp_ms).map_err(|error| self.damaged(extent, &error))?;
            if let Some(found) = batch.and_then(|batch| record_at(&batch, timestamp_ms)) {
                return Ok(Some(self.at(found.0, found.1)));
            }
        }
        let batch = {
            let live = self.shard.live.lock();
            let partition = live.partition(self.slot).ok_or(ReadError::NotLeader)?;
            let found = partition
                .tail
                .iter()
                .find(|batch| batch.max_timestamp_ms >= timestamp_ms && batch.last_offset < marks.high_watermark);
            found.map(|batch| batch.stored.clone())
        };
        Ok(batch.and_then(|batch| record_in(&batch, timestamp_ms)).map(|(offset, time)| self.at(offset, time)))
    }

    /// End of what this isolation sees.
    pub fn readable_end(&self, isolation: Isolation) -> Result<Offset, ReadError> {
        self.marks().map(|marks| marks.readable_end(isolation))
    }
}

/// Offset and timestamp of the first record in a batch at or after a time.
fn record_at(batch: &Bytes, timestamp_ms: i64) -> Option<(Offset, i64)> {
    record_in(&StoredBatch::from_bytes(batch).ok()?, timestamp_ms)
}

fn record_in(batch: &StoredBatch, timestamp_ms: i64) -> Option<(Offset, i64)> {
    let records = Records::open(batch, Expansion::default()).ok()?;
    let mut records = records.filter_map(Result::ok);
    records.find(|record| record.timestamp >= timestamp_ms).map(|record| (record.offset, record.timestamp))
}
