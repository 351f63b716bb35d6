//! Whether this broker still may lead: its leases, seen from time to time.
//!
//! A broker that was not heard of for longer than its lease (a pause, a lost network) may find that
//! another has taken over. The journal's fence has then stopped its writes already; this makes it
//! give way instead of fencing back, which would only take turns.

use std::time::Duration;

use highwater_env::Env;
use highwater_types::ShardId;

use crate::keeper::Keeper;
use crate::store::{Claim, Holder, LeaseStore};

/// How often it is asked whether something seems wrong; costs nothing.
const LOOK: Duration = Duration::from_millis(200);
/// After how many looks the leases are read though nothing seems wrong.
const LEASES_EVERY: u32 = 50;

/// A look that comes this much too late means that the process was paused: much may have happened.
const PAUSED: Duration = Duration::from_secs(2);

/// Completes when another live broker holds one of the leases, and says which. Leases that have run
/// out and that nobody took are taken up again, and the keeper is told. `serves`: all shards are led.
pub async fn lost(
    env: &Env,
    leases: &dyn LeaseStore,
    keeper: &Keeper,
    shards: &[ShardId],
    serves: impl Fn() -> bool + Send,
) -> Holder {
    let tenure = keeper.tenure();
    let mut looks = 0;
    loop {
        let before = env.now();
        env.sleep(LOOK).await;
        looks += 1;
        let paused = env.now().since(before) > PAUSED;
        let run = keeper.run();
        // Without a lease of one's own there is nothing to hold shards by.
        let resumes = run.is_some() && tenure.run().is_none();
        if serves() && looks < LEASES_EVERY && !paused && !resumes {
            continue;
        }
        looks = 0;
        match leases.acquire(shards).await {
            Ok(claims) => {
                let other = claims.into_iter().find_map(|claim| match claim {
                    Claim::Held => None,
                    Claim::HeldBy(holder) => Some(holder),
                });
                match (other, run) {
                    (Some(holder), _) => return holder,
                    (None, Some(run)) => keeper.hold(run),
                    (None, None) => {}
                }
            }
            Err(error) => tracing::debug!(%error, "cannot look at the leases"),
        }
    }
}
