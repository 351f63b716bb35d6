//! When to send a put again before it has failed.
//!
//! With put-if-absent a second attempt with the same name, bytes and put id can only commit the
//! same thing, so the slow tail of a bucket is cut without risk. The cost is bounded: a hedge is
//! paid for by twenty puts.

use std::time::Duration;

/// Latencies remembered.
const REMEMBERED: usize = 128;
/// Latencies needed before the first hedge.
const NEEDED: usize = 20;
/// Puts for each hedge: 5 %.
const PUTS_A_HEDGE: u32 = 20;
/// Hedges that may be saved up.
const SAVED: u32 = 4;
/// Never sooner: below it the answer is probably on its way.
const SOONEST: Duration = Duration::from_millis(5);

/// The recent latencies of puts and the budget of hedges.
#[derive(Default)]
pub(super) struct Latency {
    recent: Vec<Duration>,
    oldest: usize,
    since_sorted: usize,
    p95: Option<Duration>,
    /// Puts that no hedge has used up.
    credit: u32,
}

impl Latency {
    /// A put was answered after `took`.
    pub(super) fn answered(&mut self, took: Duration) {
        if self.recent.len() < REMEMBERED {
            self.recent.push(took);
        } else {
            self.recent[self.oldest] = took;
            self.oldest = (self.oldest + 1) % REMEMBERED;
        }
        self.since_sorted += 1;
        if self.recent.len() >= NEEDED && (self.since_sorted >= 8 || self.p95.is_none()) {
            self.since_sorted = 0;
            let mut sorted = self.recent.clone();
            let at = sorted.len() * 95 / 100;
            let (_, p95, _) = sorted.select_nth_unstable(at.min(self.recent.len() - 1));
            self.p95 = Some((*p95).max(SOONEST));
        }
    }

    /// A put (not a hedge) is sent. How long to wait for it before a hedge, if it may come to one.
    pub(super) fn sent(&mut self) -> Option<Duration> {
        self.credit = (self.credit + 1).min(SAVED * PUTS_A_HEDGE);
        self.p95
    }

    /// Takes a hedge from the budget, if there is one.
    pub(super) fn take_hedge(&mut self) -> bool {
        let paid = self.credit >= PUTS_A_HEDGE;
        if paid {
            self.credit -= PUTS_A_HEDGE;
        }
        paid
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hedges_are_at_most_one_put_in_twenty() {
        let mut latency = Latency::default();
        let mut hedges = 0;
        for put in 0..1000u64 {
            latency.sent();
            latency.answered(Duration::from_millis(10 + put % 20));
            hedges += u32::from(latency.take_hedge());
        }
        assert_eq!(hedges, 50);
    }

    #[test]
    fn the_p95_follows_what_is_recent() {
        let mut latency = Latency::default();
        (0..19).for_each(|_| latency.answered(Duration::from_millis(10)));
        assert_eq!(latency.sent(), None);
        (0..200).for_each(|at| latency.answered(Duration::from_millis(if at % 10 == 0 { 500 } else { 10 })));
        assert_eq!(latency.sent(), Some(Duration::from_millis(500)));
        (0..200).for_each(|_| latency.answered(Duration::from_millis(1)));
        assert_eq!(latency.sent(), Some(SOONEST));
    }
}
