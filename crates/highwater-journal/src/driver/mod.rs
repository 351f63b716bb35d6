//! The machines over a store: what sends puts, reads headers, asks the clock.
//!
//! - [`found`]: headers read back, and references made of them. - [`trims`]: where the trim point
//!   comes from. - `clock`: the bucket's clock. - `headers`: reads with read-ahead.
//! - [`take_over`]: candidate to leader. - [`writer`]: the leader's handle, its puts, hedges and
//!   retries. - [`walk`]: reading without leading. - [`sweep`]: deleting what was trimmed.
//!
//! The rules themselves are in [`crate::machine`]; nothing here decides what is committed.

pub(crate) mod clock;
pub mod found;
pub(crate) mod headers;
pub(crate) mod retry;
pub mod sweep;
pub mod take_over;
pub mod trims;
pub mod walk;
pub mod writer;

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use highwater_env::Env;
use highwater_format::entry::{PROBE_LEN, payload_crc};
use highwater_store::{BucketTime, ReadRange, Store, StoreError, StoreErrorKind};
use highwater_types::Incarnation;

use crate::error::WalkError;
use crate::machine::{Author, Corruption, Date, Epochs};
use crate::metrics::JournalMetrics;
use clock::BucketClock;
pub use found::EntryRef;

/// How a journal is kept.
#[derive(Clone, Debug)]
pub struct JournalOptions {
    /// Names are `{prefix}/{number:020}`.
    pub prefix: String,
    /// Puts in flight at once, 1 to [`crate::machine::MAX_WINDOW`]; takes effect with the next
    /// fence.
    pub window: u32,
    /// How long an answer to a put is waited for, retries and hedges included; then the number is
    /// looked at.
    pub put_deadline: Duration,
    /// How long a name outlives its trim, measured by the bucket's clock. All brokers of a cluster
    /// must agree on it.
    pub gc_grace: Duration,
    /// Whether a put slower than the recent p95 is sent again.
    pub hedge: bool,
    /// Where puts are counted.
    pub metrics: JournalMetrics,
}

impl JournalOptions {
    /// The defaults: window 4, answers within 30 s, a grace of 20 min, hedged puts.
    pub fn new(prefix: impl Into<String>) -> Self {
        Self {
            prefix: prefix.into(),
            window: 4,
            put_deadline: Duration::from_secs(30),
            gc_grace: Duration::from_secs(20 * 60),
            hedge: true,
            metrics: JournalMetrics::default(),
        }
    }

    /// With another grace. Answers are waited for a quarter of it at most: nobody believes one that is
    /// older than half of it.
    #[must_use]
    pub fn with_gc_grace(mut self, gc_grace: Duration) -> Self {
        self.gc_grace = gc_grace;
        self.put_deadline = self.put_deadline.min(gc_grace / 4);
        self
    }
}

/// A journal in a store. A cheap handle; what it learns of the bucket's clock its clones share.
#[derive(Clone)]
pub struct Journal {
    pub(crate) shared: Arc<Inner>,
}

pub(crate) struct Inner {
    pub(crate) env: Env,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) incarnation: Incarnation,
    pub(crate) options: JournalOptions,
    pub(crate) clock: Arc<BucketClock>,
    pub(crate) epochs: Epochs,
    /// Bytes that one read of a header fetches: more where payloads are small and wanted.
    pub(crate) probe_len: u64,
}

impl Journal {
    /// A journal whose fences name consecutive epochs (a shard's write-ahead journal). Nothing is
    /// read or written yet. `incarnation` must be new at each start of the process.
    #[must_use]
    pub fn new(env: Env, store: Arc<dyn Store>, incarnation: Incarnation, options: JournalOptions) -> Self {
        let clock = Arc::new(BucketClock::new(env.clone()));
        Self::with(env, store, incarnation, options, clock, Epochs::Consecutive, PROBE_LEN)
    }

