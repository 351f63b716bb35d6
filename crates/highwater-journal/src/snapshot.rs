//! A journal that carries whole states now and then: a shard's manifest.
//!
//! ```text
//!  {prefix}/log/{N:020}              the chain: edits and fences
//!  {prefix}/snap/{u64::MAX - N:020}  the state after all entries below N, and the chain's position there
//! ```
//!
//! Names of snapshots descend, so one LIST with one name finds the newest. The newest snapshot is
//! the log's trim point: what lies below it is left behind from the moment that it was put.
//! Its fences carry the epoch that the owner won in the write-ahead journal ([`Claim::Exactly`]).
//!
//! A snapshot is a function of the chain's prefix, so it does not matter who writes it, or twice;
//! it needs no fence of its own.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use futures::StreamExt;
use highwater_env::Env;
use highwater_format::entry::{EntryHeader, EntryKind, PROBE_LEN, payload_crc};
use highwater_store::{Body, BucketTime, Object, ReadRange, Store, StoreError, StoreErrorKind};
use highwater_types::{Epoch, Incarnation, PutId};
use parking_lot::Mutex;

use crate::driver::clock::BucketClock;
use crate::driver::found::{EntryRef, FenceRef, Found};
use crate::driver::headers::number_of;
use crate::driver::sweep::Swept;
use crate::driver::take_over::TakenOver;
use crate::driver::trims::TrimSource;
use crate::driver::{Journal, JournalOptions, check_payload};
use crate::error::{TakeOverError, WalkError};
use crate::machine::{Claim, Corruption, Epochs, Kind, TrimPoint};

/// Bytes fetched with an edit's header: most edits come whole with one read.
const EDIT_PROBE: u64 = 32 * 1024;
/// The largest edit.
pub const EDIT_LIMIT: u64 = 16 << 20;
/// The largest snapshot.
pub const SNAPSHOT_LIMIT: u64 = 1 << 30;
/// Payloads read at once.
const AT_ONCE: usize = 16;
/// How often a read that was overtaken by a newer snapshot and its sweep begins again.
const OVERTAKEN: u32 = 5;

/// See the module. A cheap handle.
#[derive(Clone)]
pub struct SnapshotJournal {
    pub(crate) log: Journal,
    snapshots: String,
}

/// A whole state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    /// The object.
    pub name: String,
    /// The position on the chain whose prefix it is the state of.
    pub point: TrimPoint,
    /// The state.
    pub bytes: Bytes,
    /// When it was put.
    pub modified: BucketTime,
}

/// The newest snapshot and what the chain holds behind it.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// The newest snapshot, if there is any.
    pub snapshot: Option<Snapshot>,
    /// Edits behind it, in order.
    pub edits: Vec<(EntryRef, Bytes)>,
    /// Fences behind it, in order.
    pub fences: Vec<FenceRef>,
    /// Where the chain ends at present.
    pub end: TrimPoint,
    /// A proof: everything committed before this date is in `snapshot` and `edits`.
    pub date: BucketTime,
}

/// A manifest that was taken over. Its state is final.
pub struct SnapshotTakenOver {
    /// The newest snapshot, if there is any.
    pub snapshot: Option<Snapshot>,
    /// Edits behind it, in order.
    pub edits: Vec<(EntryRef, Bytes)>,
    /// The writer, our fence, and what it ended.
    pub taken: TakenOver,
}

impl SnapshotJournal {
    /// A journal under `options.prefix`. Nothing is read or written yet.
    #[must_use]
    pub fn new(env: Env, store: Arc<dyn Store>, incarnation: Incarnation, options: JournalOptions) -> Self {
        Self::with(env, store, incarnation, options, Epochs::Claimed)
    }

    pub(crate) fn with(
        env: Env,
        store: Arc<dyn Store>,
        incarnation: Incarnation,
        mut options: JournalOptions,
        epochs: Epochs,
    ) -> Self {
        let snapshots = format!("{}/snap/", options.prefix);
        options.prefix.push_str("/log");
        let clock = Arc::new(BucketClock::new(env.clone()));
        let log = Journal::with(env, store, incarnation, options, clock, epochs, EDIT_PROBE);
        Self { log, snapshots }
    }

