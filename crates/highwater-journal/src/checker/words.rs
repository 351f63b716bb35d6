//! The model's steps in words, for a history that a person reads.

use std::fmt;

use super::actor::{Ask, Role};
use super::world::{Action, Flight, World};
use crate::machine::{Kind, Seen, TrimPoint};

impl World {
    /// `action`, in words.
    pub(super) fn describe(&self, action: Action) -> String {
        match action {
            Action::Start(who) => format!("{} becomes a candidate", name(who)),
            Action::Read(who, Ask::Trim) => {
                let bucket = &self.journals[usize::from(self.actors[usize::from(who)].journal)];
                format!("{} reads the trim point: {}", name(who), Place(bucket.trim()))
            }
            Action::Read(who, Ask::Header(number)) => {
                let bucket = &self.journals[usize::from(self.actors[usize::from(who)].journal)];
                let what = bucket.object(number).map_or_else(|| "nothing".into(), |object| entry(&object.seen));
                format!("{} reads @{number}: {what}", name(who))
            }
            Action::Land(at) => {
                let flight = self.flights[usize::from(at)];
                let bucket = &self.journals[usize::from(flight.journal)];
                let end = if bucket.object(flight.order.number).is_some() { "exists" } else { "created" };
                format!("{} lands: {end}", put(&flight))
            }
            Action::Answer(at) => format!("{} is answered", put(&self.flights[usize::from(at)])),
            Action::GiveUp(who, number) => format!("{} waits no longer for @{number}", name(who)),
            Action::Resend(who, number) => format!("{} sends @{number} again", name(who)),
            Action::Append(who) => format!("{} appends", name(who)),
            Action::Poll(who) => format!("{} looks for more", name(who)),
            Action::Compact(who) => {
                let point = match &self.actors[usize::from(who)].role {
                    Role::Leader(leader) => leader.point(),
                    Role::Shared(shared) => shared.position(),
                    _ => TrimPoint::GENESIS,
                };
                format!("{} compacts below {}", name(who), point.number)
            }
            Action::Grace => "grace passes".into(),
            Action::Delete(Some(number)) => format!("@{number} is deleted"),
            Action::Delete(None) => "what was trimmed is deleted".into(),
        }
    }
}

struct Place(TrimPoint);

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (epoch {}, window {})", self.0.number, self.0.epoch, self.0.window)
    }
}

pub(super) fn name(who: u8) -> char {
    char::from(b'A' + who)
}

fn entry(seen: &Seen) -> String {
    let kind = if seen.kind == Kind::Fence { "a fence" } else { "data" };
    let who = u8::try_from(seen.incarnation.0).unwrap_or(0);
    format!("{kind} of {} in epoch {}", name(who), seen.epoch)
}

fn put(flight: &Flight) -> String {
    let kind = if flight.order.kind == Kind::Fence { "fence" } else { "data" };
    let journal = if flight.journal == 1 { "manifest " } else { "" };
    format!("{}'s {journal}{kind} @{} of epoch {}", name(flight.who), flight.order.number, flight.order.epoch)
}
