//! The journal's protocol as pure state machines: no input or output, no clock, no randomness.
//!
//! A machine is handed an [`Event`] together with the present date of the bucket's clock and
//! appends [`Command`]s for its driver. The same machines run under the [`crate::driver`] in a
//! broker and under the exhaustive search of [`crate::checker`], so what the search proves is what
//! runs.
//!
//! - [`rules`]: the eight protections, each of which the checker can switch off.
//! - [`chain`]: what a header at a live number means; the only place that decides where a chain
//!   goes on.
//! - [`proof`]: how old knowledge of the trim point may be (rule 5 of the design).
//! - [`candidate`]: prove, walk, fence. - [`leader`]: append in windows, commit in order.
//! - [`reader`]: follow the chain. - [`shared`]: many optimistic writers without fences.
//!
//! What a machine leaves to its driver: when to send a put again ([`Event::Resend`]), when to give
//! up waiting for its answer ([`PutOutcome::Unknown`]), payloads, names, and that answers carry
//! the number they belong to. Answers may come twice, late or never.

pub mod candidate;
pub mod chain;
pub mod leader;
pub mod proof;
pub mod reader;
pub mod rules;
pub mod shared;
#[cfg(test)]
mod tests;

use highwater_types::{Epoch, Incarnation, PutId};

pub use candidate::{Candidate, Claim, Lead};
pub use chain::{Corruption, Epochs, Kind, MAX_WINDOW, Seen, TrimPoint};
pub use leader::Leader;
pub use proof::Date;
pub use reader::Reader;
pub use rules::{Rule, Rules};
pub use shared::Shared;

/// What a machine learns.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Event {
    /// Answer to [`Command::ReadTrim`].
    Trim {
        /// The newest trim point.
        point: TrimPoint,
        /// The bucket's date at which it was the newest; never later than the truth.
        date: Date,
    },
    /// Answer to [`Command::ReadHeader`]: what stands at the number, `None` for nothing.
    Header {
        /// The number read.
        number: u64,
        /// What stands there.
        seen: Option<Seen>,
    },
    /// Answer to (one attempt of) [`Command::Put`].
    Put {
        /// The number put.
        number: u64,
        /// What became of it.
        outcome: PutOutcome,
    },
    /// A put's answer is overdue or it failed for sure: send the same bytes again, if that is
    /// still right.
    Resend {
        /// The number put.
        number: u64,
    },
    /// A leader or shared writer shall append one more entry.
    Append,
    /// A reader shall look whether there is more.
    Poll,
    /// A fresher proof was learnt elsewhere (a commit in the other journal of the same owner).
    Prove {
        /// The bucket's date of it.
        date: Date,
    },
}

/// What became of an attempt to create a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PutOutcome {
    /// The bucket created it for this attempt.
    Created {
        /// The bucket's date of the creation; never later than the truth.
        date: Date,
    },
    /// Something stands there, perhaps our own earlier attempt.
    Exists,
    /// No answer came before the deadline: it may or may not have been created, or still be.
    Unknown,
}

/// What a machine wants done.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Command {
    /// Read the newest trim point; answer with [`Event::Trim`].
    ReadTrim,
    /// Read the header at a number; answer with [`Event::Header`].
    ReadHeader {
        /// The number.
        number: u64,
    },
    /// Create a number if absent; answer with [`Event::Put`]. A repeated command for the same
    /// number means the same bytes with the same put id.
    Put(PutOrder),
    /// The walk begins (again) at this point: forget what was walked before.
    Begin {
        /// Where.
        point: TrimPoint,
    },
    /// The walk has passed a committed entry.
    Entry {
        /// Its number.
        number: u64,
        /// Data or fence.
        kind: Kind,
    },
    /// A reader or shared writer has walked to the present end.
    AtEnd,
    /// The fence stands: lead from here.
    Lead(Lead),
    /// Another's entry took the number that our fence or shared entry wanted.
    Lost {
        /// The epoch of what stands there.
        by: Epoch,
    },
    /// An entry of ours is committed; in the order of the chain, each once.
    Committed {
        /// Its number.
        number: u64,
    },
    /// Somebody else leads, or the position was trimmed away. Nothing follows.
    StepDown {
        /// The epoch that deposed us, where it is known.
        by: Option<Epoch>,
    },
    /// A reader's or shared writer's position was left behind by the trim point. Nothing follows.
    Trimmed {
        /// The newest trim point.
        point: TrimPoint,
    },
    /// A live number holds what cannot be there. Nothing follows.
    Halt(Corruption),
}

/// An object to be created.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PutOrder {
    /// Number in the journal.
    pub number: u64,
    /// The logical put that this attempt belongs to.
    pub put_id: PutId,
    /// Data or fence.
    pub kind: Kind,
    /// Epoch of the entry.
    pub epoch: Epoch,
    /// Window of that epoch.
    pub window: u32,
}

/// Who writes: with the number, enough to tell whose put an object was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Author {
    /// The run of the broker.
    pub incarnation: Incarnation,
    /// A random start for put ids, drawn anew for each machine.
    pub first_put: u64,
}

impl Author {
    /// The id of this author's logical put `nth`: for a candidate and the leader that it becomes
    /// the number (they put each at most once), for a shared writer a count.
    pub(crate) const fn put_at(self, nth: u64) -> PutId {
        PutId(self.first_put.wrapping_add(nth))
    }

    /// Whether an object is this author's put `nth`.
    pub(crate) fn wrote(self, nth: u64, seen: &Seen) -> bool {
        seen.incarnation == self.incarnation && seen.put_id == self.put_at(nth)
    }
}
