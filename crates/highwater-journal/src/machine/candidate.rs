//! A candidate: prove, walk, fence.
//!
//! ```text
//!  Proving --trim--> Reading --nothing there--> Fencing --created--> Done (Lead)
//!     ^                | ^ '--entry: walk on--'    | exists, unknown
//!     |                | '------- another's ------Looking -- mine --> Done (Lead)
//!     '---- proof too old, or a number that exists and is not there ----'
//! ```
//!
//! The candidate becomes leader of the epoch that its own fence starts, and only if it believes so
//! with a proof in hand. A fence of its own that it finds on a later walk, with nothing behind it,
//! counts as well: an answer may have been lost.

use highwater_types::Epoch;

use super::chain::{Epochs, Kind, Seen, TrimPoint};
use super::proof::{Date, Proof};
use super::rules::{Rule, Rules};
use super::{Author, Command, Event, PutOrder, PutOutcome};

/// Which epoch a candidate's fence names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Claim {
    /// The one after the chain's: a shard's write-ahead journal.
    Next,
    /// Exactly this one, won in another journal; meeting an equal or higher one here means that
    /// somebody else owns both by now.
    Exactly(Epoch),
}

/// A won fence.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Lead {
    /// Where it stands.
    pub number: u64,
    /// The position just before it: the epoch and window that it ended.
    pub ended: TrimPoint,
    /// The position behind it: where data goes, and our epoch and window.
    pub start: TrimPoint,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum State {
    /// Before the first event.
    Start,
    Proving,
    /// Reading the header at the position.
    Reading,
    /// Only without [`Rule::WalkedEnd`]: reading the number after the position.
    Jumping,
    /// The fence is on its way to the position.
    Fencing,
    /// Reading back what stands where the fence should.
    Looking {
        /// The bucket said that something stands there.
        exists: bool,
    },
    Done,
}

/// See the module.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Candidate {
    rules: Rules,
    author: Author,
    claim: Claim,
    window: u32,
    proof: Proof,
    state: State,
    at: TrimPoint,
    /// The last thing walked was our own fence: the position before it.
    own_fence: Option<TrimPoint>,
}

impl Candidate {
    /// A candidate whose epoch shall have `window`; a proof is good for `proof_ms` milliseconds.
    #[must_use]
    pub fn new(author: Author, claim: Claim, window: u32, proof_ms: Date, rules: Rules) -> Self {
        Self {
            rules,
            author,
            claim,
            window,
            proof: Proof::none(proof_ms, rules, Rule::CandidateProof),
            state: State::Start,
            at: TrimPoint::GENESIS,
            own_fence: None,
        }
    }

    /// Begins.
    pub fn start(&mut self, out: &mut Vec<Command>) {
        self.prove(out);
    }

    /// Takes an event; answers that were not asked for, or no longer, are ignored.
    pub fn handle(&mut self, now: Date, event: &Event, out: &mut Vec<Command>) {
        match (event, self.state) {
            (Event::Trim { point, date }, State::Proving) => self.on_trim(now, *point, *date, out),
            (Event::Header { number, seen }, State::Reading) if *number == self.at.number => {
                self.on_header(now, seen.as_ref(), out);
            }
            (Event::Header { number, seen }, State::Jumping) if *number == self.at.number.saturating_add(1) => {
                self.on_jump(now, seen.as_ref(), out);
            }
            (Event::Header { number, seen }, State::Looking { exists }) if *number == self.at.number => {
                self.on_look(now, seen.as_ref(), exists, out);
            }
            (Event::Put { number, outcome }, State::Fencing) if *number == self.at.number => {
                self.on_put(now, *outcome, out);
            }
            // Another attempt's answer overtakes the look: only good news is news.
            (Event::Put { number, outcome: outcome @ PutOutcome::Created { .. } }, State::Looking { .. })
                if *number == self.at.number =>
            {
                self.on_put(now, *outcome, out);
            }
            (Event::Resend { number }, State::Fencing) if *number == self.at.number => self.fence(now, out),
            _ => {}
        }
    }

    fn on_trim(&mut self, now: Date, point: TrimPoint, date: Date, out: &mut Vec<Command>) {
        self.proof.learn(date);
        self.at = point;
        self.own_fence = None;
        out.push(Command::Begin { point });
        if self.is_owned(point.epoch) {
            return self.step_down(point.epoch, out);
        }
        self.look_here(now, out);
    }

    fn on_header(&mut self, now: Date, seen: Option<&Seen>, out: &mut Vec<Command>) {
        if !self.proof.may_act(now) {
            return self.prove(out);
        }
        match seen {
            Some(seen) => self.walk_over(now, seen, out),
            None => match self.own_fence {
                Some(ended) => self.lead(ended, self.at, out),
                None => self.fence(now, out),
            },
        }
    }

    fn walk_over(&mut self, now: Date, seen: &Seen, out: &mut Vec<Command>) {
        let number = self.at.number;
        let own = self.author.wrote(number, seen);
        if seen.kind == Kind::Fence && !own && self.is_owned(seen.epoch) {
            return self.step_down(seen.epoch, out);
        }
        match self.at.step(seen, self.epochs(), self.rules) {
            Ok(next) => {
                self.own_fence = (own && seen.kind == Kind::Fence).then_some(self.at);
                self.at = next;
                out.push(Command::Entry { number, kind: seen.kind });
                self.look_here(now, out);
            }
            Err(corruption) => {
                self.state = State::Done;
                out.push(Command::Halt(corruption));
            }
        }
    }

