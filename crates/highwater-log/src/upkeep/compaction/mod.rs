//! Compaction of segments: small extents become large ones, and what retention left of an object is moved
//! so that the object can go. (Not Kafka's log compaction: no record goes.)
//!
//! - [`plan`]: what to compact next. - [`layout`]: which records go into which segment. - [`write`]: one
//!   segment.
//!
//! A job writes segments under new names, then one edit of the manifest refers to them instead of those
//! that held the records. What it replaces is deleted when the grace has passed, and so is what a job
//! leaves behind that did not come to be. One job a broker at a time, with pauses: never in the way of
//! producers.

pub mod layout;
pub mod plan;
pub mod write;

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use std::sync::Arc;
use std::time::Duration;

use highwater_env::marks::{met, underway};
use highwater_types::{Epoch, TopicPartition};

use self::layout::lay_out;
use self::plan::{RunStat, Sizes};
use self::write::{Target, WriteError};
use crate::manifest::{Located, PartitionRecord, Run, SegmentId};
use crate::shard::Shard;
use crate::shard::compactions::NotCommitted;
use crate::shared::Shared;

/// Partitions that are looked at under one lock.
const PARTITIONS_AT_ONCE: usize = 1_000;
/// Runs beyond which compaction works as long as it rests; below it rests three times as long.
const BACKLOG: usize = 100;

/// The compaction of one shard under one leader.
pub struct Compaction {
    shared: Arc<Shared>,
    shard: Arc<Shard>,
    epoch: Epoch,
    /// Runs that could not be compacted: they are left as they are.
    barred: BTreeSet<Run>,
}

/// Why a job did not come to be.
#[derive(Debug, thiserror::Error)]
enum JobError {
    #[error(transparent)]
    Write(#[from] WriteError),
    #[error(transparent)]
    NotCommitted(#[from] NotCommitted),
}

impl Compaction {
    /// Of what this epoch's leader has.
    pub const fn new(shared: Arc<Shared>, shard: Arc<Shard>, epoch: Epoch) -> Self {
        Self { shared, shard, epoch, barred: BTreeSet::new() }
    }

    /// The job that is worth it most. `false`: there is none, or it failed and is for the next pass.
    pub async fn step(&mut self) -> bool {
        let sizes = Sizes { segment: self.shared.options.compaction_bytes };
        let stats = self.stats();
        let Some(run) = plan::choose(&stats, &self.barred, sizes) else {
            return false;
        };
        let Ok(turn) = Arc::clone(&self.shared.compaction).acquire_owned().await else {
            return false;
        };
        let rest = if stats.len() > BACKLOG { 1 } else { 3 };
        let outcome = self.job(run, sizes, rest).await;
        drop(turn);
        match outcome {
            Ok(()) => true,
            // Neither passes by itself.
            Err(
                error @ (JobError::Write(WriteError::Damaged { .. } | WriteError::Segment(_))
                | JobError::NotCommitted(NotCommitted::Refused(_))),
            ) => {
                tracing::error!(shard = %self.shard.id, %error, "a segment cannot be compacted and is left as it is");
                self.barred.extend(stats.iter().map(|stat| stat.run).filter(|one| run.contains(one)));
                true
            }
            Err(error) => {
                tracing::warn!(shard = %self.shard.id, %error, "compaction did not come to be; trying again");
                false
            }
        }
    }

    /// Writes the segments of one run, and has them referred to.
    async fn job(&self, run: Run, sizes: Sizes, rest: u32) -> Result<(), JobError> {
        let inputs = self.inputs(run);
        let replaced: BTreeSet<SegmentId> = inputs.values().flatten().map(|extent| extent.segment.id).collect();
        let target = Target {
            env: &self.shared.env,
            store: &*self.shared.store,
            shard: self.shard.id,
            epoch: self.epoch,
            run,
            piece_bytes: sizes.piece(),
            put_deadline: self.shared.options.put_deadline,
        };
        let outputs = lay_out(inputs, sizes);
        let mut segments = Vec::with_capacity(outputs.len());
        let mut bytes = 0;
        for output in &outputs {
            let begun = self.shared.env.now();
            let writing = underway("cut-off-in-compaction");
            let segment = target.write(output).await;
            writing.done();
            let segment = segment?;
            bytes += segment.head.size;
            segments.push(segment);
            let worked: Duration = self.shared.env.now().since(begun);
            self.shared.env.sleep(worked * rest).await;
        }
        let written = segments.len();
        met("compaction-asks");
        let answer = self.shard.compactions.ask(segments);
        self.shard.log_starts.asked.notify_one();
        let edit = underway("cut-off-before-compaction-commits");
        let answer = answer.await.unwrap_or(Err(NotCommitted::Lost));
        edit.done();
        answer?;
        met("segments-compacted");
        self.shared.options.metrics.compacted(replaced.len(), written, bytes);
        tracing::debug!(
            shard = %self.shard.id, from = replaced.len(), to = written, bytes, level = run.level, "segments compacted"
        );
        Ok(())
    }

    /// What there is to compact: what the manifest's edits list, by run, ascending.
    fn stats(&self) -> Vec<RunStat> {
        let listed_below = self.shard.committed.read().trim.number;
        let mut stats: BTreeMap<Run, RunStat> = BTreeMap::new();
        let mut seen: BTreeSet<SegmentId> = BTreeSet::new();
        self.for_each_partition(|_, record| {
            for extent in record.extents.iter().filter(|extent| extent.segment.run.last < listed_below) {
                let head = &extent.segment;
                let stat = stats.entry(head.run).or_insert_with(|| RunStat::none(head.run));
                stat.extents += 1;
                stat.live_bytes += extent.bytes();
                if seen.insert(head.id) {
                    stat.segments += 1;
                    stat.object_bytes += head.size;
                }
            }
        });
        stats.into_values().collect()
    }

    /// The extents of a run.
    fn inputs(&self, run: Run) -> BTreeMap<TopicPartition, Vec<Located>> {
        let mut inputs = BTreeMap::new();
        self.for_each_partition(|tp, record| {
            // They ascend along the chain.
            let from = record.extents.partition_point(|extent| extent.segment.run.last < run.first);
            let to = record.extents.partition_point(|extent| extent.segment.run.first <= run.last);
            if from < to {
                inputs.insert(tp, record.extents[from..to].to_vec());
            }
        });
        inputs
    }

    /// Some partitions under each lock. What changes meanwhile is found when the job asks for its edit.
    fn for_each_partition(&self, mut each: impl FnMut(TopicPartition, &PartitionRecord)) {
        let mut after = Bound::Unbounded;
        loop {
            let committed = self.shard.committed.read();
            let mut last = None;
            for (tp, record) in committed.partitions.range((after, Bound::Unbounded)).take(PARTITIONS_AT_ONCE) {
                each(*tp, record);
                last = Some(*tp);
            }
            match last {
                Some(last) => after = Bound::Excluded(last),
                None => return,
            }
        }
    }
}
