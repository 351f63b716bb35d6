//! Virtual time: advanced by hand, or by tokio's paused clock.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use futures::future::BoxFuture;
use parking_lot::Mutex;

use crate::clock::{Clock, Instant};

/// Where virtual wall time starts: 2026-01-01T00:00:00Z.
const WALL_START_MS: i64 = 1_767_225_600_000;
/// Where virtual monotonic time starts; not 0, so that "an hour ago" exists.
const START: Instant = Instant(1_000_000_000_000_000);

/// A virtual clock.
pub struct SimClock {
    state: Arc<Mutex<State>>,
    /// Tokio's time at the start, when the clock follows tokio's.
    follows: Option<tokio::time::Instant>,
}

struct State {
    now: Instant,
    /// Wall time minus monotonic time since the start, milliseconds; jumps change it.
    wall_offset_ms: i64,
    sleepers: BTreeMap<(Instant, u64), Waker>,
    next_sleeper: u64,
}

impl SimClock {
    /// A clock that stands still until [`SimClock::advance`].
    #[must_use]
    pub fn manual() -> Self {
        Self { state: Arc::new(Mutex::new(State::new())), follows: None }
    }

    /// A clock that follows tokio's (see [`crate::SimEnv::auto`]). Must be made inside a runtime.
    #[must_use]
    pub fn auto() -> Self {
        Self { follows: Some(tokio::time::Instant::now()), ..Self::manual() }
    }

    /// Moves a manual clock on by `duration`, waking sleepers in the order of their deadlines and
    /// letting the runtime run between two deadlines, so that a chain of sleeps is followed.
    /// On a clock that follows tokio's it sleeps.
    pub async fn advance(&self, duration: Duration) {
        if self.follows.is_some() {
            tokio::time::sleep(duration).await;
            return;
        }
        let end = self.state.lock().now + duration;
        loop {
            settle().await;
            let due = {
                let mut state = self.state.lock();
                let Some((&key, _)) = state.sleepers.first_key_value() else {
                    break;
                };
                if key.0 > end {
                    break;
                }
                state.now = state.now.max(key.0);
                state.sleepers.remove(&key)
            };
            if let Some(waker) = due {
                waker.wake();
            }
        }
        self.reach(end);
        settle().await;
    }

    fn reach(&self, instant: Instant) {
        let mut state = self.state.lock();
        state.now = state.now.max(instant);
    }

    /// Moves time on at once, without letting anything run in between: a suspended machine.
    pub fn suspend(&self, duration: Duration) {
        let woken = {
            let mut state = self.state.lock();
            state.now = state.now + duration;
            let later = (state.now + Duration::from_nanos(1), 0);
            let still = state.sleepers.split_off(&later);
            std::mem::replace(&mut state.sleepers, still)
        };
        woken.into_values().for_each(Waker::wake);
    }

    /// Lets the wall clock jump, forth or back; monotonic time does not notice.
    pub fn jump_wall(&self, by_ms: i64) {
        self.state.lock().wall_offset_ms += by_ms;
    }

    /// Deadline of the first sleeper of a manual clock.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Instant> {
        self.state.lock().sleepers.first_key_value().map(|((deadline, _), _)| *deadline)
    }
}

/// Rounds of the scheduler given to tasks before time moves on: a woken task may wake others.
const SETTLE_ROUNDS: usize = 64;

async fn settle() {
    for _ in 0..SETTLE_ROUNDS {
        tokio::task::yield_now().await;
    }
}

impl State {
    fn new() -> Self {
        Self { now: START, wall_offset_ms: 0, sleepers: BTreeMap::new(), next_sleeper: 0 }
    }
}

impl Clock for SimClock {
    fn now(&self) -> Instant {
        let suspended = self.state.lock().now;
        match self.follows {
            Some(start) => suspended + start.elapsed(),
            None => suspended,
        }
    }

    fn wall_ms(&self) -> i64 {
        let since_ms = i64::try_from(self.now().since(START).as_millis()).unwrap_or(i64::MAX);
        WALL_START_MS.saturating_add(since_ms).saturating_add(self.state.lock().wall_offset_ms)
    }

    fn sleep_until(&self, deadline: Instant) -> BoxFuture<'static, ()> {
        if self.follows.is_some() {
            let left = deadline.since(self.now());
            return Box::pin(async move { tokio::time::sleep(left).await });
        }
        Box::pin(Sleep { state: self.state.clone(), deadline, key: None })
    }
}

struct Sleep {
    state: Arc<Mutex<State>>,
    deadline: Instant,
    key: Option<(Instant, u64)>,
}

impl Future for Sleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let shared = self.state.clone();
        let mut state = shared.lock();
        if state.now >= self.deadline {
            if let Some(key) = self.key.take() {
                state.sleepers.remove(&key);
            }
            return Poll::Ready(());
        }
        let deadline = self.deadline;
        let key = *self.key.get_or_insert_with(|| {
            state.next_sleeper += 1;
            (deadline, state.next_sleeper)
        });
        state.sleepers.insert(key, context.waker().clone());
        Poll::Pending
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        if let Some(key) = self.key.take() {
            self.state.lock().sleepers.remove(&key);
        }
    }
}
