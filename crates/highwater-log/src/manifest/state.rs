//! The manifest's state: segments, and by partition its extents, epochs and producers.
//!
//! It changes only by [`Manifest::apply_segment`] and [`Manifest::apply`], so a leader that
//! commits, a candidate that recovers and a broker that only reads compute the same.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use highwater_journal::TrimPoint;
use highwater_types::{Epoch, Offset, TopicPartition};

use super::compacted::CompactedSegment;
use super::segment::{Located, SegmentHead, SegmentId};
use crate::shard::producers::{Producers, Sequence, SequencedBatch};

/// One committed segment and what it holds.
#[derive(Clone, Debug, PartialEq)]
pub struct SegmentRecord {
    /// Which one.
    pub head: SegmentHead,
    /// What it holds, by partition and leader epoch, in offset order within a partition.
    pub extents: Vec<ExtentRecord>,
}

/// A run of batches of one partition in one segment.
#[derive(Clone, Debug, PartialEq)]
pub struct ExtentRecord {
    pub tp: TopicPartition,
    pub first_offset: Offset,
    pub last_offset: Offset,
    /// Byte range within the segment.
    pub start: u64,
    pub end: u64,
    pub max_timestamp_ms: i64,
    /// Whether the batches were in a write-ahead log, too.
    pub reserved: bool,
    /// (leader epoch, its first offset here), ascending; never empty.
    pub epochs: Vec<(i32, Offset)>,
    pub producers: Vec<ProducerDelta>,
}

/// What a run did to one idempotent producer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProducerDelta {
    pub producer_id: i64,
    pub epoch: i16,
    pub last_timestamp_ms: i64,
    /// Its last batches in the run, oldest first, at most five.
    pub batches: Vec<SequencedBatch>,
}

impl SegmentRecord {
    /// About how many bytes it takes in an edit.
    pub fn encoded_bytes(&self) -> usize {
        let producers: usize =
            self.extents.iter().flat_map(|extent| &extent.producers).map(|p| 22 + 24 * p.batches.len()).sum();
        100 + 90 * self.extents.len() + producers
    }
}

impl ProducerDelta {
    fn apply(&self, producers: &mut Producers) {
        for batch in &self.batches {
            let sequence = Sequence {
                producer_id: self.producer_id,
                epoch: self.epoch,
                first: batch.first_sequence,
                last: batch.last_sequence,
            };
            producers.appended(sequence, batch.first_offset, batch.last_offset, self.last_timestamp_ms);
        }
    }
}

/// A partition's offsets after a takeover without the old leader's tail: a gap, so that no offset
/// is ever given twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Start {
    pub tp: TopicPartition,
    pub next_offset: Offset,
}

/// A partition's records below an offset were deleted (DeleteRecords, retention).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogStart {
    pub tp: TopicPartition,
    /// First offset that may be read from now on; not beyond what the manifest lists.
    pub offset: Offset,
}

/// One entry of the manifest journal.
#[derive(Clone, Debug, PartialEq)]
pub struct Edit {
    /// Recovery walks the shard's journal from here; what lies before is in the manifest.
    pub trim: TrimPoint,
    /// Identity of the broker that leads.
    pub owner: u128,
    /// First epoch since which no other broker has led.
    pub since: Epoch,
    /// Offsets that the owner may give beyond a partition's committed end.
    pub reserve: i64,
    /// Segments committed since the last edit, in the order of the chain.
    pub segments: Vec<SegmentRecord>,
    /// Partitions whose topic was deleted.
    pub removed: Vec<TopicPartition>,
    /// Partitions that go on after a gap.
    pub starts: Vec<Start>,
    /// Partitions whose oldest records go.
    pub log_starts: Vec<LogStart>,
    /// Segments that replace others, as a whole.
    pub compacted: Vec<CompactedSegment>,
}

/// What an edit may not do. It would be a fault of ours or of the bucket, and stops the shard.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ApplyError {
    /// Segments out of the order of the chain.
    #[error("segment {number} does not follow {last}")]
    SegmentOutOfOrder { number: u64, last: u64 },
    /// An extent that overlaps what the partition has.
    #[error("segment {number} gives {tp} offsets {first}..={last}, which end at {end} already")]
    OffsetsOverlap { number: u64, tp: TopicPartition, first: Offset, last: Offset, end: Offset },
    /// The trim point goes back.
    #[error("trim point goes back from {from} to {to}")]
    TrimGoesBack { from: u64, to: u64 },
    /// Compaction that does not hold what it is to replace.
    #[error("compaction cannot replace offsets {first}..={last} of {tp}: {why}")]
    NotReplaced { tp: TopicPartition, first: Offset, last: Offset, why: &'static str },
}

