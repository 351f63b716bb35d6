//! Logs: to standard error, filtered by `--log` or `RUST_LOG`; the filter can be changed at run time.

use std::io::IsTerminal;
use std::sync::Arc;

use parking_lot::Mutex;
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer, Registry, reload};

use crate::errors::StartError;

/// Our own news, and others' only when something is wrong. What the AWS SDK warns of becomes an error
/// that we report ourselves.
pub const DEFAULT_FILTER: &str = "warn,highwater=info,aws_config=error,aws_smithy_runtime=error,aws_runtime=error";

/// How a line is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

/// The filter in force.
#[derive(Clone)]
pub struct LogFilter {
    text: Arc<Mutex<String>>,
    handle: reload::Handle<EnvFilter, Registry>,
}

impl LogFilter {
    /// As it was given last.
    pub fn current(&self) -> String {
        self.text.lock().clone()
    }

    /// Logs by another filter from now on; an error says what it does not take.
    pub fn set(&self, text: &str) -> Result<(), String> {
        let filter = read(text)?;
        self.handle.reload(filter).map_err(|error| error.to_string())?;
        text.clone_into(&mut self.text.lock());
        Ok(())
    }
}

/// A filter from its text.
///
/// # Errors
/// What it does not take.
pub fn read(text: &str) -> Result<EnvFilter, String> {
    let refuse = |why: &str| format!("'{text}' is not a log filter ({why}): try info, or highwater=debug");
    // Taken for a module of that name, a misspelt level would silence everything else.
    let is_bare = |part: &&str| {
        // The empty text would parse as a level.
        !part.contains(['=', '[', ']', '{', '}']) && (part.is_empty() || part.parse::<LevelFilter>().is_err())
    };
    if let Some(part) = text.split(',').map(str::trim).find(is_bare) {
        return Err(refuse(&format!("'{part}' is no level, and a module needs one, as in module=level")));
    }
    EnvFilter::try_new(text).map_err(|error| refuse(&error.to_string()))
}

/// Starts logging. `filter` is the flag; a bare level means that level for everything.
pub fn start(filter: Option<&str>, format: LogFormat) -> Result<LogFilter, StartError> {
    let from_environment = std::env::var("RUST_LOG").ok().filter(|text| !text.trim().is_empty());
    let text = filter.map(str::to_owned).or(from_environment).unwrap_or_else(|| DEFAULT_FILTER.to_owned());
    let (filter, handle) = reload::Layer::new(read(&text).map_err(StartError::Config)?);
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    let lines = match format {
        LogFormat::Text => lines.with_ansi(std::io::stderr().is_terminal()).boxed(),
        LogFormat::Json => lines.json().flatten_event(true).boxed(),
    };
    let started = tracing_subscriber::registry().with(filter).with(lines).try_init();
    // Somebody else's logging stays: only tests have one.
    drop(started);
    Ok(LogFilter { text: Arc::new(Mutex::new(text)), handle })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn misspelt_filters_are_refused() {
        for good in
            ["info", "OFF", "warn,highwater=debug", "a::b=trace, error", "highwater[produce]=debug", DEFAULT_FILTER]
        {
            assert!(read(good).is_ok(), "{good}");
        }
        for bad in ["", "  ", "inof", "highwater", "info,", "highwater=loud"] {
            assert!(read(bad).is_err(), "'{bad}'");
        }
    }
}
