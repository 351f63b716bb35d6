//! A leader: appends within its window, commits in the order of the chain.
//!
//! ```text
//!   committed = c        next
//!       |                 |
//!   ... [Landed] [Sent] [Landed] (queued ...)       next < c + window, always
//! ```
//!
//! An entry is committed when it and everything before it has landed. Whose put an object is tells
//! its header; "exists" and "unknown" are looked up before anything is believed. Another's fence at
//! number n ends the leadership and settles everything: our entries below n are committed, since
//! the fence stands at the first free number of the chain, and those above are orphans.

use std::collections::VecDeque;

use highwater_types::Epoch;

use super::candidate::{Candidate, Lead};
use super::chain::{Corruption, Kind, MAX_WINDOW, Seen, TrimPoint};
use super::proof::{Date, Proof};
use super::rules::{Rule, Rules};
use super::{Author, Command, Event, PutOrder, PutOutcome};

/// What is known of a number that was put and is not yet committed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Slot {
    /// An attempt is on its way.
    Sent,
    /// Its header is being read.
    Looking {
        /// The bucket said that something stands there.
        exists: bool,
    },
    /// To be looked up as soon as there is a proof.
    Unsure,
    /// It stands. The date of its creation, where the bucket told it.
    Landed(Option<Date>),
}

/// See the module.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Leader {
    rules: Rules,
    author: Author,
    proof: Proof,
    start: TrimPoint,
    committed: u64,
    /// Numbers `committed ..`.
    slots: VecDeque<Slot>,
    queued: u32,
    proving: bool,
    ended: bool,
}

impl Leader {
    /// The leader that `candidate` became by `lead`.
    #[must_use]
    pub fn new(candidate: &Candidate, lead: &Lead) -> Self {
        Self {
            rules: candidate.rules(),
            author: candidate.author(),
            proof: candidate.proof().for_role(Rule::LeaderProof),
            start: lead.start,
            committed: lead.start.number,
            slots: VecDeque::new(),
            queued: 0,
            proving: false,
            ended: false,
        }
    }

    /// Our epoch.
    #[must_use]
    pub const fn epoch(&self) -> Epoch {
        self.start.epoch
    }

    /// The first number not known to be committed, as a point on the chain.
    #[must_use]
    pub const fn point(&self) -> TrimPoint {
        TrimPoint { number: self.committed, ..self.start }
    }

    /// The position behind our fence: the first number that could be ours.
    #[must_use]
    pub const fn start(&self) -> TrimPoint {
        self.start
    }

    /// The number that will be put next.
    #[must_use]
    pub fn next(&self) -> u64 {
        self.committed + self.slots.len() as u64
    }

    /// Appends that wait for the window or a proof.
    #[must_use]
    pub const fn queued(&self) -> u32 {
        self.queued
    }

    /// Whether the leadership has ended.
    #[must_use]
    pub const fn ended(&self) -> bool {
        self.ended
    }

    /// Takes an event; answers that were not asked for, or no longer, are ignored.
    pub fn handle(&mut self, now: Date, event: &Event, out: &mut Vec<Command>) {
        if self.ended {
            return;
        }
        match event {
            Event::Append => self.queued = self.queued.saturating_add(1),
            Event::Prove { date } => self.proof.learn(*date),
            Event::Trim { point, date } => self.on_trim(now, *point, *date, out),
            Event::Put { number, outcome } => self.on_put(now, *number, *outcome, out),
            Event::Header { number, seen } => self.on_header(now, *number, seen.as_ref(), out),
            Event::Resend { number } => {
                if let Some((at, Slot::Sent)) = self.slot(*number) {
                    self.put(now, at, out);
                }
            }
            Event::Poll => {}
        }
        self.advance(now, out);
    }

    fn on_trim(&mut self, now: Date, point: TrimPoint, date: Date, out: &mut Vec<Command>) {
        self.proving = false;
        // Only we trim what we committed, and never beyond it.
        if point.number > self.committed || point.epoch > self.start.epoch {
            let by = (point.epoch > self.start.epoch).then_some(point.epoch);
            return self.end(Command::StepDown { by }, out);
        }
        self.proof.learn(date);
        for at in 0..self.slots.len() {
            if self.slots[at] == Slot::Unsure {
                self.look(now, at, false, out);
            }
        }
    }

    fn on_put(&mut self, now: Date, number: u64, outcome: PutOutcome, out: &mut Vec<Command>) {
        let Some((at, slot)) = self.slot(number) else {
            return;
        };
        match (outcome, slot) {
            (_, Slot::Landed(_)) => {}
            (_, _) if !self.proof.may_believe_put(now) => self.doubt(at, out),
            (PutOutcome::Created { date }, _) => self.slots[at] = Slot::Landed(Some(date)),
            // Another attempt's answer overtakes a look: only good news is news.
            (_, Slot::Looking { .. } | Slot::Unsure) => {}
            (PutOutcome::Exists, Slot::Sent) => self.look(now, at, true, out),
            (PutOutcome::Unknown, Slot::Sent) => self.look(now, at, false, out),
        }
    }