/// One partition's committed past.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PartitionRecord {
    pub log_start: Offset,
    /// First offset that the chain does not hold.
    pub log_end: Offset,
    /// (epoch, its first offset), ascending.
    pub epochs: Vec<(i32, Offset)>,
    /// Whether the last extent was of a topic that uses the write-ahead log: its leader may have
    /// given offsets that only its disk knows.
    pub reserved: bool,
    /// Ascending by offset.
    pub extents: Vec<Located>,
    pub producers: Producers,
}

impl PartitionRecord {
    /// The extent that holds `offset`, or the first one after it.
    pub fn extent_at(&self, offset: Offset) -> Option<&Located> {
        self.extents.get(self.extents.partition_point(|extent| extent.last_offset < offset))
    }

    /// Moves the log start forward, never back: extents that lie below it whole are forgotten, and
    /// so are epochs, but for the one that the log start is in.
    pub fn delete_below(&mut self, log_start: Offset) {
        if log_start <= self.log_start {
            return;
        }
        self.log_start = log_start;
        let gone = self.extents.partition_point(|extent| extent.last_offset < log_start);
        self.extents.drain(..gone);
        let past = self.epochs.partition_point(|(_, first)| *first <= log_start).saturating_sub(1);
        self.epochs.drain(..past);
        if let Some((_, first)) = self.epochs.first_mut() {
            *first = (*first).max(log_start);
        }
    }

    /// Bytes of its records in the bucket.
    pub fn bytes(&self) -> u64 {
        self.extents.iter().map(Located::bytes).sum()
    }

    /// Bytes of its extents that lie below an offset whole.
    pub fn bytes_below(&self, offset: Offset) -> u64 {
        let below = self.extents.iter().take_while(|extent| extent.last_offset < offset);
        below.map(Located::bytes).sum()
    }

    /// Leader epoch in which `offset` was written, or -1.
    pub fn epoch_at(&self, offset: Offset) -> i32 {
        let after = self.epochs.partition_point(|(_, first)| *first <= offset);
        after.checked_sub(1).and_then(|at| self.epochs.get(at)).map_or(-1, |(epoch, _)| *epoch)
    }
}

/// A shard's committed past.
#[derive(Clone, Debug, PartialEq)]
pub struct Manifest {
    pub trim: TrimPoint,
    /// Who sequenced last, 0 before anybody did: published before anything is sequenced.
    pub owner: u128,
    pub since: Epoch,
    pub reserve: i64,
    /// Last segment taken in.
    pub last_segment: Option<u64>,
    pub partitions: BTreeMap<TopicPartition, PartitionRecord>,
}

impl Default for Manifest {
    fn default() -> Self {
        Self {
            trim: TrimPoint::GENESIS,
            owner: 0,
            since: Epoch::NONE,
            reserve: 0,
            last_segment: None,
            partitions: BTreeMap::new(),
        }
    }
}

impl Manifest {
    /// Takes in one committed segment; checks everything before it changes anything.
    pub fn apply_segment(&mut self, record: &SegmentRecord) -> Result<(), ApplyError> {
        let number = record.head.run.last;
        if let Some(last) = self.last_segment.filter(|last| *last >= number) {
            return Err(ApplyError::SegmentOutOfOrder { number, last });
        }
        let mut ends: BTreeMap<TopicPartition, Offset> = BTreeMap::new();
        for extent in &record.extents {
            let known = self.partitions.get(&extent.tp).map_or(0, |partition| partition.log_end);
            let end = ends.entry(extent.tp).or_insert(known);
            if extent.first_offset < *end || extent.last_offset < extent.first_offset {
                return Err(ApplyError::OffsetsOverlap {
                    number,
                    tp: extent.tp,
                    first: extent.first_offset,
                    last: extent.last_offset,
                    end: *end,
                });
            }
            *end = extent.last_offset + 1;
        }
        self.last_segment = Some(number);
        let head = Arc::new(record.head.clone());
        for extent in &record.extents {
            let partition = self.partitions.entry(extent.tp).or_default();
            partition.log_end = extent.last_offset + 1;
            partition.reserved = extent.reserved;
            for (epoch, first_offset) in &extent.epochs {
                if partition.epochs.last().is_none_or(|(known, _)| known < epoch) {
                    partition.epochs.push((*epoch, *first_offset));
                }
            }
            for delta in &extent.producers {
                delta.apply(&mut partition.producers);
            }
            partition.extents.push(Located {
                segment: Arc::clone(&head),
                first_offset: extent.first_offset,
                last_offset: extent.last_offset,
                start: extent.start,
                end: extent.end,
                max_timestamp_ms: extent.max_timestamp_ms,
            });
        }
        Ok(())
    }

