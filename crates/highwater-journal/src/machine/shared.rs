//! One of many optimistic writers of a journal without fences.
//!
//! It walks to the end and creates the next number. If another's entry stands there, it reports
//! that ([`Command::Lost`]) and walks on to the end: the caller decides again with what it then
//! knows. With one number in flight there are no holes, so the window is 1 and there is nothing to
//! fence. The proof rule is the leader's.

use highwater_types::Epoch;

use super::chain::{Epochs, Kind, Seen, TrimPoint};
use super::proof::{Date, Proof};
use super::rules::{Rule, Rules};
use super::{Author, Command, Event, PutOrder, PutOutcome};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum State {
    Idle,
    Proving,
    /// Walking; an entry of ours may wait to be put at the end.
    Reading,
    /// Our entry is on its way to the position.
    Putting,
    /// Reading back what stands where our entry should.
    Looking {
        exists: bool,
    },
    Done,
}

/// See the module.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Shared {
    rules: Rules,
    author: Author,
    proof: Proof,
    state: State,
    at: TrimPoint,
    /// Our entry, if one is wanted: whether it was ever sent to the position.
    wanted: Option<bool>,
    /// Entries that we gave up or committed; it keeps put ids apart.
    attempts: u64,
}

impl Shared {
    /// A writer that stands at `from`; a proof is good for `proof_ms` milliseconds.
    #[must_use]
    pub fn new(from: TrimPoint, author: Author, proof_ms: Date, rules: Rules) -> Self {
        let proof = Proof::none(proof_ms, rules, Rule::LeaderProof);
        Self { rules, author, proof, state: State::Idle, at: from, wanted: None, attempts: 0 }
    }

    /// The next number to be read or created.
    #[must_use]
    pub const fn position(&self) -> TrimPoint {
        self.at
    }

    /// Gives up what was going on (its caller went away): an entry that was sent may still land
    /// and is then met as another's.
    pub fn abandon(&mut self) {
        if self.state != State::Done {
            self.state = State::Idle;
            if self.wanted.take().is_some() {
                self.attempts += 1;
            }
        }
    }

    /// Takes an event. [`Event::Poll`] walks to the end; [`Event::Append`] puts an entry at the
    /// position, without a walk before it. A pass ends with [`Command::AtEnd`],
    /// [`Command::Committed`], [`Command::Trimmed`] or [`Command::Halt`].
    pub fn handle(&mut self, now: Date, event: &Event, out: &mut Vec<Command>) {
        match (event, self.state) {
            (Event::Poll, State::Idle) => self.look(now, State::Reading, out),
            (Event::Append, State::Idle) => {
                self.wanted = Some(false);
                self.put(now, out);
            }
            (Event::Prove { date }, _) => self.proof.learn(*date),
            (Event::Trim { point, date }, State::Proving) => {
                if point.number > self.at.number {
                    self.state = State::Done;
                    return out.push(Command::Trimmed { point: *point });
                }
                self.proof.learn(*date);
                match self.wanted {
                    Some(true) => self.look(now, State::Looking { exists: false }, out),
                    Some(false) => self.put(now, out),
                    None => self.look(now, State::Reading, out),
                }
            }
            (Event::Header { number, seen }, State::Reading | State::Looking { .. }) if *number == self.at.number => {
                self.on_header(now, seen.as_ref(), out);
            }
            (Event::Put { number, outcome }, State::Putting) if *number == self.at.number => {
                self.on_put(now, *outcome, out);
            }
            (Event::Put { number, outcome: outcome @ PutOutcome::Created { .. } }, State::Looking { .. })
                if *number == self.at.number =>
            {
                self.on_put(now, *outcome, out);
            }
            (Event::Resend { number }, State::Putting) if *number == self.at.number => self.put(now, out),
            _ => {}
        }
    }

    fn on_put(&mut self, now: Date, outcome: PutOutcome, out: &mut Vec<Command>) {
        if !self.proof.may_believe_put(now) {
            return self.prove(out);
        }
        match outcome {
            PutOutcome::Created { date } => {
                self.proof.learn(date);
                self.committed(out);
            }
            PutOutcome::Exists => self.look(now, State::Looking { exists: true }, out),
            PutOutcome::Unknown => self.look(now, State::Looking { exists: false }, out),
        }
    }

    fn on_header(&mut self, now: Date, seen: Option<&Seen>, out: &mut Vec<Command>) {
        if !self.proof.may_act(now) {
            return self.prove(out);
        }
        match (seen, self.state) {
            (Some(seen), _) if self.is_mine(seen) => self.committed(out),
            (Some(seen), _) => self.walk_over(now, seen, out),
            (None, State::Looking { exists: true }) => self.prove(out),
            (None, State::Looking { exists: false }) => self.put(now, out),
            (None, _) => {
                self.state = State::Idle;
                out.push(Command::AtEnd);
            }
        }
    }

    fn walk_over(&mut self, now: Date, seen: &Seen, out: &mut Vec<Command>) {
        match self.at.step(seen, Epochs::Unfenced, self.rules) {
            Ok(next) => {
                if self.wanted.take().is_some() {
                    self.attempts += 1;
                    out.push(Command::Lost { by: seen.epoch });
                }
                out.push(Command::Entry { number: self.at.number, kind: seen.kind });
                self.at = next;
                self.look(now, State::Reading, out);
            }
            Err(corruption) => {
                self.state = State::Done;
                out.push(Command::Halt(corruption));
            }
        }
    }

    fn committed(&mut self, out: &mut Vec<Command>) {
        self.wanted = None;
        self.attempts += 1;
        self.state = State::Idle;
        out.push(Command::Committed { number: self.at.number });
        self.at.number += 1;
    }

    fn put(&mut self, now: Date, out: &mut Vec<Command>) {
        if !self.proof.may_act(now) {
            return self.prove(out);
        }
        self.state = State::Putting;
        self.wanted = Some(true);
        out.push(Command::Put(PutOrder {
            number: self.at.number,
            put_id: self.author.put_at(self.attempts),
            kind: Kind::Data,
            epoch: Epoch::NONE,
            window: 1,
        }));
    }

    fn look(&mut self, now: Date, state: State, out: &mut Vec<Command>) {
        if !self.proof.may_act(now) {
            return self.prove(out);
        }
        self.state = state;
        out.push(Command::ReadHeader { number: self.at.number });
    }

    fn prove(&mut self, out: &mut Vec<Command>) {
        self.state = State::Proving;
        out.push(Command::ReadTrim);
    }

    fn is_mine(&self, seen: &Seen) -> bool {
        self.wanted == Some(true) && self.author.wrote(self.attempts, seen)
    }

    /// Whether our entry is on its way to `number`.
    pub(crate) fn is_putting(&self, number: u64) -> bool {
        self.state == State::Putting && number == self.at.number
    }

    /// Whether the answer to a put at `number` would be listened to.
    pub(crate) fn awaits(&self, number: u64) -> bool {
        matches!(self.state, State::Putting | State::Looking { .. }) && number == self.at.number
    }

    /// Whether it stands still.
    pub(crate) fn is_idle(&self) -> bool {
        self.state == State::Idle
    }

    pub(crate) fn normalise(&mut self, now: Date) {
        self.proof.normalise(now);
    }
}
