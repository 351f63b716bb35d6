//! The chain: what a header at a live number means and where the chain goes on behind it.
//!
//! A position is a [`TrimPoint`]: the next live number and the epoch and window in force before
//! it. Data of that epoch moves one number on. A fence at `f` moves to `f` + the window of the
//! epoch that it *ends*, because the ended epoch's writer may still create numbers below that;
//! what lies between is an orphan, never data. Anything else at a live number is corruption.

use highwater_types::{Epoch, Incarnation, PutId};

use super::rules::{Rule, Rules};

/// The widest window that a fence may name.
pub const MAX_WINDOW: u32 = 1024;

/// A position on the chain; also what a manifest stores as its trim point.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TrimPoint {
    /// The first live number.
    pub number: u64,
    /// The epoch in force just before it.
    pub epoch: Epoch,
    /// The window of that epoch.
    pub window: u32,
}

/// Whether an entry carries data or starts an epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Data.
    Data,
    /// A fence.
    Fence,
}

/// A header as far as the protocol goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Seen {
    /// Data or fence.
    pub kind: Kind,
    /// The epoch that it belongs to or starts.
    pub epoch: Epoch,
    /// The window of that epoch.
    pub window: u32,
    /// Whose put.
    pub incarnation: Incarnation,
    /// Which put.
    pub put_id: PutId,
}

/// How the epochs of a journal follow one another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Epochs {
    /// Each fence names the epoch after the last: a shard's write-ahead journal.
    Consecutive,
    /// Each fence names a higher epoch, given from outside: a manifest.
    Claimed,
    /// There are no fences and no epochs: a journal of many optimistic writers.
    Unfenced,
}

/// A live number holds what cannot be there. The shard stops; nothing repairs this by itself.
#[derive(Clone, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Corruption {
    /// Data of another epoch than the one in force.
    #[error("number {number} holds data of epoch {found} where epoch {expected} is in force")]
    DataEpoch {
        /// Where.
        number: u64,
        /// Its epoch.
        found: Epoch,
        /// The epoch in force.
        expected: Epoch,
    },
    /// A fence whose epoch does not follow the one in force.
    #[error("number {number} holds a fence of epoch {found} that cannot follow epoch {after}")]
    FenceEpoch {
        /// Where.
        number: u64,
        /// Its epoch.
        found: Epoch,
        /// The epoch in force.
        after: Epoch,
    },
    /// A fence with a window outside 1..=[`MAX_WINDOW`], or a number that cannot be counted on.
    #[error("number {number} holds a fence with window {window}")]
    Window {
        /// Where.
        number: u64,
        /// The window named.
        window: u32,
    },
    /// A number that we write in our own epoch holds data of somebody else.
    #[error("number {number} holds an entry of epoch {found} that this writer of epoch {epoch} did not write")]
    Stranger {
        /// Where.
        number: u64,
        /// Its epoch.
        found: Epoch,
        /// Ours.
        epoch: Epoch,
    },
    /// Nothing stands at the end of the chain, and something stands farther behind it than anybody may write.
    #[error("number {number} is missing: {beyond} is there, and nobody writes so far ahead")]
    Missing {
        /// Where.
        number: u64,
        /// What is there.
        beyond: u64,
    },
    /// The object is not an intact entry of its number.
    #[error("number {number} cannot be read: {detail}")]
    Unreadable {
        /// Where.
        number: u64,
        /// What is wrong with it.
        detail: String,
    },
}

impl Corruption {
    /// The number where it was found.
    #[must_use]
    pub const fn number(&self) -> u64 {
        match self {
            Self::DataEpoch { number, .. }
            | Self::FenceEpoch { number, .. }
            | Self::Window { number, .. }
            | Self::Stranger { number, .. }
            | Self::Missing { number, .. }
            | Self::Unreadable { number, .. } => *number,
        }
    }
}

impl TrimPoint {
    /// The start of an empty journal: the first fence stands at 0 and goes on at 1.
    pub const GENESIS: Self = Self { number: 0, epoch: Epoch::NONE, window: 1 };

    /// The position behind what stands at this one.
    pub(crate) fn step(self, seen: &Seen, epochs: Epochs, rules: Rules) -> Result<Self, Corruption> {
        let number = self.number;
        let overflow = Corruption::Window { number, window: seen.window };
        match seen.kind {
            Kind::Data => {
                if seen.epoch != self.epoch {
                    return Err(Corruption::DataEpoch { number, found: seen.epoch, expected: self.epoch });
                }
                Ok(Self { number: number.checked_add(1).ok_or(overflow)?, ..self })
            }
            Kind::Fence => {
                let follows = match epochs {
                    Epochs::Consecutive => Some(seen.epoch.0) == self.epoch.0.checked_add(1),
                    Epochs::Claimed => seen.epoch > self.epoch,
                    Epochs::Unfenced => false,
                };
                if !follows {
                    return Err(Corruption::FenceEpoch { number, found: seen.epoch, after: self.epoch });
                }
                if seen.window == 0 || seen.window > MAX_WINDOW {
                    return Err(overflow);
                }
                let skipped = if rules.hold(Rule::WindowOfEndedEpoch) { self.window } else { seen.window };
                let number = number.checked_add(u64::from(skipped)).ok_or(overflow)?;
                Ok(Self { number, epoch: seen.epoch, window: seen.window })
            }
        }
    }
}
