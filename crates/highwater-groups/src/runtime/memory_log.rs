//! An [`OffsetsLog`] of one partition in memory, with durability and leadership in the test's hands.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::sync::Arc;

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use futures::FutureExt;
use futures::channel::oneshot;
use highwater_batch::StoredBatch;
use highwater_types::{Offset, TopicId};
use parking_lot::Mutex;

use super::log::{AppendFailure, Appending, OffsetsLog, ReadFailure, Term};

#[derive(Default)]
struct State {
    epoch: Option<i32>,
    next_offset: Offset,
    durable: Vec<(Offset, Bytes)>,
    held: Vec<(Bytes, oneshot::Sender<Result<(), AppendFailure>>)>,
    hold: bool,
    refusal: Option<AppendFailure>,
    failing_reads: u32,
}

#[derive(Default)]
pub(crate) struct MemoryLog {
    state: Mutex<State>,
}

impl MemoryLog {
    pub(crate) fn led_in(epoch: i32) -> Arc<Self> {
        let log = Self::default();
        log.lead(Some(epoch));
        Arc::new(log)
    }

    pub(crate) fn lead(&self, epoch: Option<i32>) {
        self.state.lock().epoch = epoch;
    }

    /// Appends wait for [`Self::release`].
    pub(crate) fn hold(&self) {
        self.state.lock().hold = true;
    }

    pub(crate) fn release(&self, fate: Result<(), AppendFailure>) {
        let mut state = self.state.lock();
        state.hold = false;
        for (batch, sender) in std::mem::take(&mut state.held) {
            if fate.is_ok() {
                state.store(&batch);
            }
            let _ = sender.send(fate);
        }
    }

    pub(crate) fn held(&self) -> usize {
        self.state.lock().held.len()
    }

    pub(crate) fn refuse(&self, refusal: Option<AppendFailure>) {
        self.state.lock().refusal = refusal;
    }

    pub(crate) fn fail_reads(&self, times: u32) {
        self.state.lock().failing_reads = times;
    }

    /// Number of durable batches.
    pub(crate) fn batches(&self) -> usize {
        self.state.lock().durable.len()
    }

    /// A batch that somebody else wrote.
    pub(crate) fn put(&self, batch: &Bytes) {
        self.state.lock().store(batch);
    }
}

impl State {
    fn store(&mut self, batch: &Bytes) {
        let mut stored = StoredBatch::from_bytes(batch).unwrap();
        assert!(stored.crc_is_right());
        stored.assign(self.next_offset, 1);
        self.next_offset = stored.last_offset() + 1;
        self.durable.push((stored.last_offset(), stored.to_bytes()));
    }
}

#[async_trait]
impl OffsetsLog for MemoryLog {
    fn partitions(&self) -> Option<u32> {
        Some(1)
    }

    fn term(&self, partition: u32) -> Option<Term> {
        assert_eq!(partition, 0);
        self.state.lock().epoch.map(|epoch| Term { topic: TopicId::ZERO, epoch })
    }

    fn append(&self, _: u32, term: Term, batch: Bytes) -> Result<Appending, AppendFailure> {
        let mut state = self.state.lock();
        if state.epoch != Some(term.epoch) {
            return Err(AppendFailure::NotLeader);
        }
        if let Some(refusal) = state.refusal {
            return Err(refusal);
        }
        if !state.hold {
            state.store(&batch);
            return Ok(futures::future::ready(Ok(())).boxed());
        }
        let (sender, receiver) = oneshot::channel();
        state.held.push((batch, sender));
        Ok(receiver.map(|fate| fate.unwrap_or(Err(AppendFailure::NotLeader))).boxed())
    }

    /// Two batches at a time.
    async fn read(&self, _: u32, term: Term, from: Offset) -> Result<Bytes, ReadFailure> {
        let mut state = self.state.lock();
        if state.epoch != Some(term.epoch) {
            return Err(ReadFailure::NotLeader);
        }
        if state.failing_reads > 0 {
            state.failing_reads -= 1;
            return Err(ReadFailure::Storage("on demand".to_owned()));
        }
        let mut bytes = BytesMut::new();
        for (_, batch) in state.durable.iter().filter(|(last, _)| *last >= from).take(2) {
            bytes.extend_from_slice(batch);
        }
        Ok(bytes.freeze())
    }

    async fn confirm(&self, partition: u32, term: Term) -> bool {
        self.term(partition) == Some(term)
    }
}
