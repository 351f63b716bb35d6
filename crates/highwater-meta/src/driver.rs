//! The one task of a broker that reads and writes the metadata journal.
//!
//! Requests that wait together are planned on one draft and written as one entry. If another broker
//! took the number, what won is applied and everything is planned again. The state that others see
//! is replaced only when an entry is durable.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use bytes::Bytes;
use futures::future::{Either, select};
use highwater_env::{Env, watch};
use tokio::sync::{mpsc, oneshot};

use crate::apply::apply;
use crate::draft::Draft;
use crate::edit;
use crate::errors::{JournalFailure, MetaError};
use crate::journal::{AppendFailure, MetaJournal, Update};
use crate::operations::{FoundCluster, Operation};
use crate::queue::{Queued, Request};
use crate::snapshot;
use crate::state::{ClusterState, Local};
use crate::uuid_text;

/// A snapshot is written after so many entries: it bounds what a start has to read.
const SNAPSHOT_ENTRIES: u64 = 256;
/// Or when the entries since the last one are larger than it, and than this many bytes.
const SNAPSHOT_BYTES: usize = 256 * 1024;
/// After a failed snapshot, so many further entries pass before the next try.
const SNAPSHOT_RETRY_ENTRIES: u64 = 16;
/// Conflicts in a row before callers are told to come again.
const ATTEMPTS: u32 = 64;
/// Longest pause before another attempt, milliseconds; it grows from 1 ms with each conflict.
const PAUSE_MAX_MS: u64 = 256;

/// What readers see.
pub(crate) struct Shared {
    pub(crate) state: ArcSwap<ClusterState>,
    pub(crate) version: watch::Sender<u64>,
}

/// See the module.
pub(crate) struct Driver {
    env: Env,
    journal: Box<dyn MetaJournal>,
    shared: Arc<Shared>,
    local: Arc<Local>,
    poll_interval: Option<Duration>,
    /// The last catch-up or append failed: catch up before anything else.
    stale: bool,
    /// The journal cannot be understood; only an operator can help.
    poisoned: Option<MetaError>,
    snapshots: SnapshotPace,
}

/// When the next snapshot is due.
#[derive(Default)]
struct SnapshotPace {
    entries: u64,
    bytes: usize,
    last_bytes: usize,
}

impl SnapshotPace {
    fn entry(&mut self, bytes: usize) {
        self.entries += 1;
        self.bytes += bytes;
    }

    fn written(&mut self, bytes: usize) {
        *self = Self { entries: 0, bytes: 0, last_bytes: bytes };
    }

    fn failed(&mut self) {
        self.entries = SNAPSHOT_ENTRIES.saturating_sub(SNAPSHOT_RETRY_ENTRIES);
        self.bytes = 0;
    }

    fn is_due(&self) -> bool {
        self.entries >= SNAPSHOT_ENTRIES || self.bytes > self.last_bytes.max(SNAPSHOT_BYTES)
    }
}

impl Driver {
    /// Reads the journal to its end, and writes the first entry if there is none.
    pub(crate) async fn open(
        env: Env,
        journal: Box<dyn MetaJournal>,
        local: Arc<Local>,
        shards: u32,
        poll_interval: Option<Duration>,
    ) -> Result<(Self, Arc<Shared>), MetaError> {
        let empty = ClusterState::empty(Arc::clone(&local));
        let shared = Arc::new(Shared { state: ArcSwap::from_pointee(empty), version: watch::Sender::new(0) });
        let mut driver = Self {
            env,
            journal,
            shared: Arc::clone(&shared),
            local,
            poll_interval,
            stale: true,
            poisoned: None,
            snapshots: SnapshotPace::default(),
        };
        driver.catch_up().await?;
        let found = FoundCluster { shards, cluster_id: uuid_text::random(&*driver.env.random) };
        driver.commit_one(&found).await??;
        let state = shared.state.load();
        if state.shards != shards {
            tracing::info!(
                shards = state.shards,
                asked = shards,
                "the cluster keeps the number of shards it was founded with"
            );
        }
        Ok((driver, shared))
    }

