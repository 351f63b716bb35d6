//! A state of the model: bucket, actors and puts on their way; what can happen next; what must
//! never be.

use std::hash::{Hash, Hasher};

use highwater_types::Epoch;

use super::actor::{Actor, Ask, Role, author};
use super::bucket::{Bucket, Object};
use super::size::Size;
use super::words::name;
use crate::machine::{Command, Date, Epochs, Event, Kind, Lead, Leader, PutOrder, PutOutcome, Rules, Seen};

/// An attempt of a put: on its way to the bucket (it may stay there forever: lost), or its answer
/// on the way back (likewise).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Flight {
    pub(super) who: u8,
    pub(super) journal: u8,
    pub(super) order: PutOrder,
    wal_epoch: Epoch,
    answer: Option<PutOutcome>,
}

impl Flight {
    fn sort_key(&self) -> (u8, u8, u64, bool, bool) {
        let exists = matches!(self.answer, Some(PutOutcome::Exists));
        (self.who, self.journal, self.order.number, self.answer.is_some(), exists)
    }
}

/// See the module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct World {
    rules: Rules,
    now: Date,
    pub(super) journals: Vec<Bucket>,
    pub(super) actors: Vec<Actor>,
    pub(super) flights: Vec<Flight>,
    appends_left: u8,
    retries_left: u8,
    graces_left: u8,
    two_journals: bool,
    any_order: bool,
}

/// Something that can happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Action {
    /// A writer begins as candidate.
    Start(u8),
    /// A commanded read happens.
    Read(u8, Ask),
    /// A put reaches the bucket.
    Land(u8),
    /// The answer to a put arrives.
    Answer(u8),
    /// A put's deadline passes without an answer.
    GiveUp(u8, u64),
    /// A hedge.
    Resend(u8, u64),
    /// A leader or shared writer is asked to append.
    Append(u8),
    /// A reader or shared writer looks for more.
    Poll(u8),
    /// A leader moves the trim point to its committed prefix.
    Compact(u8),
    /// So much time passes that all proofs are old and what was trimmed may be deleted.
    Grace,
    /// Garbage collection deletes a number, or all that it may.
    Delete(Option<u64>),
}

/// What never changes within a search is left out.
impl Hash for World {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u32(u32::from_le_bytes([self.appends_left, self.retries_left, self.graces_left, 0]));
        self.journals.iter().for_each(|journal| journal.hash(state));
        self.actors.iter().for_each(|actor| actor.hash(state));
        self.flights.hash(state);
    }
}

impl World {
    pub(super) fn new(size: &Size, rules: Rules) -> Self {
        let epochs = if size.shared { Epochs::Unfenced } else { Epochs::Consecutive };
        let mut journals = vec![Bucket::new(epochs)];
        if size.two_journals {
            journals.push(Bucket::new(Epochs::Claimed));
        }
        let mut actors = Vec::new();
        for (who, window) in (0u8..).zip(size.windows) {
            actors.push(if size.shared { Actor::shared(who, rules) } else { Actor::writer(*window) });
        }
        if size.reader {
            actors.push(Actor::reader(epochs, rules));
        }
        Self {
            rules,
            now: 0,
            journals,
            actors,
            flights: Vec::new(),
            appends_left: size.entries,
            retries_left: size.retries,
            graces_left: size.graces,
            two_journals: size.two_journals,
            any_order: size.any_order,
        }
    }

    /// All that can happen in this state.
    pub(super) fn actions(&self, out: &mut Vec<Action>) {
        out.clear();
        for (who, actor) in (0u8..).zip(&self.actors) {
            self.actions_of(who, actor, out);
        }
        for (at, flight) in (0u8..).zip(&self.flights) {
            out.push(if flight.answer.is_some() { Action::Answer(at) } else { Action::Land(at) });
        }
        if self.graces_left > 0 && self.journals[0].has_fresh_trim() {
            out.push(Action::Grace);
        }
        if self.any_order {
            out.extend(self.journals[0].garbage().map(|number| Action::Delete(Some(number))));
        } else if self.journals[0].garbage().next().is_some() {
            out.push(Action::Delete(None));
        }
    }

