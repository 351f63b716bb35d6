//! What operators see of the bucket: requests, bytes, latencies.

use highwater_env::metrics::{HistogramVec, IntCounterVec, Metrics};

use crate::observed::{RequestSeen, StoreObserver};

/// Metrics of one store.
#[derive(Debug)]
pub struct StoreMetrics {
    requests: IntCounterVec,
    bytes: IntCounterVec,
    latency: HistogramVec,
}

impl StoreMetrics {
    /// Registers them.
    #[must_use]
    pub fn register(metrics: &Metrics) -> Self {
        Self {
            requests: metrics.counters(
                "highwater_bucket_requests_total",
                "Requests to the bucket that have ended, each attempt for itself.",
                &["operation", "outcome"],
            ),
            bytes: metrics.counters(
                "highwater_bucket_bytes_total",
                "Bytes of bodies that were sent to the bucket (create, overwrite) or read from it.",
                &["operation"],
            ),
            latency: metrics.seconds_by(
                "highwater_bucket_request_seconds",
                "Time from a request to the bucket to its answer.",
                &["operation"],
            ),
        }
    }
}

impl StoreObserver for StoreMetrics {
    fn request_ended(&self, seen: RequestSeen) {
        let operation = seen.kind.as_str();
        let outcome = seen.outcome.map_or_else(|kind| kind.as_str(), |()| "ok");
        self.requests.with_label_values(&[operation, outcome]).inc();
        self.bytes.with_label_values(&[operation]).inc_by(seen.bytes);
        self.latency.with_label_values(&[operation]).observe(seen.elapsed.as_secs_f64());
    }
}
