//! The eight protections of the journal, each with a switch.
//!
//! A broker always runs with [`Rules::ALL`]. [`Rules::without`] exists for the checker and for
//! tests, which show that each protection is needed: with any one switched off the search finds a
//! history that loses a record, serves what is not there, or splits the chain.

use std::fmt;

/// One protection. The numbers are those of the table of histories in RFC 0002.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Rule {
    /// 1. A fence goes on behind the window of the epoch that it ends. Off: behind its own.
    WindowOfEndedEpoch,
    /// 2. A writer creates only numbers below committed prefix + window. Off: one more.
    ExactWindow,
    /// 3. The end of the chain is walked, number by number. Off: searched by jumps.
    WalkedEnd,
    /// 4. A candidate sends nothing and believes nothing without a proof. Off: it does.
    CandidateProof,
    /// 5. A leader sends nothing and believes nothing without a proof. Off: it does.
    LeaderProof,
    /// 6. Writers check the proof before they send and before they believe what they read. Off:
    ///    only before they believe the answer to a put.
    ProofBeforeSending,
    /// 7. A tailing reader believes nothing without a proof. Off: it does.
    ReaderProof,
    /// 8. The manifest's fence carries the epoch of the write-ahead log, and a candidate that
    ///    meets an equal or higher one there steps down. Off: it fences on top.
    OwnerEpoch,
}

impl Rule {
    /// All of them, in the order of the table.
    pub const EVERY: [Self; 8] = [
        Self::WindowOfEndedEpoch,
        Self::ExactWindow,
        Self::WalkedEnd,
        Self::CandidateProof,
        Self::LeaderProof,
        Self::ProofBeforeSending,
        Self::ReaderProof,
        Self::OwnerEpoch,
    ];

    /// Its name on a command line.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::WindowOfEndedEpoch => "window-of-ended-epoch",
            Self::ExactWindow => "exact-window",
            Self::WalkedEnd => "walked-end",
            Self::CandidateProof => "candidate-proof",
            Self::LeaderProof => "leader-proof",
            Self::ProofBeforeSending => "proof-before-sending",
            Self::ReaderProof => "reader-proof",
            Self::OwnerEpoch => "owner-epoch",
        }
    }

    /// The rule of a name or of its number in the table.
    #[must_use]
    pub fn named(text: &str) -> Option<Self> {
        Self::EVERY
            .into_iter()
            .enumerate()
            .find_map(|(at, rule)| (rule.name() == text || (at + 1).to_string() == text).then_some(rule))
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Which protections are on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Rules {
    off: Option<Rule>,
}

impl Rules {
    /// All protections on: what a broker runs with.
    pub const ALL: Self = Self { off: None };

    /// All but one. For the checker and tests only: a journal that is written so loses records.
    #[must_use]
    pub const fn without(rule: Rule) -> Self {
        Self { off: Some(rule) }
    }

    /// What a driver gives to its machines: all of them, but for the one that a simulation has switched off.
    #[must_use]
    pub fn in_force() -> Self {
        let off = Rule::EVERY.into_iter().find(|rule| highwater_env::marks::is_off(rule.name()));
        Self { off }
    }

    /// Whether `rule` is on.
    #[must_use]
    pub fn hold(self, rule: Rule) -> bool {
        self.off != Some(rule)
    }
}