    fn actions_of(&self, who: u8, actor: &Actor, out: &mut Vec<Action>) {
        out.extend(actor.asks.iter().map(|ask| Action::Read(who, *ask)));
        match &actor.role {
            // Writers with the same window are the same: they begin in order.
            Role::Idle => {
                let before = &self.actors[..usize::from(who)];
                if !before.iter().any(|other| other.role == Role::Idle && other.window == actor.window) {
                    out.push(Action::Start(who));
                }
            }
            Role::Leader(leader) => {
                if self.appends_left > 0 && leader.queued() == 0 {
                    out.push(Action::Append(who));
                }
                if !self.two_journals
                    && self.journals[0].may_trim(leader.epoch(), leader.point())
                    && self.graces_left > 0
                {
                    out.push(Action::Compact(who));
                }
            }
            Role::Reader(reader) if reader.is_idle() => out.push(Action::Poll(who)),
            Role::Shared(shared) if shared.is_idle() => {
                out.push(Action::Poll(who));
                if self.appends_left > 0 {
                    out.push(Action::Append(who));
                }
                if self.graces_left > 0 && self.journals[0].may_trim(Epoch::NONE, shared.position()) {
                    out.push(Action::Compact(who));
                }
            }
            _ => {}
        }
        if self.retries_left > 0 {
            let mut last = None;
            for flight in self.flights.iter().filter(|flight| flight.who == who && flight.journal == actor.journal) {
                let number = flight.order.number;
                if last != Some(number) && actor.is_putting(number) {
                    out.push(Action::GiveUp(who, number));
                    out.push(Action::Resend(who, number));
                    last = Some(number);
                }
            }
        }
    }

    /// Lets `action` happen. An error is a violation.
    pub(super) fn apply(&mut self, action: Action) -> Result<(), String> {
        match action {
            Action::Start(who) => {
                let mut out = Vec::new();
                self.actors[usize::from(who)].run_for(who, self.rules, &mut out);
                self.obey(who, &out)
            }
            Action::Read(who, ask) => {
                let actor = &mut self.actors[usize::from(who)];
                actor.asks.retain(|other| *other != ask);
                let bucket = &self.journals[usize::from(actor.journal)];
                let event = match ask {
                    Ask::Trim => Event::Trim { point: bucket.trim(), date: self.now },
                    Ask::Header(number) => {
                        Event::Header { number, seen: bucket.object(number).map(|object| object.seen) }
                    }
                };
                self.tell(who, &event)
            }
            Action::Land(at) => self.land(usize::from(at)),
            Action::Answer(at) => {
                let flight = self.flights.remove(usize::from(at));
                match flight.answer {
                    Some(outcome) => self.tell(flight.who, &Event::Put { number: flight.order.number, outcome }),
                    None => Ok(()),
                }
            }
            Action::GiveUp(who, number) => {
                self.retries_left -= 1;
                self.tell(who, &Event::Put { number, outcome: PutOutcome::Unknown })
            }
            Action::Resend(who, number) => {
                self.retries_left -= 1;
                self.tell(who, &Event::Resend { number })
            }
            Action::Append(who) => {
                self.appends_left -= 1;
                self.tell(who, &Event::Append)
            }
            Action::Poll(who) => self.tell(who, &Event::Poll),
            Action::Compact(who) => {
                let point = match &self.actors[usize::from(who)].role {
                    Role::Leader(leader) => leader.point(),
                    Role::Shared(shared) => shared.position(),
                    _ => return Ok(()),
                };
                self.journals[0].trim_to(point.epoch, point)
            }
            Action::Grace => {
                self.graces_left -= 1;
                self.now += 1;
                self.journals[0].pass_grace();
                Ok(())
            }
            Action::Delete(Some(number)) => {
                self.journals[0].delete(number);
                Ok(())
            }
            Action::Delete(None) => {
                let all: Vec<u64> = self.journals[0].garbage().collect();
                all.into_iter().for_each(|number| self.journals[0].delete(number));
                Ok(())
            }
        }
    }

    fn land(&mut self, at: usize) -> Result<(), String> {
        let flight = self.flights[at];
        let order = flight.order;
        let seen = Seen {
            kind: order.kind,
            epoch: order.epoch,
            window: order.window,
            incarnation: author(flight.who).incarnation,
            put_id: order.put_id,
        };
        let object = Object { seen, wal_epoch: flight.wal_epoch };
        let bucket = &mut self.journals[usize::from(flight.journal)];
        let created = bucket.create(order.number, object, self.rules)?;
        if flight.journal == 1 && !bucket.owners_in_order() {
            return Err("the manifest's owner is not the highest epoch of the write-ahead journal".into());
        }
        let outcome = if created { PutOutcome::Created { date: self.now } } else { PutOutcome::Exists };
        self.flights[at].answer = Some(outcome);
        Ok(())
    }

