//! The exhaustive search: nothing with all protections, and the history of each without it.

use highwater_journal::Rule;
use highwater_journal::checker::size::QUICK;
use highwater_journal::checker::{Size, run_checker, wander};

#[test]
fn with_all_protections_nothing_is_found() {
    for size in QUICK {
        let report = run_checker(size, None);
        println!("{report}");
        assert!(report.violation.is_none() && report.exhausted, "{report}");
    }
}

/// The table of histories: protection, the smallest world that shows why, what is found.
const HISTORIES: [(Rule, &str, &str); 8] = [
    (Rule::WindowOfEndedEpoch, "mixed-windows", "a replay stops"),
    (Rule::ExactWindow, "mixed-windows", "a replay stops"),
    (Rule::WalkedEnd, "three-leaders", "that no replay holds"),
    (Rule::CandidateProof, "deletion", "leads epoch 1 by a fence @0 that no replay holds"),
    (Rule::LeaderProof, "deletion", "acks @1, which is in no replay"),
    (Rule::ProofBeforeSending, "three-leaders-deletion", "holds a fence of epoch 3 that cannot follow epoch 1"),
    (Rule::ReaderProof, "reader", "serves @0, which no replay holds"),
    (Rule::OwnerEpoch, "two-journals", "the manifest's owner is not the highest epoch"),
];

#[test]
fn without_any_one_protection_its_history_is_found() {
    for (rule, size, what) in HISTORIES {
        let report = run_checker(&Size::named(size).unwrap(), Some(rule));
        println!("{report}");
        let violation = report.violation.clone().unwrap_or_else(|| panic!("{rule}: nothing found in {size}"));
        assert!(violation.what.contains(what), "{rule}: {}", violation.what);
        // With it, the same world holds at least as far.
        let size = Size { max_depth: report.depth, ..Size::named(size).unwrap() };
        let report = run_checker(&size, None);
        assert!(report.violation.is_none(), "{report}");
    }
}

#[test]
fn the_search_is_deterministic() {
    let size = Size::named("mixed-windows").unwrap();
    assert_eq!(run_checker(&size, None), run_checker(&size, None));
    assert_eq!(run_checker(&size, Some(Rule::ExactWindow)), run_checker(&size, Some(Rule::ExactWindow)));
}

#[test]
fn random_walks_through_a_wide_world_find_nothing() {
    let size = Size::named("everything").unwrap();
    let report = wander(&size, None, 7, 3000, 400);
    println!("{report}");
    assert!(report.violation.is_none(), "{report}");
    assert!(report.transitions > 100_000 && report.depth > 60, "{report}");
}
