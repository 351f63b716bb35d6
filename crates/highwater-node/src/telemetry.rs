//! Logs: to standard error, filtered by `--log` or `RUST_LOG`.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;

use crate::errors::StartError;

/// Our own news, and others' only when something is wrong. What the AWS SDK warns of becomes an error
/// that we report ourselves.
pub const DEFAULT_FILTER: &str = "warn,highwater=info,aws_config=error,aws_smithy_runtime=error,aws_runtime=error";

/// Starts logging. `filter` is the flag; a bare level means that level for everything.
pub fn start(filter: Option<&str>) -> Result<(), StartError> {
    let from_environment = std::env::var("RUST_LOG").ok().filter(|text| !text.trim().is_empty());
    let text = filter.map(str::to_owned).or(from_environment).unwrap_or_else(|| DEFAULT_FILTER.to_owned());
    let filter = EnvFilter::try_new(&text).map_err(|error| {
        StartError::Config(format!("'{text}' is not a log filter ({error}): try info, or highwater=debug"))
    })?;
    let started = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .try_init();
    // Somebody else's logging stays: only tests have one.
    drop(started);
    Ok(())
}
