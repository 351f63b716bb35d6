//! The leader's handle: appends in, commits out in the order of the chain.
//!
//! ```text
//!  append ─► queue ─► Leader (machine) ─► attempts: put, hedge, retry ─► store
//!              ▲            │    ▲                        │
//!              └─ room ─────┘    └──────── answers ───────┘
//! ```
//!
//! All state is behind one lock that is held for one event at a time and never across an await;
//! whatever task brings an answer runs the machine and starts what it commands. The payload is
//! never copied: an object is the header's chunk followed by the payload's own.
//!
//! - `attempt`: one put of one number, with its hedge. - `latency`: when to hedge.

mod attempt;
mod flying;
mod latency;

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use highwater_env::Instant;
use highwater_env::watch;
use highwater_format::entry::ATTRIBUTES_LIMIT;
use highwater_store::{Body, BucketTime, Etag};
use highwater_types::Epoch;
use parking_lot::Mutex;
use tokio::sync::{Notify, Semaphore, oneshot};

use super::Journal;
use super::trims::TrimSource;
use crate::error::WriteError;
use crate::machine::{Author, Candidate, Command, Date, Event, Lead, Leader, PutOrder, TrimPoint};
use flying::{Flying, Landed, Queue, Queued};
use latency::Latency;

/// Entries queued beyond the window before `append` waits.
const QUEUE: usize = 16;

/// A committed entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Committed {
    /// Number on the chain.
    pub number: u64,
    /// Our epoch.
    pub epoch: Epoch,
    /// The object's name in the store.
    pub name: String,
    /// The object's version. `None` only when another's fence told that the entry is committed.
    pub etag: Option<Etag>,
    /// Bytes of the object.
    pub size: u64,
    /// Where the payload begins in the object.
    pub payload_at: u64,
    /// The bucket's date of the commit or, when that is not known, of when it was seen.
    pub date: BucketTime,
}

/// Appends to a journal that was taken over. A cheap handle. When the last one is dropped, entries
/// that were appended are still brought to their end.
#[derive(Clone)]
pub struct Writer {
    inner: Arc<Inner>,
}

/// Waits for one entry. Dropping it does not cancel the entry.
#[must_use = "an append is committed only when this resolves"]
pub struct Pending {
    answer: oneshot::Receiver<Result<Committed, WriteError>>,
}

impl Future for Pending {
    type Output = Result<Committed, WriteError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.answer).poll(cx).map(|answer| answer.unwrap_or(Err(WriteError::Closed)))
    }
}

struct Inner {
    journal: Journal,
    trims: Arc<dyn TrimSource>,
    author: Author,
    epoch: Epoch,
    window: u32,
    room: Arc<Semaphore>,
    core: Mutex<Core>,
    ended: watch::Sender<Option<WriteError>>,
    /// Told when nothing is queued or in flight.
    idle: Notify,
}

struct Core {
    leader: Leader,
    queue: Queue,
    latency: Latency,
    closed: bool,
}

/// Something to be done outside the lock.
enum Work {
    Prove,
    Look(u64),
    Attempt { order: PutOrder, body: Body, name: String, hedge: bool, first_sent: Instant, attempt: u32 },
}

impl Writer {
    pub(crate) fn lead(
        journal: Journal,
        trims: Arc<dyn TrimSource>,
        candidate: &Candidate,
        lead: &Lead,
        author: Author,
    ) -> Self {
        let leader = Leader::new(candidate, lead);
        let window = lead.start.window;
        let room = QUEUE + usize::try_from(window).unwrap_or(usize::MAX - QUEUE);
        let core = Core { leader, queue: Queue::default(), latency: Latency::default(), closed: false };
        let inner = Inner {
            journal,
            trims,
            author,
            epoch: lead.start.epoch,
            window,
            room: Arc::new(Semaphore::new(room)),
            core: Mutex::new(core),
            ended: watch::Sender::new(None),
            idle: Notify::new(),
        };
        Self { inner: Arc::new(inner) }
    }

