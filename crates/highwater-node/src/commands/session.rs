//! The cluster that a command speaks to, any Kafka cluster, and how its errors end the process.

use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;

use clap::Args;
use highwater_client::{ClientError, Cluster, ClusterOptions};
use highwater_env::RealEnv;

use crate::errors::StartError;
use crate::telemetry;

/// Which brokers.
#[derive(Clone, Debug, Args)]
pub struct Brokers {
    /// Some brokers of the cluster, HOST:PORT separated by commas; without it, HIGHWATER_BOOTSTRAP,
    /// else 127.0.0.1:9092.
    #[arg(long, short = 'b', value_name = "HOST:PORT", value_delimiter = ',', global = true)]
    pub bootstrap: Option<Vec<String>>,
}

/// The variable that stands in for `--bootstrap`.
const BOOTSTRAP_VARIABLE: &str = "HIGHWATER_BOOTSTRAP";
/// Where `highwater serve` listens by itself.
const DEFAULT_BOOTSTRAP: &str = "127.0.0.1:9092";

impl Brokers {
    /// The flag, else the variable, else the default.
    fn addresses(&self) -> Vec<String> {
        if let Some(given) = &self.bootstrap {
            return given.clone();
        }
        match std::env::var(BOOTSTRAP_VARIABLE) {
            Ok(list) if !list.trim().is_empty() => list.split(',').map(|one| one.trim().to_owned()).collect(),
            _ => vec![DEFAULT_BOOTSTRAP.to_owned()],
        }
    }
}

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
pub enum CommandError {
    /// The cluster.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// What was given.
    #[error("{0}")]
    Usage(String),
    /// A file, or standard input or output.
    #[error("{what}: {source}")]
    Io {
        /// Which.
        what: String,
        /// Why.
        #[source]
        source: io::Error,
    },
}

impl CommandError {
    /// An error of a file by its name.
    pub fn io(what: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let what = what.into();
        move |source| Self::Io { what, source }
    }

    /// Whether nobody reads what we print any more, which is how `| head` ends.
    fn is_closed_pipe(&self) -> bool {
        matches!(self, Self::Io { source, .. } if source.kind() == io::ErrorKind::BrokenPipe)
    }
}

/// 2, as for flags that clap refuses.
const USAGE: u8 = 2;

/// Runs a command against the cluster. Its error is one line; logs are silent unless asked for.
pub fn run<F>(brokers: &Brokers, log: Option<&str>, command: F) -> Result<ExitCode, StartError>
where
    F: AsyncFnOnce(&mut Cluster) -> Result<(), CommandError>,
{
    telemetry::start(Some(log.unwrap_or("off")), telemetry::LogFormat::Text)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(StartError::Runtime)?;
    let outcome = runtime.block_on(async {
        let env = RealEnv::new(tokio::runtime::Handle::current());
        let mut cluster = Cluster::connect(&env, ClusterOptions::new(brokers.addresses())).await?;
        command(&mut cluster).await
    });
    runtime.shutdown_background();
    let code = match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if error.is_closed_pipe() => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(io::stderr(), "highwater: {error}");
            if matches!(error, CommandError::Usage(_)) { ExitCode::from(USAGE) } else { ExitCode::FAILURE }
        }
    };
    Ok(code)
}

/// Prints text on standard output.
///
/// # Errors
/// When nobody reads it.
pub fn print(text: &str) -> Result<(), CommandError> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes()).and_then(|()| out.flush()).map_err(CommandError::io("standard output"))
}

/// Whether a person watches standard error.
pub fn is_watched() -> bool {
    io::stderr().is_terminal()
}

/// `NAME=VALUE`.
///
/// # Errors
/// When there is no `=`.
pub fn pair(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or_else(|| format!("takes NAME=VALUE, got '{text}'"))?;
    Ok((name.trim().to_owned(), value.to_owned()))
}
