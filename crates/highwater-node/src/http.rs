//! Probes over HTTP: `/livez` (the process answers) and `/readyz` (it serves Kafka clients).

use std::net::SocketAddr;

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::get;
use tokio::net::TcpListener;

use crate::errors::StartError;
use crate::readiness::Readiness;

/// Binds the socket, so that an address in use is told before anything else starts.
pub async fn bind(address: SocketAddr) -> Result<TcpListener, StartError> {
    TcpListener::bind(address).await.map_err(|source| StartError::Bind { address, flag: "--http", source })
}

/// Serves probes until the process ends: also while the broker waits or drains.
pub fn start(listener: TcpListener, readiness: Readiness) {
    let router =
        Router::new().route("/livez", get(async || "ok\n")).route("/readyz", get(readyz)).with_state(readiness);
    tokio::spawn(async move {
        if let Err(error) = axum::serve(listener, router).await {
            tracing::error!(%error, "probes are not answered any more");
        }
    });
}

async fn readyz(State(readiness): State<Readiness>) -> (StatusCode, String) {
    match readiness.check() {
        Ok(()) => (StatusCode::OK, "ok\n".to_owned()),
        Err(why) => (StatusCode::SERVICE_UNAVAILABLE, format!("{why}\n")),
    }
}
