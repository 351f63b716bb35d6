//! The exhaustive search from the command line: `cargo xtask check-journal`.
//!
//! ```text
//! journal-check [quick | large | SIZE...] [--without RULE] [--walks N]
//! ```
//!
//! Prints a line for each size with its number of states. Ends with 1 when a violation is found
//! although all protections are on, or none although one is off.

use std::process::ExitCode;

use highwater_journal::Rule;
use highwater_journal::checker::size::{LARGE, QUICK};
use highwater_journal::checker::{Size, run_checker, wander};

fn main() -> ExitCode {
    match run() {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(what) => {
            eprintln!("{what}");
            eprintln!("usage: cargo xtask check-journal [quick | large | SIZE...] [--without RULE] [--walks N]");
            let sizes: Vec<&str> = Size::all().map(|size| size.name).collect();
            eprintln!("sizes: {}", sizes.join(", "));
            eprintln!("rules: {}", Rule::EVERY.map(Rule::name).join(", "));
            ExitCode::from(2)
        }
    }
}

fn run() -> Result<bool, String> {
    let mut sizes = Vec::new();
    let mut without = None;
    let mut walks = None;
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "quick" => sizes.extend_from_slice(QUICK),
            "large" => sizes.extend(LARGE.iter().filter(|size| size.name != "everything")),
            "--without" => {
                let name = arguments.next().unwrap_or_default();
                without = Some(Rule::named(&name).ok_or_else(|| format!("no rule is called {name:?}"))?);
            }
            "--walks" => {
                let count = arguments.next().unwrap_or_default();
                walks = Some(count.parse::<u64>().map_err(|_| format!("{count:?} is not a count"))?);
            }
            name => sizes.push(Size::named(name).ok_or_else(|| format!("no size is called {name:?}"))?),
        }
    }
    if sizes.is_empty() {
        sizes.extend_from_slice(QUICK);
    }
    let mut found = false;
    for size in &sizes {
        let report = match walks {
            Some(walks) => wander(size, without, 1, walks, 1000),
            None => run_checker(size, without),
        };
        println!("{report}");
        found |= report.violation.is_some();
    }
    Ok(found == without.is_some())
}