    /// The chain of edits.
    #[must_use]
    pub const fn log(&self) -> &Journal {
        &self.log
    }

    /// The name of the snapshot of everything below `number`.
    #[must_use]
    pub fn snapshot_name(&self, number: u64) -> String {
        format!("{}{:020}", self.snapshots, u64::MAX - number)
    }

    fn number_of_snapshot(&self, name: &str) -> Option<u64> {
        number_of(&self.snapshots, name).map(|number| u64::MAX - number)
    }

    /// The newest snapshot, with the date of the LIST that showed it: nothing was trimmed beyond it
    /// then. One LIST and one read.
    ///
    /// # Errors
    /// [`WalkError::Store`] or [`WalkError::Corrupt`].
    pub async fn latest(&self) -> Result<(Option<Snapshot>, BucketTime), WalkError> {
        for _ in 0..OVERTAKEN {
            let (newest, date) = self.newest_name().await?;
            let Some((number, object)) = newest else {
                return Ok((None, date));
            };
            if let Some(snapshot) = self.read_snapshot(number, &object.name).await? {
                return Ok((Some(snapshot), date));
            }
        }
        Err(self.overtaken().into())
    }

    async fn newest_name(&self) -> Result<(Option<(u64, Object)>, BucketTime), WalkError> {
        let shared = &self.log.shared;
        let sent = shared.env.now();
        let page = shared.store.list(&self.snapshots, None, 1).await?;
        let date = BucketTime(shared.clock.observe(page.date, sent));
        let Some(object) = page.objects.into_iter().next() else {
            return Ok((None, date));
        };
        let Some(number) = self.number_of_snapshot(&object.name) else {
            return Err(self.invalid(&object.name, "not the name of a snapshot").into());
        };
        Ok((Some((number, object)), date))
    }

