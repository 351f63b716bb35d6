//! SIGINT and SIGTERM: the first asks for a drain, the second ends the process at once.

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;

use crate::errors::StartError;

/// What a shell shows for a process that a signal ended, less the signal's number.
const SIGNAL_BASE: i32 = 128;

/// Completes for everyone who waits once the first signal has come.
#[derive(Clone)]
pub struct Shutdown {
    asked: watch::Receiver<bool>,
}

impl Shutdown {
    /// Starts to listen; needs the runtime.
    pub fn listen() -> Result<Self, StartError> {
        let interrupt = signal(SignalKind::interrupt()).map_err(StartError::Signals)?;
        let terminate = signal(SignalKind::terminate()).map_err(StartError::Signals)?;
        let (ask, asked) = watch::channel(false);
        tokio::spawn(async move {
            let mut signals = Signals { interrupt, terminate };
            let name = signals.next().await.0;
            tracing::info!(signal = name, "shutting down; a second signal ends at once");
            // Nobody may be listening yet or any more; the second signal still works.
            ask.send_replace(true);
            let (name, number) = signals.next().await;
            tracing::warn!(signal = name, "ended by a second signal");
            std::process::exit(SIGNAL_BASE + number);
        });
        Ok(Self { asked })
    }

    /// Waits for the first signal.
    pub async fn asked(&mut self) {
        if self.asked.wait_for(|asked| *asked).await.is_err() {
            // The listener has gone with the runtime: nobody will ask.
            std::future::pending::<()>().await;
        }
    }
}

struct Signals {
    interrupt: Signal,
    terminate: Signal,
}

impl Signals {
    /// Name and number of the next one.
    async fn next(&mut self) -> (&'static str, i32) {
        tokio::select! {
            biased;
            _ = self.interrupt.recv() => ("SIGINT", libc::SIGINT),
            _ = self.terminate.recv() => ("SIGTERM", libc::SIGTERM),
        }
    }
}
