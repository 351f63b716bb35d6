//! Time: monotonic, wall, sleeping.

use std::ops::{Add, Sub};
use std::time::Duration;

use futures::future::BoxFuture;

/// A point of monotonic time, nanoseconds since some start of the machine or simulation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Instant(pub u64);

impl Instant {
    /// Time from `earlier` to `self`, zero if `earlier` is later.
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }
}

impl Add<Duration> for Instant {
    type Output = Self;

    fn add(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)))
    }
}

impl Sub for Instant {
    type Output = Duration;

    fn sub(self, earlier: Self) -> Duration {
        self.since(earlier)
    }
}

/// The limit of a [`crate::Env::timeout`] passed first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("timed out")]
pub struct Elapsed;

/// A clock. Implementations never go back.
pub trait Clock: Send + Sync + 'static {
    /// Monotonic now; counts the time that the machine was suspended.
    fn now(&self) -> Instant;
    /// Milliseconds since 1970, UTC. May jump.
    fn wall_ms(&self) -> i64;
    /// Completes at or soon after `deadline`; at once when it has passed. Cancel by dropping.
    fn sleep_until(&self, deadline: Instant) -> BoxFuture<'static, ()>;
}
