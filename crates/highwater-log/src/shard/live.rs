//! A shard's memory: its partitions' tails, offsets and pending acknowledgements.
//!
//! Everything here is done under the shard's lock and does no I/O: the write-ahead log's append
//! copies into a buffer, sealing clones references. Offsets are *sequenced* here; they become
//! *durable* in [`super::progress`].

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Weak};

use bytes::{Bytes, BytesMut};
use highwater_batch::StoredBatch;
use highwater_env::Instant;
use highwater_env::marks::{is_off, met};
use highwater_meta::TopicSettings;
use highwater_types::{Epoch, Offset, ShardId, TopicId, TopicPartition};

use super::producers::{Checked, Producers, Sequence, SequenceError};
use crate::api::{AppendError, Appended, Marks};
use crate::manifest::PartitionRecord;
use crate::ticket::TicketSender;
use crate::waiter::Waiter;
use crate::wal::{Frame, Wal, WalFull, WalSeq};

/// Bodies below this are copied next to their heads when read: a pointer pair per batch would
/// cost more than the copy.
const GATHER_BELOW: usize = 2048;

/// The sizes that the live state keeps to.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Seal at this size.
    pub flush_bytes: usize,
    /// Flushed bytes kept for readers at the tail.
    pub tail_bytes: usize,
    /// Offsets that may be given beyond the committed end of a partition.
    pub reserve: i64,
    /// Idle producers are forgotten after this.
    pub producer_expiration_ms: i64,
}

/// Index of a partition in its shard's memory; stable while the shard is led.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slot(pub usize);

/// A batch in memory.
#[derive(Clone)]
pub struct TailBatch {
    pub stored: StoredBatch,
    pub first_offset: Offset,
    pub last_offset: Offset,
    pub max_timestamp_ms: i64,
    pub sequence: Option<Sequence>,
    /// Its frame in the write-ahead log, if it has one.
    pub wal_seq: Option<WalSeq>,
}

impl TailBatch {
    /// Bytes on the wire.
    pub fn len(&self) -> usize {
        self.stored.len()
    }
}

/// A validated batch that waits for its offsets.
pub struct NewBatch {
    pub stored: StoredBatch,
    /// Offsets that it takes (last offset delta + 1).
    pub offsets: i64,
    pub max_timestamp_ms: i64,
    pub sequence: Option<Sequence>,
    /// For LogAppendTime topics, else -1.
    pub log_append_time_ms: i64,
}

/// What an append brings.
pub struct Append {
    pub slot: Slot,
    pub batch: NewBatch,
    pub now: Instant,
    /// Milliseconds since 1970.
    pub now_ms: i64,
    /// Whether somebody will wait for the ticket.
    pub wants_ack: bool,
}

/// Somebody waits until `end` is durable.
pub struct PendingAck {
    pub end: Offset,
    pub outcome: Appended,
    pub sender: TicketSender,
}

/// One partition's memory.
pub struct PartitionLive {
    pub tp: TopicPartition,
    pub settings: Arc<TopicSettings>,
    /// Whether its batches go to the write-ahead log at present.
    pub uses_wal: bool,
    pub deleted: bool,
    pub log_start: Offset,
    /// Offset of the next record.
    pub next_offset: Offset,
    /// What consumers read up to.
    pub high_watermark: Offset,
    /// End of what the write-ahead log has synced.
    pub synced_end: Offset,
    /// End of what the bucket has.
    pub flushed_end: Offset,
    /// Up to here only the bucket makes durable: batches that are not, or not surely, in the
    /// write-ahead log (written as `object` before a change of mode, or a sync that failed).
    pub barrier: Offset,
    /// Ascending by offset: flushed ones still kept, then sealed, then open ones.
    pub tail: VecDeque<TailBatch>,
    /// How many of `tail` are sealed or flushed.
    pub sealed: usize,
    pub producers: Producers,
    pub pending: VecDeque<PendingAck>,
    pub waiters: Vec<(Offset, Weak<Waiter>)>,
}

/// Batches of one partition in a sealed buffer.
pub struct SealedRun {
    pub slot: Slot,
    pub tp: TopicPartition,
    pub batches: Vec<TailBatch>,
}

