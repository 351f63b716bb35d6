//! What operators see of the journals: puts, hedges, takeovers.

use highwater_env::metrics::{Histogram, IntCounter, IntCounterVec, Metrics};

/// Metrics of all journals of one broker. Clones count together.
#[derive(Clone, Debug)]
pub struct JournalMetrics {
    puts: IntCounterVec,
    put_seconds: Histogram,
    hedges: IntCounter,
}

impl JournalMetrics {
    /// Registers them.
    #[must_use]
    pub fn register(metrics: &Metrics) -> Self {
        Self {
            puts: metrics.counters(
                "highwater_journal_puts_total",
                "Attempts to create an entry of a journal, by what came of them.",
                &["outcome"],
            ),
            put_seconds: metrics
                .seconds("highwater_journal_put_seconds", "Time from an attempt that created an entry to its answer."),
            hedges: metrics.counter(
                "highwater_journal_hedges_total",
                "Entries that were sent once more because their put was slower than the recent p95.",
            ),
        }
    }

    pub(crate) fn created(&self, seconds: f64) {
        self.puts.with_label_values(&["created"]).inc();
        self.put_seconds.observe(seconds);
    }

    pub(crate) fn not_created(&self, outcome: &'static str) {
        self.puts.with_label_values(&[outcome]).inc();
    }

    pub(crate) fn hedged(&self) {
        self.hedges.inc();
    }
}

impl Default for JournalMetrics {
    /// Nobody looks at them.
    fn default() -> Self {
        Self::register(&Metrics::new())
    }
}
