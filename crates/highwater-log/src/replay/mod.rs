//! The local write-ahead log after a crash: what the bucket did not get goes on where it stopped.
//!
//! A frame is replayed only if no other broker has led since it was written, and only if it
//! follows what is known. Everything else is a deposed tail: it goes to a side file, is counted
//! and logged, and is never inserted. Frames of a shard that was stopped stay in the log.
//!
//! [`gap`]: going on behind what a damaged log has lost.

mod gap;

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::Arc;

use futures::future::{Either, select};
use highwater_env::marks::{is_off, met, underway};
use highwater_types::{Epoch, ShardId};

use crate::leader::Leading;
use crate::shard::partition::{PartitionLive, TailBatch};
use crate::shard::producers::Sequence;
use crate::shared::Shared;
use crate::start_error::StartError;
use crate::wal::{Recovered, RecoveredFrame, WalError, WalSeq};

/// Deposed frames are written to their side files when they are so many bytes.
const SET_ASIDE_BYTES: usize = 8 << 20;

/// Frames that are not replayed, until they are in a side file.
#[derive(Default)]
struct Aside {
    frames: BTreeMap<(ShardId, Epoch), Vec<RecoveredFrame>>,
    bytes: usize,
}

/// What becomes of a frame.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Fate {
    /// It goes on where the bucket stops.
    Replayed,
    /// The bucket has it.
    Known,
    /// As that, behind frames that a damaged log has lost.
    BehindLoss,
    /// Its topic is gone.
    Deleted,
    /// Its shard was stopped: it stays where it is.
    Kept,
    /// Another broker has led since, or something before it is missing.
    Deposed,
}

#[derive(Default)]
struct Counts {
    replayed: u64,
    deposed: u64,
    deleted: u64,
    kept: u64,
    damaged: u64,
}

/// Reads the log from its oldest file on. The shards are led, but not open yet.
pub async fn replay(shared: &Arc<Shared>, leading: &mut [Leading], mut recovered: Recovered) -> Result<(), StartError> {
    if let Some(torn) = &recovered.truncated {
        met("torn-end-of-log");
        tracing::info!(?torn, "the end of the write-ahead log was not synced and is cut off");
    }
    let replaying = underway("cut-off-in-replay");
    let mut counts = Counts::default();
    let mut last_seen: BTreeMap<ShardId, WalSeq> = BTreeMap::new();
    let mut aside = Aside::default();
    loop {
        let frame = match recovered.next().await {
            Ok(Some(frame)) => frame,
            Ok(None) => break,
            Err(WalError::Damaged(damage)) => {
                met("damaged-log");
                counts.damaged += 1;
                shared.options.metrics.log_damaged(damage.bytes.end - damage.bytes.start);
                tracing::error!(
                    %damage,
                    "acknowledged records are lost: the disk gives back other bytes of the write-ahead log than were \
                     synced; everything else is served, behind a gap. Look at the file, which is kept, and replace the disk"
                );
                continue;
            }
            Err(error) => return Err(error.into()),
        };
        let fate = fate(shared, leading, &frame, counts.damaged > 0);
        if fate == Fate::Kept {
            counts.kept += 1;
            continue;
        }
        last_seen.insert(frame.shard, frame.seq);
        room(shared, leading).await?;
        match fate {
            Fate::Known | Fate::Kept => {}
            Fate::Deleted => counts.deleted += 1,
            Fate::Replayed | Fate::BehindLoss => {
                if fate == Fate::BehindLoss {
                    gap::leave_before(shared, leading, &frame).await?;
                }
                // The flush of this frame releases all that come before it.
                aside.write(shared).await?;
                met("records-replayed");
                counts.replayed += 1;
                insert(shared, leading, &frame);
            }
            Fate::Deposed => {
                met("deposed-tail-at-replay");
                counts.deposed += 1;
                aside.push(frame);
                if aside.bytes >= SET_ASIDE_BYTES {
                    aside.write(shared).await?;
                }
            }
        }
    }
    aside.write(shared).await?;
    if counts.damaged > 0 {
        gap::leave_at_end(shared, leading).await?;
    }
    for (shard, seq) in last_seen {
        let mut held = false;
        if let Some(leading) = leading.iter().find(|leading| leading.shard.id == shard) {
            // Released by a flush, unless everything that was replayed is in the bucket already.
            let mut live = leading.shard.live.lock();
            live.last_wal_seq = Some(seq);
            if !live.partitions.iter().all(PartitionLive::is_flushed) {
                live.open_wal_seq = Some(seq);
                held = true;
            }
            drop(live);
            leading.shard.flush.notify_one();
        }
        if !held {
            shared.wal.release(shard, seq);
        }
    }
    if counts.replayed + counts.deposed + counts.deleted + counts.kept > 0 {
        tracing::info!(
            replayed = counts.replayed,
            deposed = counts.deposed,
            of_deleted_topics = counts.deleted,
            of_stopped_shards = counts.kept,
            "write-ahead log replayed"
        );
    }
    replaying.done();
    Ok(())
}

