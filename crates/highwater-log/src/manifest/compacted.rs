//! Extents that compaction replaces: the same records, in fewer and larger objects.
//!
//! What is replaced is said by partition and offsets, and checked: an extent that went meanwhile (by
//! retention, DeleteRecords or with its topic) does not come back, one that is not replaced keeps its
//! segment.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use highwater_types::{Offset, TopicPartition};

use super::segment::{Located, SegmentHead};
use super::state::{ApplyError, Manifest, PartitionRecord};

/// One segment that compaction wrote.
#[derive(Clone, Debug, PartialEq)]
pub struct CompactedSegment {
    pub head: SegmentHead,
    /// What it holds, in offset order within a partition.
    pub pieces: Vec<Piece>,
}

/// Batches of one partition in it, as many as a read should fetch at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Piece {
    pub tp: TopicPartition,
    pub first_offset: Offset,
    pub last_offset: Offset,
    /// Byte range within the segment.
    pub start: u64,
    pub end: u64,
    pub max_timestamp_ms: i64,
}

/// The pieces of one partition, ascending.
type Pieces = Vec<Located>;

impl Manifest {
    /// Whether these segments hold exactly what they are to replace, as the manifest is now.
    pub fn check_compacted(&self, segments: &[CompactedSegment]) -> Result<(), ApplyError> {
        for (tp, pieces) in by_partition(segments) {
            if let Some(partition) = self.partitions.get(&tp) {
                partition.replaced_by(tp, &pieces)?;
            }
        }
        Ok(())
    }

    /// Refers to these segments instead of those that held the same records.
    pub(super) fn apply_compacted(&mut self, segments: &[CompactedSegment]) -> Result<(), ApplyError> {
        for (tp, pieces) in by_partition(segments) {
            if let Some(partition) = self.partitions.get_mut(&tp) {
                let replaced = partition.replaced_by(tp, &pieces)?;
                let log_start = partition.log_start;
                // Nothing to replace: the records went, and so do these.
                let wanted = |piece: &Located| !replaced.is_empty() && piece.last_offset >= log_start;
                let pieces: Pieces = pieces.into_iter().filter(wanted).collect();
                partition.extents.splice(replaced, pieces);
            }
        }
        Ok(())
    }
}

impl PartitionRecord {
    /// Which extents these pieces replace: all that hold offsets of theirs, none of them in part.
    fn replaced_by(&self, tp: TopicPartition, pieces: &Pieces) -> Result<Range<usize>, ApplyError> {
        let (Some(first), Some(last)) = (pieces.first(), pieces.last()) else {
            return Ok(0..0);
        };
        let refused = |why| ApplyError::NotReplaced { tp, first: first.first_offset, last: last.last_offset, why };
        if pieces.windows(2).any(|pair| pair[1].first_offset <= pair[0].last_offset) {
            return Err(refused("they overlap"));
        }
        let from = self.extents.partition_point(|extent| extent.last_offset < first.first_offset);
        let to = self.extents.partition_point(|extent| extent.first_offset <= last.last_offset);
        let replaced = &self.extents[from..to.max(from)];
        let (Some(old_first), Some(old_last)) = (replaced.first(), replaced.last()) else {
            return Ok(from..from);
        };
        if old_last.last_offset != last.last_offset {
            return Err(refused("the records end elsewhere"));
        }
        if !replaced.iter().all(|extent| first.segment.run.contains(&extent.segment.run)) {
            return Err(refused("the records lie in another part of the chain"));
        }
        // What lies below the log start may be gone already.
        let whole = old_first.first_offset == first.first_offset;
        let bytes = |extents: &[Located]| extents.iter().map(Located::bytes).sum::<u64>();
        if !whole && self.log_start <= first.first_offset {
            return Err(refused("the records begin elsewhere"));
        }
        if whole && bytes(replaced) != bytes(pieces) {
            return Err(refused("the records have another length"));
        }
        Ok(from..to)
    }
}