    /// `None` if it was deleted meanwhile.
    async fn read_snapshot(&self, number: u64, name: &str) -> Result<Option<Snapshot>, WalkError> {
        let shared = &self.log.shared;
        let sent = shared.env.now();
        let read = match shared.store.read(name, ReadRange::All { limit: SNAPSHOT_LIMIT }, None).await {
            Ok(read) => read,
            Err(error) if error.kind == StoreErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        shared.clock.observe(read.date, sent);
        let damaged = |corruption: Corruption| damaged(name, &corruption);
        let found = Found::decode(number, name.to_owned(), read).map_err(damaged)?;
        let point = snapshot_point(&found).map_err(damaged)?;
        let bytes = found.payload.unwrap_or_default();
        check_payload(number, found.header.payload_crc, &bytes).map_err(damaged)?;
        Ok(Some(Snapshot { name: name.to_owned(), point, bytes, modified: found.modified }))
    }

    /// The newest snapshot and all edits behind it. One LIST and one read for the snapshot, one
    /// LIST and one read each for the edits. `date` makes it good as a [`TrimSource`] of a journal
    /// whose trim point is kept in this one.
    ///
    /// # Errors
    /// [`WalkError::Store`] or [`WalkError::Corrupt`].
    pub async fn load(&self) -> Result<Loaded, WalkError> {
        for _ in 0..OVERTAKEN {
            let (snapshot, date) = self.latest().await?;
            let from = snapshot.as_ref().map_or(TrimPoint::GENESIS, |snapshot| snapshot.point);
            let mut tail = self.log.tail(Arc::new(self.clone()), from).listing();
            tail.prove(date);
            let found = match tail.advance_found().await {
                Ok(found) => found,
                Err(WalkError::Trimmed { .. }) => continue,
                Err(error) => return Err(error),
            };
            let mut fences = Vec::new();
            let mut entries = Vec::new();
            for found in found {
                match found.seen()?.kind {
                    Kind::Data => entries.push((found.entry(), found.payload)),
                    Kind::Fence => fences.push(found.fence()),
                }
            }
            let edits = self.payloads(entries).await?;
            return Ok(Loaded { snapshot, edits, fences, end: tail.position(), date });
        }
        Err(self.overtaken().into())
    }

    /// Payloads of edits, in order; those that came with their header are not read again.
    pub(crate) async fn payloads(
        &self,
        entries: Vec<(EntryRef, Option<Bytes>)>,
    ) -> Result<Vec<(EntryRef, Bytes)>, WalkError> {
        let mut edits = Vec::with_capacity(entries.len());
        let mut reads = futures::stream::iter(entries)
            .map(|(entry, payload)| async move {
                let bytes = match payload {
                    Some(bytes) => check_payload(entry.number, entry.payload_crc, &bytes).map(|()| bytes)?,
                    None => self.log.read_all(&entry, EDIT_LIMIT).await?,
                };
                Ok::<_, WalkError>((entry, bytes))
            })
            .buffered(AT_ONCE);
        while let Some(edit) = reads.next().await {
            edits.push(edit?);
        }
        Ok(edits)
    }

    /// Becomes the owner, by the epoch won in the write-ahead journal. After it, nobody whose
    /// epoch there is lower commits an edit.
    ///
    /// # Errors
    /// As [`Journal::take_over`]; [`TakeOverError::Lost`] also when an equal or higher epoch owns
    /// it: then the leadership of the write-ahead journal is over, too. After
    /// [`TakeOverError::Store`] our fence may stand, and `wal_epoch` would then meet itself: begin
    /// again with the write-ahead journal.
    pub async fn take_over(&self, wal_epoch: Epoch, attributes: Bytes) -> Result<SnapshotTakenOver, TakeOverError> {
        let trims: Arc<Remembering> = Arc::new(Remembering { journal: self.clone(), last: Mutex::new(None) });
        let taken = self.log.take_over(trims.clone(), Claim::Exactly(wal_epoch), attributes).await?;
        let name = trims.last.lock().take();
        let snapshot = match name {
            None => None,
            Some((number, name)) => {
                let snapshot = self.read_snapshot(number, &name).await?;
                // It is the newest, or was a moment ago: a grace has not passed.
                Some(snapshot.ok_or_else(|| self.overtaken())?)
            }
        };
        let entries = taken.chain.iter().map(|entry| (entry.clone(), None)).collect();
        let edits = self.payloads(entries).await?;
        Ok(SnapshotTakenOver { snapshot, edits, taken })
    }

    /// Puts the state after all entries below `point`, a position that the writer has committed.
    /// One PUT. From now on the log below it is left behind. Fine if it exists.
    ///
    /// # Errors
    /// [`WalkError::Store`]; with `Unknown` it may have been put; trying again is safe.
    pub async fn write_snapshot(&self, point: TrimPoint, bytes: Body) -> Result<(), WalkError> {
        let shared = &self.log.shared;
        if point.number == 0 || bytes.len() > SNAPSHOT_LIMIT {
            let detail = format!("a snapshot of {} bytes below number {}", bytes.len(), point.number);
            return Err(self.invalid(&self.snapshots, &detail).into());
        }
        let header = EntryHeader {
            kind: EntryKind::Snapshot,
            number: point.number,
            epoch: point.epoch,
            window: point.window,
            incarnation: shared.incarnation,
            put_id: PutId(shared.env.random.next_u64()),
            payload_len: bytes.len(),
            payload_crc: Some(payload_crc(bytes.chunks())),
            attributes: Bytes::new(),
        };
        let name = self.snapshot_name(point.number);
        let (front, _) = header.encode().map_err(|error| self.invalid(&name, &error.to_string()))?;
        let body: Body = std::iter::once(front).chain(bytes.chunks().iter().cloned()).collect();
        let sent = shared.env.now();
        match shared.store.create(&name, body).await {
            Ok(put) => {
                shared.clock.observe(put.date, sent);
                Ok(())
            }
            Err(error) if error.kind == StoreErrorKind::AlreadyExists => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Deletes log entries and snapshots that a snapshot left behind for `gc.grace` and a tenth; at
    /// most `limit` (at most 1,000) of each. The newest snapshot always stays.
    ///
    /// # Errors
    /// [`WalkError::Store`] or [`WalkError::Corrupt`]; what was deleted stays deleted.
    pub async fn sweep(&self, limit: usize) -> Result<Swept, WalkError> {
        let shared = &self.log.shared;
        let limit = limit.clamp(1, 1000);
        let sent = shared.env.now();
        let page = shared.store.list(&self.snapshots, None, 1000).await?;
        shared.clock.observe(page.date, sent);
        // Newest first: the newest that is old enough has left everything below it behind.
        let settled = page.objects.iter().position(|object| self.log.grace_has_passed(object.modified, page.date));
        let Some(settled) = settled else {
            return Ok(Swept { deleted: 0, more: page.objects.len() > 1 });
        };
        let object = &page.objects[settled];
        let Some(number) = self.number_of_snapshot(&object.name) else {
            return Err(self.invalid(&object.name, "not the name of a snapshot").into());
        };
        let Some(found) = self.log.look_at(number, object.name.clone()).await? else {
            return Ok(Swept { deleted: 0, more: true });
        };
        let point = snapshot_point(&found)?;
        let log = self.log.sweep(point, object.modified, limit).await?;
        let older = page.objects[settled + 1..].iter().rev().map(|object| object.name.as_str());
        let older: Vec<&str> = older.take(limit).collect();
        self.log.delete_all(&older).await?;
        let more = log.more || page.more || settled > 0 || older.len() < page.objects.len() - settled - 1;
        Ok(Swept { deleted: log.deleted + older.len(), more })
    }

    fn overtaken(&self) -> StoreError {
        let detail = "snapshots are replaced faster than they can be read";
        StoreError::new(StoreErrorKind::Unavailable, &self.snapshots, detail)
    }

    fn invalid(&self, name: &str, detail: &str) -> StoreError {
        StoreError::new(StoreErrorKind::Invalid, name, detail)
    }
}

fn damaged(name: &str, corruption: &Corruption) -> StoreError {
    StoreError::new(StoreErrorKind::Damaged, name, corruption.to_string())
}

fn snapshot_point(found: &Found) -> Result<TrimPoint, Corruption> {
    let header = &found.header;
    if header.kind != EntryKind::Snapshot {
        let detail = "not a snapshot".into();
        return Err(Corruption::Unreadable { number: header.number, detail });
    }
    Ok(TrimPoint { number: header.number, epoch: header.epoch, window: header.window })
}

/// The trim point of the log: the newest snapshot. One LIST and one read of a header.
#[async_trait]
impl TrimSource for SnapshotJournal {
    async fn newest(&self) -> Result<(TrimPoint, BucketTime), StoreError> {
        let (_, point, date) = self.newest_point().await?;
        Ok((point, date))
    }
}

impl SnapshotJournal {
    async fn newest_point(&self) -> Result<(Option<(u64, String)>, TrimPoint, BucketTime), StoreError> {
        for _ in 0..OVERTAKEN {
            let (newest, date) = self.newest_name().await.map_err(|error| self.as_store_error(error))?;
            let Some((number, object)) = newest else {
                return Ok((None, TrimPoint::GENESIS, date));
            };
            let read = self.log.shared.store.read(&object.name, ReadRange::Bounded(0..PROBE_LEN), None).await;
            let read = match read {
                Ok(read) => read,
                Err(error) if error.kind == StoreErrorKind::NotFound => continue,
                Err(error) => return Err(error),
            };
            let found = Found::decode(number, object.name.clone(), read);
            let point = found.and_then(|found| snapshot_point(&found));
            let point = point.map_err(|corruption| damaged(&object.name, &corruption))?;
            return Ok((Some((number, object.name)), point, date));
        }
        Err(self.overtaken())
    }

    /// As who implements [`TrimSource`] over this must say it: corruption is
    /// [`StoreErrorKind::Damaged`], with the object's name.
    #[must_use]
    pub fn as_store_error(&self, error: WalkError) -> StoreError {
        match error {
            WalkError::Store(error) => error,
            WalkError::Corrupt(corruption) => damaged(&self.log.name(corruption.number()), &corruption),
            WalkError::Trimmed { .. } => self.overtaken(),
        }
    }
}

/// A trim source that remembers which snapshot it read last.
struct Remembering {
    journal: SnapshotJournal,
    last: Mutex<Option<(u64, String)>>,
}

#[async_trait]
impl TrimSource for Remembering {
    async fn newest(&self) -> Result<(TrimPoint, BucketTime), StoreError> {
        let (name, point, date) = self.journal.newest_point().await?;
        *self.last.lock() = name;
        Ok((point, date))
    }
}
