//! The binary `highwater`: configuration, wiring and the command line.
//!
//! - [`cli`]: commands. - [`config`]: settings of a broker. - [`identity`]: who this broker is.
//! - [`serve`]: a broker from its start to its end. - [`storage`]: its bucket and its leases.
//! - [`http`], [`readiness`]: what probes ask. - [`shutdown`]: signals. - [`banner`]: what a person
//!   is told. - [`errors`]: why it did not start. - [`process`]: limits of the process.
//! - [`commands`]: what is not a broker.
//! - [`telemetry`]: logs. - [`progress`]: whether its puts get anywhere. - `faults`: on purpose, in the test build.

mod banner;
mod cli;
mod commands;
mod config;
mod disk_cache;
mod errors;
#[cfg(feature = "faults")]
mod faults;
mod http;
mod identity;
mod process;
mod progress;
mod readiness;
mod serve;
mod shutdown;
mod storage;
mod telemetry;

use std::io::Write;
use std::process::ExitCode;

use clap::Parser;

use crate::cli::{Cli, Command, ConfigCommand};
use crate::commands::session;
use crate::config::{BrokerFlags, ServeConfig, Settings};
use crate::errors::StartError;

fn main() -> ExitCode {
    let cli = Cli::parse();
    match run(cli) {
        Ok(code) => code,
        Err(error) => {
            // One line that says what to do; nothing can be done if even this cannot be written.
            let _ = writeln!(std::io::stderr(), "highwater: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(cli: Cli) -> Result<ExitCode, StartError> {
    let log = cli.log.clone();
    let log = log.as_deref();
    match cli.command {
        Command::Serve(flags) => run_broker(&flags.with_log(cli.log)),
        Command::Config(ConfigCommand::Show(args)) => {
            config::show::run(args, cli.log)?;
            Ok(ExitCode::SUCCESS)
        }
        Command::Config(ConfigCommand::Describe { brokers, args }) => {
            session::run(&brokers, log, async |cluster| commands::config::describe(cluster, &args).await)
        }
        Command::Config(ConfigCommand::Alter { brokers, args }) => {
            session::run(&brokers, log, async |cluster| commands::config::alter(cluster, args).await)
        }
        Command::Topic { brokers, command } => {
            session::run(&brokers, log, async |cluster| commands::topic::run(cluster, command).await)
        }
        Command::Group { brokers, command } => {
            session::run(&brokers, log, async |cluster| commands::group::run(cluster, command).await)
        }
        Command::Produce { brokers, args } => {
            session::run(&brokers, log, async |cluster| commands::produce::run(cluster, args).await)
        }
        Command::Consume { brokers, args } => {
            session::run(&brokers, log, async |cluster| commands::consume::run(cluster, args).await)
        }
        Command::Completions { shell } => {
            banner::print(&commands::completions::script(shell));
            Ok(ExitCode::SUCCESS)
        }
        Command::Bucket(command) => {
            install_ring();
            commands::bucket::run(command, cli.log)
        }
        Command::Verify(args) => {
            install_ring();
            commands::verify::run(args, cli.log)
        }
        Command::Inspect(args) => {
            install_ring();
            commands::inspect::run(args, cli.log)
        }
        Command::Config(ConfigCommand::Reference) => {
            banner::print(&config::reference::markdown());
            Ok(ExitCode::SUCCESS)
        }
    }
}

/// Whoever opens a TLS connection first would otherwise have to choose; a second call changes nothing.
fn install_ring() {
    let _ = rustls::crypto::ring::default_provider().install_default();
}

fn run_broker(flags: &BrokerFlags) -> Result<ExitCode, StartError> {
    let settings = Settings::read(flags, std::env::vars_os())?;
    let config = ServeConfig::resolve(&settings)?;
    let log = telemetry::start(Some(&config.log), config.log_format)?;
    for warning in &settings.warnings {
        tracing::warn!("{warning}");
    }
    process::raise_open_files();
    install_ring();
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    let runtime = runtime.enable_all().worker_threads(process::workers()).build().map_err(StartError::Runtime)?;
    let code = runtime.block_on(serve::serve(config, log));
    // What still runs after the drain is not waited for.
    runtime.shutdown_background();
    code
}
