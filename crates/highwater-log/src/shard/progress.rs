//! Durable marks: what the write-ahead log has synced, what the bucket has, how far consumers see,
//! and who is woken by it.

use std::collections::VecDeque;
use std::sync::{Arc, Weak};

use highwater_env::marks::{is_off, met};
use highwater_types::{Offset, TopicPartition};

use super::live::{Live, Retained, Sealed, Slot};
use super::partition::{PartitionLive, PendingAck, TailBatch};
use super::producers::Producers;
use crate::Appended;
use crate::api::AppendError;
use crate::manifest::LogStart;
use crate::ticket::TicketSender;
use crate::waiter::Waiter;
use crate::wal::WalSeq;

/// What has to be done after the shard's lock is given back.
#[derive(Default)]
pub struct Effects {
    tickets: Vec<(TicketSender, Result<Appended, AppendError>)>,
    waiters: Vec<Weak<Waiter>>,
}

impl Effects {
    /// Resolves the tickets and wakes the waiters. Not under the lock: both run other tasks' wakers.
    pub fn run(self) {
        for (sender, outcome) in self.tickets {
            sender.resolve(outcome);
        }
        for waiter in self.waiters {
            if let Some(waiter) = waiter.upgrade() {
                waiter.wake();
            }
        }
    }
}

impl PartitionLive {
    /// Raises the high watermark to what is durable; collects who waited for it.
    fn advance(&mut self, effects: &mut Effects) {
        let durable =
            if self.flushed_end >= self.barrier { self.flushed_end.max(self.synced_end) } else { self.flushed_end };
        if durable <= self.high_watermark {
            return;
        }
        self.high_watermark = durable;
        while self.pending.front().is_some_and(|ack| ack.end <= durable) {
            if let Some(ack) = self.pending.pop_front() {
                effects.tickets.push((ack.sender, Ok(ack.outcome)));
            }
        }
        self.wake_beyond(durable, effects);
    }

    fn wake_beyond(&mut self, mark: Offset, effects: &mut Effects) {
        let mut at = 0;
        while at < self.waiters.len() {
            if self.waiters[at].0 < mark {
                effects.waiters.push(self.waiters.swap_remove(at).1);
            } else {
                at += 1;
            }
        }
    }

    /// Everybody who waits gets `error`; used when the partition or the leadership is gone.
    fn fail(&mut self, error: &AppendError, effects: &mut Effects) {
        for ack in self.pending.drain(..) {
            effects.tickets.push((ack.sender, Err(error.clone())));
        }
        self.wake_beyond(Offset::MAX, effects);
    }
}

impl Live {
    /// The write-ahead log has synced everything up to and including `up_to`; `run` is the tenure's. Unless
    /// we were proven to lead in this run, another broker may lead, who does not know of these frames: only
    /// the bucket makes their batches durable then, and `false` says that it should soon.
    pub fn synced(&mut self, up_to: WalSeq, run: Option<u64>) -> (Effects, bool) {
        let mut effects = Effects::default();
        let alone = run.is_some() && run == self.proven;
        while self.syncing.front().is_some_and(|frame| frame.seq <= up_to) {
            let Some(frame) = self.syncing.pop_front() else {
                break;
            };
            let Some(partition) = self.partitions.get_mut(frame.slot.0) else { continue };
            partition.synced_end = partition.synced_end.max(frame.end);
            if alone {
                partition.advance(&mut effects);
            } else {
                met("synced-when-another-may-lead");
                partition.barrier = partition.barrier.max(frame.end);
                self.ack_waits = true;
            }
        }
        (effects, alone)
    }

    /// A put that was begun in this run of the tenure is committed.
    pub fn prove(&mut self, run: Option<u64>) {
        self.proven = run.or(self.proven);
    }

    /// A sync failed: these frames are not trusted, only the bucket makes their batches durable.
    /// They need a flush now, since acknowledgements wait for it.
    pub fn sync_failed(&mut self, from: WalSeq, to: WalSeq) {
        let mut kept = VecDeque::with_capacity(self.syncing.len());
        for frame in self.syncing.drain(..) {
            if frame.seq < from || frame.seq > to {
                kept.push_back(frame);
            } else if let Some(partition) = self.partitions.get_mut(frame.slot.0) {
                partition.barrier = partition.barrier.max(frame.end);
                self.ack_waits = true;
            }
        }
        self.syncing = kept;
    }

