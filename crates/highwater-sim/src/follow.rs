//! Followers: beside each broker somebody tails the shards' manifests, by the journal's own reader.
//!
//! No broker does so yet: the engine reads a manifest from its newest snapshot on, and whoever asked holds the
//! proof to that. One that serves reads of shards that it does not lead will tail them.

use std::sync::Arc;
use std::time::Duration;

use highwater_env::Env;
use highwater_env::marks::met;
use highwater_journal::{JournalOptions, SnapshotJournal, Tail, TrimPoint, WalkError};
use highwater_store::Store;
use highwater_types::{Epoch, Incarnation, ShardId};

use crate::process::GC_GRACE;
use crate::world::World;

/// Longest pause between two passes.
const PAUSE_US: u64 = 150_000;

/// What stands at a number, as a reader was told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Passed {
    pub epoch: Epoch,
    pub incarnation: Incarnation,
    pub fence: bool,
}

/// Tails the manifest of a shard until the history ends.
pub(crate) async fn follow(world: Arc<World>, env: Env, store: Arc<dyn Store>, shard: ShardId) {
    let mut options = JournalOptions::new(format!("shards/{shard}/manifest"));
    options.gc_grace = GC_GRACE;
    let incarnation = Incarnation(env.random.next_u64());
    let journal = SnapshotJournal::new(env.clone(), store, incarnation, options);
    let mut tail: Option<Tail> = None;
    while !*world.quiet.lock() {
        env.sleep(Duration::from_micros(world.below(PAUSE_US))).await;
        let current = match &mut tail {
            Some(tail) => tail,
            None => {
                let Ok((newest, _)) = journal.latest().await else { continue };
                let from = newest.map_or(TrimPoint::GENESIS, |snapshot| snapshot.point);
                tail.insert(journal.log().tail(Arc::new(journal.clone()), from))
            }
        };
        match current.advance().await {
            Ok(advanced) => {
                let entries = advanced.entries.iter().map(|entry| {
                    let (epoch, incarnation) = (entry.epoch, entry.incarnation);
                    (entry.number, Passed { epoch, incarnation, fence: false })
                });
                let fences = advanced.fences.iter().map(|fence| {
                    let (epoch, incarnation) = (fence.epoch, fence.incarnation);
                    (fence.number, Passed { epoch, incarnation, fence: true })
                });
                let mut model = world.model.lock();
                for (number, passed) in entries.chain(fences) {
                    world.executor.note(&[80, u64::from(shard.0), number]);
                    model.passed(shard, number, passed);
                }
            }
            Err(WalkError::Trimmed { .. }) => {
                met("follower-left-behind");
                tail = None;
            }
            Err(WalkError::Store(_)) => {}
            Err(WalkError::Corrupt(corruption)) => {
                let what = format!("the manifest of shard {shard} is corrupt to a follower: {corruption}");
                return world.model.lock().violated(what);
            }
        }
    }
}
