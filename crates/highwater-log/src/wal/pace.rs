//! How long a sync waits for company.
//!
//! A sync costs the same for one batch as for ten, and on a quick disk a lone producer that sends
//! full batches would get one for each of its requests. So syncs that carry full batches begin at
//! most every half millisecond, if that pays. It does when producers have several requests on their
//! way, and does not when all of them wait for this very sync: that is found out by trying.

use std::time::Duration;

use highwater_env::Instant;

/// Between the beginnings of two syncs. Where a sync takes longer than this, none ever waits.
const INTERVAL: Duration = Duration::from_micros(500);
/// A group of so much goes at once: the sync's own cost is small beside that of its bytes.
const ENOUGH_BYTES: usize = 256 << 10;
/// So many waits in vain, more than those that paid, end the waiting.
const PATIENCE: u32 = 8;
/// While waiting does not pay, one of so many syncs waits all the same.
const TRY_EACH: u32 = 32;

/// Paces the syncs of one writer.
pub(super) struct Pace {
    /// A group of less goes at once.
    from_bytes: usize,
    /// When the last sync began.
    began: Option<Instant>,
    /// Waits that paid, less those that did not.
    worth: u32,
    /// Syncs that could have waited and did not, since the last that did.
    hasty: u32,
}

impl Pace {
    pub(super) const fn new(from_bytes: usize) -> Self {
        Self { from_bytes, began: None, worth: PATIENCE, hasty: 0 }
    }

    /// How long a sync of `waiting` bytes, that could begin `now`, should wait.
    pub(super) fn pause(&mut self, now: Instant, waiting: usize) -> Option<Duration> {
        let left = INTERVAL.checked_sub(now.since(self.began?)).filter(|left| !left.is_zero())?;
        if !(self.from_bytes..ENOUGH_BYTES).contains(&waiting) {
            return None;
        }
        if self.worth == 0 && self.hasty + 1 < TRY_EACH {
            self.hasty += 1;
            return None;
        }
        self.hasty = 0;
        Some(left)
    }

    /// A pause is over; whether anything was appended in it.
    pub(super) fn paused(&mut self, paid: bool) {
        self.worth = if paid { (self.worth + 1).min(PATIENCE) } else { self.worth.saturating_sub(1) };
    }

    /// A sync begins.
    pub(super) const fn begins(&mut self, now: Instant) {
        self.began = Some(now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BATCH: usize = 16 << 10;
    const REQUEST: usize = 40 << 10;

    fn at(micros: u64) -> Instant {
        Instant(micros * 1000)
    }

    #[test]
    fn full_batches_wait_until_the_interval_is_over() {
        let mut pace = Pace::new(BATCH);
        assert_eq!(pace.pause(at(0), REQUEST), None, "nothing was synced yet");
        pace.begins(at(1000));
        assert_eq!(pace.pause(at(1200), REQUEST), Some(Duration::from_micros(300)));
        assert_eq!(pace.pause(at(1500), REQUEST), None);
        assert_eq!(pace.pause(at(1200), BATCH - 1), None);
        assert_eq!(pace.pause(at(1200), ENOUGH_BYTES), None);
    }

    #[test]
    fn who_waits_for_this_very_sync_is_not_kept_waiting() {
        let mut pace = Pace::new(BATCH);
        let mut paused = 0;
        for round in 1..=1000 {
            pace.begins(at(round * 1000));
            if pace.pause(at(round * 1000 + 200), REQUEST).is_some() {
                paused += 1;
                pace.paused(false);
            }
        }
        assert!((30..=45).contains(&paused), "{paused} of 1000 syncs waited");
        // Somebody else comes: the next try finds out.
        let mut since = 0;
        while pace.pause(at(1_000_200), REQUEST).is_none() {
            since += 1;
        }
        assert!(since < TRY_EACH);
        pace.paused(true);
        assert!(pace.pause(at(1_000_200), REQUEST).is_some());
    }
}