    /// The bucket has a sealed buffer: its batches are durable in every mode.
    pub fn flushed(&mut self, sealed: &Sealed) -> Effects {
        let mut effects = Effects::default();
        for run in &sealed.runs {
            let Some(last) = run.batches.last() else {
                continue;
            };
            let bytes = run.batches.iter().map(TailBatch::len).sum();
            let Some(partition) = self.partitions.get_mut(run.slot.0) else {
                continue;
            };
            let end = last.last_offset + 1;
            if partition.deleted {
                partition.forget_below(end);
                continue;
            }
            partition.flushed_end = end;
            partition.advance(&mut effects);
            self.retained.push_back(Retained { slot: run.slot, end, bytes });
            self.retained_bytes += bytes;
        }
        self.evict();
        effects
    }

    /// The partitions of a sealed buffer whose topic was deleted while it was on its way.
    pub fn deleted_of(&self, sealed: &Sealed) -> Vec<TopicPartition> {
        let gone = |slot: Slot| self.partitions.get(slot.0).is_none_or(|partition| partition.deleted);
        sealed.runs.iter().filter(|run| gone(run.slot)).map(|run| run.tp).collect()
    }

    /// Records below these offsets may not be read any more; the bucket has them all.
    pub fn delete_below(&mut self, starts: &[LogStart]) {
        for start in starts {
            let Some(slot) = self.slots.get(&start.tp) else { continue };
            if let Some(partition) = self.partitions.get_mut(slot.0) {
                partition.log_start = partition.log_start.max(start.offset);
                partition.forget_below(start.offset);
            }
        }
    }

    /// Registers who waits for a batch that ends at `end`; resolved at once if it is durable.
    pub fn await_durable(&mut self, slot: Slot, end: Offset, outcome: Appended, sender: TicketSender) -> Effects {
        let mut effects = Effects::default();
        match self.partitions.get_mut(slot.0) {
            Some(partition) if end > partition.high_watermark && !is_off("acknowledged-when-durable") => {
                // Nearly always the last one; a duplicate may wait for an earlier offset.
                let at = partition.pending.partition_point(|ack| ack.end <= end);
                partition.pending.insert(at, PendingAck { end, outcome, sender });
            }
            Some(_) => effects.tickets.push((sender, Ok(outcome))),
            None => effects.tickets.push((sender, Err(AppendError::NotLeader))),
        }
        effects
    }

    /// Wakes `waiter` when the high watermark passes `beyond`, or the partition goes away.
    /// `false` if it should look at once.
    pub fn watch(&mut self, slot: Slot, beyond: Offset, waiter: &Arc<Waiter>) -> bool {
        let Some(partition) = self.partitions.get_mut(slot.0) else {
            return false;
        };
        if partition.deleted || partition.high_watermark > beyond {
            return false;
        }
        // Requests that ended leave dead entries behind; a busy partition sheds them by progress,
        // an idle one here, before the list would grow.
        if partition.waiters.len() == partition.waiters.capacity() {
            partition.waiters.retain(|(_, waiter)| waiter.strong_count() > 0);
        }
        partition.waiters.push((beyond, Arc::downgrade(waiter)));
        true
    }

    /// The topic was deleted: everybody who waits is told, memory is given back but for what is on
    /// its way to the bucket.
    pub fn delete(&mut self, slot: Slot) -> (Option<TopicPartition>, Effects) {
        let mut effects = Effects::default();
        let Some(partition) = self.partitions.get_mut(slot.0).filter(|partition| !partition.deleted) else {
            return (None, effects);
        };
        partition.deleted = true;
        partition.fail(&AppendError::Unknown, &mut effects);
        partition.forget_below(partition.flushed_end);
        partition.producers = Producers::default();
        partition.pending = VecDeque::new();
        partition.waiters = Vec::new();
        self.slots.remove(&partition.tp);
        (Some(partition.tp), effects)
    }

    /// Leadership is lost: nothing more is sequenced, everybody who waits is told. Gives the bytes
    /// that were open, for the account of what is not flushed.
    pub fn step_down(&mut self) -> (Effects, usize) {
        let mut effects = Effects::default();
        self.epoch = None;
        self.proven = None;
        for partition in &mut self.partitions {
            partition.fail(&AppendError::NotLeader, &mut effects);
        }
        self.partitions.clear();
        self.slots.clear();
        self.dirty.clear();
        self.syncing.clear();
        self.retained.clear();
        self.retained_bytes = 0;
        self.open_since = None;
        self.ack_waits = false;
        self.open_wal_seq = None;
        (effects, std::mem::take(&mut self.open_bytes))
    }
}
