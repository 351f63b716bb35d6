//! The bucket's clock as seen from here.
//!
//! An answer's date was read by the bucket between the moment that the request was sent and the
//! moment that the answer came. Both uses err to the safe side: *now* is the date plus the time
//! since the request was sent (never too early, but for the clock's resolution), a *proof* is the
//! date less the time that the request took (never too late).
//!
//! *Now* follows the request that was sent last, also back: an answer that took long makes it too late by
//! that long, and with the latest of all dates one slow request would make every proof look old for good.
//! (Two frontends' dates may go back by their skew, for which the proof leaves room.)

use std::time::Duration;

use highwater_env::{Env, Instant};
use highwater_store::BucketTime;
use parking_lot::Mutex;

use crate::machine::Date;

pub(crate) struct BucketClock {
    env: Env,
    /// A date and the instant that it was not later than.
    last: Mutex<Option<(Date, Instant)>>,
}

impl BucketClock {
    pub(crate) const fn new(env: Env) -> Self {
        Self { env, last: Mutex::new(None) }
    }

    /// The bucket's date now, if it was ever seen.
    pub(crate) fn now(&self) -> Option<Date> {
        let at = self.env.now();
        (*self.last.lock()).map(|(date, seen)| advanced(date, at.since(seen)))
    }

    /// Takes the date of an answer to a request sent at `sent`; gives what it proves.
    pub(crate) fn observe(&self, date: BucketTime, sent: Instant) -> Date {
        let at = self.env.now();
        let took = at.since(sent);
        let mut last = self.last.lock();
        if last.is_none_or(|(_, seen)| sent >= seen) {
            *last = Some((date.0, sent));
        }
        date.0.saturating_sub(millis(took))
    }
}

fn advanced(date: Date, by: Duration) -> Date {
    date.saturating_add(millis(by))
}

fn millis(duration: Duration) -> Date {
    Date::try_from(duration.as_millis()).unwrap_or(Date::MAX)
}

#[cfg(test)]
mod tests {
    use highwater_env::SimEnv;

    use super::*;

    #[tokio::test]
    async fn one_slow_answer_is_made_up_for_by_the_next() {
        let sim = SimEnv::new(1);
        let clock = BucketClock::new(sim.env.clone());
        let slow = sim.env.now();
        sim.clock.advance(Duration::from_secs(30)).await;
        // The bucket looked at its clock when it answered, not when it was asked.
        assert_eq!(clock.observe(BucketTime(100_000), slow), 70_000, "proves what was 30 s ago");
        assert_eq!(clock.now(), Some(130_000), "30 s too late");
        let quick = sim.env.now();
        assert_eq!(clock.observe(BucketTime(100_000), quick), 100_000);
        assert_eq!(clock.now(), Some(100_000));
        clock.observe(BucketTime(100_000), slow);
        assert_eq!(clock.now(), Some(100_000), "an answer that comes after a later one's");
    }
}
