//! Fetch sessions (KIP-227): the broker remembers which partitions a client follows, so that a
//! request names only what changed and an answer only what is new.
//!
//! Follows Kafka's `FetchManager` and `FetchSession`: epochs, eviction, the order of partitions and
//! what an incremental answer leaves out.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use highwater_env::{Instant, Random};
use highwater_wire::ErrorCode;
use parking_lot::Mutex;

use super::{FetchItem, PartitionKey};

/// Kafka's "no session".
pub const NO_SESSION: i32 = 0;
/// The epoch of a request that asks for a new session.
pub const INITIAL_EPOCH: i32 = 0;
/// The epoch of a request without a session, which also ends the one that it names.
pub const FINAL_EPOCH: i32 = -1;

/// A session may be evicted for another one when it is older than this, and is stale when unused
/// for as long (Kafka's `MIN_INCREMENTAL_FETCH_SESSION_EVICTION_MS`).
const EVICTION_AGE: Duration = Duration::from_secs(120);
/// Partitions of all sessions together; beyond it no session is made and clients name everything
/// in every request. About 100 bytes each.
const MAX_PARTITIONS: usize = 500_000;

/// The epoch after `epoch`; after the largest comes 1, since 0 asks for a new session.
pub const fn next_epoch(epoch: i32) -> i32 {
    match epoch {
        i32::MIN..=-1 => FINAL_EPOCH,
        i32::MAX => 1,
        _ => epoch + 1,
    }
}

/// What a Fetch says of sessions and partitions.
#[derive(Clone, Debug)]
pub struct SessionRequest {
    /// The session, or [`NO_SESSION`].
    pub id: i32,
    /// Its epoch; negative for none.
    pub epoch: i32,
    /// Whether topics are named by id (version 13 and up).
    pub uses_ids: bool,
    /// Partitions that are new or have changed; all of them without a session.
    pub items: Vec<FetchItem>,
    /// Partitions that are followed no longer.
    pub forgotten: Vec<PartitionKey>,
}

/// How a request is to be answered.
pub struct Context {
    kind: Kind,
    /// What to read, in this order.
    pub items: Vec<FetchItem>,
}

enum Kind {
    Sessionless,
    Full { uses_ids: bool },
    Incremental { session: Arc<Session>, expected_epoch: i32 },
}

/// What of a partition's answer decides whether an incremental answer names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Found {
    /// Bytes of records.
    pub bytes: usize,
    /// High watermark; -1 with an error.
    pub high_watermark: i64,
    /// Log start offset; -1 with an error.
    pub log_start: i64,
    /// Whether it is an error.
    pub is_error: bool,
}

/// A partition as its session's client knows it.
struct Cached {
    item: FetchItem,
    high_watermark: i64,
    log_start: i64,
}

impl Cached {
    fn new(item: FetchItem) -> Self {
        Self { item, high_watermark: -1, log_start: -1 }
    }

    /// Takes over what was found; says whether the client has to be told.
    fn update(&mut self, found: &Found) -> bool {
        let mut tell = found.bytes > 0;
        if self.high_watermark != found.high_watermark {
            self.high_watermark = found.high_watermark;
            tell = true;
        }
        if self.log_start != found.log_start {
            self.log_start = found.log_start;
            tell = true;
        }
        if found.is_error {
            // So that the partition is named again when the error has gone.
            self.high_watermark = -1;
            tell = true;
        }
        tell
    }
}

struct Session {
    id: i32,
    uses_ids: bool,
    created: Instant,
    size: AtomicUsize,
    state: Mutex<State>,
}

/// Partitions in the order in which they are read: those that gave records go to the end, so that
/// all get their turn when the answer's size is the limit.
#[derive(Default)]
struct State {
    epoch: i32,
    next_place: u64,
    by_place: BTreeMap<u64, Cached>,
    places: BTreeMap<PartitionKey, u64>,
}

impl State {
    fn put(&mut self, item: FetchItem) {
        if let Some(cached) = self.places.get(&item.key).and_then(|place| self.by_place.get_mut(place)) {
            cached.item = item;
            return;
        }
        self.push(Cached::new(item));
    }

    fn push(&mut self, cached: Cached) {
        self.places.insert(cached.item.key.clone(), self.next_place);
        self.by_place.insert(self.next_place, cached);
        self.next_place += 1;
    }

    fn forget(&mut self, key: &PartitionKey) {
        if let Some(place) = self.places.remove(key) {
            self.by_place.remove(&place);
        }
    }

    fn update(&mut self, key: &PartitionKey, found: &Found) -> bool {
        // A partition that another request of this session forgot meanwhile is answered.
        let Some(place) = self.places.get(key).copied() else {
            return true;
        };
        let Some(cached) = self.by_place.get_mut(&place) else {
            return true;
        };
        let tell = cached.update(found);
        if found.bytes > 0
            && let Some(cached) = self.by_place.remove(&place)
        {
            self.push(cached);
        }
        tell
    }
}

struct Entry {
    session: Arc<Session>,
    last_used: Instant,
}

/// All sessions of a broker.
pub struct FetchSessions {
    slots: usize,
    entries: Mutex<BTreeMap<i32, Entry>>,
}

impl FetchSessions {
    /// At most `slots` sessions (`max.incremental.fetch.session.cache.slots`).
    pub fn new(slots: usize) -> Self {
        Self { slots, entries: Mutex::default() }
    }

