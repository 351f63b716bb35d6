//! Metrics: a registry that is handed around, never a global one, since a simulation holds many
//! brokers in one process.
//!
//! Counters and histograms are the `prometheus` crate's: atomics, no lock and no allocation on the
//! way of a record. What has a value at any time anyhow (bytes in use, partitions) is not kept twice
//! but asked for when somebody scrapes. Each crate has its names, units and labels in one file,
//! `metrics.rs`. Labels are from closed sets: nothing that a client sends becomes one.

use std::sync::Arc;

use parking_lot::Mutex;
use prometheus::core::{Collector, Desc};
use prometheus::proto::MetricFamily;
use prometheus::{GaugeVec, HistogramOpts, Opts, TextEncoder};

pub use prometheus::{Histogram, HistogramVec, IntCounter, IntCounterVec};

/// Upper bounds of latencies, seconds: from what a loopback takes to what a bucket takes at its worst.
const SECONDS: [f64; 16] =
    [0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0];

/// Where metrics are registered and read. Clones are the same registry.
#[derive(Clone, Debug, Default)]
pub struct Metrics {
    registry: prometheus::Registry,
}

#[allow(clippy::expect_used, reason = "names and labels are constants; a test registers all of them")]
impl Metrics {
    /// An empty registry.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A number that only grows; its name ends in `_total`.
    pub fn counter(&self, name: &str, help: &str) -> IntCounter {
        let counter = IntCounter::new(name, help).expect("a legal name");
        self.register(name, counter.clone());
        counter
    }

    /// Numbers that only grow, by labels.
    pub fn counters(&self, name: &str, help: &str, labels: &[&str]) -> IntCounterVec {
        let counters = IntCounterVec::new(Opts::new(name, help), labels).expect("legal names");
        self.register(name, counters.clone());
        counters
    }

    /// Latencies; its name ends in `_seconds`.
    pub fn seconds(&self, name: &str, help: &str) -> Histogram {
        let options = HistogramOpts::new(name, help).buckets(SECONDS.to_vec());
        let histogram = Histogram::with_opts(options).expect("a legal name");
        self.register(name, histogram.clone());
        histogram
    }

    /// Latencies, by labels.
    pub fn seconds_by(&self, name: &str, help: &str, labels: &[&str]) -> HistogramVec {
        let options = HistogramOpts::new(name, help).buckets(SECONDS.to_vec());
        let histograms = HistogramVec::new(options, labels).expect("legal names");
        self.register(name, histograms.clone());
        histograms
    }

    /// A value that is asked for at each scrape; `read` must be quick and must not wait.
    pub fn gauge(&self, name: &str, help: &str, read: impl Fn() -> f64 + Send + Sync + 'static) {
        let values = GaugeVec::new(Opts::new(name, help), &[]).expect("a legal name");
        self.register(name, Asked::new(values, move || vec![(String::new(), read())]));
    }

    /// Values by one label, asked for at each scrape.
    pub fn gauges(
        &self,
        name: &str,
        help: &str,
        label: &str,
        read: impl Fn() -> Vec<(String, f64)> + Send + Sync + 'static,
    ) {
        let values = GaugeVec::new(Opts::new(name, help), &[label]).expect("legal names");
        self.register(name, Asked::new(values, read));
    }

    /// The process itself, as Prometheus's clients name it (`process_…`); Linux only.
    pub fn process(&self) {
        #[cfg(target_os = "linux")]
        self.register("process", prometheus::process_collector::ProcessCollector::for_self());
    }

    /// Everything in Prometheus' text format.
    ///
    /// # Errors
    /// When a metric contradicts itself, which is a fault of ours.
    pub fn text(&self) -> Result<String, String> {
        TextEncoder::new().encode_to_string(&self.registry.gather()).map_err(|error| error.to_string())
    }

    /// What cannot be registered still counts and is not shown: a broker does not stop for it.
    fn register(&self, name: &str, collector: impl Collector + 'static) {
        if let Err(error) = self.registry.register(Box::new(collector)) {
            tracing::error!(metric = name, %error, "a metric is not shown");
        }
    }
}

/// Labels' values, with a number for each.
type Read = dyn Fn() -> Vec<(String, f64)> + Send + Sync;

/// Values that are asked for when they are collected.
struct Asked {
    values: GaugeVec,
    read: Arc<Read>,
    /// Two scrapes at once would empty each other's values.
    turn: Mutex<()>,
}

impl Asked {
    fn new(values: GaugeVec, read: impl Fn() -> Vec<(String, f64)> + Send + Sync + 'static) -> Self {
        Self { values, read: Arc::new(read), turn: Mutex::new(()) }
    }
}

impl Collector for Asked {
    fn desc(&self) -> Vec<&Desc> {
        self.values.desc()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        let read = (self.read)();
        let _turn = self.turn.lock();
        // A label that is gone, such as a shard that another broker leads, must not stay.
        self.values.reset();
        for (label, value) in read {
            let labels: &[&str] = if label.is_empty() { &[] } else { &[&label] };
            self.values.with_label_values(labels).set(value);
        }
        self.values.collect()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test says what went wrong by panicking")]
    use super::*;

    #[test]
    fn what_was_registered_is_shown() {
        let metrics = Metrics::new();
        metrics.counter("a_total", "Things.").inc_by(3);
        metrics.counters("b_total", "Things by kind.", &["kind"]).with_label_values(&["x"]).inc();
        metrics.seconds("c_seconds", "How long.").observe(0.002);
        metrics.gauge("d_bytes", "How much.", || 7.0);
        metrics.gauges("e_bytes", "How much of each.", "of", || vec![("y".to_owned(), 8.0)]);
        let text = metrics.text().unwrap();
        for line in ["a_total 3", "b_total{kind=\"x\"} 1", "c_seconds_count 1", "d_bytes 7", "e_bytes{of=\"y\"} 8"] {
            assert!(text.lines().any(|one| one == line), "{line} in {text}");
        }
    }

    #[test]
    fn scrapes_at_once_see_every_value() {
        let metrics = Metrics::new();
        metrics.gauges("e_bytes", "How much of each.", "of", || (0..64).map(|n| (n.to_string(), 1.0)).collect());
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..200 {
                        let text = metrics.text().unwrap();
                        assert_eq!(text.lines().filter(|line| line.starts_with("e_bytes{")).count(), 64);
                    }
                });
            }
        });
    }
}
