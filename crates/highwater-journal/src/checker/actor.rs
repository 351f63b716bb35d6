//! A writer or reader of the model: one of the real machines and what it waits for.

use highwater_types::{Epoch, Incarnation};

use crate::machine::{
    Author, Candidate, Claim, Command, Date, Epochs, Event, Leader, Reader, Rules, Shared, TrimPoint,
};

/// A date is a count of graces; a proof is good until the next grace has passed.
pub(super) const PROOF_GOOD_FOR: Date = 1;

/// The machine that an actor runs.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Role {
    /// Has not begun.
    Idle,
    Candidate(Candidate),
    Leader(Leader),
    Reader(Reader),
    Shared(Shared),
    /// Has stepped down or was left behind; it says nothing more.
    Gone,
}

/// A read that was commanded. It happens and is answered in one step: a read is a mover, for an
/// actor that hears the answer and then pauses is no better off than one that pauses first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Ask {
    Trim,
    Header(u64),
}

/// See the module.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Actor {
    pub(super) role: Role,
    pub(super) window: u32,
    /// Which journal it works on: 0, or 1 for a manifest.
    pub(super) journal: u8,
    /// The epoch won in journal 0.
    pub(super) wal_epoch: Epoch,
    /// Reads to be done, in order.
    pub(super) asks: Vec<Ask>,
    /// Since its walk began it has passed an entry that no replay holds.
    pub(super) misled: bool,
}

impl Actor {
    pub(super) const fn writer(window: u32) -> Self {
        Self { role: Role::Idle, window, journal: 0, wal_epoch: Epoch::NONE, asks: Vec::new(), misled: false }
    }

    pub(super) fn reader(epochs: Epochs, rules: Rules) -> Self {
        let reader = Reader::new(TrimPoint::GENESIS, epochs, PROOF_GOOD_FOR, rules);
        Self { role: Role::Reader(reader), ..Self::writer(1) }
    }

    pub(super) fn shared(who: u8, rules: Rules) -> Self {
        let shared = Shared::new(TrimPoint::GENESIS, author(who), PROOF_GOOD_FOR, rules);
        Self { role: Role::Shared(shared), ..Self::writer(1) }
    }

    /// Begins as candidate for its journal.
    pub(super) fn run_for(&mut self, who: u8, rules: Rules, out: &mut Vec<Command>) {
        let claim = if self.journal == 0 { Claim::Next } else { Claim::Exactly(self.wal_epoch) };
        let mut candidate = Candidate::new(author(who), claim, self.window, PROOF_GOOD_FOR, rules);
        candidate.start(out);
        self.role = Role::Candidate(candidate);
        self.misled = false;
    }

    pub(super) fn handle(&mut self, now: Date, event: &Event, out: &mut Vec<Command>) {
        match &mut self.role {
            Role::Candidate(candidate) => candidate.handle(now, event, out),
            Role::Leader(leader) => leader.handle(now, event, out),
            Role::Reader(reader) => reader.handle(now, event, out),
            Role::Shared(shared) => shared.handle(now, event, out),
            Role::Idle | Role::Gone => {}
        }
    }

    /// Whether a put at `number` waits for its answer.
    pub(super) fn is_putting(&self, number: u64) -> bool {
        match &self.role {
            Role::Candidate(candidate) => candidate.is_putting(number),
            Role::Leader(leader) => leader.is_putting(number),
            Role::Shared(shared) => shared.is_putting(number),
            _ => false,
        }
    }

    /// Whether the answer to a put at `number` would be listened to.
    pub(super) fn awaits(&self, number: u64) -> bool {
        match &self.role {
            Role::Candidate(candidate) => candidate.awaits(number),
            Role::Leader(leader) => leader.awaits(number),
            Role::Shared(shared) => shared.awaits(number),
            _ => false,
        }
    }

    pub(super) fn leave(&mut self) {
        self.role = Role::Gone;
        self.asks.clear();
        self.misled = false;
    }

    pub(super) fn normalise(&mut self, now: Date) {
        match &mut self.role {
            Role::Candidate(candidate) => candidate.normalise(now),
            Role::Leader(leader) => leader.normalise(now),
            Role::Reader(reader) => reader.normalise(now),
            Role::Shared(shared) => shared.normalise(now),
            Role::Idle | Role::Gone => {}
        }
    }
}

/// Put ids need only be unique for one writer and number here.
pub(super) fn author(who: u8) -> Author {
    Author { incarnation: Incarnation(u64::from(who)), first_put: 0 }
}