    /// Appends an entry, whose put starts as soon as the window allows. Waits only for room in the
    /// queue (window + 16 entries that are not committed); entries are in the order in which the
    /// waiting ended. `payload_crc` is left out when the payload checks itself. `attributes`: at
    /// most 1,024 bytes.
    ///
    /// Store failures do not surface: the put is repeated, with the same bytes and put id, until
    /// its number is known to be ours or another's.
    ///
    /// # Errors
    /// [`WriteError`]; the entry was not sent. The errors of [`Pending`] are of the same type.
    pub async fn append(
        &self,
        payload: Body,
        payload_crc: Option<u32>,
        attributes: Bytes,
    ) -> Result<Pending, WriteError> {
        let Ok(permit) = self.inner.room.clone().acquire_owned().await else {
            return Err(self.why());
        };
        self.inner.push(payload, payload_crc, attributes, permit)
    }

    /// As `append`, but [`WriteError::Full`] instead of waiting.
    ///
    /// # Errors
    /// As `append`.
    pub fn try_append(
        &self,
        payload: Body,
        payload_crc: Option<u32>,
        attributes: Bytes,
    ) -> Result<Pending, WriteError> {
        match self.inner.room.clone().try_acquire_owned() {
            Ok(permit) => self.inner.push(payload, payload_crc, attributes, permit),
            Err(tokio::sync::TryAcquireError::NoPermits) => Err(WriteError::Full),
            Err(tokio::sync::TryAcquireError::Closed) => Err(self.why()),
        }
    }

    /// Our epoch.
    #[must_use]
    pub fn epoch(&self) -> Epoch {
        self.inner.epoch
    }

    /// The window of our epoch.
    #[must_use]
    pub fn window(&self) -> u32 {
        self.inner.window
    }

    /// The number that an entry appended now would get.
    #[must_use]
    pub fn next_number(&self) -> u64 {
        let core = self.inner.core.lock();
        core.leader.next() + u64::from(core.leader.queued())
    }

    /// The first number that is not known to be committed.
    #[must_use]
    pub fn committed_prefix(&self) -> u64 {
        self.point().number
    }

    /// The committed prefix as a trim point.
    #[must_use]
    pub fn point(&self) -> TrimPoint {
        self.inner.core.lock().leader.point()
    }

    /// The trim point just behind an entry that this writer has committed; `None` for any other
    /// number.
    #[must_use]
    pub fn point_after(&self, number: u64) -> Option<TrimPoint> {
        let core = self.inner.core.lock();
        let ours = core.leader.start().number..core.leader.point().number;
        ours.contains(&number).then(|| TrimPoint { number: number + 1, ..core.leader.start() })
    }

    /// The trim point just behind our fence: everything before our epoch.
    #[must_use]
    pub fn start(&self) -> TrimPoint {
        self.inner.core.lock().leader.start()
    }

    /// A fresher proof learnt elsewhere: the date of an accepted commit in a journal without whose
    /// leadership nobody can trim this one.
    pub fn prove(&self, date: BucketTime) {
        self.inner.drive(&Event::Prove { date: date.0 }, None);
    }

    /// Resolves when the leadership has ended: deposed, corrupt or closed. May be awaited by many.
    pub fn ended(&self) -> impl Future<Output = WriteError> + Send + use<> {
        let mut ended = self.inner.ended.subscribe();
        async move {
            match ended.wait_for(Option::is_some).await {
                Ok(why) => why.unwrap_or(WriteError::Closed),
                Err(_) => WriteError::Closed,
            }
        }
    }

    /// Entries queued or on their way.
    #[must_use]
    pub fn in_flight(&self) -> usize {
        self.inner.core.lock().queue.len()
    }

    /// How long the oldest put has been on its way: whether our puts make progress.
    #[must_use]
    pub fn oldest_put_age(&self) -> Option<Duration> {
        let now = self.inner.journal.shared.env.now();
        self.inner.core.lock().queue.oldest_sent().map(|sent| now.since(sent))
    }

    /// Takes no more entries and waits until nothing is queued or on its way.
    pub async fn close(&self) {
        self.inner.core.lock().closed = true;
        self.inner.room.close();
        loop {
            let idle = self.inner.idle.notified();
            if self.in_flight() == 0 {
                break;
            }
            idle.await;
        }
        self.inner.end(WriteError::Closed);
    }

    fn why(&self) -> WriteError {
        self.inner.ended.look(Clone::clone).unwrap_or(WriteError::Closed)
    }
}

