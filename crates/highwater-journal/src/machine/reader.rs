//! A tailing reader: follows the chain without writing to it.
//!
//! A number is passed on only after the chain has been walked to it, and only with a proof that it
//! is live: a number that is not there may be the end or may have been deleted, and one that is
//! there may have been created again by a writer that slept.

use super::chain::{Epochs, Seen, TrimPoint};
use super::proof::{Date, Proof};
use super::rules::{Rule, Rules};
use super::{Command, Event};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum State {
    Idle,
    Proving,
    Reading,
    Done,
}

/// See the module.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Reader {
    rules: Rules,
    epochs: Epochs,
    proof: Proof,
    state: State,
    at: TrimPoint,
}

impl Reader {
    /// A reader that stands at `from`, a point on the chain; a proof is good for `proof_ms`
    /// milliseconds.
    #[must_use]
    pub fn new(from: TrimPoint, epochs: Epochs, proof_ms: Date, rules: Rules) -> Self {
        let proof = Proof::none(proof_ms, rules, Rule::ReaderProof);
        Self { rules, epochs, proof, state: State::Idle, at: from }
    }

    /// The next number to be read, with the epoch and window in force before it.
    #[must_use]
    pub const fn position(&self) -> TrimPoint {
        self.at
    }

    /// Takes an event. [`Event::Poll`] starts a pass to the present end, which ends with
    /// [`Command::AtEnd`], [`Command::Trimmed`] or [`Command::Halt`].
    pub fn handle(&mut self, now: Date, event: &Event, out: &mut Vec<Command>) {
        match (event, self.state) {
            (_, State::Done) => {}
            // Also in the middle of a pass: whoever drove it may have been cancelled.
            (Event::Poll, _) => self.look(now, out),
            (Event::Prove { date }, _) => self.proof.learn(*date),
            (Event::Trim { point, date }, State::Proving) => {
                if point.number > self.at.number {
                    self.state = State::Done;
                    out.push(Command::Trimmed { point: *point });
                } else {
                    self.proof.learn(*date);
                    self.look(now, out);
                }
            }
            (Event::Header { number, seen }, State::Reading) if *number == self.at.number => {
                self.on_header(now, seen.as_ref(), out);
            }
            _ => {}
        }
    }

    fn on_header(&mut self, now: Date, seen: Option<&Seen>, out: &mut Vec<Command>) {
        if !self.proof.may_act(now) {
            return self.prove(out);
        }
        let Some(seen) = seen else {
            self.state = State::Idle;
            return out.push(Command::AtEnd);
        };
        match self.at.step(seen, self.epochs, self.rules) {
            Ok(next) => {
                out.push(Command::Entry { number: self.at.number, kind: seen.kind });
                self.at = next;
                self.look(now, out);
            }
            Err(corruption) => {
                self.state = State::Done;
                out.push(Command::Halt(corruption));
            }
        }
    }

    fn look(&mut self, now: Date, out: &mut Vec<Command>) {
        if !self.proof.may_act(now) {
            return self.prove(out);
        }
        self.state = State::Reading;
        out.push(Command::ReadHeader { number: self.at.number });
    }

    fn prove(&mut self, out: &mut Vec<Command>) {
        self.state = State::Proving;
        out.push(Command::ReadTrim);
    }

    /// Whether it stands still.
    pub(crate) fn is_idle(&self) -> bool {
        self.state == State::Idle
    }

    pub(crate) fn normalise(&mut self, now: Date) {
        self.proof.normalise(now);
    }
}