    fn tell(&mut self, who: u8, event: &Event) -> Result<(), String> {
        let mut out = Vec::new();
        let actor = &mut self.actors[usize::from(who)];
        let prefix = if let Role::Leader(leader) = &actor.role { Some(leader.point().number) } else { None };
        actor.handle(self.now, event, &mut out);
        let mut expected = prefix;
        for command in &out {
            if let (Command::Committed { number }, Some(next)) = (command, &mut expected) {
                if number != next {
                    return Err(format!("@{number} is acked out of order"));
                }
                *next += 1;
            }
        }
        self.obey(who, &out)
    }

    fn obey(&mut self, who: u8, commands: &[Command]) -> Result<(), String> {
        for command in commands {
            let actor = &mut self.actors[usize::from(who)];
            let bucket = &self.journals[usize::from(actor.journal)];
            match command {
                Command::ReadTrim => actor.asks.push(Ask::Trim),
                Command::ReadHeader { number } => actor.asks.push(Ask::Header(*number)),
                Command::Put(order) => self.flights.push(Flight {
                    who,
                    journal: actor.journal,
                    order: *order,
                    wal_epoch: actor.wal_epoch,
                    answer: None,
                }),
                Command::Begin { .. } => actor.misled = false,
                Command::Entry { number, .. } if bucket.is_true(*number) => {}
                Command::Entry { number, .. } => {
                    if !matches!(actor.role, Role::Candidate(_)) {
                        return Err(format!("{} serves @{number}, which no replay holds", name(who)));
                    }
                    actor.misled = true;
                }
                Command::Committed { number } => self.check_ack(who, *number)?,
                Command::Lead(lead) => self.take_lead(who, lead)?,
                Command::StepDown { .. } | Command::Trimmed { .. } => actor.leave(),
                Command::Halt(corruption) => {
                    return Err(format!("{} halts: {corruption}", name(who)));
                }
                Command::AtEnd | Command::Lost { .. } => {}
            }
        }
        Ok(())
    }

    fn check_ack(&self, who: u8, number: u64) -> Result<(), String> {
        let bucket = &self.journals[usize::from(self.actors[usize::from(who)].journal)];
        let kept = bucket.link(number).is_some_and(|link| {
            link.object.seen.kind == Kind::Data && link.object.seen.incarnation == author(who).incarnation
        });
        if kept { Ok(()) } else { Err(format!("{} acks @{number}, which is in no replay", name(who))) }
    }

    fn take_lead(&mut self, who: u8, lead: &Lead) -> Result<(), String> {
        let actor = &mut self.actors[usize::from(who)];
        let bucket = &self.journals[usize::from(actor.journal)];
        let true_fence = bucket.link(lead.number).is_some_and(|link| {
            link.object.seen.kind == Kind::Fence
                && link.object.seen.incarnation == author(who).incarnation
                && link.at == lead.ended
                && link.next == lead.start
        });
        if !true_fence {
            return Err(format!(
                "{} leads epoch {} by a fence @{} that no replay holds",
                name(who),
                lead.start.epoch,
                lead.number
            ));
        }
        if actor.misled {
            return Err(format!("{} leads, but walked over what no replay holds", name(who)));
        }
        let Role::Candidate(candidate) = &actor.role else {
            return Ok(());
        };
        let leader = Leader::new(candidate, lead);
        if self.two_journals && actor.journal == 0 {
            // Its business in the first journal is done: the next is the manifest.
            actor.journal = 1;
            actor.wal_epoch = lead.start.epoch;
            let mut out = Vec::new();
            actor.run_for(who, self.rules, &mut out);
            return self.obey(who, &out);
        }
        actor.role = Role::Leader(leader);
        Ok(())
    }

    /// Makes states that behave alike the same.
    pub(super) fn normalise(&mut self) {
        for actor in &mut self.actors {
            actor.asks.sort_unstable();
            actor.asks.dedup();
            actor.normalise(self.now);
        }
        let (actors, journals, graces) = (&self.actors, &self.journals, self.graces_left > 0);
        self.flights.retain(|flight| {
            let actor = &actors[usize::from(flight.who)];
            let heard = actor.journal == flight.journal && actor.awaits(flight.order.number);
            let lands = flight.answer.is_none()
                && journals[usize::from(flight.journal)].may_be_free(flight.order.number, graces);
            heard || lands
        });
        self.flights.sort_by_key(Flight::sort_key);
        self.flights.dedup();
    }
}
