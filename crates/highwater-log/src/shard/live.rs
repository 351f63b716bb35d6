//! A shard's memory: its partitions' tails, offsets and pending acknowledgements.
//!
//! Everything here is done under the shard's lock and does no I/O: the write-ahead log's append
//! copies into a buffer, sealing clones references. Offsets are *sequenced* here; they become
//! *durable* in [`super::progress`].

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use highwater_batch::StoredBatch;
use highwater_env::Instant;
use highwater_meta::TopicSettings;
use highwater_types::{Epoch, Offset, ShardId, TopicId, TopicPartition};

use super::partition::{PartitionLive, TailBatch};
use super::producers::Sequence;
use crate::api::{AppendError, Appended, Marks};
use crate::wal::{Frame, Wal, WalFull, WalSeq};

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

/// A validated batch that waits for its offsets. A clone shares its records.
#[derive(Clone)]
pub struct NewBatch {
    pub stored: StoredBatch,
    /// Offsets that it takes (last offset delta + 1).
    pub offsets: i64,
    pub max_timestamp_ms: i64,
    pub sequence: Option<Sequence>,
    /// For LogAppendTime topics, else -1.
    pub log_append_time_ms: i64,
}

impl NewBatch {
    /// The time of this attempt for a batch of a LogAppendTime topic: it may have waited for room.
    pub fn stamp(&mut self, now_ms: i64) {
        if self.log_append_time_ms >= 0 {
            self.stored.set_log_append_time(now_ms);
            self.max_timestamp_ms = now_ms;
            self.log_append_time_ms = now_ms;
        }
    }
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
                self.urge_flush();
                return Err(AppendError::Backpressure);
            }
            partition.uses_wal = mode.uses_wal();
        }
        if mode.uses_wal() && end > partition.flushed_end.saturating_add(limits.reserve) {
            self.urge_flush();
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

    /// What is open is sealed as soon as the flusher looks: only the bucket gives room again.
    pub fn urge_flush(&mut self) {
        self.ack_waits |= self.open_since.is_some();
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
