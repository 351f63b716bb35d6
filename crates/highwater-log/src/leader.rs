//! One leadership of a shard: its tasks, its end, and the way back.

use std::sync::Arc;
use std::time::Duration;

use highwater_env::marks::met;
use highwater_env::{TaskHandle, watch};
use highwater_journal::WriteError;
use highwater_types::{Epoch, ShardId};
use tokio::sync::{mpsc, oneshot};

use crate::flush::committer::{Committer, Ended};
use crate::flush::flusher::Flusher;
use crate::recover::{self, RecoverError, Tail, TakenShard};
use crate::shard::Shard;
use crate::shard::partition::PartitionLive;
use crate::shared::Shared;
use crate::upkeep::Upkeep;
use crate::wal::{RecoveredFrame, WalSeq};

/// How long a shard that was lost waits before it looks again.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// Segments that wait for the committer beyond those in the journal's window.
const COMMIT_QUEUE: usize = 8;

/// A shard that this broker leads; nothing is sequenced before [`Leading::open`].
pub struct Leading {
    pub shard: Arc<Shard>,
    pub epoch: Epoch,
    /// First epoch whose frames in the local log are ours to replay.
    pub since: Epoch,
    ended: oneshot::Receiver<Ended>,
    flusher: TaskHandle,
    upkeep: TaskHandle,
}

impl Leading {
    /// Resolves when the shard is lost before it was opened. May be cancelled.
    pub async fn lost(&mut self) -> (ShardId, RecoverError) {
        let error = match (&mut self.ended).await {
            Ok(Ended::Lost(reason)) => RecoverError::from(reason),
            Ok(Ended::Broken(why)) => RecoverError::Corrupt(why),
            Ok(Ended::Drained) | Err(_) => RecoverError::Corrupt("the shard's tasks ended".into()),
        };
        (self.shard.id, error)
    }

    /// Begins to serve.
    pub fn open(&self) {
        self.shard.live.lock().epoch = Some(self.epoch);
        tracing::info!(shard = %self.shard.id, epoch = %self.epoch, "leading");
    }
}

/// Puts a taken shard into memory and starts its tasks.
///
/// `run` is the tenure's when the takeover began.
pub fn start(
    shared: &Arc<Shared>,
    shard: &Arc<Shard>,
    taken: TakenShard,
    run: Option<u64>,
    draining: watch::Receiver<bool>,
) -> Leading {
    shared.options.metrics.taken_over();
    let TakenShard { epoch, since, manifest, segments, edits, snapshots, journal, taken_at } = taken;
    let partitions = shared.partitions_of(shard.id);
    {
        let mut live = shard.live.lock();
        live.proven = run;
        for (tp, settings) in partitions {
            live.add(PartitionLive::of(tp, settings, manifest.partitions.get(&tp)));
        }
        let gone = manifest.partitions.keys().filter(|tp| !live.slots.contains_key(tp));
        shard.removed.lock().extend(gone);
    }
    *shard.committed.write() = manifest;
    shard.edits.lock().lead(taken_at);
    let upkeep = Upkeep {
        shared: Arc::clone(shared),
        shard: Arc::clone(shard),
        epoch,
        segments: journal,
        manifest: snapshots.clone(),
    };
    let upkeep = shared.env.spawn("upkeep", upkeep.run());
    let (to_committer, in_flight) = mpsc::channel(COMMIT_QUEUE);
    let (report, ended) = oneshot::channel();
    let committer = Committer {
        env: shared.env.clone(),
        options: Arc::clone(&shared.options),
        shard: Arc::clone(shard),
        wal: shared.wal.clone(),
        segments: segments.clone(),
        manifest: edits,
        snapshots,
        owner: shared.options.identity,
        since,
        in_flight,
    };
    shared.env.spawn("committer", async move {
        // Nobody listens when the engine was dropped: a crash.
        let _ = report.send(committer.run().await);
    });
    let flusher = Flusher {
        env: shared.env.clone(),
        options: Arc::clone(&shared.options),
        shard: Arc::clone(shard),
        wal: shared.wal.clone(),
        writer: segments,
        pacer: Arc::clone(&shared.pacer),
        draining,
        committer: to_committer,
    };
    let flusher = shared.env.spawn("flusher", flusher.run());
    Leading { shard: Arc::clone(shard), epoch, since, ended, flusher, upkeep }
}