    /// Serves requests until told to close, or until every client has gone.
    pub(crate) async fn run(mut self, mut requests: mpsc::Receiver<Request>) {
        loop {
            let Some(wake) = next(&self.env.clone(), self.poll_interval, &mut requests).await else {
                break;
            };
            let Some(first) = wake else {
                if let Err(error) = self.catch_up().await {
                    tracing::warn!(%error, "cannot read cluster metadata");
                }
                continue;
            };
            let mut batch = Batch::default();
            batch.add(first);
            while let Ok(request) = requests.try_recv() {
                batch.add(request);
            }
            self.serve(&mut batch).await;
            if batch.close {
                break;
            }
        }
        requests.close();
        while let Ok(request) = requests.try_recv() {
            match request {
                Request::Change(change) => change.fail(&MetaError::Closed),
                Request::Refresh(reply) => drop(reply.send(Err(MetaError::Closed))),
                Request::Close => {}
            }
        }
    }

    async fn serve(&mut self, batch: &mut Batch) {
        if self.stale || !batch.refreshes.is_empty() {
            let read = self.catch_up().await;
            for reply in batch.refreshes.drain(..) {
                let _ = reply.send(read.clone());
            }
        }
        let mut rest = std::mem::take(&mut batch.changes);
        while !rest.is_empty() {
            rest = self.commit(rest).await;
        }
    }

    /// Commits as many of these as fit into one entry and answers them; gives the others back.
    async fn commit(&mut self, mut waiting: Vec<Box<dyn Queued>>) -> Vec<Box<dyn Queued>> {
        let mut planned = 0;
        let written = self
            .write(&mut |draft| {
                planned = 0;
                for change in &mut waiting {
                    if draft.is_full() {
                        break;
                    }
                    change.plan(draft);
                    planned += 1;
                }
            })
            .await;
        let rest = waiting.split_off(planned);
        match written {
            Ok(()) => waiting.into_iter().for_each(Queued::answer),
            Err(error) => {
                // What was not planned fails for the same reason.
                for change in waiting.into_iter().chain(rest) {
                    change.fail(&error);
                }
                return Vec::new();
            }
        }
        self.snapshot_if_due().await;
        rest
    }

    /// Commits one operation of the driver's own.
    async fn commit_one<O: Operation + Sync>(&mut self, operation: &O) -> Result<O::Answer, MetaError> {
        let mut answer = None;
        self.write(&mut |draft| answer = Some(operation.plan(draft))).await?;
        Ok(answer.unwrap_or_else(|| operation.failed(&MetaError::Closed)))
    }

    /// Writes what `plan` drafts as one entry, planning again after each conflict. `Ok`: it is
    /// durable and published, or there was nothing to write.
    async fn write(&mut self, plan: &mut (dyn FnMut(&mut Draft) + Send)) -> Result<(), MetaError> {
        if let Some(error) = &self.poisoned {
            return Err(error.clone());
        }
        if self.stale {
            self.catch_up().await?;
        }
        for attempt in 0..ATTEMPTS {
            let mut draft = Draft::new(ClusterState::clone(&self.shared.state.load()), Arc::clone(&self.env.random));
            plan(&mut draft);
            if draft.edits().is_empty() {
                return Ok(());
            }
            let entry = Bytes::from(edit::encode(draft.edits())?);
            let size = entry.len();
            match self.journal.append(entry).await {
                Ok(number) => return self.committed(draft.state, number, size),
                Err(AppendFailure::Conflict(won)) => self.ingest(won)?,
                Err(AppendFailure::Failed(failure)) => {
                    self.stale = true;
                    return Err(failure.into());
                }
            }
            let pause_ms = self.env.random.below(1 << attempt.min(8)).min(PAUSE_MAX_MS);
            self.env.sleep(Duration::from_millis(pause_ms)).await;
        }
        Err(MetaError::Contended { attempts: ATTEMPTS })
    }

    /// Our own entry is in.
    fn committed(&mut self, mut state: ClusterState, number: u64, size: usize) -> Result<(), MetaError> {
        if number != state.version {
            let error =
                JournalFailure::Corrupt(format!("an entry meant to be number {} became {number}", state.version));
            return Err(self.poison(error.into()));
        }
        state.version = number + 1;
        self.snapshots.entry(size);
        self.publish(state);
        Ok(())
    }

