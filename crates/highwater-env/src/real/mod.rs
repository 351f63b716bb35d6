//! The machine's own clock, randomness, tasks and disk.
//!
//! - [`clock`]: CLOCK_BOOTTIME and tokio's timer. - [`random`]: a CSPRNG.
//! - [`tasks`]: tokio. - `hop`: where blocking calls run. - [`disk`]: the file system by path. - [`file`]: one open file.

pub mod clock;
pub mod disk;
pub mod file;
mod hop;
mod pool;
pub mod random;
pub mod tasks;

use std::sync::Arc;

use tokio::runtime::Handle;

use crate::Env;

pub use clock::RealClock;
pub use disk::RealDisk;
pub use random::RealRandom;
pub use tasks::{RealTasks, TaskCensus, TaskCount};

/// Makes an [`Env`] of the machine.
pub struct RealEnv;

impl RealEnv {
    /// An environment whose tasks, timers and blocking work run on the runtime of `handle` (its
    /// timer must be enabled). The returned handle is cheap to clone and may outlive the runtime;
    /// then its tasks end at once.
    #[expect(clippy::new_ret_no_self, reason = "the real world has no state of its own beside the handle it returns")]
    #[must_use]
    pub fn new(handle: Handle) -> Env {
        Self::with_census(handle).0
    }

    /// The same, and who runs in it.
    #[must_use]
    pub fn with_census(handle: Handle) -> (Env, Arc<TaskCensus>) {
        let tasks = RealTasks::new(handle.clone());
        let census = tasks.census();
        let env = Env {
            clock: Arc::new(RealClock::new(handle.clone())),
            random: Arc::new(RealRandom::new()),
            tasks: Arc::new(tasks),
            disk: Arc::new(RealDisk::new(handle)),
        };
        (env, census)
    }
}

#[cfg(test)]
mod tests;
