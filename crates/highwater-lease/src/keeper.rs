//! Renewal of a broker's own lease.
//!
//! A third of the time to live passes between renewals, so that two may fail. A broker whose own
//! puts make no progress renews nothing: its lease runs out, and somebody who can write takes over.

use std::sync::Arc;
use std::time::Duration;

use highwater_env::marks::met;
use highwater_env::{Env, TaskHandle, watch};
use parking_lot::Mutex;

use crate::store::LeaseStore;
use crate::tenure::{Standing, Tenure};

/// Says whether the broker's own puts make progress, or there are none to be made.
pub type Progress = Arc<dyn Fn() -> bool + Send + Sync>;

/// Renews until it is stopped or dropped.
pub struct Keeper {
    env: Env,
    leases: Arc<dyn LeaseStore>,
    standing: Arc<watch::Sender<Standing>>,
    task: Mutex<Option<TaskHandle>>,
}

impl Keeper {
    /// Renews once, then goes on in a task.
    ///
    /// # Errors
    /// The store's, of the first renewal; later ones are logged and tried again.
    pub async fn start(env: &Env, leases: Arc<dyn LeaseStore>, progress: Progress) -> Result<Self, crate::LeaseError> {
        let began = env.now();
        leases.renew().await?;
        let standing = Arc::new(watch::Sender::new(Standing { renewed: Some(began), ..Standing::default() }));
        let task = env.spawn("lease", keep(env.clone(), Arc::clone(&leases), progress, Arc::clone(&standing)));
        Ok(Self { env: env.clone(), leases, standing, task: Mutex::new(Some(task)) })
    }

    /// The present run, if this broker's lease is valid, by its own clock and without any allowance: what
    /// it may rely on is less than what others wait for.
    pub fn run(&self) -> Option<u64> {
        self.standing.look(|standing| standing.run(self.env.now(), self.leases.ttl()))
    }

    /// The shards were seen to be held by this broker, in a read that was begun in `run`.
    pub fn hold(&self, run: u64) {
        self.standing.send_if_modified(|standing| standing.held.replace(run) != Some(run));
    }

    /// What a leader goes by.
    pub fn tenure(&self) -> Tenure {
        Tenure::new(self.env.clone(), self.leases.ttl(), self.standing.subscribe())
    }

    /// Ends renewal. The lease stays until it runs out, or until [`LeaseStore::resign`].
    pub async fn stop(self) {
        let task = self.task.lock().take();
        if let Some(task) = task {
            task.abort();
            task.ended().await;
        }
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        if let Some(task) = self.task.get_mut() {
            task.abort();
        }
    }
}

async fn keep(env: Env, leases: Arc<dyn LeaseStore>, progress: Progress, standing: Arc<watch::Sender<Standing>>) {
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
                let now = env.now();
                standing.send_if_modified(|standing| {
                    if standing.run(now, leases.ttl()).is_none() {
                        met("lease-lapsed");
                        standing.run += 1;
                    }
                    standing.renewed = Some(began);
                    true
                });
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
        assert!(keeper.run().is_some());
        assert_eq!(leases.registry().await.unwrap().brokers.len(), 1);
        well.store(false, Ordering::Relaxed);
        sim.env.sleep(Duration::from_secs(15)).await;
        assert!(keeper.run().is_none());
        assert_eq!(leases.registry().await.unwrap().brokers.len(), 0);
        well.store(true, Ordering::Relaxed);
        sim.env.sleep(Duration::from_secs(4)).await;
        assert!(keeper.run().is_some());
        keeper.stop().await;
        sim.env.sleep(Duration::from_secs(15)).await;
        assert_eq!(leases.registry().await.unwrap().brokers.len(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn a_run_ends_with_a_lapse_and_the_next_one_counts_when_the_shards_are_seen() {
        let sim = SimEnv::auto(1);
        let store: Arc<dyn Store> = Arc::new(MemoryStore::new(&sim.env));
        let leases: Arc<dyn LeaseStore> = Arc::new(BucketLeases::new(store, info(1), Duration::from_secs(9)));
        let well = Arc::new(AtomicBool::new(true));
        let progress: Progress = {
            let well = Arc::clone(&well);
            Arc::new(move || well.load(Ordering::Relaxed))
        };
        let keeper = Keeper::start(&sim.env, Arc::clone(&leases), progress).await.unwrap();
        let tenure = keeper.tenure();
        assert_eq!(tenure.run(), None, "nobody has looked at the shards");
        keeper.hold(keeper.run().unwrap());
        sim.env.sleep(Duration::from_secs(60)).await;
        assert_eq!(tenure.run(), Some(0), "renewed all the time");
        well.store(false, Ordering::Relaxed);
        sim.env.sleep(Duration::from_secs(15)).await;
        assert_eq!(tenure.run(), None);
        well.store(true, Ordering::Relaxed);
        sim.env.sleep(Duration::from_secs(4)).await;
        assert_eq!((keeper.run(), tenure.run()), (Some(1), None), "another broker may have led meanwhile");
        keeper.hold(0);
        assert_eq!(tenure.run(), None, "that was seen before");
        keeper.hold(1);
        assert_eq!(tenure.run(), Some(1));
    }
}
