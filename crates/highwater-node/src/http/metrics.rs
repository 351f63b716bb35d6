//! `/metrics`: everything that is counted, in Prometheus' text format; and the gauges that ask a running
//! broker.

use std::sync::OnceLock;

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use highwater_env::metrics::Metrics;
use highwater_kafka::{NamedBudget, Server};
use highwater_log::Log;
use highwater_meta::MetaClient;

use super::Pages;

/// Content type of the text format.
const TEXT: &str = "text/plain; version=0.0.4; charset=utf-8";

/// The registry, and the engine once there is one.
#[derive(Default)]
pub struct Observed {
    /// Where everything is registered.
    pub metrics: Metrics,
    engine: OnceLock<Log>,
}

/// How full a budget of memory is.
pub struct Memory {
    /// What it is for.
    pub budget: &'static str,
    /// Bytes in use.
    pub used: usize,
    /// Bytes at most.
    pub limit: usize,
    /// Requests that wait for some of it.
    pub waiting: usize,
}

impl Observed {
    /// A registry with what is there from the first moment on.
    pub fn new() -> Self {
        let observed = Self::default();
        observed.metrics.process();
        observed.metrics.gauges("highwater_build_info", "The release; always 1.", "version", || {
            vec![(env!("CARGO_PKG_VERSION").to_owned(), 1.0)]
        });
        observed
    }

    /// The engine, while there is one.
    pub fn engine(&self) -> Option<&Log> {
        self.engine.get()
    }

    /// Shows what a broker at work can be asked for.
    pub fn watch(&self, log: &Log, meta: &MetaClient, server: &Server, fetches: NamedBudget) {
        // Set once: a broker has one engine.
        let _ = self.engine.set(log.clone());
        log.show(&self.metrics);
        let connections = server.connection_count();
        self.metrics.gauge("highwater_kafka_connections", "Connections that are open.", move || connections() as f64);
        let of = meta.clone();
        self.metrics.gauge("highwater_topics", "Topics of the cluster.", move || of.state().topic_count() as f64);
        let of = meta.clone();
        self.metrics
            .gauge("highwater_partitions", "Partitions of the cluster.", move || of.state().partition_count() as f64);
        let of = meta.clone();
        self.metrics.gauge("highwater_metadata_version", "Entries of the metadata that are known here.", move || {
            of.state().version as f64
        });
        let mut budgets = server.budgets().to_vec();
        budgets.push(fetches);
        let memory = move |log: &Log| memory(log, &budgets);
        self.show_memory(log, memory);
    }

    fn show_memory(&self, log: &Log, memory: impl Fn(&Log) -> Vec<Memory> + Clone + Send + Sync + 'static) {
        let show = |name: &str, help: &str, value: fn(&Memory) -> usize| {
            let (memory, log) = (memory.clone(), log.clone());
            self.metrics.gauges(name, help, "budget", move || {
                memory(&log).iter().map(|one| (one.budget.to_owned(), value(one) as f64)).collect()
            });
        };
        show("highwater_memory_bytes", "Bytes in use of each budget of memory.", |one| one.used);
        show("highwater_memory_limit_bytes", "Size of each budget of memory.", |one| one.limit);
        show("highwater_memory_waiting", "Requests that wait for bytes of a budget.", |one| one.waiting);
    }
}

/// Every budget as it stands.
fn memory(log: &Log, budgets: &[NamedBudget]) -> Vec<Memory> {
    let of_budget = |named: &NamedBudget| Memory {
        budget: named.name,
        used: named.budget.total_bytes().saturating_sub(named.budget.free_bytes()),
        limit: named.budget.total_bytes(),
        waiting: named.budget.waiting(),
    };
    let mut all: Vec<Memory> = budgets.iter().map(of_budget).collect();
    let (read_cache, read_cache_limit) = log.read_cache_bytes();
    let (tail, tail_limit) = log.tail_bytes();
    let waiting = log.wal_usage().waiting;
    all.push(Memory { budget: "unflushed", used: log.unflushed_bytes(), limit: log.unflushed_limit(), waiting });
    all.push(Memory { budget: "read_cache", used: read_cache, limit: read_cache_limit, waiting: 0 });
    all.push(Memory { budget: "tail", used: tail, limit: tail_limit, waiting: 0 });
    all
}

/// The page.
pub async fn page(State(pages): State<Pages>) -> impl IntoResponse {
    match pages.observed.metrics.text() {
        Ok(text) => (StatusCode::OK, [(header::CONTENT_TYPE, TEXT)], text),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, [(header::CONTENT_TYPE, TEXT)], format!("{error}\n")),
    }
}