/// A sealed buffer: what one segment will hold.
pub struct Sealed {
    pub runs: Vec<SealedRun>,
    pub bytes: usize,
    /// Greatest position in the write-ahead log of what is inside.
    pub wal_seq: Option<WalSeq>,
}

/// A frame whose sync somebody waits for.
pub struct Syncing {
    pub seq: WalSeq,
    pub slot: Slot,
    pub end: Offset,
}

/// Flushed bytes that are kept for readers, oldest first.
pub struct Retained {
    pub slot: Slot,
    pub end: Offset,
    pub bytes: usize,
}

/// The memory of a shard.
pub struct Live {
    pub limits: Limits,
    /// Epoch that this broker leads, `None` while it does not.
    pub epoch: Option<Epoch>,
    /// The run of the tenure ([`highwater_lease::Tenure`]) in which that was proven last: by the fence, or
    /// by a put that was begun in it.
    pub proven: Option<u64>,
    pub slots: HashMap<TopicPartition, Slot>,
    pub partitions: Vec<PartitionLive>,
    /// Partitions with open batches, in the order in which they got them.
    pub dirty: Vec<Slot>,
    pub open_bytes: usize,
    /// Since when the oldest open byte waits.
    pub open_since: Option<Instant>,
    /// Whether an acknowledgement waits for the flush.
    pub ack_waits: bool,
    /// Greatest position in the write-ahead log of what is open.
    pub open_wal_seq: Option<WalSeq>,
    /// Greatest position in the write-ahead log of this leadership.
    pub last_wal_seq: Option<WalSeq>,
    pub syncing: VecDeque<Syncing>,
    pub retained: VecDeque<Retained>,
    pub retained_bytes: usize,
}

/// What an append leads to.
pub struct Sequenced {
    pub outcome: Appended,
    /// First offset after the batch: durable when the high watermark is there.
    pub end: Offset,
    /// Whether the flusher has to be told.
    pub flush: bool,
    /// Bytes that are new in memory (0 for a duplicate).
    pub bytes: usize,
}