    pub(crate) fn with(
        env: Env,
        store: Arc<dyn Store>,
        incarnation: Incarnation,
        mut options: JournalOptions,
        clock: Arc<BucketClock>,
        epochs: Epochs,
        probe_len: u64,
    ) -> Self {
        options.window = options.window.clamp(1, crate::machine::MAX_WINDOW);
        Self { shared: Arc::new(Inner { env, store, incarnation, options, clock, epochs, probe_len }) }
    }

    /// The name of a number.
    #[must_use]
    pub fn name(&self, number: u64) -> String {
        format!("{}/{number:020}", self.shared.options.prefix)
    }

    /// How it is kept.
    #[must_use]
    pub fn options(&self) -> &JournalOptions {
        &self.shared.options
    }

    /// The bucket's clock: the last date seen and the monotonic time since; `None` before the
    /// first answer of the store.
    #[must_use]
    pub fn bucket_now(&self) -> Option<BucketTime> {
        self.shared.clock.now().map(BucketTime)
    }

    /// Bytes of an entry's payload; `range` counts within the payload. One request, which refuses
    /// another version than the one that was referred to.
    ///
    /// # Errors
    /// Those of [`Store::read`]; `Invalid` for a range beyond the payload.
    pub async fn read_payload(&self, entry: &EntryRef, range: Range<u64>) -> Result<Bytes, StoreError> {
        if range.start > range.end || range.end > entry.payload_len {
            return Err(StoreError::new(
                StoreErrorKind::Invalid,
                &entry.name,
                format!("bytes {range:?} of a payload of {}", entry.payload_len),
            ));
        }
        if range.is_empty() {
            return Ok(Bytes::new());
        }
        let within = ReadRange::Bounded(entry.payload_at + range.start..entry.payload_at + range.end);
        let wanted = range.end - range.start;
        let read = self.shared.store.read(&entry.name, within, Some(&entry.etag)).await?;
        if read.bytes.len() as u64 != wanted {
            return Err(StoreError::new(
                StoreErrorKind::Unavailable,
                &entry.name,
                format!("{} bytes came where {wanted} were asked for", read.bytes.len()),
            ));
        }
        Ok(read.bytes)
    }

    /// The whole payload, checked against the header's checksum where it has one.
    ///
    /// # Errors
    /// [`WalkError::Store`] (`TooLarge` over `limit` bytes) or [`WalkError::Corrupt`].
    pub async fn read_all(&self, entry: &EntryRef, limit: u64) -> Result<Bytes, WalkError> {
        if entry.payload_len > limit {
            let detail = format!("a payload of {} bytes, at most {limit} are taken", entry.payload_len);
            return Err(StoreError::new(StoreErrorKind::TooLarge, &entry.name, detail).into());
        }
        let bytes = self.read_payload(entry, 0..entry.payload_len).await?;
        check_payload(entry.number, entry.payload_crc, &bytes)?;
        Ok(bytes)
    }

    /// The date to hand to a machine: that of the bucket, or before all proofs while none is known.
    pub(crate) fn now(&self) -> Date {
        self.shared.clock.now().unwrap_or(Date::MIN)
    }

    /// How long a proof is good, milliseconds.
    pub(crate) fn proof_ms(&self) -> Date {
        Date::try_from(self.shared.options.gc_grace.as_millis() / 2).unwrap_or(Date::MAX)
    }

    /// An author with put ids that nobody had.
    pub(crate) fn author(&self) -> Author {
        Author { incarnation: self.shared.incarnation, first_put: self.shared.env.random.next_u64() }
    }
}

pub(crate) fn check_payload(number: u64, want: Option<u32>, bytes: &Bytes) -> Result<(), Corruption> {
    match want {
        Some(want) if payload_crc([bytes]) != want => {
            Err(Corruption::Unreadable { number, detail: "the payload does not match its checksum".into() })
        }
        _ => Ok(()),
    }
}
