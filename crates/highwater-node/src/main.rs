//! The binary `highwater`: configuration, wiring and the command line.
//!
//! - [`cli`]: flags. - [`config`]: what they mean together. - [`identity`]: who this broker is.
//! - [`serve`]: a broker from its start to its end. - [`storage`]: its bucket and its leases.
//! - [`leadership`]: whether it still may lead.
//! - [`http`], [`readiness`]: what probes ask. - [`shutdown`]: signals. - [`banner`]: what a person
//!   is told. - [`errors`]: why it did not start. - [`process`]: limits of the process.
//! - [`telemetry`]: logs. - [`progress`]: whether its puts get anywhere.

mod banner;
mod cli;
mod config;
mod errors;
mod http;
mod identity;
mod leadership;
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

use crate::cli::{Cli, Command};
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
    telemetry::start(cli.log.as_deref())?;
    let Command::Serve(args) = cli.command;
    let config = config::ServeConfig::resolve(args)?;
    process::raise_open_files();
    // Whoever opens a TLS connection first would otherwise have to choose; a second call changes nothing.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(StartError::Runtime)?;
    let code = runtime.block_on(serve::serve(config));
    // What still runs after the drain is not waited for.
    runtime.shutdown_background();
    code
}
