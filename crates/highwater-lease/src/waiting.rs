//! Until the shards are free: what a broker does that is not (yet) the one.

use std::time::Duration;

use highwater_env::Env;
use highwater_types::ShardId;

use crate::keeper::Keeper;
use crate::store::{Claim, Holder, LeaseError, LeaseStore};

/// Longest pause between two looks: a holder may give up its lease before it runs out.
const LOOK_MAX: Duration = Duration::from_secs(5);
/// Shortest pause between two looks.
const LOOK_MIN: Duration = Duration::from_millis(200);

/// Takes all of these shards, waiting for as long as live brokers hold some of them. `waiting` is
/// told a holder whenever the one waited for changes, so that a person can be told. `keeper` renews
/// this broker's own lease, and is told when the shards are held. May be cancelled; what was taken
/// stays taken.
///
/// # Errors
/// The store's, at once; nothing is given up then. Call again.
pub async fn acquire_all(
    env: &Env,
    leases: &dyn LeaseStore,
    keeper: &Keeper,
    shards: &[ShardId],
    mut waiting: impl FnMut(&Holder) + Send,
) -> Result<(), LeaseError> {
    let mut told = None;
    loop {
        let run = keeper.run();
        let claims = leases.acquire(shards).await?;
        let holders = claims.into_iter().filter_map(|claim| match claim {
            Claim::Held => None,
            Claim::HeldBy(holder) => Some(holder),
        });
        let Some(holder) = holders.min_by_key(|holder| (holder.remaining, holder.identity)) else {
            if let Some(run) = run {
                keeper.hold(run);
            }
            return Ok(());
        };
        if told != Some(holder.identity) {
            told = Some(holder.identity);
            waiting(&holder);
        }
        env.sleep(holder.remaining.clamp(LOOK_MIN, LOOK_MAX)).await;
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test says what went wrong by panicking")]

    use std::sync::Arc;

    use highwater_env::sim::SimEnv;
    use highwater_store::{MemoryStore, Store};

    use super::*;
    use crate::BucketLeases;
    use crate::conformance::info;

    #[tokio::test(start_paused = true)]
    async fn a_stranger_waits_and_says_for_whom() {
        let sim = SimEnv::auto(1);
        let store: Arc<dyn Store> = Arc::new(MemoryStore::new(&sim.env).with_whole_seconds());
        let open = |number| -> Arc<dyn LeaseStore> {
            Arc::new(BucketLeases::new(Arc::clone(&store), info(number), Duration::from_secs(10)))
        };
        let shards = [ShardId(0), ShardId(1)];
        let (old, new) = (open(1), open(2));
        let keeper = Keeper::start(&sim.env, Arc::clone(&old), Arc::new(|| true)).await.unwrap();
        acquire_all(&sim.env, &*old, &keeper, &shards, |_| unreachable!("nobody is there")).await.unwrap();

        let of_new = Keeper::start(&sim.env, Arc::clone(&new), Arc::new(|| true)).await.unwrap();
        let began = sim.env.now();
        let mut told = Vec::new();
        let died = async {
            sim.env.sleep(Duration::from_secs(60)).await;
            keeper.stop().await;
        };
        let (taken, ()) = futures::join!(
            acquire_all(&sim.env, &*new, &of_new, &shards, |holder| told.push(holder.to_string())),
            died
        );
        taken.unwrap();
        assert_eq!(told, [format!("broker 1 at broker-1:9092 ({})", info(1).identity)]);
        let waited = sim.env.now().since(began);
        assert!(waited > Duration::from_secs(60) && waited < Duration::from_secs(80), "{waited:?}");
        of_new.stop().await;
    }
}
