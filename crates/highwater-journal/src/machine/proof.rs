//! How old knowledge of the trim point may be.
//!
//! Names are deleted no earlier than `gc.grace` after the manifest left them behind. Whoever knew
//! at date p that a number was live, and acts before p + `gc.grace` / 2, cannot meet a number that
//! was deleted and created again. Half of the grace is left for the skew and resolution of the
//! bucket's clock and for what is on its way.

use super::rules::{Rule, Rules};

/// A date of the bucket's clock, milliseconds since 1970.
pub type Date = i64;

/// The newest proof of one machine and the rule that makes it check.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Proof {
    date: Option<Date>,
    good_for: Date,
    rules: Rules,
    role: Rule,
}

impl Proof {
    /// No proof yet; one is good for less than `good_for` milliseconds.
    pub(crate) const fn none(good_for: Date, rules: Rules, role: Rule) -> Self {
        Self { date: None, good_for, rules, role }
    }

    /// The same knowledge in another role.
    pub(crate) const fn for_role(self, role: Rule) -> Self {
        Self { role, ..self }
    }

    /// Takes a proof; an older one than the present is ignored.
    pub(crate) fn learn(&mut self, date: Date) {
        self.date = self.date.max(Some(date));
    }

    fn fresh(&self, now: Date) -> bool {
        self.date.is_some_and(|date| now.saturating_sub(date) < self.good_for)
    }

    /// Whether something may be sent, and the answer to a read believed.
    pub(crate) fn may_act(&self, now: Date) -> bool {
        self.fresh(now)
            || !self.rules.hold(self.role)
            || (self.role != Rule::ReaderProof && !self.rules.hold(Rule::ProofBeforeSending))
    }

    /// Whether the answer to a put may be believed.
    pub(crate) fn may_believe_put(&self, now: Date) -> bool {
        self.fresh(now) || !self.rules.hold(self.role)
    }

    /// Forgets a proof that is too old to matter, so that states which differ only in how old it
    /// is are one state to the checker.
    pub(crate) fn normalise(&mut self, now: Date) {
        if !self.fresh(now) {
            self.date = None;
        }
    }
}
