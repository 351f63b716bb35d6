//! Faults on purpose, in the test build alone (the feature `faults`): of the disk and of the bucket, by a seed.
//!
//! `GET /debug/faults` counts what has gone wrong, `PUT` sets what will, as JSON:
//!
//! ```json
//! {"seed": 7,
//!  "disk": {"under": "/wal/", "failed_sync": 20, "slow_sync": 100, "shortest_sync_ms": 10, "longest_sync_ms": 2000,
//!           "full": 0},
//!  "store": {"unavailable": 100, "throttled": 100, "request_lost": 0, "response_lost": 100, "delayed": 100,
//!            "longest_delay_ms": 3000}}
//! ```
//!
//! Rates are parts of 1,000; what is left out is 0, and `{}` ends all of them. See
//! [`highwater_env::DiskFaultRates`] and [`highwater_store::FaultRates`].

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::get;
use highwater_env::{DiskFaultRates, Env, FaultyDisk};
use highwater_store::{FaultPlan, FaultRates};
use serde::Deserialize;

use crate::config::ServeConfig;
use crate::http::Pages;

/// The switches.
#[derive(Clone)]
pub struct Faults {
    disk: Arc<FaultyDisk>,
    store: FaultPlan,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Wanted {
    seed: u64,
    disk: WantedOfDisk,
    store: WantedOfStore,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct WantedOfDisk {
    under: String,
    failed_sync: u32,
    slow_sync: u32,
    shortest_sync_ms: u64,
    longest_sync_ms: u64,
    full: u32,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct WantedOfStore {
    unavailable: u32,
    throttled: u32,
    request_lost: u32,
    response_lost: u32,
    late: u32,
    twice: u32,
    delayed: u32,
    longest_delay_ms: u64,
}

/// Puts the faults, none yet, between a broker and its disk and bucket.
pub fn around(env: Env, mut config: ServeConfig) -> (Env, ServeConfig, Faults) {
    tracing::warn!("a build for tests: PUT /debug/faults makes disk and bucket fail");
    let disk = Arc::new(FaultyDisk::new(Arc::clone(&env.disk), Arc::clone(&env.clock)));
    let store = FaultPlan::new(0);
    config.store_options.faults = Some(store.clone());
    (Env { disk: Arc::clone(&disk) as _, ..env }, config, Faults { disk, store })
}

/// The page below `/debug`.
pub fn routes() -> Router<Pages> {
    Router::new().route("/faults", get(show).put(set))
}

async fn show(State(pages): State<Pages>) -> String {
    let disk = pages.faults.disk.counts();
    format!(
        "disk failed_syncs {}\ndisk slow_syncs {}\ndisk refused {}\nstore injected {}\n",
        disk.failed_syncs,
        disk.slow_syncs,
        disk.refused,
        pages.faults.store.injected()
    )
}

async fn set(State(pages): State<Pages>, wanted: String) -> Result<String, (StatusCode, String)> {
    let parsed: Wanted =
        serde_json::from_str(&wanted).map_err(|error| (StatusCode::BAD_REQUEST, format!("{error}\n")))?;
    tracing::warn!(wanted, "faults on purpose");
    let Wanted { seed, disk, store } = parsed;
    pages.faults.disk.set_rates(
        DiskFaultRates {
            under: disk.under,
            failed_sync: disk.failed_sync,
            slow_sync: disk.slow_sync,
            shortest_sync: Duration::from_millis(disk.shortest_sync_ms),
            longest_sync: Duration::from_millis(disk.longest_sync_ms),
            full: disk.full,
        },
        seed,
    );
    pages.faults.store.set_seed(seed);
    pages.faults.store.set_rates(FaultRates {
        unavailable: store.unavailable,
        throttled: store.throttled,
        request_lost: store.request_lost,
        response_lost: store.response_lost,
        late: store.late,
        twice: store.twice,
        delayed: store.delayed,
        longest_delay: Duration::from_millis(store.longest_delay_ms),
    });
    Ok("set\n".to_owned())
}
