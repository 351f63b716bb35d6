//! What can go wrong with a journal, one enum per operation.

use bytes::Bytes;
use highwater_store::StoreError;
use highwater_types::Epoch;

use crate::machine::{Corruption, TrimPoint};

/// Why a leadership was not won.
#[derive(Clone, Debug, thiserror::Error)]
pub enum TakeOverError {
    /// Another's fence took the number that ours wanted, or an equal or higher epoch owns the
    /// journal. Back off, look at the lease, then perhaps try again: a duel eats numbers.
    #[error("another broker has taken over in epoch {by}")]
    Lost {
        /// Its epoch.
        by: Epoch,
    },
    /// The chain cannot be right. An operator must act; trying again does not help.
    #[error("the journal is corrupt: {0}")]
    Corrupt(#[from] Corruption),
    /// The store failed. Our fence may stand or may yet come to stand; trying again is safe.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The fence's attributes are over their limit.
    #[error("{0}")]
    TooLarge(String),
}

/// Why an entry was not committed.
#[derive(Clone, Debug, thiserror::Error)]
pub enum WriteError {
    /// Another leads. The entry may or may not be in the chain; whoever leads knows.
    #[error("deposed{}", by.map(|epoch| format!(" by epoch {epoch}")).unwrap_or_default())]
    Deposed {
        /// Its epoch, where it is known.
        by: Option<Epoch>,
    },
    /// The chain cannot be right. An operator must act.
    #[error("the journal is corrupt: {0}")]
    Corrupt(#[from] Corruption),
    /// The writer was closed; the entry was not sent.
    #[error("the journal's writer is closed")]
    Closed,
    /// The queue is full; nothing was sent. Wait for earlier entries.
    #[error("the journal's queue is full")]
    Full,
    /// The attributes are over their limit; nothing was sent.
    #[error("{0}")]
    TooLarge(String),
}

/// Why a walk ended early.
#[derive(Clone, Debug, thiserror::Error)]
pub enum WalkError {
    /// The position was left behind: begin again from the manifest.
    #[error("the position was trimmed away: the journal begins at {}", point.number)]
    Trimmed {
        /// The newest trim point.
        point: TrimPoint,
    },
    /// The chain cannot be right. An operator must act.
    #[error("the journal is corrupt: {0}")]
    Corrupt(#[from] Corruption),
    /// The store failed; trying again is safe.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Why an optimistic writer's call failed.
#[derive(Clone, Debug, thiserror::Error)]
pub enum SharedError {
    /// Others' entries came first (number, payload), in order. Ours was not written: decide again
    /// with these applied.
    #[error("{} entries of others came first", .0.len())]
    Conflict(Vec<(u64, Bytes)>),
    /// The position was left behind: open again from the snapshot. An entry of ours whose append
    /// failed with this may or may not have been written.
    #[error("the position was trimmed away; open the journal again")]
    Trimmed,
    /// The journal cannot be right. An operator must act.
    #[error("the journal is corrupt: {0}")]
    Corrupt(#[from] Corruption),
    /// The store failed. An entry of ours may or may not have been written; it is then met as if
    /// it were another's.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The entry is over the limit.
    #[error("{0}")]
    TooLarge(String),
}
