//! The metadata journal in a bucket: `meta/log/` and `meta/snap/`.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use highwater_env::Env;
use highwater_journal::{JournalOptions, Opened, SharedError, SharedJournal};
use highwater_store::{Store, StoreErrorKind};
use highwater_types::Incarnation;

use super::{AppendFailure, MetaJournal, Update};
use crate::errors::JournalFailure;

/// Where the metadata lives in every bucket.
const PREFIX: &str = "meta";
/// Objects that one sweep deletes at most.
const SWEEP_LIMIT: usize = 1_000;
/// Reopenings in one call, before it is given up: each means that the journal was trimmed past
/// this reader while it read.
const REOPEN_LIMIT: usize = 3;

/// A place in the journal of a bucket. It opens the journal at the first call, and again whenever
/// it has been asleep for so long that entries it has not read are gone.
pub struct SharedMetaJournal {
    env: Env,
    store: Arc<dyn Store>,
    incarnation: Incarnation,
    gc_grace: Duration,
    journal: Option<SharedJournal>,
}

impl SharedMetaJournal {
    /// Does nothing yet. `gc_grace` is how long what was trimmed outlives its trim.
    pub fn new(env: Env, store: Arc<dyn Store>, incarnation: Incarnation, gc_grace: Duration) -> Self {
        Self { env, store, incarnation, gc_grace, journal: None }
    }

    async fn open(&mut self) -> Result<Vec<Update>, SharedError> {
        let options = JournalOptions::new(PREFIX).with_gc_grace(self.gc_grace);
        let (journal, Opened { snapshot, entries }) =
            SharedJournal::open(self.env.clone(), Arc::clone(&self.store), self.incarnation, options).await?;
        self.journal = Some(journal);
        let snapshot = snapshot.map(|snapshot| Update::Snapshot { next: snapshot.point.number, bytes: snapshot.bytes });
        Ok(snapshot.into_iter().chain(as_updates(entries)).collect())
    }

    /// One pass: what is new since the last, or everything from the newest snapshot.
    async fn read(&mut self) -> Result<Vec<Update>, SharedError> {
        match &mut self.journal {
            None => self.open().await,
            Some(journal) => match journal.catch_up().await {
                Err(SharedError::Trimmed) => {
                    self.journal = None;
                    self.open().await
                }
                read => read.map(as_updates),
            },
        }
    }
}

fn as_updates(entries: Vec<(u64, Bytes)>) -> Vec<Update> {
    entries.into_iter().map(|(number, bytes)| Update::Entry { number, bytes }).collect()
}

fn failure(error: SharedError) -> JournalFailure {
    match error {
        SharedError::Store(error) if error.kind == StoreErrorKind::Damaged => {
            JournalFailure::Corrupt(error.to_string())
        }
        SharedError::Store(error) => JournalFailure::Store(error),
        SharedError::Corrupt(corruption) => {
            JournalFailure::Corrupt(format!("{PREFIX}/log/{:020}: {corruption}", corruption.number()))
        }
        other => JournalFailure::Corrupt(other.to_string()),
    }
}

#[async_trait]
impl MetaJournal for SharedMetaJournal {
    async fn catch_up(&mut self) -> Result<Vec<Update>, JournalFailure> {
        for _ in 1..REOPEN_LIMIT {
            match self.read().await {
                Err(SharedError::Trimmed) => {}
                read => return read.map_err(failure),
            }
        }
        self.read().await.map_err(failure)
    }

    async fn append(&mut self, entry: Bytes) -> Result<u64, AppendFailure> {
        let Some(journal) = &mut self.journal else {
            // Not open: what there is has won, whatever it is.
            return Err(AppendFailure::Conflict(self.catch_up().await.map_err(AppendFailure::Failed)?));
        };
        match journal.try_append(entry).await {
            Ok(number) => Ok(number),
            Err(SharedError::Conflict(won)) => Err(AppendFailure::Conflict(as_updates(won))),
            Err(SharedError::Trimmed) => {
                self.journal = None;
                Err(AppendFailure::Conflict(self.catch_up().await.map_err(AppendFailure::Failed)?))
            }
            Err(error) => Err(AppendFailure::Failed(failure(error))),
        }
    }

    async fn write_snapshot(&mut self, next: u64, state: Bytes) -> Result<(), JournalFailure> {
        match &self.journal {
            Some(journal) => journal.write_snapshot(next, state).await.map_err(failure),
            None => Ok(()),
        }
    }

    async fn sweep(&mut self) -> Result<(), JournalFailure> {
        match &self.journal {
            Some(journal) => journal.sweep(SWEEP_LIMIT).await.map(drop).map_err(failure),
            None => Ok(()),
        }
    }

    fn entry_name(&self, number: u64) -> String {
        format!("{PREFIX}/log/{number:020}")
    }

    fn snapshot_name(&self, next: u64) -> String {
        format!("{PREFIX}/snap/{:020}", u64::MAX - next)
    }
}