    fn on_header(&mut self, now: Date, number: u64, seen: Option<&Seen>, out: &mut Vec<Command>) {
        let Some((at, Slot::Looking { exists })) = self.slot(number) else {
            return;
        };
        if !self.proof.may_act(now) {
            return self.doubt(at, out);
        }
        match seen {
            // The date of its creation is not known: no proof comes of it.
            Some(seen) if self.author.wrote(number, seen) => self.slots[at] = Slot::Landed(None),
            Some(seen) if seen.kind == Kind::Fence && seen.epoch > self.start.epoch => {
                for slot in self.slots.range_mut(..at) {
                    *slot = Slot::Landed(None);
                }
                self.commit(out);
                self.end(Command::StepDown { by: Some(seen.epoch) }, out);
            }
            Some(seen) => {
                let stranger = Corruption::Stranger { number, found: seen.epoch, epoch: self.start.epoch };
                self.end(Command::Halt(stranger), out);
            }
            // Something stood there and is gone: what we know of the trim point may be old.
            None if exists => self.doubt(at, out),
            None => self.put(now, at, out),
        }
    }

    /// Commits what has landed, then sends what the window has room for.
    fn advance(&mut self, now: Date, out: &mut Vec<Command>) {
        if self.ended {
            return;
        }
        self.commit(out);
        let boldness = u64::from(!self.rules.hold(Rule::ExactWindow));
        let room = u64::from(self.start.window.min(MAX_WINDOW)) + boldness;
        while self.queued > 0 && (self.slots.len() as u64) < room {
            if !self.proof.may_act(now) {
                return self.prove(out);
            }
            self.queued -= 1;
            self.slots.push_back(Slot::Sent);
            self.put(now, self.slots.len() - 1, out);
        }
    }

    fn commit(&mut self, out: &mut Vec<Command>) {
        while let Some(Slot::Landed(date)) = self.slots.front() {
            // No fence stood at or below it then, so nobody else had trimmed beyond it.
            if let Some(date) = *date {
                self.proof.learn(date);
            }
            self.slots.pop_front();
            out.push(Command::Committed { number: self.committed });
            self.committed += 1;
        }
    }

    fn put(&mut self, now: Date, at: usize, out: &mut Vec<Command>) {
        if !self.proof.may_act(now) {
            return self.doubt(at, out);
        }
        self.slots[at] = Slot::Sent;
        let number = self.committed + at as u64;
        out.push(Command::Put(PutOrder {
            number,
            put_id: self.author.put_at(number),
            kind: Kind::Data,
            epoch: self.start.epoch,
            window: self.start.window,
        }));
    }

    fn look(&mut self, now: Date, at: usize, exists: bool, out: &mut Vec<Command>) {
        if !self.proof.may_act(now) {
            return self.doubt(at, out);
        }
        self.slots[at] = Slot::Looking { exists };
        out.push(Command::ReadHeader { number: self.committed + at as u64 });
    }

    /// Believes nothing of a slot until there is a new proof.
    fn doubt(&mut self, at: usize, out: &mut Vec<Command>) {
        self.slots[at] = Slot::Unsure;
        self.prove(out);
    }

    fn prove(&mut self, out: &mut Vec<Command>) {
        if !self.proving {
            self.proving = true;
            out.push(Command::ReadTrim);
        }
    }

    fn end(&mut self, with: Command, out: &mut Vec<Command>) {
        self.ended = true;
        out.push(with);
    }

    fn slot(&self, number: u64) -> Option<(usize, Slot)> {
        let at = usize::try_from(number.checked_sub(self.committed)?).ok()?;
        self.slots.get(at).map(|slot| (at, *slot))
    }

    /// Whether an attempt for `number` is on its way.
    pub(crate) fn is_putting(&self, number: u64) -> bool {
        matches!(self.slot(number), Some((_, Slot::Sent)))
    }

    /// Whether the answer to a put at `number` would be listened to.
    pub(crate) fn awaits(&self, number: u64) -> bool {
        matches!(self.slot(number), Some((_, Slot::Sent | Slot::Looking { .. } | Slot::Unsure)))
    }

    pub(crate) fn normalise(&mut self, now: Date) {
        self.proof.normalise(now);
        for slot in &mut self.slots {
            if let Slot::Landed(date) = slot
                && date.is_some_and(|date| date < now)
            {
                *date = None;
            }
        }
    }
}
