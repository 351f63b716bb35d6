//! HTTP for operators and their machines; nothing of it is for clients, so it listens on loopback by
//! default.
//!
//! - `/livez`, `/readyz`: probes. - [`metrics`]: `/metrics`. - [`debug`]: `/debug/…`.

mod debug;
pub mod metrics;

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::get;
use highwater_env::real::TaskCensus;
use tokio::net::TcpListener;

use crate::errors::StartError;
use crate::readiness::Readiness;
use crate::telemetry::LogFilter;
use metrics::Observed;

/// What the pages show.
#[derive(Clone)]
pub struct Pages {
    /// Whether it serves.
    pub readiness: Readiness,
    /// Metrics, and what can be asked of a running broker.
    pub observed: Arc<Observed>,
    /// What runs.
    pub tasks: Arc<TaskCensus>,
    /// What is logged.
    pub log: LogFilter,
    /// What fails on purpose.
    #[cfg(feature = "faults")]
    pub faults: crate::faults::Faults,
}

/// Binds the socket, so that an address in use is told before anything else starts.
pub async fn bind(address: SocketAddr) -> Result<TcpListener, StartError> {
    TcpListener::bind(address).await.map_err(|source| StartError::Bind { address, flag: "--http", source })
}

/// Serves the pages until the process ends: also while the broker waits or drains.
pub fn start(listener: TcpListener, pages: Pages) {
    let router = Router::new()
        .route("/livez", get(async || "ok\n"))
        .route("/readyz", get(readyz))
        .route("/metrics", get(metrics::page))
        .nest("/debug", debug::routes())
        // The nested index is /debug alone.
        .route("/debug/", get(debug::index))
        .with_state(pages);
    tokio::spawn(async move {
        if let Err(error) = axum::serve(listener, router).await {
            tracing::error!(%error, "probes are not answered any more");
        }
    });
}

async fn readyz(State(pages): State<Pages>) -> (StatusCode, String) {
    match pages.readiness.check() {
        Ok(()) => (StatusCode::OK, "ok\n".to_owned()),
        Err(why) => (StatusCode::SERVICE_UNAVAILABLE, format!("{why}\n")),
    }
}
