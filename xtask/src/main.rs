//! Every command of this repository: `cargo xtask COMMAND`.

mod bench;
mod boundaries;
mod chaos;
mod codegen;
mod command;
mod lint;
mod metadata;
mod parts;
mod prerequisites;
mod test;
mod tidy;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

#[derive(Debug, Parser)]
#[command(name = "cargo xtask", about = "Every command of this repository.")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Formatting, clippy with warnings denied, tidy, and the arrows between the crates.
    Lint,
    /// What no compiler checks: words, paths, long files, dead files, first lines, licences.
    Tidy,
    /// Fetches or builds the real parts that the tests need: Kafka, MinIO, clients, data.
    Parts,
    /// All tests, against real processes.
    Test(test::Arguments),
    /// Highwater beside Apache Kafka, with Kafka's own tools.
    Bench(bench::Arguments),
    /// The exhaustive checker of the journal's state machine.
    CheckJournal {
        /// What is handed on to the checker.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
    /// Deterministic simulation of several brokers, a history for each seed.
    Sim {
        /// What is handed on to the simulation: `--seeds N --from S`, `--seed S --trace`, `--without NAME`.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
    /// Generates the Kafka messages of highwater-wire from its schema.
    Codegen {
        /// Only says whether the generated files are up to date.
        #[arg(long)]
        check: bool,
    },
    /// Faults for as long as wanted.
    #[command(subcommand)]
    Chaos(chaos::Command),
    /// What `.ci/run` runs: lint, then test.
    Ci,
}

fn main() -> ExitCode {
    let outcome = match Arguments::parse().command {
        Command::Lint => lint::run(),
        Command::Tidy => tidy::run(),
        Command::Parts => parts::prepare_all().map(drop),
        Command::Test(arguments) => test::run(&arguments),
        Command::Bench(arguments) => bench::run(&arguments),
        Command::CheckJournal { arguments } => check_journal(&arguments),
        Command::Sim { arguments } => simulate(&arguments),
        Command::Codegen { check } => codegen::run(check),
        Command::Chaos(command) => chaos::run(&command),
        Command::Ci => lint::run().and_then(|()| test::run(&test::Arguments::default())),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn check_journal(arguments: &[String]) -> anyhow::Result<()> {
    let mut cargo = command::cargo();
    cargo.args(["run", "--release", "--quiet", "-p", "highwater-journal"]);
    cargo.args(["--bin", "journal-check", "--"]).args(arguments);
    command::run(&mut cargo)
}

fn simulate(arguments: &[String]) -> anyhow::Result<()> {
    let mut cargo = command::cargo();
    cargo.args(["run", "--release", "--quiet", "-p", "highwater-sim", "--bin", "sim", "--"]).args(arguments);
    command::run(&mut cargo)
}
