//! Real time: a monotonic clock that counts suspension, and tokio's timer.

use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use futures::future::BoxFuture;
use tokio::runtime::Handle;

use crate::clock::{Clock, Instant};
use crate::real::hop::may_block;

/// Tokio's timer stands still while the machine is suspended, ours does not; so a long sleep is
/// taken in naps, and is late by at most one of them after a suspension.
const NAP: Duration = Duration::from_secs(10);

/// What tokio's timer cannot tell from nothing. Where blocking is allowed, less is slept on the spot.
const TIMER_STEP: Duration = Duration::from_millis(1);

/// The machine's clock.
pub struct RealClock {
    handle: Handle,
}

impl RealClock {
    /// A clock whose sleeps run on `handle`'s timer.
    #[must_use]
    pub fn new(handle: Handle) -> Self {
        Self { handle }
    }
}

/// Linux: CLOCK_BOOTTIME. macOS: CLOCK_MONOTONIC_RAW, which there is `mach_continuous_time`.
#[cfg(any(target_os = "linux", target_os = "android"))]
const CONTINUOUS: libc::clockid_t = libc::CLOCK_BOOTTIME;
#[cfg(target_os = "macos")]
const CONTINUOUS: libc::clockid_t = libc::CLOCK_MONOTONIC_RAW;
#[cfg(not(any(target_os = "linux", target_os = "android", target_os = "macos")))]
const CONTINUOUS: libc::clockid_t = libc::CLOCK_MONOTONIC;

fn continuous_now() -> Instant {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the pointer is to a valid timespec of ours. The clock exists on every kernel that
    // the standard library supports, so the call cannot fail; if it did, time would stand at 0.
    unsafe { libc::clock_gettime(CONTINUOUS, &raw mut time) };
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    let nanos = u64::try_from(time.tv_nsec).unwrap_or(0);
    Instant(seconds.saturating_mul(1_000_000_000).saturating_add(nanos))
}

impl Clock for RealClock {
    fn now(&self) -> Instant {
        continuous_now()
    }

    fn wall_ms(&self) -> i64 {
        // A clock before 1970 reads as 1970: callers take it for people and record timestamps only.
        SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_or(0, |since| i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
    }

    fn sleep_until(&self, deadline: Instant) -> BoxFuture<'static, ()> {
        let handle = self.handle.clone();
        Box::pin(async move {
            loop {
                let left = deadline.since(continuous_now());
                if left.is_zero() {
                    return;
                }
                if left < TIMER_STEP && may_block() {
                    thread::sleep(left);
                    continue;
                }
                let nap = {
                    let _context = handle.enter();
                    tokio::time::sleep(left.min(NAP))
                };
                nap.await;
            }
        })
    }
}
