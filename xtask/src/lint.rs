//! `cargo xtask lint`: everything that can be said about the sources without running them.

use anyhow::{Result, bail};

use crate::metadata::Metadata;
use crate::{boundaries, codegen, command, tidy};

type Check = fn() -> Result<()>;

/// Runs every check, cheap ones first, and fails at the end if any of them did.
pub fn run() -> Result<()> {
    let checks: [(&str, Check); 6] = [
        ("formatting", formatting),
        ("tidy", tidy::run),
        ("crate boundaries", crate_boundaries),
        ("generated code", || codegen::run(true)),
        ("clippy", clippy_of_production),
        ("clippy of the tests", clippy_of_tests),
    ];
    let mut failed = Vec::new();
    for (name, check) in checks {
        println!("lint: {name}");
        if let Err(error) = check() {
            eprintln!("error: {name}: {error:#}");
            failed.push(name);
        }
    }
    if failed.is_empty() {
        println!("lint: clean");
        return Ok(());
    }
    bail!("lint failed: {}", failed.join(", "))
}

fn formatting() -> Result<()> {
    command::run(command::cargo().args(["fmt", "--all", "--", "--check"]))
}

fn crate_boundaries() -> Result<()> {
    let violations = boundaries::violations(&Metadata::read()?)?;
    for violation in &violations {
        eprintln!("{violation}");
    }
    if violations.is_empty() {
        return Ok(());
    }
    bail!("{} violations", violations.len())
}

fn clippy_of_production() -> Result<()> {
    let mut cargo = command::cargo();
    cargo.args(["clippy", "--workspace", "--lib", "--bins", "--release"]);
    command::run(cargo.args(["--", "-D", "warnings"]))
}

/// The bans of clippy.toml are about what a simulation must own; a test may read a clock and a file.
fn clippy_of_tests() -> Result<()> {
    let mut cargo = command::cargo();
    cargo.args(["clippy", "--workspace", "--all-targets", "--all-features", "--release", "--", "-D", "warnings"]);
    cargo.args(["-A", "clippy::disallowed_methods", "-A", "clippy::disallowed_types"]);
    command::run(&mut cargo)
}
