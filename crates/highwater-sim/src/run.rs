//! Many histories, counted: what they met, and the first that must not be.

use std::collections::BTreeMap;

use crate::hazards::{HAZARDS, LONG_RUN, OFTEN};
use crate::history::{History, Outcome, Violation};

/// What a run has done so far.
#[derive(Debug, Default)]
pub struct Totals {
    /// Histories.
    pub histories: u64,
    /// Events delivered to the code under test.
    pub steps: u64,
    /// Records that the models knew.
    pub records: u64,
    /// Hazards met.
    pub met: BTreeMap<&'static str, u64>,
}

impl Totals {
    fn add(&mut self, outcome: &Outcome) {
        self.histories += 1;
        self.steps += outcome.steps;
        self.records += outcome.records as u64;
        for (hazard, count) in &outcome.met {
            *self.met.entry(hazard).or_default() += count;
        }
    }

    /// Hazards that a run of this length should have met more often, with how often it did.
    pub fn missing(&self) -> Vec<(&'static str, u64)> {
        let due = if self.histories >= LONG_RUN { OFTEN } else { 0 };
        let count = |hazard: &&'static str| (*hazard, self.met.get(*hazard).copied().unwrap_or(0));
        HAZARDS.iter().map(count).filter(|(_, count)| *count < due).collect()
    }
}

/// Why a run ended early.
#[derive(Debug)]
pub enum Failure {
    /// The same seed gave two traces.
    NotDeterministic {
        /// The seed.
        seed: u64,
        /// Steps and traces of both.
        traces: [(u64, u64); 2],
    },
    /// A history that must not be.
    Violated {
        /// Its seed.
        seed: u64,
        /// What is wrong.
        violation: Violation,
    },
}

/// Runs `seeds` histories from seed `from` on, the first of them twice; `progress` is told after each.
///
/// # Errors
/// With the first history that must not be, or that is not the same twice.
pub fn run(
    from: u64,
    seeds: u64,
    without: Option<&'static str>,
    mut progress: impl FnMut(&Totals),
) -> Result<Totals, Failure> {
    let history = |seed| History { seed, without, verbose: false };
    let mut totals = Totals::default();
    for seed in from..from.saturating_add(seeds) {
        let outcome = history(seed).run();
        if seed == from {
            let again = history(seed).run();
            if (outcome.steps, outcome.trace) != (again.steps, again.trace) {
                let traces = [(outcome.steps, outcome.trace), (again.steps, again.trace)];
                return Err(Failure::NotDeterministic { seed, traces });
            }
        }
        totals.add(&outcome);
        if let Some(violation) = outcome.violation {
            return Err(Failure::Violated { seed, violation });
        }
        progress(&totals);
    }
    Ok(totals)
}
