//! Which of a shard's objects the durable manifest refers to.

use std::collections::HashSet;

use highwater_journal::{Names, References, Standing, TrimPoint};
use highwater_store::BucketTime;
use highwater_types::{Epoch, ShardId};

use crate::manifest::SegmentId;
use crate::manifest::segment::compacted_prefix;
use crate::shard::Shard;

/// What is referred to, at one moment.
pub struct Needed {
    shard: ShardId,
    epoch: Epoch,
    prefix: String,
    point: TrimPoint,
    /// When the manifest was committed that says so: what it does not refer to was left behind then or
    /// before.
    pub left_at: BucketTime,
    segments: HashSet<SegmentId>,
}

impl Needed {
    /// By the manifest of the leader in this epoch, which asks while no compaction of its own is under
    /// way. `None` while an edit is: what it leaves behind is gone from memory already, and it may yet not
    /// come to be.
    pub fn of(shard: &Shard, epoch: Epoch) -> Option<Self> {
        // Held while the manifest is read: no edit begins meanwhile.
        let edits = shard.edits.lock();
        let left_at = edits.settled()?;
        let committed = shard.committed.read();
        let extents = committed.partitions.values().flat_map(|record| &record.extents);
        let segments = extents.map(|extent| extent.segment.id).collect();
        let prefix = format!("{}/", compacted_prefix(shard.id));
        Some(Self { shard: shard.id, epoch, prefix, point: committed.trim, left_at, segments })
    }

    /// The entries of the chain among them.
    pub fn flushes(&self) -> References {
        let numbers = self.segments.iter().filter_map(|segment| match segment {
            SegmentId::Flushed(number) => Some(*number),
            SegmentId::Compacted { .. } => None,
        });
        References { point: self.point, left_at: self.left_at, numbers: numbers.collect() }
    }
}

/// Segments of compaction. Those of a later leader are none of ours; one of an earlier leader, or of our
/// own, that is not referred to never will be (rule 7 of the journal).
impl Names for Needed {
    type Key = SegmentId;

    fn prefix(&self) -> &str {
        &self.prefix
    }

    fn key(&self, name: &str) -> Option<SegmentId> {
        let below = name.strip_prefix("shards/")?.split_once('/')?.1;
        SegmentId::of_name(below).filter(|segment| matches!(segment, SegmentId::Compacted { .. }))
    }

    fn name(&self, segment: &SegmentId) -> String {
        segment.name(self.shard)
    }

    fn standing(&self, segment: &SegmentId) -> Standing {
        match segment {
            SegmentId::Compacted { epoch, .. } if *epoch > self.epoch => Standing::Beyond,
            named if self.segments.contains(named) => Standing::Needed,
            _ => Standing::LeftBehind,
        }
    }
}