/// Stays with a shard until the engine drains: when leadership is lost, steps down and, after a
/// while, takes over again; when the chain is broken, stops it for a person to look.
pub fn supervise(shared: Arc<Shared>, leading: Leading, draining: watch::Receiver<bool>) -> TaskHandle {
    let env = shared.env.clone();
    env.spawn("leader", async move {
        let mut leading = leading;
        loop {
            let shard = Arc::clone(&leading.shard);
            let epoch = leading.epoch;
            let ended = leading.ended.await;
            leading.flusher.abort();
            leading.upkeep.abort();
            match &ended {
                Ok(Ended::Drained) => {
                    shard.live.lock().epoch = None;
                    return;
                }
                Ok(Ended::Lost(WriteError::Corrupt(why))) => shard.stop(&why.to_string()),
                Ok(Ended::Lost(reason)) => {
                    tracing::warn!(shard = %shard.id, %epoch, %reason, "leadership is lost");
                }
                Ok(Ended::Broken(why)) => shard.stop(why),
                Err(_) => shard.stop("its committer failed"),
            }
            let Some(aside) = step_down(&shared, &shard, epoch, &draining).await else {
                return;
            };
            if !matches!(&ended, Ok(Ended::Lost(reason)) if !matches!(reason, WriteError::Corrupt(_))) {
                return;
            }
            match come_back(&shared, &shard, &draining, aside).await {
                Some(again) => leading = again,
                None => return,
            }
        }
    })
}

/// The last frame of what was set aside, if there was anything.
type Aside = Option<WalSeq>;

/// Nothing more is acknowledged. What only our disk has is a deposed tail: it goes to a side file before
/// anything else is written. Its frames stay in the log until somebody's leadership is published that goes
/// on without them: a fence may come to nothing, and then the next start replays them. `None` if the engine
/// drained before that.
async fn step_down(
    shared: &Shared,
    shard: &Arc<Shard>,
    epoch: Epoch,
    draining: &watch::Receiver<bool>,
) -> Option<Aside> {
    met("deposed-while-alive");
    shared.options.metrics.lost();
    let (tail, last, effects, open) = {
        let mut live = shard.live.lock();
        let tail = live.unflushed_local();
        let last = live.last_wal_seq.take();
        let (effects, open) = live.step_down();
        (tail, last, effects, open)
    };
    effects.run();
    shard.room.release(open);
    let Some(last) = last else { return Some(None) };
    let frame = |(tp, batch)| RecoveredFrame { seq: WalSeq(0), shard: shard.id, epoch, tp, batch };
    let frames: Vec<RecoveredFrame> = tail.into_iter().map(frame).collect();
    while !frames.is_empty() {
        match shared.wal.set_aside(shard.id, epoch, &frames).await {
            Ok(path) => {
                shared.options.metrics.set_aside(frames.len());
                tracing::warn!(
                    shard = %shard.id, %epoch, batches = frames.len(), path = %path.display(),
                    "batches that only this broker had were set aside, another leader goes on without them"
                );
                break;
            }
            Err(error) => tracing::error!(
                shard = %shard.id, %error,
                "a deposed tail could not be set aside: free space on the disk; trying again"
            ),
        }
        // Not released: the next start finds the frames in the log.
        if draining.look(|draining| *draining) {
            return None;
        }
        shared.env.sleep(RETRY_AFTER).await;
    }
    Some(Some(last))
}

/// Takes the shard over again, behind what was set aside, unless the engine drains first.
async fn come_back(
    shared: &Arc<Shared>,
    shard: &Arc<Shard>,
    draining: &watch::Receiver<bool>,
    aside: Aside,
) -> Option<Leading> {
    loop {
        shared.env.sleep(RETRY_AFTER).await;
        if draining.look(|draining| *draining) {
            return None;
        }
        // Another may lead now, and would be fenced for nothing.
        let run = shared.options.tenure.run();
        if run.is_none() {
            continue;
        }
        match recover::take_over(shared, shard.id, Tail::SetAside).await {
            Ok(taken) => {
                // Published: no start takes those frames for its own any more.
                if let Some(last) = aside {
                    shared.wal.release(shard.id, last);
                }
                let leading = start(shared, shard, taken, run, draining.clone());
                leading.open();
                return Some(leading);
            }
            Err(RecoverError::Corrupt(why)) => {
                shard.stop(&why);
                return None;
            }
            Err(error) => {
                tracing::warn!(shard = %shard.id, %error, "could not take the shard over; trying again")
            }
        }
    }
}
