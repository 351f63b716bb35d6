//! `cargo xtask chaos`: the faults of the tests, for as long as wanted.

mod kill;
mod storage;

use anyhow::Result;
use clap::Subcommand;
use highwater_tests::parts::BINARY_VARIABLE;

use crate::test;

/// The kinds of fault.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// kill -9 at random moments under load; every acknowledged record must be there once.
    Kill(kill::Arguments),
    /// Retention, compaction and deletion under load: the bucket follows what is live.
    Storage(storage::Arguments),
}

/// Runs one kind of fault.
pub fn run(command: &Command) -> Result<()> {
    if std::env::var_os(BINARY_VARIABLE).is_none() {
        let binary = test::build_binaries()?;
        // SAFETY: this program has one thread so far.
        unsafe { std::env::set_var(BINARY_VARIABLE, binary) };
    }
    match command {
        Command::Kill(arguments) => kill::run(arguments),
        Command::Storage(arguments) => storage::run(arguments),
    }
}