    /// Number of sessions.
    pub fn len(&self) -> usize {
        self.entries.lock().len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Finds out what a request means.
    ///
    /// # Errors
    /// FETCH_SESSION_ID_NOT_FOUND, INVALID_FETCH_SESSION_EPOCH or FETCH_SESSION_TOPIC_ID_ERROR, to
    /// be answered alone; the client then asks for a new session.
    pub fn begin(&self, request: SessionRequest, now: Instant) -> Result<Context, ErrorCode> {
        let SessionRequest { id, epoch, uses_ids, items, forgotten } = request;
        if epoch == INITIAL_EPOCH || epoch < 0 {
            if id != NO_SESSION {
                self.entries.lock().remove(&id);
            }
            let kind = if epoch < 0 { Kind::Sessionless } else { Kind::Full { uses_ids } };
            return Ok(Context { kind, items });
        }
        let session = {
            let mut entries = self.entries.lock();
            let entry = entries.get_mut(&id).ok_or(ErrorCode::FetchSessionIdNotFound)?;
            if entry.session.uses_ids != uses_ids {
                return Err(ErrorCode::FetchSessionTopicIdError);
            }
            entry.last_used = now;
            Arc::clone(&entry.session)
        };
        let mut state = session.state.lock();
        if state.epoch != epoch {
            return Err(ErrorCode::InvalidFetchSessionEpoch);
        }
        for item in &items {
            state.put(item.clone());
        }
        for key in &forgotten {
            state.forget(key);
        }
        session.size.store(state.by_place.len(), Ordering::Relaxed);
        if state.by_place.is_empty() {
            drop(state);
            self.entries.lock().remove(&id);
            return Ok(Context { kind: Kind::Sessionless, items });
        }
        state.epoch = next_epoch(epoch);
        let items = state.by_place.values().map(|cached| cached.item.clone()).collect();
        drop(state);
        Ok(Context { kind: Kind::Incremental { session, expected_epoch: next_epoch(epoch) }, items })
    }

    /// Decides what an answer names. `found` is in the order of the context's items. Gives the
    /// session id to answer and, for each item, whether it is named.
    ///
    /// # Errors
    /// INVALID_FETCH_SESSION_EPOCH when another request of the session came in between.
    pub fn finish(
        &self,
        context: &Context,
        found: &[Found],
        now: Instant,
        random: &dyn Random,
    ) -> Result<(i32, Vec<bool>), ErrorCode> {
        match &context.kind {
            Kind::Sessionless => Ok((NO_SESSION, vec![true; found.len()])),
            Kind::Full { uses_ids } => {
                let id = self.create(*uses_ids, &context.items, found, now, random).unwrap_or(NO_SESSION);
                Ok((id, vec![true; found.len()]))
            }
            Kind::Incremental { session, expected_epoch } => {
                let mut state = session.state.lock();
                if state.epoch != *expected_epoch {
                    return Err(ErrorCode::InvalidFetchSessionEpoch);
                }
                let named = context.items.iter().zip(found).map(|(item, found)| state.update(&item.key, found));
                Ok((session.id, named.collect()))
            }
        }
    }

    fn create(
        &self,
        uses_ids: bool,
        items: &[FetchItem],
        found: &[Found],
        now: Instant,
        random: &dyn Random,
    ) -> Option<i32> {
        let mut state = State { epoch: next_epoch(INITIAL_EPOCH), ..State::default() };
        for (item, found) in items.iter().zip(found) {
            let mut cached = Cached::new(item.clone());
            cached.update(found);
            if !state.places.contains_key(&item.key) {
                state.push(cached);
            }
        }
        let size = state.by_place.len();
        let mut entries = self.entries.lock();
        if size == 0 || !make_room(&mut entries, self.slots, size, now) {
            return None;
        }
        let id = loop {
            let id = i32::try_from(random.below(i32::MAX.unsigned_abs().into())).unwrap_or(0);
            if id != NO_SESSION && !entries.contains_key(&id) {
                break id;
            }
        };
        let session =
            Arc::new(Session { id, uses_ids, created: now, size: AtomicUsize::new(size), state: Mutex::new(state) });
        entries.insert(id, Entry { session, last_used: now });
        Some(id)
    }
}

/// Makes room for a session of `size` partitions: a stale session goes first; else the smallest of
/// those that have lived long enough, if it is smaller than the new one.
fn make_room(entries: &mut BTreeMap<i32, Entry>, slots: usize, size: usize, now: Instant) -> bool {
    let partitions: usize = entries.values().map(Entry::size).sum();
    if entries.len() < slots && partitions + size <= MAX_PARTITIONS {
        return true;
    }
    let stale = entries.iter().min_by_key(|(_, entry)| entry.last_used);
    let stale = stale.filter(|(_, entry)| now.since(entry.last_used) > EVICTION_AGE);
    let old = entries.iter().filter(|(_, entry)| now.since(entry.session.created) > EVICTION_AGE);
    let smallest = old.min_by_key(|(_, entry)| entry.size()).filter(|(_, entry)| entry.size() < size);
    let Some(victim) = stale.or(smallest).map(|(id, _)| *id) else {
        return false;
    };
    let freed = entries.remove(&victim).map_or(0, |entry| entry.size());
    entries.len() < slots && partitions - freed + size <= MAX_PARTITIONS
}

impl Entry {
    fn size(&self) -> usize {
        self.session.size.load(Ordering::Relaxed)
    }
}
