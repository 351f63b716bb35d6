//! What a leader does to its shard over time, in the background: old records go, small extents become large
//! ones, and the objects of what is gone are deleted.
//!
//! - [`retention`]: which records go. - [`compaction`]: records in fewer and larger objects. - [`needed`]:
//!   which objects are referred to. - [`edits`]: what of the manifest is durable, which deleting waits for.
//!
//! A pass costs no request where nothing has changed. Deleting follows rule 5 of the journal: a name goes
//! no earlier than `gc.grace` and a tenth, by the bucket's dates, after the commit that left it behind.

pub mod compaction;
pub mod edits;
pub mod needed;
pub mod retention;

use std::sync::Arc;

use futures::future::join_all;
use highwater_env::marks::{met, underway};
use highwater_journal::{Journal, SnapshotJournal, Unreferenced, WalkError};
use highwater_store::BucketTime;
use highwater_types::Epoch;

use self::compaction::Compaction;
use self::needed::Needed;
use crate::manifest::{LogStart, SegmentId};
use crate::shard::Shard;
use crate::shared::Shared;

/// Objects of the manifest's own that one pass deletes.
const EDITS_A_PASS: usize = 1_000;
/// Pages of names that one pass looks through.
const PAGES_A_PASS: usize = 10;

/// The upkeep of one shard under one leader.
pub struct Upkeep {
    pub shared: Arc<Shared>,
    pub shard: Arc<Shard>,
    /// In which it leads.
    pub epoch: Epoch,
    /// The chain of the shard's data.
    pub segments: Journal,
    /// Its manifest.
    pub manifest: SnapshotJournal,
}

/// What is known of earlier passes.
#[derive(Default)]
struct Past {
    flushes: Unreferenced,
    compacted: Unreferenced<SegmentId>,
    /// The commit after which nothing was left to delete.
    clean_at: Option<BucketTime>,
}

impl Upkeep {
    /// Runs until it is aborted.
    pub async fn run(self) {
        let mut past = Past::default();
        let mut compaction = Compaction::new(Arc::clone(&self.shared), Arc::clone(&self.shard), self.epoch);
        loop {
            self.shared.env.sleep(self.pause()).await;
            // In turns, so that nothing waits until all is compacted.
            let mut more = true;
            while std::mem::take(&mut more) {
                self.retire().await;
                more = compaction.step().await;
                let sweeping = underway("cut-off-in-sweep");
                let swept = self.sweep(&mut past).await;
                sweeping.done();
                if let Err(error) = swept {
                    tracing::warn!(shard = %self.shard.id, %error, "objects that nobody needs could not be deleted; trying again");
                }
            }
        }
    }

    /// Around the interval, so that shards take turns.
    fn pause(&self) -> std::time::Duration {
        let interval = self.shared.options.upkeep_interval;
        let share = (self.shared.env.random.next_u64() % 512) as u32;
        interval * 3 / 4 + interval / 1024 * share
    }

    /// Moves the log starts of partitions whose oldest records are to go, and has it said in the manifest;
    /// so are topics that were deleted.
    async fn retire(&self) {
        let now_ms = self.shared.env.wall_ms();
        let state = self.shared.meta.state();
        let due: Vec<(LogStart, u64)> = {
            let committed = self.shard.committed.read();
            let due = committed.partitions.iter().filter_map(|(tp, record)| {
                let settings = &state.topic_by_id(tp.topic)?.settings;
                let offset = retention::log_start(record, settings, now_ms)?;
                Some((LogStart { tp: *tp, offset }, record.bytes_below(offset)))
            });
            due.collect()
        };
        if !self.shard.removed.lock().is_empty() {
            self.shard.log_starts.asked.notify_one();
        }
        let asked: Vec<_> = due.iter().map(|(start, _)| self.shard.log_starts.ask(start.tp, start.offset)).collect();
        // What is given up is asked again by the next pass. One that fails was overtaken by the end of the
        // leadership.
        let Ok(done) = self.shared.env.timeout(2 * self.shared.options.put_deadline, join_all(asked)).await else {
            return;
        };
        for ((start, bytes), _) in due.iter().zip(&done).filter(|(_, done)| done.is_ok()) {
            met("records-retired");
            self.shared.options.metrics.retired(*bytes);
            tracing::debug!(partition = %start.tp, log_start = start.offset, bytes, "records went by retention");
        }
    }

    async fn sweep(&self, past: &mut Past) -> Result<(), WalkError> {
        let Some(left_at) = self.shard.edits.lock().settled() else {
            return Ok(());
        };
        if past.clean_at == Some(left_at) {
            return Ok(());
        }
        let edits = self.manifest.sweep(EDITS_A_PASS).await?;
        self.shared.options.metrics.swept(edits.deleted);
        let Some(needed) = Needed::of(&self.shard, self.epoch) else {
            return Ok(());
        };
        let mut more = edits.more;
        let references = needed.flushes();
        for _ in 0..PAGES_A_PASS {
            let swept = self.segments.sweep_unreferenced(&mut past.flushes, &references).await?;
            if swept.deleted > 0 {
                met("objects-swept");
            }
            self.shared.options.metrics.swept(swept.deleted);
            more = edits.more || swept.more;
            if past.flushes.round_is_done() {
                break;
            }
        }
        for _ in 0..PAGES_A_PASS {
            let swept = self.segments.sweep_names(&mut past.compacted, &needed, needed.left_at).await?;
            self.shared.options.metrics.swept(swept.deleted);
            more |= swept.more;
            if past.compacted.round_is_done() {
                break;
            }
        }
        past.clean_at = (!more).then_some(needed.left_at);
        Ok(())
    }
}