/// Waits for room in memory; an error if a shard is lost meanwhile, whose flushes would give it.
async fn room(shared: &Shared, leading: &mut [Leading]) -> Result<(), StartError> {
    let available = shared.room.available();
    futures::pin_mut!(available);
    if futures::FutureExt::now_or_never(&mut available).is_some() || leading.is_empty() {
        return Ok(());
    }
    unless_lost(leading, available).await
}

/// Waits; an error if a shard is lost meanwhile.
async fn unless_lost<T>(leading: &mut [Leading], work: impl Future<Output = T>) -> Result<T, StartError> {
    let lost = futures::future::select_all(leading.iter_mut().map(|leading| Box::pin(leading.lost())));
    futures::pin_mut!(work);
    match select(work, lost).await {
        Either::Left((done, _)) => Ok(done),
        Either::Right((((shard, source), ..), _)) => Err(StartError::Recover { shard, source }),
    }
}

/// Decides, from what is known before the frame; `damaged`: frames before it may be lost.
fn fate(shared: &Shared, leading: &[Leading], frame: &RecoveredFrame, damaged: bool) -> Fate {
    let Some(leading) = leading.iter().find(|leading| leading.shard.id == frame.shard) else {
        let known = shared.shards.iter().any(|shard| shard.id == frame.shard);
        return if known { Fate::Kept } else { Fate::Deposed };
    };
    let header = frame.batch.header();
    let live = leading.shard.live.lock();
    let partition = live.slots.get(&frame.tp).and_then(|slot| live.partition(*slot));
    let Some(partition) = partition.filter(|partition| !partition.deleted) else { return Fate::Deleted };
    let deposed = frame.epoch < leading.since || frame.epoch >= leading.epoch;
    if deposed && !is_off("deposed-tail") {
        // Of before the takeover by another broker: the bucket may have got it in time.
        let in_bucket = leading.shard.committed.read().partitions.get(&frame.tp).is_some_and(|record| {
            let held = record.extent_at(header.base_offset).is_some_and(|e| e.first_offset <= header.base_offset);
            held && record.epoch_at(header.base_offset) == header.leader_epoch
        });
        return if in_bucket { Fate::Known } else { Fate::Deposed };
    }
    if header.last_offset() < partition.next_offset {
        Fate::Known
    } else if header.base_offset == partition.next_offset {
        Fate::Replayed
    } else if damaged && header.base_offset > partition.next_offset {
        Fate::BehindLoss
    } else {
        Fate::Deposed
    }
}

/// Puts a frame back into memory, on its way to the bucket.
fn insert(shared: &Shared, leading: &[Leading], frame: &RecoveredFrame) {
    let Some(leading) = leading.iter().find(|leading| leading.shard.id == frame.shard) else { return };
    let header = frame.batch.header();
    let batch = TailBatch {
        stored: frame.batch.clone(),
        first_offset: header.base_offset,
        last_offset: header.last_offset(),
        max_timestamp_ms: header.max_timestamp,
        sequence: (header.has_producer() && header.base_sequence >= 0).then(|| Sequence {
            producer_id: header.producer_id,
            epoch: header.producer_epoch,
            first: header.base_sequence,
            last: header.last_sequence(),
        }),
        wal_seq: Some(frame.seq),
    };
    shared.room.force(batch.len());
    let mut live = leading.shard.live.lock();
    if let Some(slot) = live.slots.get(&frame.tp).copied() {
        live.replay(slot, batch, shared.env.now());
    }
    drop(live);
    leading.shard.flush.notify_one();
}

impl Aside {
    fn push(&mut self, frame: RecoveredFrame) {
        self.bytes += frame.batch.len();
        self.frames.entry((frame.shard, frame.epoch)).or_default().push(frame);
    }

    /// Writes everything to the side files.
    async fn write(&mut self, shared: &Shared) -> Result<(), StartError> {
        self.bytes = 0;
        for ((shard, epoch), frames) in std::mem::take(&mut self.frames) {
            let path = shared.wal.set_aside(shard, epoch, &frames).await?;
            shared.options.metrics.set_aside(frames.len());
            tracing::warn!(
                %shard, %epoch, batches = frames.len(), path = %path.display(),
                "batches that only this broker had were set aside, since another leader went on without them"
            );
        }
        Ok(())
    }
}
