//! Entries of a writer that are not committed yet: their bytes, and who waits for them.

use std::collections::VecDeque;

use bytes::Bytes;
use highwater_env::Instant;
use highwater_format::entry::{EntryHeader, EntryKind};
use highwater_store::{Body, BucketTime, Etag};
use tokio::sync::{OwnedSemaphorePermit, oneshot};

use super::Committed;
use crate::error::WriteError;
use crate::machine::{Author, PutOrder};

type Done = oneshot::Sender<Result<Committed, WriteError>>;

/// An entry without a number.
pub(super) struct Queued {
    pub(super) payload: Body,
    pub(super) payload_crc: Option<u32>,
    pub(super) attributes: Bytes,
    pub(super) done: Done,
    pub(super) permit: OwnedSemaphorePermit,
}

/// What is known of an object of ours that stands.
pub(super) struct Landed {
    pub(super) etag: Etag,
    pub(super) date: BucketTime,
}

/// An entry with a number.
pub(super) struct Flying {
    pub(super) number: u64,
    pub(super) name: String,
    pub(super) body: Body,
    pub(super) payload_at: u64,
    pub(super) checksum: u32,
    pub(super) first_sent: Instant,
    pub(super) attempts: u32,
    pub(super) landed: Option<Landed>,
    done: Done,
    _permit: OwnedSemaphorePermit,
}

/// Both, in the order of the chain.
#[derive(Default)]
pub(super) struct Queue {
    flying: VecDeque<Flying>,
    queued: VecDeque<Queued>,
}

impl Queue {
    pub(super) fn len(&self) -> usize {
        self.flying.len() + self.queued.len()
    }

    pub(super) fn push(&mut self, entry: Queued) {
        self.queued.push_back(entry);
    }

    pub(super) fn get(&mut self, number: u64) -> Option<&mut Flying> {
        let at = number.checked_sub(self.flying.front()?.number)?;
        self.flying.get_mut(usize::try_from(at).ok()?)
    }

    pub(super) fn landed(&mut self, number: u64, landed: Landed) {
        if let Some(flying) = self.get(number) {
            flying.landed = Some(landed);
        }
    }

    /// The entry of an order: the one that has the number, or the next in the queue.
    pub(super) fn flying(
        &mut self,
        order: &PutOrder,
        author: Author,
        now: Instant,
        name: impl FnOnce() -> String,
    ) -> Option<&mut Flying> {
        let known = self.flying.back().is_some_and(|last| order.number <= last.number);
        if !known {
            let entry = self.queued.pop_front()?;
            let header = EntryHeader {
                kind: EntryKind::Data,
                number: order.number,
                epoch: order.epoch,
                window: order.window,
                incarnation: author.incarnation,
                put_id: order.put_id,
                payload_len: entry.payload.len(),
                payload_crc: entry.payload_crc,
                attributes: entry.attributes,
            };
            // Attributes were measured before they were queued.
            let (front, checksum) = header.encode().ok()?;
            let body: Body = std::iter::once(front).chain(entry.payload.chunks().iter().cloned()).collect();
            self.flying.push_back(Flying {
                number: order.number,
                name: name(),
                body,
                payload_at: header.payload_at(),
                checksum,
                first_sent: now,
                attempts: 0,
                landed: None,
                done: entry.done,
                _permit: entry.permit,
            });
        }
        self.get(order.number)
    }

    /// Takes out `number`, the first in flight, and tells who waits for it.
    pub(super) fn commit(&mut self, number: u64, committed: impl FnOnce(&Flying) -> Committed) {
        if self.flying.front().is_none_or(|flying| flying.number != number) {
            return;
        }
        if let Some(flying) = self.flying.pop_front() {
            let answer = Ok(committed(&flying));
            // Its caller may have gone: the entry is committed all the same.
            let _ = flying.done.send(answer);
        }
    }

    /// Takes out everything.
    pub(super) fn drain(&mut self) -> Vec<Done> {
        let flying = self.flying.drain(..).map(|flying| flying.done);
        flying.chain(self.queued.drain(..).map(|queued| queued.done)).collect()
    }

    pub(super) fn oldest_sent(&self) -> Option<Instant> {
        self.flying.front().map(|flying| flying.first_sent)
    }
}