    /// What a search by jumps does (only without [`Rule::WalkedEnd`]).
    fn on_jump(&mut self, now: Date, seen: Option<&Seen>, out: &mut Vec<Command>) {
        if !self.proof.may_act(now) {
            return self.prove(out);
        }
        if let Some(seen) = seen {
            self.own_fence = None;
            self.at = TrimPoint { number: self.at.number.saturating_add(2), epoch: seen.epoch, window: seen.window };
            self.look_here(now, out);
        } else {
            self.state = State::Reading;
            out.push(Command::ReadHeader { number: self.at.number });
        }
    }

    fn on_put(&mut self, now: Date, outcome: PutOutcome, out: &mut Vec<Command>) {
        if !self.proof.may_believe_put(now) {
            return self.prove(out);
        }
        match outcome {
            PutOutcome::Created { date } => {
                self.proof.learn(date);
                self.lead_here(out);
            }
            PutOutcome::Exists => self.look_back(now, true, out),
            PutOutcome::Unknown => self.look_back(now, false, out),
        }
    }

    fn on_look(&mut self, now: Date, seen: Option<&Seen>, exists: bool, out: &mut Vec<Command>) {
        if !self.proof.may_act(now) {
            return self.prove(out);
        }
        match seen {
            Some(seen) if self.author.wrote(self.at.number, seen) => self.lead_here(out),
            Some(seen) => {
                if seen.kind == Kind::Fence {
                    out.push(Command::Lost { by: seen.epoch });
                }
                self.walk_over(now, seen, out);
            }
            // Something stood there and is gone: what we know of the trim point may be old.
            None if exists => self.prove(out),
            None => self.fence(now, out),
        }
    }

    fn prove(&mut self, out: &mut Vec<Command>) {
        self.state = State::Proving;
        out.push(Command::ReadTrim);
    }

    fn look_here(&mut self, now: Date, out: &mut Vec<Command>) {
        if !self.proof.may_act(now) {
            return self.prove(out);
        }
        if self.rules.hold(Rule::WalkedEnd) {
            self.state = State::Reading;
            out.push(Command::ReadHeader { number: self.at.number });
        } else {
            self.state = State::Jumping;
            out.push(Command::ReadHeader { number: self.at.number.saturating_add(1) });
        }
    }

    fn look_back(&mut self, now: Date, exists: bool, out: &mut Vec<Command>) {
        if !self.proof.may_act(now) {
            return self.prove(out);
        }
        self.state = State::Looking { exists };
        out.push(Command::ReadHeader { number: self.at.number });
    }

    fn fence(&mut self, now: Date, out: &mut Vec<Command>) {
        if !self.proof.may_act(now) {
            return self.prove(out);
        }
        self.state = State::Fencing;
        out.push(Command::Put(PutOrder {
            number: self.at.number,
            put_id: self.author.put_at(self.at.number),
            kind: Kind::Fence,
            epoch: self.claimed(),
            window: self.window,
        }));
    }

    fn lead_here(&mut self, out: &mut Vec<Command>) {
        let fence = Seen {
            kind: Kind::Fence,
            epoch: self.claimed(),
            window: self.window,
            incarnation: self.author.incarnation,
            put_id: self.author.put_at(self.at.number),
        };
        match self.at.step(&fence, self.epochs(), self.rules) {
            Ok(start) => self.lead(self.at, start, out),
            Err(corruption) => {
                self.state = State::Done;
                out.push(Command::Halt(corruption));
            }
        }
    }

    fn lead(&mut self, ended: TrimPoint, start: TrimPoint, out: &mut Vec<Command>) {
        self.state = State::Done;
        out.push(Command::Lead(Lead { number: ended.number, ended, start }));
    }

    fn step_down(&mut self, by: Epoch, out: &mut Vec<Command>) {
        self.state = State::Done;
        out.push(Command::StepDown { by: Some(by) });
    }

    /// The epoch that a fence at the position names.
    fn claimed(&self) -> Epoch {
        match self.claim {
            Claim::Next => self.after_the_chain(),
            Claim::Exactly(epoch) => epoch.max(self.after_the_chain()),
        }
    }

    /// Saturating: an epoch that cannot be counted on is refused by [`TrimPoint::step`].
    const fn after_the_chain(&self) -> Epoch {
        Epoch(self.at.epoch.0.saturating_add(1))
    }

    /// Whether `epoch`, met in this journal, says that somebody else owns it.
    fn is_owned(&self, epoch: Epoch) -> bool {
        match self.claim {
            Claim::Next => false,
            Claim::Exactly(mine) => epoch >= mine && self.rules.hold(Rule::OwnerEpoch),
        }
    }

    fn epochs(&self) -> Epochs {
        match self.claim {
            Claim::Next => Epochs::Consecutive,
            Claim::Exactly(_) => Epochs::Claimed,
        }
    }

    /// Whether the fence is on its way to `number`.
    pub(crate) fn is_putting(&self, number: u64) -> bool {
        self.state == State::Fencing && number == self.at.number
    }

    /// Whether the answer to a put at `number` would be listened to.
    pub(crate) fn awaits(&self, number: u64) -> bool {
        matches!(self.state, State::Fencing | State::Looking { .. }) && number == self.at.number
    }

    pub(crate) const fn rules(&self) -> Rules {
        self.rules
    }

    pub(crate) const fn author(&self) -> Author {
        self.author
    }

    pub(crate) const fn proof(&self) -> Proof {
        self.proof
    }

    pub(crate) fn normalise(&mut self, now: Date) {
        self.proof.normalise(now);
    }
}
