//! The bucket's clock as seen from here.
//!
//! An answer's date was read by the bucket between the moment that the request was sent and the
//! moment that the answer came. Both uses err to the safe side: *now* is the date plus the time
//! since the request was sent (never too early, but for the clock's resolution), a *proof* is the
//! date less the time that the request took (never too late).

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
        let ahead = last.is_none_or(|(known, seen)| advanced(date.0, took) > advanced(known, at.since(seen)));
        if ahead {
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
