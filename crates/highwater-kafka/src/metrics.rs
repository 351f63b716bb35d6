//! What operators see of the Kafka front door: requests, bytes, errors, connections, budgets.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use highwater_env::metrics::{Histogram, IntCounter, IntCounterVec, Metrics};
use highwater_wire::{ApiKey, ErrorCode};

use crate::budget::ByteBudget;

/// Metrics of one front door. Clones count together.
#[derive(Clone, Debug)]
pub struct KafkaMetrics {
    /// By API, made beforehand: no look-up by text for each request.
    requests: Arc<BTreeMap<i16, Histogram>>,
    request_bytes: IntCounter,
    response_bytes: IntCounter,
    fetched_bytes: IntCounter,
    errors: IntCounterVec,
    accepted: IntCounter,
    ended: IntCounterVec,
}

impl KafkaMetrics {
    /// Registers them, for these APIs.
    #[must_use]
    pub fn register(metrics: &Metrics, apis: impl IntoIterator<Item = ApiKey>) -> Self {
        let requests = metrics.seconds_by(
            "highwater_kafka_request_seconds",
            "Time from a request to its answer, by API; of Fetch and the group APIs waiting is a part.",
            &["api"],
        );
        let by_api = apis.into_iter().map(|key| (key, key.to_string()));
        let errors = metrics.counters(
            "highwater_kafka_partition_errors_total",
            "Partitions of Produce and Fetch that were answered with an error.",
            &["api", "error"],
        );
        // Shown from the start, so that a dashboard finds the metric before the first error.
        for key in [ApiKey::Produce, ApiKey::Fetch] {
            errors.with_label_values(&[key.name(), ErrorCode::UnknownServerError.name()]);
        }
        let requests = by_api.map(|(key, name)| (key.code(), requests.with_label_values(&[&name]))).collect();
        Self {
            requests: Arc::new(requests),
            request_bytes: metrics.counter("highwater_kafka_request_bytes_total", "Bytes of requests."),
            response_bytes: metrics.counter("highwater_kafka_response_bytes_total", "Bytes of answers."),
            fetched_bytes: metrics
                .counter("highwater_kafka_fetched_bytes_total", "Bytes of records that were given to consumers."),
            errors,
            accepted: metrics.counter("highwater_kafka_connections_accepted_total", "Connections that were accepted."),
            ended: metrics.counters(
                "highwater_kafka_connections_ended_total",
                "Connections that have ended: quietly, by a fault of the peer or the network, or by our own end.",
                &["how"],
            ),
        }
    }

    pub(crate) fn arrived(&self, bytes: usize) {
        self.request_bytes.inc_by(bytes as u64);
    }

    pub(crate) fn answered(&self, key: ApiKey, bytes: usize, elapsed: Duration) {
        self.response_bytes.inc_by(bytes as u64);
        if let Some(histogram) = self.requests.get(&key.code()) {
            histogram.observe(elapsed.as_secs_f64());
        }
    }

    pub(crate) fn fetched(&self, bytes: usize) {
        self.fetched_bytes.inc_by(bytes as u64);
    }

    pub(crate) fn partition_failed(&self, key: ApiKey, error: ErrorCode) {
        self.errors.with_label_values(&[key.name(), error.name()]).inc();
    }

    pub(crate) fn connected(&self) {
        self.accepted.inc();
    }

    /// `how` is one of a few words of ours.
    pub(crate) fn ended(&self, how: &'static str) {
        self.ended.with_label_values(&[how]).inc();
    }
}

impl Default for KafkaMetrics {
    /// Nobody looks at them.
    fn default() -> Self {
        Self::register(&Metrics::new(), [])
    }
}

/// A budget by name, for those who show how full it is.
#[derive(Clone)]
pub struct NamedBudget {
    /// What it is for.
    pub name: &'static str,
    /// The budget.
    pub budget: ByteBudget,
}