    /// Reads and applies what others wrote.
    async fn catch_up(&mut self) -> Result<(), MetaError> {
        if let Some(error) = &self.poisoned {
            return Err(error.clone());
        }
        match self.journal.catch_up().await {
            Ok(updates) => {
                self.stale = false;
                self.ingest(updates)
            }
            Err(failure) => {
                self.stale = true;
                Err(failure.into())
            }
        }
    }

    /// Applies what was read, and publishes it.
    fn ingest(&mut self, updates: Vec<Update>) -> Result<(), MetaError> {
        if updates.is_empty() {
            return Ok(());
        }
        let mut state = ClusterState::clone(&self.shared.state.load());
        for update in updates {
            if let Err(error) = self.ingest_one(&mut state, update) {
                return Err(self.poison(error));
            }
        }
        if state.version != self.shared.state.load().version {
            self.publish(state);
        }
        Ok(())
    }

    fn ingest_one(&mut self, state: &mut ClusterState, update: Update) -> Result<(), MetaError> {
        match update {
            Update::Snapshot { next, bytes } => {
                if next <= state.version {
                    return Ok(());
                }
                let object = self.journal.snapshot_name(next);
                let read = snapshot::decode(&object, &bytes, Arc::clone(&self.local))?;
                if read.version != next {
                    return Err(
                        JournalFailure::Corrupt(format!("{object} says that it is version {}", read.version)).into()
                    );
                }
                self.snapshots.written(bytes.len());
                *state = read;
            }
            Update::Entry { number, bytes } => {
                if number < state.version {
                    return Ok(());
                }
                let object = self.journal.entry_name(number);
                if number > state.version {
                    return Err(
                        JournalFailure::Corrupt(format!("{object} came without entry {}", state.version)).into()
                    );
                }
                for edit in edit::decode(&object, &bytes)? {
                    apply(state, &edit).map_err(|why| MetaError::Contradiction { object: object.clone(), why })?;
                }
                state.version = number + 1;
                self.snapshots.entry(bytes.len());
            }
        }
        Ok(())
    }

    fn publish(&self, state: ClusterState) {
        let version = state.version;
        self.shared.state.store(Arc::new(state));
        self.shared.version.send(version);
    }

    /// Nothing is read or written any more: the last good state stays.
    fn poison(&mut self, error: MetaError) -> MetaError {
        tracing::error!(%error, "cluster metadata cannot be understood; this broker changes nothing any more");
        self.poisoned = Some(error.clone());
        error
    }

    async fn snapshot_if_due(&mut self) {
        if !self.snapshots.is_due() {
            return;
        }
        let state = self.shared.state.load_full();
        let bytes = match snapshot::encode(&state) {
            Ok(bytes) => Bytes::from(bytes),
            Err(error) => {
                tracing::warn!(%error, "cannot encode a snapshot of the cluster metadata");
                return self.snapshots.failed();
            }
        };
        let size = bytes.len();
        match self.journal.write_snapshot(state.version, bytes).await {
            Ok(()) => self.snapshots.written(size),
            Err(error) => {
                tracing::warn!(%error, "cannot write a snapshot of the cluster metadata");
                return self.snapshots.failed();
            }
        }
        if let Err(error) = self.journal.sweep().await {
            tracing::warn!(%error, "cannot delete old cluster metadata");
        }
    }
}

/// The next request; `Some(None)` when it is time to poll; `None` when there are no clients.
async fn next(
    env: &Env,
    poll_interval: Option<Duration>,
    requests: &mut mpsc::Receiver<Request>,
) -> Option<Option<Request>> {
    let Some(interval) = poll_interval else {
        return requests.recv().await.map(Some);
    };
    let receive = requests.recv();
    futures::pin_mut!(receive);
    match select(receive, env.sleep(interval)).await {
        Either::Left((request, _)) => request.map(Some),
        Either::Right(((), _)) => Some(None),
    }
}

/// Requests that are served together.
#[derive(Default)]
struct Batch {
    changes: Vec<Box<dyn Queued>>,
    refreshes: Vec<oneshot::Sender<Result<(), MetaError>>>,
    close: bool,
}

impl Batch {
    fn add(&mut self, request: Request) {
        match request {
            Request::Change(change) => self.changes.push(change),
            Request::Refresh(reply) => self.refreshes.push(reply),
            Request::Close => self.close = true,
        }
    }
}
