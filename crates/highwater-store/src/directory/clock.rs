//! The directory's clock: wall time at the start of the process plus time that counts suspension,
//! so that its dates never go back or jump while the process lives.

use std::sync::atomic::{AtomicI64, Ordering};

use highwater_env::{Env, Instant};

use crate::store::BucketTime;

pub(super) struct DirectoryClock {
    env: Env,
    start: Instant,
    start_us: i64,
    last_stamp_us: AtomicI64,
}

impl DirectoryClock {
    pub(super) fn start(env: &Env) -> Self {
        let start_us = env.wall_ms().max(0).saturating_mul(1000);
        Self { env: env.clone(), start: env.now(), start_us, last_stamp_us: AtomicI64::new(0) }
    }

    fn now_us(&self) -> i64 {
        let since_us = i64::try_from(self.env.now().since(self.start).as_micros()).unwrap_or(i64::MAX);
        self.start_us.saturating_add(since_us)
    }

    pub(super) fn now(&self) -> BucketTime {
        BucketTime(self.now_us() / 1000)
    }

    /// Nanoseconds since 1970, whole microseconds, greater than every stamp before.
    pub(super) fn stamp_ns(&self) -> i64 {
        let now_us = self.now_us();
        let next = |last: i64| now_us.max(last.saturating_add(1));
        // The closure always gives a value, so both arms carry the one before.
        let (Ok(last) | Err(last)) =
            self.last_stamp_us.fetch_update(Ordering::AcqRel, Ordering::Acquire, |last| Some(next(last)));
        next(last).saturating_mul(1000)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use highwater_env::SimEnv;

    use super::*;

    #[test]
    fn stamps_grow_and_dates_ignore_the_wall_clock() {
        let sim = SimEnv::new(1);
        let clock = DirectoryClock::start(&sim.env);
        let first = clock.stamp_ns();
        assert_eq!(clock.stamp_ns(), first + 1000);
        let date = clock.now();
        sim.clock.jump_wall(-3_600_000);
        assert_eq!(clock.now(), date);
        sim.clock.suspend(Duration::from_secs(60));
        assert_eq!(clock.now().0, date.0 + 60_000);
        assert!(clock.stamp_ns() >= first + 60_000_000_000);
    }
}
