//! Whether this broker's puts get anywhere: a broker that cannot write must not keep its lease.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use highwater_env::{Env, Instant};
use highwater_lease::keeper::Progress;
use highwater_log::Log;
use parking_lot::Mutex;

/// Bytes that wait for the bucket and do not change for this long: the longest that one put may
/// take, and then some. Data is flushed after a second at the latest.
const STALL: Duration = Duration::from_secs(45);

/// Watches the engine's unflushed bytes, once there is an engine.
#[derive(Clone)]
pub struct PutProgress {
    log: Arc<OnceLock<Log>>,
    progress: Progress,
}

impl PutProgress {
    /// Without an engine there is nothing to write, so all is well.
    pub fn new(env: Env) -> Self {
        let log: Arc<OnceLock<Log>> = Arc::default();
        let of = Arc::clone(&log);
        let began = env.now();
        let stall = Mutex::new(Stall { bytes: 0, since: began });
        let progress: Progress = Arc::new(move || {
            let bytes = of.get().map_or(0, Log::unflushed_bytes);
            stall.lock().look(bytes, env.now())
        });
        Self { log, progress }
    }

    /// From here on this engine is watched.
    pub fn watch(&self, log: Log) {
        // Set once: a broker has one engine.
        let _ = self.log.set(log);
    }

    /// What the lease's keeper asks.
    pub fn as_progress(&self) -> Progress {
        Arc::clone(&self.progress)
    }
}

/// The number as last seen, and since when it is that.
struct Stall {
    bytes: usize,
    since: Instant,
}

impl Stall {
    /// Whether the number has changed lately, or is 0.
    fn look(&mut self, bytes: usize, now: Instant) -> bool {
        if bytes == 0 || bytes != self.bytes {
            *self = Self { bytes, since: now };
        }
        now.since(self.since) < STALL
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_bytes_that_stay_are_a_stall() {
        let at = |seconds: u64| Instant(seconds * 1_000_000_000);
        let mut stall = Stall { bytes: 0, since: at(0) };
        assert!(stall.look(0, at(100)));
        assert!(stall.look(7, at(110)));
        assert!(stall.look(7, at(150)));
        assert!(!stall.look(7, at(155)));
        assert!(stall.look(6, at(156)));
        assert!(stall.look(0, at(500)));
        assert!(stall.look(0, at(1_000)));
    }
}
