//! Renewal of a broker's own lease.
//!
//! A third of the time to live passes between renewals, so that two may fail. A broker whose own
//! puts make no progress renews nothing: its lease runs out, and somebody who can write takes over.

use std::sync::Arc;
use std::time::Duration;

use highwater_env::{Env, Instant, TaskHandle};
use parking_lot::Mutex;

use crate::store::LeaseStore;

/// Says whether the broker's own puts make progress, or there are none to be made.
pub type Progress = Arc<dyn Fn() -> bool + Send + Sync>;

/// Renews until it is stopped or dropped.
pub struct Keeper {
    env: Env,
    leases: Arc<dyn LeaseStore>,
    /// When the last renewal that succeeded was begun.
    renewed: Arc<Mutex<Option<Instant>>>,
    task: Option<TaskHandle>,
}

impl Keeper {
    /// Renews once, then goes on in a task.
    ///
    /// # Errors
    /// The store's, of the first renewal; later ones are logged and tried again.
    pub async fn start(env: &Env, leases: Arc<dyn LeaseStore>, progress: Progress) -> Result<Self, crate::LeaseError> {
        let began = env.now();
        leases.renew().await?;
        let renewed = Arc::new(Mutex::new(Some(began)));
        let task = env.spawn("lease", keep(env.clone(), Arc::clone(&leases), progress, Arc::clone(&renewed)));
        Ok(Self { env: env.clone(), leases, renewed, task: Some(task) })
    }

    /// Whether this broker's lease is valid, by its own clock and without any allowance: what it
    /// may rely on is less than what others wait for.
    pub fn is_live(&self) -> bool {
        let renewed = *self.renewed.lock();
        renewed.is_some_and(|at| self.env.now().since(at) < self.leases.ttl())
    }

    /// Ends renewal. The lease stays until it runs out, or until [`LeaseStore::resign`].
    pub async fn stop(mut self) {
        if let Some(task) = self.task.take() {
            task.abort();
            task.ended().await;
        }
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        if let Some(task) = &self.task {
            task.abort();
        }
    }
}

async fn keep(env: Env, leases: Arc<dyn LeaseStore>, progress: Progress, renewed: Arc<Mutex<Option<Instant>>>) {
    let interval = (leases.ttl() / 3).max(Duration::from_millis(1));
    let mut well = true;
    loop {
        env.sleep(interval).await;
        if !progress() {
            if std::mem::take(&mut well) {
                tracing::warn!("this broker's puts make no progress: its lease is not renewed");
            }
            continue;
        }
        let began = env.now();
        // A renewal that hangs must not keep the next from being tried.
        match env.timeout(interval, leases.renew()).await {
            Ok(Ok(())) => {
                *renewed.lock() = Some(began);
                if !std::mem::replace(&mut well, true) {
                    tracing::info!("this broker's lease is renewed again");
                }
            }
            Ok(Err(error)) => {
                well = false;
                tracing::warn!(%error, "cannot renew this broker's lease");
            }
            Err(_) => {
                well = false;
                tracing::warn!("cannot renew this broker's lease: no answer in {} ms", interval.as_millis());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test says what went wrong by panicking")]

    use std::sync::atomic::{AtomicBool, Ordering};

    use highwater_env::sim::SimEnv;
    use highwater_store::{MemoryStore, Store};

    use super::*;
    use crate::BucketLeases;
    use crate::conformance::info;

    #[tokio::test(start_paused = true)]
    async fn renews_only_while_there_is_progress() {
        let sim = SimEnv::auto(1);
        let store: Arc<dyn Store> = Arc::new(MemoryStore::new(&sim.env));
        let ttl = Duration::from_secs(9);
        let leases: Arc<dyn LeaseStore> = Arc::new(BucketLeases::new(store, info(1), ttl));
        let well = Arc::new(AtomicBool::new(true));
        let progress: Progress = {
            let well = Arc::clone(&well);
            Arc::new(move || well.load(Ordering::Relaxed))
        };
        let keeper = Keeper::start(&sim.env, Arc::clone(&leases), progress).await.unwrap();
        sim.env.sleep(Duration::from_secs(60)).await;
        assert!(keeper.is_live());
        assert_eq!(leases.registry().await.unwrap().brokers.len(), 1);
        well.store(false, Ordering::Relaxed);
        sim.env.sleep(Duration::from_secs(15)).await;
        assert!(!keeper.is_live());
        assert_eq!(leases.registry().await.unwrap().brokers.len(), 0);
        well.store(true, Ordering::Relaxed);
        sim.env.sleep(Duration::from_secs(4)).await;
        assert!(keeper.is_live());
        keeper.stop().await;
        sim.env.sleep(Duration::from_secs(15)).await;
        assert_eq!(leases.registry().await.unwrap().brokers.len(), 0);
    }
}
