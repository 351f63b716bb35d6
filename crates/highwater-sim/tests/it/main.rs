//! Fixed seeds: no violation with all protections on, the same history twice, and a violation where a
//! protection is off.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use highwater_sim::History;
use highwater_sim::run::run;

#[test]
fn no_history_violates_the_model() {
    let totals = run(1, 60, None, |_| ()).unwrap();
    assert!(totals.steps > 100_000, "histories do something: {} steps", totals.steps);
}

#[test]
fn a_seed_gives_the_same_history_twice() {
    for seed in [26, 301, 608] {
        let history = History { seed, without: None, verbose: false };
        let (first, second) = (history.run(), history.run());
        assert_eq!((first.steps, first.trace), (second.steps, second.trace), "seed {seed}");
    }
}

/// Those that are found soon, and the seed that finds them.
const FOUND: &[(&str, u64)] = &[
    ("acknowledged-when-durable", 1),
    ("candidate-proof", 526),
    ("compaction-by-its-leader", 3788),
    ("deposed-tail", 3),
    ("exact-window", 11),
    ("failed-sync-is-final", 24),
    ("generation-of-a-member", 77),
    ("high-watermark-waits", 1),
    ("leader-proof", 22),
    ("offset-reserve", 2),
    ("owner-epoch", 11),
    ("producer-sequences", 1),
    ("proof-before-sending", 1087),
    ("reader-proof", 5497),
    ("tenure", 385),
    ("walked-end", 1),
    ("window-of-ended-epoch", 21),
];

#[test]
fn a_protection_that_is_off_is_found() {
    for (protection, seed) in FOUND {
        let without = highwater_sim::protections::named(protection);
        assert!(without.is_some(), "{protection} is known");
        let outcome = History { seed: *seed, without, verbose: false }.run();
        assert!(outcome.violation.is_some(), "seed {seed} without {protection}");
        let outcome = History { seed: *seed, without: None, verbose: false }.run();
        assert!(outcome.violation.is_none(), "seed {seed}: {:?}", outcome.violation);
    }
}
