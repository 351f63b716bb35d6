//! What the client needs of a journal that many brokers write: a narrow seam, so that it can be
//! tested without a bucket.
//!
//! - [`SharedMetaJournal`](shared::SharedMetaJournal): over a bucket. -
//!   [`MemoryJournal`](memory::MemoryJournal): in memory, with faults, for tests and simulations.

pub mod memory;
pub mod shared;

use async_trait::async_trait;
use bytes::Bytes;

use crate::errors::JournalFailure;

/// Something that was written, by anybody.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Update {
    /// The state after all entries below `next`, as a whole: what came before is not available any
    /// more, or would be more to read.
    Snapshot {
        /// Number of the first entry that is not in.
        next: u64,
        /// [`crate::snapshot`].
        bytes: Bytes,
    },
    /// The entry of this number.
    Entry {
        /// Its number; entries count from 0 without gaps.
        number: u64,
        /// [`crate::edit`].
        bytes: Bytes,
    },
}

/// Why an append was not accepted.
#[derive(Clone, Debug)]
pub enum AppendFailure {
    /// Another broker took the number; these are what won. Nothing of ours was written.
    Conflict(Vec<Update>),
    /// The journal failed; whether the entry was written, the next catch-up tells.
    Failed(JournalFailure),
}

/// One reader's and writer's place in the journal.
///
/// It remembers how far it has read: what one call gave, no later call gives again. The first
/// [`MetaJournal::catch_up`] begins at the newest snapshot, or at entry 0.
#[async_trait]
pub trait MetaJournal: Send + 'static {
    /// Everything that was written since the last call, up to a moment after this call began.
    async fn catch_up(&mut self) -> Result<Vec<Update>, JournalFailure>;

    /// Writes an entry behind everything that this place has read. `Ok` is its number; it is
    /// durable then, and it counts as read. After `Failed`, catch up before the next append.
    async fn append(&mut self, entry: Bytes) -> Result<u64, AppendFailure>;

    /// Keeps the state after all entries below `next`. Writing one that exists is fine.
    async fn write_snapshot(&mut self, next: u64, state: Bytes) -> Result<(), JournalFailure>;

    /// Deletes some of what the snapshots have left behind long enough. Call it now and then.
    async fn sweep(&mut self) -> Result<(), JournalFailure>;

    /// Name of an entry's object, for people.
    fn entry_name(&self, number: u64) -> String;

    /// Name of a snapshot's object, for people.
    fn snapshot_name(&self, next: u64) -> String;
}
