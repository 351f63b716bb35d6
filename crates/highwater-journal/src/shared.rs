//! A journal of many optimistic writers: the cluster's metadata.
//!
//! Same names and snapshots as [`crate::snapshot`], no fences: whoever creates the next number has
//! committed it, the others read what won and decide again. One put is in flight at a time, so
//! there are no holes. The proof rule is the leader's: a writer that slept reads the newest
//! snapshot's name again before it believes that it created anything.

use std::sync::Arc;

use bytes::Bytes;
use highwater_env::{Env, Instant};
use highwater_format::entry::{EntryHeader, EntryKind, payload_crc};
use highwater_store::{Body, Store, StoreError, StoreErrorKind};
use highwater_types::Incarnation;

use crate::driver::JournalOptions;
use crate::driver::found::{EntryRef, Found};
use crate::driver::headers::Headers;
use crate::driver::retry::pause;
use crate::driver::sweep::Swept;
use crate::driver::trims::TrimSource;
use crate::error::SharedError;
use crate::machine::{Author, Command, Epochs, Event, PutOrder, PutOutcome, Rules, Shared, TrimPoint};
use crate::snapshot::{EDIT_LIMIT, Snapshot, SnapshotJournal};

/// How often opening begins again because a newer snapshot overtook it.
const OVERTAKEN: u32 = 5;

/// See the module. One writer; `&mut` because it has one position.
pub struct SharedJournal {
    files: SnapshotJournal,
    author: Author,
    machine: Shared,
    headers: Headers,
    /// Others' entries walked over by a pass that has not returned them yet.
    found: Vec<(EntryRef, Option<Bytes>)>,
    /// When the present entry was first sent.
    first_sent: Instant,
    attempts: u32,
}

/// What an opened journal holds.
#[derive(Clone, Debug)]
pub struct Opened {
    /// The newest snapshot, if there is any.
    pub snapshot: Option<Snapshot>,
    /// Entries behind it: number and payload, in order.
    pub entries: Vec<(u64, Bytes)>,
}

enum Pass {
    End,
    Committed(u64),
}

impl SharedJournal {
    /// Opens the journal under `options.prefix` (whose window is not used) and reads it to its end.
    ///
    /// # Errors
    /// [`SharedError::Store`] or [`SharedError::Corrupt`].
    pub async fn open(
        env: Env,
        store: Arc<dyn Store>,
        incarnation: Incarnation,
        options: JournalOptions,
    ) -> Result<(Self, Opened), SharedError> {
        let files = SnapshotJournal::with(env, store, incarnation, options, Epochs::Unfenced);
        for _ in 0..OVERTAKEN {
            let (snapshot, date) = files.latest().await?;
            let from = snapshot.as_ref().map_or(TrimPoint::GENESIS, |snapshot| snapshot.point);
            let author = files.log.author();
            let mut machine = Shared::new(from, author, files.log.proof_ms(), Rules::in_force());
            machine.handle(files.log.now(), &Event::Prove { date: date.0 }, &mut Vec::new());
            let mut headers = Headers::default();
            headers.restart(from.number, true);
            let first_sent = files.log.shared.env.now();
            let mut journal =
                Self { files: files.clone(), author, machine, headers, found: Vec::new(), first_sent, attempts: 0 };
            match journal.catch_up().await {
                Ok(entries) => return Ok((journal, Opened { snapshot, entries })),
                Err(SharedError::Trimmed) => {}
                Err(error) => return Err(error),
            }
        }
        Err(SharedError::Trimmed)
    }

    /// The number that an entry appended now would get.
    #[must_use]
    pub fn next(&self) -> u64 {
        self.machine.position().number
    }

    /// What others have appended since the last call, in order. May be cancelled.
    ///
    /// # Errors
    /// [`SharedError`], never `Conflict`.
    pub async fn catch_up(&mut self) -> Result<Vec<(u64, Bytes)>, SharedError> {
        self.machine.abandon();
        self.run(&Event::Poll, None).await?;
        self.take_found().await
    }

    /// Appends at the next number. If it is cancelled the entry may be written, now or later; it is
    /// then met as another's.
    ///
    /// # Errors
    /// [`SharedError::Conflict`] with what came first: nothing of ours was written.
    pub async fn try_append(&mut self, payload: Bytes) -> Result<u64, SharedError> {
        if payload.len() as u64 > EDIT_LIMIT {
            return Err(SharedError::TooLarge(format!("an entry of {} bytes, at most {EDIT_LIMIT}", payload.len())));
        }
        self.machine.abandon();
        // Of a pass that was cancelled: they come first.
        if !self.found.is_empty() {
            self.run(&Event::Poll, None).await?;
            return Err(SharedError::Conflict(self.take_found().await?));
        }
        self.first_sent = self.files.log.shared.env.now();
        self.attempts = 0;
        match self.run(&Event::Append, Some(&payload)).await? {
            Pass::Committed(number) => Ok(number),
            Pass::End => Err(SharedError::Conflict(self.take_found().await?)),
        }
    }

