//! A seeded, virtual world for tests; it runs on an ordinary tokio test runtime, or on its own executor.
//!
//! - [`clock`]: time that stands still until it is advanced. - [`random`]: numbers from a seed.
//! - [`tasks`]: tasks without threads. - [`executor`]: tasks of several processes, in an order drawn by a seed. - [`disk`]: files in memory that crash and fail on demand.

pub mod clock;
pub mod disk;
pub mod executor;
pub mod random;
pub mod tasks;

use std::sync::Arc;

use crate::Env;

pub use clock::SimClock;
pub use disk::{DiskFaults, SimDisk};
pub use executor::{NodeId, SimExecutor};
pub use random::SimRandom;
pub use tasks::SimTasks;

/// A virtual world and the knobs to turn it.
#[derive(Clone)]
pub struct SimEnv {
    /// What the code under test gets.
    pub env: Env,
    /// Time.
    pub clock: Arc<SimClock>,
    /// Files.
    pub disk: Arc<SimDisk>,
    /// Numbers.
    pub random: Arc<SimRandom>,
}

impl SimEnv {
    /// A world whose clock the test advances by hand ([`SimClock::advance`]).
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self::with_clock(seed, SimClock::manual())
    }

    /// A world whose clock follows tokio's: with `#[tokio::test(start_paused = true)]` (tokio's
    /// `test-util`) it jumps to the next deadline whenever every task waits.
    #[must_use]
    pub fn auto(seed: u64) -> Self {
        Self::with_clock(seed, SimClock::auto())
    }

    fn with_clock(seed: u64, clock: SimClock) -> Self {
        let clock = Arc::new(clock);
        let random = Arc::new(SimRandom::new(seed));
        let disk = Arc::new(SimDisk::new(clock.clone()));
        let env = Env { clock: clock.clone(), random: random.clone(), tasks: Arc::new(SimTasks), disk: disk.clone() };
        Self { env, clock, disk, random }
    }
}

#[cfg(test)]
mod tests;
