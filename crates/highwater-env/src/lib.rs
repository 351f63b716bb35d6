//! The world as the broker sees it: clock, randomness, tasks and disk.
//!
//! Nothing else in the workspace reads a clock, draws a random number, spawns a task or opens a
//! file (clippy's disallowed methods enforce it); so a simulation can stand in for all of them.
//!
//! - [`clock`]: monotonic time, wall time, sleeping. - [`random`]: numbers.
//! - [`tasks`]: spawning, blocking work. - [`watch`]: a value to wait on. - [`disk`]: files. - [`aligned`]: buffers for them.
//! - `whole`: files that are written whole. - [`faulty`]: a disk that fails on purpose.
//! - [`marks`]: what a simulation hears. - [`metrics`]: what operators see. - [`real`]: the machine's own. - [`sim`]: seeded and virtual, for tests.

pub mod aligned;
pub mod clock;
pub mod disk;
pub mod faulty;
pub mod marks;
pub mod metrics;
pub mod random;
pub mod real;
pub mod sim;
pub mod tasks;
pub mod watch;
mod whole;

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;

pub use aligned::HUGE_PAGE_BYTES;
pub use clock::{Clock, Elapsed, Instant};
pub use disk::{AlignedBuf, DirEntry, Disk, DiskLock, File, FileMeta, OpenMode, Placed};
pub use faulty::{DiskFaultCounts, DiskFaultRates, FaultyDisk};
pub use random::Random;
pub use real::RealEnv;
pub use sim::{SimClock, SimDisk, SimEnv, SimRandom};
pub use tasks::{TaskHandle, Tasks};

/// The four parts of the world in one cheap handle.
#[derive(Clone)]
pub struct Env {
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Numbers that nobody can guess (or, in a simulation, that a seed gives).
    pub random: Arc<dyn Random>,
    /// Tasks.
    pub tasks: Arc<dyn Tasks>,
    /// Files.
    pub disk: Arc<dyn Disk>,
}

impl Env {
    /// Monotonic now; counts suspension of the machine (`CLOCK_BOOTTIME`).
    pub fn now(&self) -> Instant {
        self.clock.now()
    }

    /// Milliseconds since 1970, UTC: for record timestamps and people, never for leases or timers.
    pub fn wall_ms(&self) -> i64 {
        self.clock.wall_ms()
    }

    /// Completes `duration` from now. Cancel by dropping.
    pub fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        self.clock.sleep_until(self.clock.now() + duration)
    }

    /// Runs `future` for at most `limit`; on `Err(Elapsed)` the future has been dropped.
    pub async fn timeout<F: Future>(&self, limit: Duration, future: F) -> Result<F::Output, Elapsed> {
        let sleep = self.sleep(limit);
        futures::pin_mut!(future);
        match futures::future::select(future, sleep).await {
            futures::future::Either::Left((output, _)) => Ok(output),
            futures::future::Either::Right(((), _)) => Err(Elapsed),
        }
    }

    /// Starts a task; it goes on when the handle is dropped, and is stopped by `TaskHandle::abort`.
    pub fn spawn(&self, name: &'static str, future: impl Future<Output = ()> + Send + 'static) -> TaskHandle {
        self.tasks.spawn(name, Box::pin(future))
    }

    /// Starts a task that waits for the disk and little else.
    pub fn spawn_for_disk(&self, name: &'static str, future: impl Future<Output = ()> + Send + 'static) -> TaskHandle {
        self.tasks.spawn_for_disk(name, Box::pin(future))
    }
}