impl Live {
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            epoch: None,
            proven: None,
            slots: HashMap::new(),
            partitions: Vec::new(),
            dirty: Vec::new(),
            open_bytes: 0,
            open_since: None,
            ack_waits: false,
            open_wal_seq: None,
            last_wal_seq: None,
            syncing: VecDeque::new(),
            retained: VecDeque::new(),
            retained_bytes: 0,
        }
    }

    /// The partition of a slot. Slots are given by this shard and never taken back while it leads;
    /// a handle of an earlier leadership finds nothing.
    pub fn partition(&self, slot: Slot) -> Option<&PartitionLive> {
        self.partitions.get(slot.0)
    }

    /// Takes a partition in; gives its slot.
    pub fn add(&mut self, partition: PartitionLive) -> Slot {
        let slot = Slot(self.partitions.len());
        self.slots.insert(partition.tp, slot);
        self.partitions.push(partition);
        slot
    }

    /// Takes over changed settings; gives the slots whose topic is gone.
    pub fn refresh(&mut self, settings: impl Fn(TopicId) -> Option<Arc<TopicSettings>>) -> Vec<Slot> {
        let mut gone = Vec::new();
        for (index, partition) in self.partitions.iter_mut().enumerate().filter(|(_, p)| !p.deleted) {
            match settings(partition.tp.topic) {
                Some(now) => partition.settings = now,
                None => gone.push(Slot(index)),
            }
        }
        gone
    }

    /// Marks of a partition.
    pub fn marks(&self, slot: Slot) -> Option<Marks> {
        let epoch = self.epoch?;
        let partition = self.partitions.get(slot.0)?;
        Some(Marks {
            log_start: partition.log_start,
            high_watermark: partition.readable_end(),
            last_stable: partition.readable_end(),
            log_end: partition.next_offset,
            leader_epoch: epoch.as_leader_epoch(),
        })
    }

    /// Gives a batch its offsets and puts it into memory and, by its mode, into the write-ahead
    /// log. On an error nothing has changed.
    pub fn append(&mut self, shard: ShardId, append: Append, wal: &Wal) -> Result<Sequenced, AppendError> {
        let Append { slot, mut batch, now, now_ms, wants_ack } = append;
        let epoch = self.epoch.ok_or(AppendError::NotLeader)?;
        let limits = self.limits;
        let partition = self.partitions.get_mut(slot.0).ok_or(AppendError::NotLeader)?;
        if partition.deleted {
            return Err(AppendError::Unknown);
        }
        if let Some(found) = partition.duplicate_of(&batch, now_ms, limits.producer_expiration_ms)? {
            return Ok(found);
        }
        let first = partition.next_offset;
        let end = first.checked_add(batch.offsets).ok_or_else(|| AppendError::Storage("offsets are used up".into()))?;
        let mode = partition.settings.durability;
        if mode.uses_wal() && batch.offsets > limits.reserve {
            return Err(AppendError::InvalidRecord(format!(
                "a batch of {} records exceeds the limit of {}",
                batch.offsets, limits.reserve
            )));
        }
        if mode.uses_wal() != partition.uses_wal {
            // A change takes effect when everything of the former mode is in the bucket.
            if partition.flushed_end < partition.next_offset {
                return Err(AppendError::Backpressure);
            }
            partition.uses_wal = mode.uses_wal();
        }
        if mode.uses_wal() && end > partition.flushed_end.saturating_add(limits.reserve) {
            return Err(AppendError::Backpressure);
        }
        batch.stored.assign(first, epoch.as_leader_epoch());
        let seq = if mode.uses_wal() {
            let frame = Frame { shard, epoch, tp: partition.tp, batch: &batch.stored };
            Some(wal.append(frame).map_err(refused)?)
        } else {
            None
        };
        if seq.is_none() {
            partition.barrier = end;
        }
        partition.next_offset = end;
        if let Some(sequence) = batch.sequence {
            partition.producers.appended(sequence, first, end - 1, now_ms);
        }
        let bytes = batch.stored.len();
        let newly_dirty = partition.tail.len() == partition.sealed;
        partition.tail.push_back(TailBatch {
            stored: batch.stored,
            first_offset: first,
            last_offset: end - 1,
            max_timestamp_ms: batch.max_timestamp_ms,
            sequence: batch.sequence,
            wal_seq: seq,
        });
        let log_start_offset = partition.log_start;
        if newly_dirty {
            self.dirty.push(slot);
        }
        if let Some(seq) = seq {
            self.syncing.push_back(Syncing { seq, slot, end });
            self.open_wal_seq = Some(seq);
            self.last_wal_seq = Some(seq);
        }
        let waits_for_flush = wants_ack && seq.is_none();
        let flush = self.opened(bytes, now, waits_for_flush);
        Ok(Sequenced {
            outcome: Appended { base_offset: first, log_append_time_ms: batch.log_append_time_ms, log_start_offset },
            end,
            flush,
            bytes,
        })
    }

    /// Counts bytes that are open; says whether the flusher has to look.
    fn opened(&mut self, bytes: usize, now: Instant, waits_for_flush: bool) -> bool {
        let before = self.open_bytes;
        self.open_bytes += bytes;
        let first = self.open_since.is_none();
        if first {
            self.open_since = Some(now);
        }
        let urgent = waits_for_flush && !self.ack_waits;
        self.ack_waits |= waits_for_flush;
        let full = before < self.limits.flush_bytes && self.open_bytes >= self.limits.flush_bytes;
        first || urgent || full
    }

    /// Puts a batch back that recovery found in the write-ahead log: its offsets are given already
    /// and it is durable there. The caller has seen that it follows what is known.
    pub fn replay(&mut self, slot: Slot, batch: TailBatch, now: Instant) {
        let Some(partition) = self.partitions.get_mut(slot.0) else { return };
        debug_assert_eq!(batch.first_offset, partition.next_offset, "replayed in order");
        if let Some(sequence) = batch.sequence {
            let timestamp = batch.max_timestamp_ms;
            partition.producers.appended(sequence, batch.first_offset, batch.last_offset, timestamp);
        }
        let end = batch.last_offset + 1;
        partition.next_offset = end;
        partition.synced_end = end;
        partition.high_watermark = end;
        let bytes = batch.len();
        let seq = batch.wal_seq;
        let newly_dirty = partition.tail.len() == partition.sealed;
        partition.tail.push_back(batch);
        if newly_dirty {
            self.dirty.push(slot);
        }
        self.open_wal_seq = seq;
        self.opened(bytes, now, true);
    }

    /// Takes open batches, about as much as a segment should hold, or `None` if there are none.
    /// Without runs if all their topics are gone.
    pub fn seal(&mut self) -> Option<Sealed> {
        if self.dirty.is_empty() {
            return None;
        }
        let mut runs = Vec::with_capacity(self.dirty.len());
        let mut bytes = 0;
        let mut left = Vec::new();
        // Behind the others the next time, so that a busy partition does not keep them waiting.
        let mut unfinished = Vec::new();
        for slot in std::mem::take(&mut self.dirty) {
            let Some(partition) = self.partitions.get_mut(slot.0) else { continue };
            if bytes >= self.limits.flush_bytes {
                left.push(slot);
                continue;
            }
            let mut batches = Vec::new();
            for batch in partition.tail.range(partition.sealed..) {
                bytes += batch.len();
                batches.push(batch.clone());
                if bytes >= self.limits.flush_bytes {
                    break;
                }
            }
            partition.sealed += batches.len();
            if partition.sealed < partition.tail.len() {
                unfinished.push(slot);
            }
            if partition.deleted {
                partition.drop_sealed_tail(batches.len());
            } else {
                runs.push(SealedRun { slot, tp: partition.tp, batches });
            }
        }
        left.append(&mut unfinished);
        self.dirty = left;
        self.open_bytes -= bytes;
        if self.dirty.is_empty() {
            self.open_since = None;
            self.ack_waits = false;
            return Some(Sealed { runs, bytes, wal_seq: self.open_wal_seq.take() });
        }
        // What is still open keeps its frames: only those before the first of them are released.
        let open = self.dirty.iter().filter_map(|slot| self.partitions.get(slot.0));
        let frames = open.flat_map(|partition| partition.tail.range(partition.sealed..).filter_map(|b| b.wal_seq));
        let wal_seq = match frames.min() {
            Some(first) => first.0.checked_sub(1).map(WalSeq),
            None => self.open_wal_seq.take(),
        };
        Some(Sealed { runs, bytes, wal_seq })
    }

    /// What only this broker's disk has: batches of topics that use the write-ahead log and that
    /// the bucket did not get. For the side file of a deposed leader.
    pub fn unflushed_local(&self) -> Vec<(TopicPartition, StoredBatch)> {
        let kept = self.partitions.iter().filter(|partition| !partition.deleted);
        kept.flat_map(|partition| {
            let unflushed = partition
                .tail
                .iter()
                .filter(|batch| batch.wal_seq.is_some() && batch.last_offset >= partition.flushed_end);
            unflushed.map(|batch| (partition.tp, batch.stored.clone()))
        })
        .collect()
    }

    /// Drops the oldest flushed batches until the tail is within its limit.
    pub fn evict(&mut self) {
        while self.retained_bytes > self.limits.tail_bytes {
            let Some(oldest) = self.retained.pop_front() else {
                return;
            };
            self.retained_bytes -= oldest.bytes;
            let Some(partition) = self.partitions.get_mut(oldest.slot.0) else {
                continue;
            };
            partition.forget_below(oldest.end);
        }
    }
}

