//! The local write-ahead log after a crash: what the bucket did not get goes on where it stopped.
//!
//! A frame is replayed only if no other broker has led since it was written, and only if it
//! follows what is known. Everything else is a deposed tail: it goes to a side file, is counted
//! and logged, and is never inserted.

use std::collections::BTreeMap;
use std::sync::Arc;

use highwater_types::{Epoch, ShardId};

use crate::engine::{Shared, StartError};
use crate::leader::Leading;
use crate::shard::live::TailBatch;
use crate::shard::producers::Sequence;
use crate::wal::{Recovered, RecoveredFrame, WalSeq};

/// Frames of one deposed tail that are written to its side file at once.
const SET_ASIDE_AT: usize = 1024;

/// What becomes of a frame.
enum Fate {
    Replayed,
    /// The bucket has it.
    Known,
    /// Its topic is gone.
    Deleted,
    /// Another broker has led since, or something before it is missing.
    Deposed,
}

#[derive(Default)]
struct Counts {
    replayed: u64,
    deposed: u64,
    deleted: u64,
}

/// Reads the log from its oldest file on. The shards are led, but not open yet.
pub async fn replay(shared: &Arc<Shared>, leading: &[Leading], mut recovered: Recovered) -> Result<(), StartError> {
    if let Some(torn) = &recovered.truncated {
        tracing::info!(?torn, "the end of the write-ahead log was not synced and is cut off");
    }
    let mut counts = Counts::default();
    let mut last_seen: BTreeMap<ShardId, WalSeq> = BTreeMap::new();
    let mut aside: BTreeMap<(ShardId, Epoch), Vec<RecoveredFrame>> = BTreeMap::new();
    while let Some(frame) = recovered.next().await? {
        last_seen.insert(frame.shard, frame.seq);
        shared.room.available().await;
        match place(shared, leading, &frame) {
            Fate::Replayed => counts.replayed += 1,
            Fate::Known => {}
            Fate::Deleted => counts.deleted += 1,
            Fate::Deposed => {
                counts.deposed += 1;
                let key = (frame.shard, frame.epoch);
                let frames = aside.entry(key).or_default();
                frames.push(frame);
                if frames.len() >= SET_ASIDE_AT {
                    set_aside(shared, key, frames).await?;
                }
            }
        }
    }
    for (key, mut frames) in aside {
        set_aside(shared, key, &mut frames).await?;
    }
    for (shard, seq) in last_seen {
        let mut held = false;
        if let Some(leading) = leading.iter().find(|leading| leading.shard.id == shard) {
            // Released by the flush that carries the last replayed batch, or at once if none waits.
            let mut live = leading.shard.live.lock();
            live.last_wal_seq = Some(seq);
            if !live.dirty.is_empty() {
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
    if counts.replayed + counts.deposed + counts.deleted > 0 {
        tracing::info!(
            replayed = counts.replayed,
            deposed = counts.deposed,
            of_deleted_topics = counts.deleted,
            "write-ahead log replayed"
        );
    }
    Ok(())
}

fn place(shared: &Shared, leading: &[Leading], frame: &RecoveredFrame) -> Fate {
    let Some(leading) = leading.iter().find(|leading| leading.shard.id == frame.shard) else {
        return Fate::Deposed;
    };
    let header = frame.batch.header();
    let mut live = leading.shard.live.lock();
    let Some(slot) = live.slots.get(&frame.tp).copied() else {
        return Fate::Deleted;
    };
    let Some(known) = live.partition(slot).map(|partition| partition.next_offset) else {
        return Fate::Deleted;
    };
    if frame.epoch < leading.since || frame.epoch >= leading.epoch {
        // Of before the takeover by another broker: the bucket may have got it in time.
        let in_bucket = leading.shard.committed.read().partitions.get(&frame.tp).is_some_and(|record| {
            let held = record.extent_at(header.base_offset).is_some_and(|e| e.first_offset <= header.base_offset);
            held && record.epoch_at(header.base_offset) == header.leader_epoch
        });
        return if in_bucket { Fate::Known } else { Fate::Deposed };
    }
    if header.last_offset() < known {
        return Fate::Known;
    }
    let bytes = frame.batch.len();
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
    };
    if !live.replay(slot, batch, frame.seq, shared.env.now()) {
        return Fate::Deposed;
    }
    drop(live);
    shared.room.force(bytes);
    leading.shard.flush.notify_one();
    Fate::Replayed
}

async fn set_aside(
    shared: &Shared,
    (shard, epoch): (ShardId, Epoch),
    frames: &mut Vec<RecoveredFrame>,
) -> Result<(), StartError> {
    if frames.is_empty() {
        return Ok(());
    }
    let path = shared.wal.set_aside(shard, epoch, frames).await?;
    tracing::warn!(
        %shard, %epoch, batches = frames.len(), path = %path.display(),
        "batches that only this broker had were set aside, since another leader went on without them"
    );
    frames.clear();
    Ok(())
}