    /// Puts the state after all entries below `number`, which must not be above [`Self::next`].
    ///
    /// # Errors
    /// [`SharedError::Store`].
    pub async fn write_snapshot(&self, number: u64, bytes: Bytes) -> Result<(), SharedError> {
        let point = TrimPoint { number: number.min(self.next()), ..TrimPoint::GENESIS };
        Ok(self.files.write_snapshot(point, Body::from(bytes)).await?)
    }

    /// As [`SnapshotJournal::sweep`].
    ///
    /// # Errors
    /// [`SharedError::Store`] or [`SharedError::Corrupt`].
    pub async fn sweep(&self, limit: usize) -> Result<Swept, SharedError> {
        Ok(self.files.sweep(limit).await?)
    }

    async fn take_found(&mut self) -> Result<Vec<(u64, Bytes)>, SharedError> {
        // Taken only when all payloads are there: a failed read may be tried again.
        let payloads = self.files.payloads(self.found.clone()).await?;
        self.found.clear();
        Ok(payloads.into_iter().map(|(entry, bytes)| (entry.number, bytes)).collect())
    }

    async fn run(&mut self, event: &Event, payload: Option<&Bytes>) -> Result<Pass, SharedError> {
        let mut commands = Vec::new();
        self.machine.handle(self.files.log.now(), event, &mut commands);
        loop {
            let mut event = None;
            for command in std::mem::take(&mut commands) {
                match command {
                    Command::ReadTrim => {
                        let shared = &self.files.log.shared;
                        let sent = shared.env.now();
                        let (point, date) = self.files.newest().await?;
                        event = Some(Event::Trim { point, date: shared.clock.observe(date, sent) });
                    }
                    Command::ReadHeader { number } => {
                        let found = self.headers.get(&self.files.log, number).await?;
                        let seen = found.map(Found::seen).transpose().map_err(SharedError::Corrupt)?;
                        event = Some(Event::Header { number, seen });
                    }
                    Command::Put(order) => event = Some(self.put(order, payload.cloned().unwrap_or_default()).await?),
                    Command::Entry { .. } => {
                        let found = self.headers.last().map(|found| (found.entry(), found.payload.clone()));
                        self.found.extend(found);
                    }
                    Command::Committed { number } => return Ok(Pass::Committed(number)),
                    Command::AtEnd => return Ok(Pass::End),
                    Command::Trimmed { .. } => return Err(SharedError::Trimmed),
                    Command::Halt(corruption) => return Err(SharedError::Corrupt(corruption)),
                    Command::Begin { .. } | Command::Lead(_) | Command::Lost { .. } | Command::StepDown { .. } => {}
                }
            }
            // After Trimmed or Halt the machine says nothing more.
            let Some(event) = event else {
                return Err(SharedError::Trimmed);
            };
            self.machine.handle(self.files.log.now(), &event, &mut commands);
        }
    }

    /// One attempt, or the pause before the next.
    async fn put(&mut self, order: PutOrder, payload: Bytes) -> Result<Event, SharedError> {
        let shared = &self.files.log.shared;
        let number = order.number;
        let name = self.files.log.name(number);
        let header = EntryHeader {
            kind: EntryKind::Data,
            number,
            epoch: order.epoch,
            window: order.window,
            incarnation: self.author.incarnation,
            put_id: order.put_id,
            payload_len: payload.len() as u64,
            payload_crc: Some(payload_crc([&payload])),
            attributes: Bytes::new(),
        };
        let (front, _) = header.encode().map_err(|error| SharedError::TooLarge(error.to_string()))?;
        let sent = shared.env.now();
        let left = shared.options.put_deadline.saturating_sub(sent.since(self.first_sent));
        let body = Body::from(vec![front, payload]);
        let failed = match shared.env.timeout(left, shared.store.create(&name, body)).await {
            Ok(Ok(put)) => {
                let outcome = PutOutcome::Created { date: shared.clock.observe(put.date, sent) };
                return Ok(Event::Put { number, outcome });
            }
            Ok(Err(error)) if error.kind == StoreErrorKind::AlreadyExists => {
                return Ok(Event::Put { number, outcome: PutOutcome::Exists });
            }
            Ok(Err(error)) if !error.kind.is_transient() => return Err(error.into()),
            Ok(Err(error)) => error,
            Err(_) => StoreError::new(StoreErrorKind::Unknown, name, "no answer to the put before the deadline"),
        };
        if shared.env.now().since(self.first_sent) >= shared.options.put_deadline {
            return Err(failed.into());
        }
        self.attempts += 1;
        shared.env.sleep(pause(&shared.env, self.attempts)).await;
        Ok(match failed.kind {
            StoreErrorKind::Unknown => Event::Put { number, outcome: PutOutcome::Unknown },
            _ => Event::Resend { number },
        })
    }
}