/// The write-ahead log takes a frame later, or never.
fn refused(full: WalFull) -> AppendError {
    match full {
        WalFull::Busy => AppendError::Backpressure,
        WalFull::TooLarge { bytes, limit } => AppendError::TooLarge { size: bytes, limit },
        WalFull::Closed => AppendError::NotLeader,
    }
}

impl PartitionLive {
    /// A partition with this committed past, or none.
    pub fn of(tp: TopicPartition, settings: Arc<TopicSettings>, record: Option<&PartitionRecord>) -> Self {
        match record {
            Some(past) => Self::new(tp, settings, past.log_start, past.log_end, past.producers.clone()),
            None => Self::new(tp, settings, 0, 0, Producers::default()),
        }
    }

    fn new(
        tp: TopicPartition,
        settings: Arc<TopicSettings>,
        log_start: Offset,
        end: Offset,
        producers: Producers,
    ) -> Self {
        Self {
            tp,
            uses_wal: settings.durability.uses_wal(),
            settings,
            deleted: false,
            log_start,
            next_offset: end,
            high_watermark: end,
            synced_end: end,
            flushed_end: end,
            barrier: end,
            tail: VecDeque::new(),
            sealed: 0,
            producers,
            pending: VecDeque::new(),
            waiters: Vec::new(),
        }
    }

