//! The breadth-first search and its report.

use std::fmt;

use super::fingerprint::{Seen, fingerprint};
use super::size::Size;
use super::world::{Action, World};
use crate::machine::{Rule, Rules};

/// What a search found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// The bounds.
    pub size: Size,
    /// The protection that was switched off.
    pub without: Option<Rule>,
    /// Different states reached.
    pub states: u64,
    /// Steps taken.
    pub transitions: u64,
    /// Steps of the longest of the shortest ways to a state.
    pub depth: u32,
    /// Whether every state within the bounds was reached.
    pub exhausted: bool,
    /// The first violation, by a shortest history.
    pub violation: Option<Violation>,
}

/// Something that must never be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// What.
    pub what: String,
    /// How it came about, step by step.
    pub history: Vec<String>,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.size.name)?;
        if let Some(rule) = self.without {
            write!(f, " without {rule}")?;
        }
        write!(f, ": {} states, {} steps, depth {}", self.states, self.transitions, self.depth)?;
        match &self.violation {
            Some(violation) => {
                writeln!(f, "; VIOLATION: {}", violation.what)?;
                for (at, step) in violation.history.iter().enumerate() {
                    writeln!(f, "  {:>2}. {step}", at + 1)?;
                }
                Ok(())
            }
            None if self.exhausted => write!(f, ", exhausted; no violation"),
            None => write!(f, ", not exhausted; no violation"),
        }
    }
}

/// How a state was first reached.
#[derive(Clone, Copy)]
struct Step {
    from: u32,
    /// Index among the actions of the state it came from.
    action: u16,
}

/// Explores everything within `size`, with all protections or all but one.
#[must_use]
pub fn run_checker(size: &Size, without: Option<Rule>) -> Report {
    let rules = without.map_or(Rules::ALL, Rules::without);
    let mut search =
        Search { start: World::new(size, rules), seen: Seen::default(), steps: Vec::new(), transitions: 0 };
    let mut frontier = vec![(0u32, search.start.clone())];
    search.seen.insert(fingerprint(&search.start));
    search.steps.push(Step { from: 0, action: 0 });
    let mut depth = 0;
    let mut violation = None;
    while !frontier.is_empty() && depth < size.max_depth && violation.is_none() {
        if search.steps.len() as u64 > size.max_states {
            break;
        }
        match search.expand(frontier) {
            Ok(next) => frontier = next,
            Err(found) => {
                violation = Some(found);
                frontier = Vec::new();
            }
        }
        depth += 1;
    }
    Report {
        size: *size,
        without,
        states: search.steps.len() as u64,
        transitions: search.transitions,
        depth,
        exhausted: frontier.is_empty() && violation.is_none(),
        violation,
    }
}

/// Where the search cannot go to the end, goes at random: `walks` histories of at most `steps`
/// steps each, which follow from `seed`. Its report counts steps, not different states.
#[must_use]
pub fn wander(size: &Size, without: Option<Rule>, seed: u64, walks: u64, steps: u32) -> Report {
    let rules = without.map_or(Rules::ALL, Rules::without);
    let mut report =
        Report { size: *size, without, states: 0, transitions: 0, depth: 0, exhausted: false, violation: None };
    let mut random = seed;
    let mut actions = Vec::new();
    for _ in 0..walks {
        let mut world = World::new(size, rules);
        let mut history = Vec::new();
        for depth in 0..steps {
            world.actions(&mut actions);
            let Some(action) = pick(&actions, &mut random) else {
                break;
            };
            history.push(world.describe(action));
            report.transitions += 1;
            report.depth = report.depth.max(depth + 1);
            if let Err(what) = world.apply(action) {
                report.violation = Some(Violation { what, history });
                return report;
            }
            world.normalise();
        }
    }
    report
}

/// One of `actions`, by the generator of Steele, Lea and Flood (SplitMix).
fn pick(actions: &[Action], random: &mut u64) -> Option<Action> {
    *random = random.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut word = *random;
    word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    word ^= word >> 31;
    let at = usize::try_from(word % (actions.len().max(1) as u64)).unwrap_or(0);
    actions.get(at).copied()
}

struct Search {
    start: World,
    seen: Seen,
    steps: Vec<Step>,
    transitions: u64,
}

impl Search {
    /// All new states one step from `frontier`.
    fn expand(&mut self, frontier: Vec<(u32, World)>) -> Result<Vec<(u32, World)>, Violation> {
        let mut next = Vec::new();
        let mut actions = Vec::new();
        for (from, world) in frontier {
            world.actions(&mut actions);
            for (at, action) in (0u16..).zip(&actions) {
                self.transitions += 1;
                let mut after = world.clone();
                if let Err(what) = after.apply(*action) {
                    return Err(Violation { what, history: self.history(from, *action) });
                }
                after.normalise();
                if self.seen.insert(fingerprint(&after)) {
                    let id = u32::try_from(self.steps.len()).unwrap_or(u32::MAX);
                    self.steps.push(Step { from, action: at });
                    next.push((id, after));
                }
            }
        }
        Ok(next)
    }

    /// The steps to state `id` and the action that broke it, replayed for their words.
    fn history(&self, id: u32, last: Action) -> Vec<String> {
        let mut chosen = Vec::new();
        let mut at = id;
        while at != 0 {
            let step = self.steps[at as usize];
            chosen.push(step.action);
            at = step.from;
        }
        let mut world = self.start.clone();
        let mut words = Vec::new();
        let mut actions = Vec::new();
        for index in chosen.into_iter().rev() {
            world.actions(&mut actions);
            let action = actions[usize::from(index)];
            words.push(world.describe(action));
            if world.apply(action).is_err() {
                break;
            }
            world.normalise();
        }
        words.push(world.describe(last));
        words
    }
}
