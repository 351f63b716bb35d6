//! Going on behind what a damaged log has lost.
//!
//! Frames that had been synced cannot be read: records that were acknowledged, and perhaps read, are gone.
//! Nobody can say whose they were. What comes behind them in the log is served where it was, and no offset
//! of theirs is given again: partitions go on behind a gap, as after a takeover without the old disk. The
//! manifest has to say so, durably, before a record is put behind it.

use std::sync::Arc;
use std::time::Duration;

use highwater_env::marks::met;
use highwater_types::{Epoch, Offset};

use super::unless_lost;
use crate::leader::Leading;
use crate::manifest::Start;
use crate::recover::RecoverError;
use crate::shard::Shard;
use crate::shard::partition::PartitionLive;
use crate::shared::{OFFSET_RESERVE, Shared};
use crate::start_error::StartError;
use crate::wal::RecoveredFrame;

/// Pause between two looks whether the bucket has everything.
const LOOK: Duration = Duration::from_millis(5);

/// A frame goes on behind a gap in its partition.
pub async fn leave_before(shared: &Shared, leading: &mut [Leading], frame: &RecoveredFrame) -> Result<(), StartError> {
    let Some(shard) = leading.iter().find(|leading| leading.shard.id == frame.shard) else { return Ok(()) };
    let shard = Arc::clone(&shard.shard);
    leave(shared, leading, &shard, |partition| (partition.tp == frame.tp).then(|| frame.batch.header().base_offset))
        .await
}

/// The last frames of any partition may be among the lost: whoever may have given offsets that only the
/// log knew goes on behind all of them.
pub async fn leave_at_end(shared: &Shared, leading: &mut [Leading]) -> Result<(), StartError> {
    let shards: Vec<Arc<Shard>> = leading.iter().map(|leading| Arc::clone(&leading.shard)).collect();
    for shard in shards {
        leave(shared, leading, &shard, |partition| {
            let known =
                shard.committed.read().partitions.get(&partition.tp).map(|known| (known.log_end, known.reserved));
            let (end, reserved) = known.unwrap_or((0, false));
            let local = partition.uses_wal || reserved;
            local.then(|| Offset::saturating_add(end, OFFSET_RESERVE))
        })
        .await?;
    }
    Ok(())
}

/// Has partitions go on at the offsets that `next_offset` gives, when the bucket has what lies before.
async fn leave(
    shared: &Shared,
    leading: &mut [Leading],
    shard: &Arc<Shard>,
    next_offset: impl Fn(&PartitionLive) -> Option<Offset>,
) -> Result<(), StartError> {
    let flushed = async {
        while !shard.live.lock().partitions.iter().all(PartitionLive::is_flushed) {
            shard.flush.notify_one();
            shared.env.sleep(LOOK).await;
        }
    };
    unless_lost(leading, flushed).await?;
    let starts: Vec<Start> = {
        let live = shard.live.lock();
        let kept = live.partitions.iter().filter(|partition| !partition.deleted);
        kept.filter_map(|partition| Some(Start { tp: partition.tp, next_offset: next_offset(partition)? })).collect()
    };
    if starts.is_empty() {
        return Ok(());
    }
    met("gap-behind-damage");
    let durable = shard.gaps.ask(starts.clone());
    shard.log_starts.asked.notify_one();
    unless_lost(leading, durable)
        .await?
        .map_err(|_| StartError::Recover { shard: shard.id, source: RecoverError::Lost(Epoch::NONE) })?;
    let mut live = shard.live.lock();
    for start in starts {
        let slot = live.slots.get(&start.tp).copied();
        if let Some(partition) = slot.and_then(|slot| live.partitions.get_mut(slot.0)) {
            partition.leave_gap(start.next_offset);
        }
    }
    Ok(())
}
