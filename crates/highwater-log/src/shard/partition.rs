//! One partition's memory: its tail, its offsets, who waits for it.

use std::collections::VecDeque;
use std::sync::{Arc, Weak};

use bytes::{Bytes, BytesMut};
use highwater_batch::StoredBatch;
use highwater_env::marks::{is_off, met};
use highwater_meta::TopicSettings;
use highwater_types::{Offset, TopicPartition};

use super::live::{NewBatch, Sequenced};
use super::producers::{Checked, Producers, Sequence, SequenceError};
use crate::api::{AppendError, Appended};
use crate::manifest::PartitionRecord;
use crate::ticket::TicketSender;
use crate::waiter::Waiter;
use crate::wal::WalSeq;

/// Bodies below this are copied next to their heads when read: a pointer pair per batch would
/// cost more than the copy.
const GATHER_BELOW: usize = 2048;

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
    pub fn duplicate_of(
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
    pub fn drop_sealed_tail(&mut self, count: usize) {
        self.sealed -= count;
        self.tail.drain(self.sealed..self.sealed + count);
    }

    /// What consumers read up to: what is durable.
    pub fn readable_end(&self) -> Offset {
        if is_off("high-watermark-waits") { self.next_offset } else { self.high_watermark }
    }

    /// Goes on at `next_offset`: what lay before it is lost. The bucket has everything else, and the manifest
    /// says so.
    pub fn leave_gap(&mut self, next_offset: Offset) {
        debug_assert!(self.is_flushed(), "nothing is left behind a gap");
        self.next_offset = self.next_offset.max(next_offset);
        self.synced_end = self.next_offset;
        self.flushed_end = self.next_offset;
        self.high_watermark = self.next_offset;
        self.barrier = self.next_offset;
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
