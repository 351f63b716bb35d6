//! The stores as their users meet them: the conformance suite on each, crashes, faults, bad set-ups.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "tests fail by panicking, and prepare the real machine beside the environment"
)]

mod bucket;
mod directory;
mod opening;
mod wrappers;

use std::sync::Arc;

use highwater_env::{Env, RealEnv, SimEnv};
use highwater_store::{DirectoryStore, MemoryStore, Store, conformance};

fn real_env() -> Env {
    RealEnv::new(tokio::runtime::Handle::current())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn memory_conforms() {
    let env = real_env();
    conformance::run(Arc::new(MemoryStore::new(&env)), "suite").await;
    conformance::run(Arc::new(MemoryStore::new(&env).with_whole_seconds()), "suite").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_directory_conforms() {
    let directory = tempfile::tempdir().unwrap();
    let store = DirectoryStore::open(&real_env(), directory.path()).await.unwrap();
    assert!(store.is_local());
    conformance::run(Arc::new(store), "suite").await;
}

#[tokio::test]
async fn a_directory_on_the_simulated_disk_conforms() {
    let sim = SimEnv::new(1);
    let store = DirectoryStore::open(&sim.env, "/data".as_ref()).await.unwrap();
    conformance::run(Arc::new(store), "suite").await;
}
