//! A journal in memory that several clients share, with faults, for tests and simulations.

use std::collections::VecDeque;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use highwater_store::{StoreError, StoreErrorKind};
use parking_lot::Mutex;

use super::{AppendFailure, MetaJournal, Update};
use crate::errors::JournalFailure;

/// What the next append, or catch-up, meets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The append takes effect and its answer is lost.
    LoseAnswer,
    /// The append does not take effect.
    LoseRequest,
    /// These entries get in first.
    Overtake(Vec<Bytes>),
    /// The catch-up fails.
    CatchUp,
}

#[derive(Default)]
struct Shared {
    entries: Vec<Bytes>,
    /// Entries below this number are gone.
    first: u64,
    snapshot: Option<(u64, Bytes)>,
    faults: VecDeque<Fault>,
    appends: usize,
}

/// The journal; clones are the same one.
#[derive(Clone, Default)]
pub struct MemoryJournal {
    shared: Arc<Mutex<Shared>>,
}

impl MemoryJournal {
    /// An empty one.
    pub fn new() -> Self {
        Self::default()
    }

    /// A client's place in it.
    pub fn place(&self) -> Box<dyn MetaJournal> {
        Box::new(MemoryPlace { shared: Arc::clone(&self.shared), next: 0 })
    }

    /// Lets the calls that come meet faults, in this order.
    pub fn inject(&self, fault: Fault) {
        self.shared.lock().faults.push_back(fault);
    }

    /// Number of entries ever written.
    pub fn len(&self) -> u64 {
        self.shared.lock().entries.len() as u64
    }

    /// Whether nothing was ever written.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Appends tried, conflicts included.
    pub fn appends(&self) -> usize {
        self.shared.lock().appends
    }

    /// Number of the newest snapshot.
    pub fn snapshot(&self) -> Option<u64> {
        self.shared.lock().snapshot.as_ref().map(|(next, _)| *next)
    }

    /// Forgets the entries that the newest snapshot holds.
    pub fn trim(&self) {
        let mut shared = self.shared.lock();
        shared.first = shared.snapshot.as_ref().map_or(0, |(next, _)| *next);
    }

    /// Writes raw bytes as the next entry, as a broken or newer broker would.
    pub fn push(&self, entry: Bytes) {
        self.shared.lock().entries.push(entry);
    }
}

struct MemoryPlace {
    shared: Arc<Mutex<Shared>>,
    next: u64,
}

fn broken(detail: &str) -> JournalFailure {
    JournalFailure::Store(StoreError::new(StoreErrorKind::Unknown, "meta/log", detail))
}

impl Shared {
    /// What a place at `next` has not read yet.
    fn since(&self, next: u64) -> Vec<Update> {
        let mut updates = Vec::new();
        let mut from = next;
        if let Some((at, bytes)) = &self.snapshot
            && (next == 0 || next < self.first)
            && *at > next
        {
            updates.push(Update::Snapshot { next: *at, bytes: bytes.clone() });
            from = *at;
        }
        let skip = usize::try_from(from).unwrap_or(usize::MAX);
        updates.extend(
            (from..)
                .zip(self.entries.iter().skip(skip))
                .map(|(number, bytes)| Update::Entry { number, bytes: bytes.clone() }),
        );
        updates
    }
}

#[async_trait]
impl MetaJournal for MemoryPlace {
    async fn catch_up(&mut self) -> Result<Vec<Update>, JournalFailure> {
        let mut shared = self.shared.lock();
        if shared.faults.front() == Some(&Fault::CatchUp) {
            shared.faults.pop_front();
            return Err(broken("injected"));
        }
        let updates = shared.since(self.next);
        self.next = shared.entries.len() as u64;
        Ok(updates)
    }

    async fn append(&mut self, entry: Bytes) -> Result<u64, AppendFailure> {
        let mut shared = self.shared.lock();
        shared.appends += 1;
        let fault = match shared.faults.front() {
            Some(Fault::CatchUp) | None => None,
            Some(_) => shared.faults.pop_front(),
        };
        match &fault {
            Some(Fault::LoseRequest) => return Err(AppendFailure::Failed(broken("request lost"))),
            Some(Fault::Overtake(entries)) => shared.entries.extend(entries.iter().cloned()),
            _ => {}
        }
        let end = shared.entries.len() as u64;
        if end != self.next {
            let won = shared.since(self.next);
            self.next = end;
            return Err(AppendFailure::Conflict(won));
        }
        shared.entries.push(entry);
        if fault == Some(Fault::LoseAnswer) {
            return Err(AppendFailure::Failed(broken("answer lost")));
        }
        self.next = end + 1;
        Ok(end)
    }

    async fn write_snapshot(&mut self, next: u64, state: Bytes) -> Result<(), JournalFailure> {
        let mut shared = self.shared.lock();
        if shared.snapshot.as_ref().is_none_or(|(at, _)| *at < next) {
            shared.snapshot = Some((next, state));
        }
        Ok(())
    }

    async fn sweep(&mut self) -> Result<(), JournalFailure> {
        Ok(())
    }

    fn entry_name(&self, number: u64) -> String {
        format!("meta/log/{number:020}")
    }

    fn snapshot_name(&self, next: u64) -> String {
        format!("meta/snap/{:020}", u64::MAX - next)
    }
}
