//! Tokens for flushes that are not full, shared by all shards of a broker.

use std::time::Duration;

use highwater_env::Instant;
use parking_lot::Mutex;

/// Most tokens that gather while nothing is flushed: a burst of lone requests goes out at once.
const BURST: u32 = 4;

/// A token bucket: one token each interval, a burst of [`BURST`]. Unpaced, it always gives.
pub struct Pacer {
    interval: Option<Duration>,
    state: Mutex<State>,
}

struct State {
    tokens: u32,
    /// When the last token came in, in steps of the interval.
    refilled: Instant,
}

impl Pacer {
    /// `interval` `None`: unpaced.
    pub fn new(interval: Option<Duration>, now: Instant) -> Self {
        Self {
            interval: interval.filter(|interval| !interval.is_zero()),
            state: Mutex::new(State { tokens: BURST, refilled: now }),
        }
    }

    /// Takes a token, or says when the next one comes.
    pub fn take(&self, now: Instant) -> Result<(), Instant> {
        let Some(interval) = self.interval else {
            return Ok(());
        };
        let mut state = self.state.lock();
        let steps = now.since(state.refilled).as_nanos() / interval.as_nanos();
        if steps > 0 {
            let room = u128::from(BURST - state.tokens);
            state.tokens += u32::try_from(steps.min(room)).unwrap_or(0);
            state.refilled = if steps >= room { now } else { state.refilled + interval };
        }
        if state.tokens == 0 {
            return Err(state.refilled + interval);
        }
        if state.tokens == BURST {
            // Full until now: the next token is an interval away from this one.
            state.refilled = now;
        }
        state.tokens -= 1;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_then_one_an_interval() {
        let step = Duration::from_millis(100);
        let start = Instant(1_000_000_000);
        let pacer = Pacer::new(Some(step), start);
        for _ in 0..BURST {
            assert_eq!(pacer.take(start), Ok(()));
        }
        assert_eq!(pacer.take(start), Err(start + step));
        assert_eq!(pacer.take(start + step), Ok(()));
        assert_eq!(pacer.take(start + step), Err(start + step + step));
    }

    #[test]
    fn a_trickle_never_exceeds_the_pace() {
        let step = Duration::from_millis(100);
        let pacer = Pacer::new(Some(step), Instant(0));
        let given = (0..10_000u64).filter(|ms| pacer.take(Instant(ms * 1_000_000)).is_ok()).count();
        assert!((96..=105).contains(&given), "{given} tokens in 10 s");
    }

    #[test]
    fn unpaced_always_gives() {
        let pacer = Pacer::new(None, Instant(0));
        assert!((0..1000).all(|_| pacer.take(Instant(0)).is_ok()));
    }
}
