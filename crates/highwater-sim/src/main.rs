//! The simulation from the command line: `cargo xtask sim`.
//!
//! Ends with 1 when a history violates the model although all protections are on (or none does although
//! one is off), when a run is not deterministic, or when a long run did not meet a hazard often enough.

use std::process::ExitCode;
use std::time::Instant;

use anyhow::{Context, Result};
use clap::Parser;
use highwater_sim::run::{Failure, Totals, run};
use highwater_sim::{History, Violation, protections};

/// A line of progress every so many histories.
const TOLD_EVERY: u64 = 100;

/// Histories of several brokers, each drawn from one seed.
#[derive(Debug, Parser)]
#[command(name = "sim")]
struct Arguments {
    /// How many histories.
    #[arg(long, default_value_t = 100)]
    seeds: u64,
    /// The first seed.
    #[arg(long, default_value_t = 1)]
    from: u64,
    /// One history alone.
    #[arg(long)]
    seed: Option<u64>,
    /// Print each step and each event of it.
    #[arg(long, requires = "seed")]
    trace: bool,
    /// Do without a protection: a violation must be found.
    #[arg(long, value_name = "NAME")]
    without: Option<String>,
    /// Name the protections that can be switched off.
    #[arg(long)]
    protections: bool,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    if arguments.protections {
        protections::every().for_each(|name| println!("{name}"));
        return ExitCode::SUCCESS;
    }
    match sim(&arguments) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::from(2)
        }
    }
}

fn sim(arguments: &Arguments) -> Result<bool> {
    let without = match &arguments.without {
        Some(name) => Some(protections::named(name).with_context(|| {
            let known: Vec<_> = protections::every().collect();
            format!("no protection is called {name}; there are: {}", known.join(", "))
        })?),
        None => None,
    };
    if let (Some(seed), true) = (arguments.seed, arguments.trace) {
        let outcome = History { seed, without, verbose: true }.run();
        println!("seed {seed}: {} steps, trace {:016x}", outcome.steps, outcome.trace);
        if let Some(violation) = &outcome.violation {
            println!("violation: {}", violation.what);
        }
        return Ok(outcome.violation.is_none() == without.is_none());
    }
    let (from, seeds) = arguments.seed.map_or((arguments.from, arguments.seeds), |seed| (seed, 1));
    let began = now();
    let tell = |totals: &Totals| {
        let seconds = seconds_since(began);
        let rate = totals.steps as f64 / seconds.max(1e-9);
        println!(
            "{} histories, {} steps, {} records, {seconds:.1} s, {rate:.0} steps/s",
            totals.histories, totals.steps, totals.records
        );
    };
    let outcome = run(from, seeds, without, |totals| {
        if totals.histories.is_multiple_of(TOLD_EVERY) {
            tell(totals);
        }
    });
    match outcome {
        Ok(totals) => {
            tell(&totals);
            Ok(judge(&totals, without))
        }
        Err(Failure::NotDeterministic { seed, traces }) => {
            println!("seed {seed} is not deterministic: steps and traces {traces:x?}");
            Ok(false)
        }
        Err(Failure::Violated { seed, violation }) => {
            report(seed, &violation, without);
            println!("found after {:.1} s", seconds_since(began));
            Ok(without.is_some())
        }
    }
}

/// After a run without violation.
fn judge(totals: &Totals, without: Option<&str>) -> bool {
    for (hazard, count) in &totals.met {
        println!("{count:>12} {hazard}");
    }
    if let Some(name) = without {
        println!("no violation was found without {name}");
        return false;
    }
    let missing = totals.missing();
    for (hazard, count) in &missing {
        println!("hazard {hazard} was met {count} times only");
    }
    missing.is_empty()
}

fn report(seed: u64, violation: &Violation, without: Option<&str>) {
    for event in &violation.events {
        println!("{event}");
    }
    let without = without.map_or(String::new(), |name| format!(" --without {name}"));
    println!("violation: {}", violation.what);
    println!("replay: cargo xtask sim --seed {seed}{without} --trace");
}

#[expect(clippy::disallowed_methods, reason = "how long a run takes is told to people; no history knows of it")]
fn now() -> Instant {
    Instant::now()
}

#[expect(clippy::disallowed_methods, reason = "as now")]
fn seconds_since(began: Instant) -> f64 {
    began.elapsed().as_secs_f64()
}