    /// The outcome of an earlier append if this batch is its repetition.
    fn duplicate_of(
        &mut self,
        batch: &NewBatch,
        now_ms: i64,
        expiration_ms: i64,
    ) -> Result<Option<Sequenced>, AppendError> {
        let Some(sequence) = batch.sequence else {
            return Ok(None);
        };
        let producer_id = sequence.producer_id;
        match self.producers.check(sequence, now_ms, expiration_ms) {
            Ok(Checked::New) => Ok(None),
            Ok(Checked::Duplicate(_)) if is_off("producer-sequences") => Ok(None),
            Ok(Checked::Duplicate(known)) => {
                met("duplicate-batch");
                Ok(Some(Sequenced {
                    outcome: Appended {
                        base_offset: known.first_offset,
                        log_append_time_ms: batch.log_append_time_ms,
                        log_start_offset: self.log_start,
                    },
                    end: known.last_offset + 1,
                    flush: false,
                    bytes: 0,
                }))
            }
            Err(SequenceError::OutOfOrder { expected }) => {
                Err(AppendError::OutOfOrderSequence { producer_id, expected, got: sequence.first })
            }
            Err(SequenceError::OldEpoch { current }) => {
                Err(AppendError::InvalidProducerEpoch { producer_id, current, got: sequence.epoch })
            }
        }
    }

    /// Drops the last `count` sealed batches: their topic is gone, nobody writes or reads them.
    fn drop_sealed_tail(&mut self, count: usize) {
        self.sealed -= count;
        self.tail.drain(self.sealed..self.sealed + count);
    }

    /// What consumers read up to: what is durable.
    fn readable_end(&self) -> Offset {
        if is_off("high-watermark-waits") { self.next_offset } else { self.high_watermark }
    }

    /// Whether the bucket has everything.
    pub fn is_flushed(&self) -> bool {
        self.deleted || self.flushed_end >= self.next_offset
    }

    /// Drops the batches below `end` from memory, flushed ones only.
    pub fn forget_below(&mut self, end: Offset) {
        while self.sealed > 0 && self.tail.front().is_some_and(|batch| batch.last_offset < end) {
            self.tail.pop_front();
            self.sealed -= 1;
        }
    }

    /// First offset that memory holds, if any.
    pub fn tail_start(&self) -> Option<Offset> {
        self.tail.front().map(|batch| batch.first_offset)
    }

    /// Whole batches from memory: the one that holds `offset` (or the next one) and those after
    /// it, below `end`, of `max_bytes` at most but for the first.
    pub fn read_tail(&self, offset: Offset, end: Offset, max_bytes: usize, at_least_one: bool) -> (Vec<Bytes>, usize) {
        let from = self.tail.partition_point(|batch| batch.last_offset < offset);
        let mut bytes = 0;
        let mut until = from;
        let mut gathered = 0;
        for batch in self.tail.range(from..) {
            let fits = bytes + batch.len() <= max_bytes || (at_least_one && bytes == 0);
            if batch.last_offset >= end || !fits {
                break;
            }
            bytes += batch.len();
            until += 1;
            gathered += batch.stored.head().len();
            if batch.stored.body().len() < GATHER_BELOW {
                gathered += batch.stored.body().len();
            }
        }
        let mut buffer = BytesMut::with_capacity(gathered);
        let mut chunks = Vec::with_capacity(2 * (until - from));
        for batch in self.tail.range(from..until) {
            buffer.extend_from_slice(batch.stored.head());
            if batch.stored.body().len() < GATHER_BELOW {
                buffer.extend_from_slice(batch.stored.body());
            } else {
                chunks.push(buffer.split().freeze());
                chunks.push(batch.stored.body().clone());
            }
        }
        if !buffer.is_empty() {
            chunks.push(buffer.freeze());
        }
        (chunks, bytes)
    }
}