    /// Segments that some partition still refers to.
    pub fn segments(&self) -> usize {
        let extents = self.partitions.values().flat_map(|partition| &partition.extents);
        extents.map(|extent| extent.segment.id).collect::<BTreeSet<SegmentId>>().len()
    }

    /// Takes in everything of an edit but its segments: for the leader, which has them already.
    pub fn apply_marks(&mut self, edit: &Edit) -> Result<(), ApplyError> {
        if edit.trim.number < self.trim.number {
            return Err(ApplyError::TrimGoesBack { from: self.trim.number, to: edit.trim.number });
        }
        self.trim = edit.trim;
        self.owner = edit.owner;
        self.since = edit.since;
        self.reserve = edit.reserve;
        for tp in &edit.removed {
            self.partitions.remove(tp);
        }
        for start in &edit.starts {
            let partition = self.partitions.entry(start.tp).or_default();
            partition.log_end = partition.log_end.max(start.next_offset);
        }
        for start in &edit.log_starts {
            // One that is not there was deleted as a whole.
            if let Some(partition) = self.partitions.get_mut(&start.tp) {
                partition.delete_below(start.offset);
            }
        }
        self.apply_compacted(&edit.compacted)
    }

    /// Takes in one entry of the manifest journal.
    pub fn apply(&mut self, edit: &Edit) -> Result<(), ApplyError> {
        for segment in &edit.segments {
            self.apply_segment(segment)?;
        }
        self.apply_marks(edit)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use highwater_store::Etag;
    use highwater_types::TopicId;

    use super::*;

    fn segment(number: u64, first: Offset, last: Offset, epoch: i32) -> SegmentRecord {
        let tp = TopicPartition { topic: TopicId::ZERO, partition: 0 };
        SegmentRecord {
            head: SegmentHead::flushed(number, Epoch(1), Etag::from("e"), 100, 128),
            extents: vec![ExtentRecord {
                tp,
                first_offset: first,
                last_offset: last,
                start: 0,
                end: 50,
                max_timestamp_ms: 5,
                reserved: true,
                epochs: vec![(epoch, first)],
                producers: Vec::new(),
            }],
        }
    }

    #[test]
    fn segments_follow_each_other_and_gaps_are_allowed() {
        let mut manifest = Manifest::default();
        manifest.apply_segment(&segment(1, 0, 9, 1)).unwrap();
        manifest.apply_segment(&segment(4, 20, 29, 3)).unwrap();
        let partition = manifest.partitions.values().next().unwrap();
        assert_eq!(partition.log_end, 30);
        assert_eq!(partition.epochs, vec![(1, 0), (3, 20)]);
        let first_at = |offset| partition.extent_at(offset).map(|extent| extent.first_offset);
        assert_eq!((first_at(9), first_at(10), first_at(30)), (Some(0), Some(20), None));
    }

    #[test]
    fn records_below_the_log_start_are_forgotten() {
        let mut manifest = Manifest::default();
        for (number, first, epoch) in [(1, 0, 1), (2, 10, 1), (3, 20, 2), (4, 30, 4)] {
            manifest.apply_segment(&segment(number, first, first + 9, epoch)).unwrap();
        }
        let partition = manifest.partitions.values_mut().next().unwrap();
        partition.delete_below(25);
        assert_eq!((partition.log_start, partition.extents[0].first_offset), (25, 20));
        assert_eq!(partition.epochs, vec![(2, 25), (4, 30)]);
        partition.delete_below(7);
        assert_eq!(partition.log_start, 25, "never back");
        partition.delete_below(40);
        assert_eq!((partition.extents.len(), partition.epochs.clone()), (0, vec![(4, 40)]));
    }

    #[test]
    fn what_goes_back_is_refused_and_changes_nothing() {
        let mut manifest = Manifest::default();
        manifest.apply_segment(&segment(3, 0, 9, 1)).unwrap();
        let before = manifest.clone();
        assert!(matches!(manifest.apply_segment(&segment(3, 10, 11, 1)), Err(ApplyError::SegmentOutOfOrder { .. })));
        assert!(matches!(manifest.apply_segment(&segment(4, 9, 11, 1)), Err(ApplyError::OffsetsOverlap { .. })));
        assert_eq!(manifest, before);
    }
}