impl Inner {
    fn push(
        self: &Arc<Self>,
        payload: Body,
        payload_crc: Option<u32>,
        attributes: Bytes,
        permit: tokio::sync::OwnedSemaphorePermit,
    ) -> Result<Pending, WriteError> {
        if attributes.len() > ATTRIBUTES_LIMIT {
            let detail = format!("{} bytes of entry attributes, at most {ATTRIBUTES_LIMIT}", attributes.len());
            return Err(WriteError::TooLarge(detail));
        }
        let (done, answer) = oneshot::channel();
        {
            let mut core = self.core.lock();
            if core.closed || core.leader.ended() {
                return Err(self.ended.look(Clone::clone).unwrap_or(WriteError::Closed));
            }
            core.queue.push(Queued { payload, payload_crc, attributes, done, permit });
        }
        self.drive(&Event::Append, None);
        Ok(Pending { answer })
    }

    /// Hands an event to the machine and starts what it commands. `landed`: what an answer told of
    /// a number of ours.
    fn drive(self: &Arc<Self>, event: &Event, landed: Option<(u64, Landed)>) {
        self.drive_as(event, landed, None);
    }

    /// As `drive`; a put of the number `hedge` is then a second attempt beside the first.
    fn drive_as(self: &Arc<Self>, event: &Event, landed: Option<(u64, Landed)>, hedge: Option<u64>) {
        let now = self.journal.now();
        let mut work = Vec::new();
        let mut end = None;
        {
            let mut core = self.core.lock();
            let core = &mut *core;
            if let Some((number, landed)) = landed {
                core.queue.landed(number, landed);
            }
            let mut commands = Vec::new();
            core.leader.handle(now, event, &mut commands);
            for command in commands {
                match command {
                    Command::ReadTrim => work.push(Work::Prove),
                    Command::ReadHeader { number } => work.push(Work::Look(number)),
                    Command::Put(order) => work.extend(self.attempt(core, order, hedge == Some(order.number))),
                    Command::Committed { number } => core.queue.commit(number, |flying| self.committed(flying, now)),
                    Command::StepDown { by } => end = Some(WriteError::Deposed { by }),
                    Command::Halt(corruption) => end = Some(WriteError::Corrupt(corruption)),
                    Command::Begin { .. }
                    | Command::Entry { .. }
                    | Command::AtEnd
                    | Command::Lead(_)
                    | Command::Lost { .. }
                    | Command::Trimmed { .. } => {}
                }
            }
            if core.queue.len() == 0 {
                self.idle.notify_waiters();
            }
        }
        if let Some(why) = end {
            self.end(why);
        }
        for work in work {
            self.start(work);
        }
    }

    /// The attempt that the machine ordered, with the bytes that the number has or now gets.
    fn attempt(&self, core: &mut Core, order: PutOrder, hedge: bool) -> Option<Work> {
        let now = self.journal.shared.env.now();
        let deadline = self.journal.shared.options.put_deadline;
        let name = || self.journal.name(order.number);
        let flying = core.queue.flying(&order, self.author, now, name)?;
        if now.since(flying.first_sent) >= deadline {
            flying.first_sent = now;
        }
        flying.attempts += u32::from(!hedge);
        Some(Work::Attempt {
            order,
            body: flying.body.clone(),
            name: flying.name.clone(),
            hedge,
            first_sent: flying.first_sent,
            attempt: flying.attempts,
        })
    }

    fn committed(&self, flying: &Flying, now: Date) -> Committed {
        let landed = flying.landed.as_ref();
        Committed {
            number: flying.number,
            epoch: self.epoch,
            name: flying.name.clone(),
            etag: landed.map(|landed| landed.etag.clone()),
            size: flying.body.len(),
            payload_at: flying.payload_at,
            date: landed.map_or(BucketTime(now), |landed| landed.date),
        }
    }

    fn is_over(&self) -> bool {
        self.ended.look(Option::is_some)
    }

    /// Ends the leadership, once: everything that is not committed fails.
    fn end(&self, why: WriteError) {
        self.room.close();
        let waiting = {
            let mut core = self.core.lock();
            core.closed = true;
            core.queue.drain()
        };
        let first = self.ended.send_if_modified(|ended| {
            let first = ended.is_none();
            if first {
                *ended = Some(why.clone());
            }
            first
        });
        if first && !matches!(why, WriteError::Closed) {
            let journal = &self.journal.options().prefix;
            tracing::warn!(%journal, epoch = %self.epoch, unsettled = waiting.len(), %why, "journal leadership ended");
        }
        for done in waiting {
            // Its caller may have gone: nobody is left to tell.
            let _ = done.send(Err(why.clone()));
        }
        self.idle.notify_waiters();
    }
}