fn by_partition(segments: &[CompactedSegment]) -> BTreeMap<TopicPartition, Pieces> {
    let mut partitions: BTreeMap<TopicPartition, Pieces> = BTreeMap::new();
    for segment in segments {
        let head = Arc::new(segment.head.clone());
        for piece in &segment.pieces {
            partitions.entry(piece.tp).or_default().push(Located {
                segment: Arc::clone(&head),
                first_offset: piece.first_offset,
                last_offset: piece.last_offset,
                start: piece.start,
                end: piece.end,
                max_timestamp_ms: piece.max_timestamp_ms,
            });
        }
    }
    partitions
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use highwater_store::Etag;
    use highwater_types::{Epoch, TopicId};

    use super::super::segment::{Run, SegmentId};
    use super::*;

    const TP: TopicPartition = TopicPartition { topic: TopicId::ZERO, partition: 0 };

    /// Extents of ten offsets and 100 bytes, one a segment.
    fn manifest(segments: u64) -> Manifest {
        let extents = (0..segments).map(|number| Located {
            segment: Arc::new(SegmentHead::flushed(number, Epoch(1), Etag::from("e"), 150, 50)),
            first_offset: 10 * number.cast_signed(),
            last_offset: 10 * number.cast_signed() + 9,
            start: 0,
            end: 100,
            max_timestamp_ms: 5,
        });
        let record = PartitionRecord {
            log_end: 10 * segments.cast_signed(),
            extents: extents.collect(),
            ..PartitionRecord::default()
        };
        Manifest { partitions: [(TP, record)].into(), ..Manifest::default() }
    }

    fn compacted(run: Run, pieces: &[(Offset, Offset, u64)]) -> CompactedSegment {
        let mut at = 0;
        let pieces = pieces.iter().map(|(first, last, bytes)| {
            at += bytes;
            let (start, end) = (at - bytes, at);
            Piece { tp: TP, first_offset: *first, last_offset: *last, start, end, max_timestamp_ms: 5 }
        });
        let pieces = pieces.collect();
        let id = SegmentId::Compacted { epoch: Epoch(1), id: 77 };
        CompactedSegment {
            head: SegmentHead { id, run, epoch: Epoch(1), etag: Etag::from("c"), size: at, payload_at: 0 },
            pieces,
        }
    }

    const RUN: Run = Run { first: 1, last: 3, level: 1 };

    fn firsts(manifest: &Manifest) -> Vec<Offset> {
        manifest.partitions[&TP].extents.iter().map(|extent| extent.first_offset).collect()
    }

    #[test]
    fn the_same_records_are_replaced() {
        let mut manifest = manifest(5);
        let segments = [compacted(RUN, &[(10, 24, 140), (25, 39, 160)])];
        manifest.check_compacted(&segments).unwrap();
        manifest.apply_compacted(&segments).unwrap();
        assert_eq!(firsts(&manifest), [0, 10, 25, 40]);
        assert_eq!(manifest.partitions[&TP].bytes(), 500);
        assert_eq!(manifest.segments(), 3);
    }

    #[test]
    fn what_went_meanwhile_does_not_come_back() {
        let segments = [compacted(RUN, &[(10, 24, 140), (25, 39, 160)])];
        for (log_start, left) in [(15, vec![10, 25, 40]), (20, vec![10, 25, 40]), (27, vec![25, 40]), (40, vec![40])] {
            let mut manifest = manifest(5);
            manifest.partitions.get_mut(&TP).unwrap().delete_below(log_start);
            manifest.check_compacted(&segments).unwrap();
            manifest.apply_compacted(&segments).unwrap();
            assert_eq!(firsts(&manifest), left, "log start {log_start}");
        }
        let mut manifest = manifest(5);
        manifest.partitions.clear();
        manifest.apply_compacted(&segments).unwrap();
        assert!(manifest.partitions.is_empty(), "the topic was deleted");
    }

    #[test]
    fn other_records_are_refused() {
        let elsewhere = Run { first: 2, last: 3, level: 1 };
        for segment in [
            compacted(RUN, &[(10, 29, 300)]),
            compacted(RUN, &[(10, 39, 299)]),
            compacted(RUN, &[(11, 39, 300)]),
            compacted(RUN, &[(10, 38, 300)]),
            compacted(RUN, &[(10, 24, 140), (24, 39, 160)]),
            compacted(elsewhere, &[(10, 39, 300)]),
        ] {
            let mut manifest = manifest(5);
            let before = manifest.clone();
            let segments = [segment];
            assert!(manifest.check_compacted(&segments).is_err(), "{segments:?}");
            assert!(manifest.apply_compacted(&segments).is_err());
            assert_eq!(manifest, before);
        }
    }
}
