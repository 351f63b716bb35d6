//! Which records go into which segment: a partition with much has segments of its own, the others share,
//! in the order of partitions.

use std::collections::BTreeMap;

use highwater_types::TopicPartition;

use super::plan::Sizes;
use crate::manifest::Located;

/// The extents of one partition that go into one segment, ascending.
pub type Part = (TopicPartition, Vec<Located>);

/// A segment to be written: its partitions, ascending.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Output {
    pub parts: Vec<Part>,
    pub bytes: u64,
}

/// Lays out the extents of each partition. A segment has about `sizes.segment` bytes at most; no extent is
/// divided.
pub fn lay_out(partitions: BTreeMap<TopicPartition, Vec<Located>>, sizes: Sizes) -> Vec<Output> {
    let mut outputs = Vec::new();
    let mut shared = Output::default();
    for (tp, extents) in partitions {
        let total = bytes(&extents);
        if total >= sizes.piece() {
            outputs.extend(divide(tp, extents, sizes.segment));
            continue;
        }
        if shared.bytes + total > sizes.segment && !shared.parts.is_empty() {
            outputs.push(std::mem::take(&mut shared));
        }
        shared.bytes += total;
        shared.parts.push((tp, extents));
    }
    outputs.extend((!shared.parts.is_empty()).then_some(shared));
    outputs
}

/// One partition's segments, about equal in size.
fn divide(tp: TopicPartition, extents: Vec<Located>, segment: u64) -> Vec<Output> {
    let total = bytes(&extents);
    let share = total.div_ceil(total.div_ceil(segment).max(1));
    let mut outputs = Vec::new();
    let mut open = Output::default();
    let mut part: Vec<Located> = Vec::new();
    for extent in extents {
        if !part.is_empty() && open.bytes + extent.bytes() / 2 > share {
            open.parts.push((tp, std::mem::take(&mut part)));
            outputs.push(std::mem::take(&mut open));
        }
        open.bytes += extent.bytes();
        part.push(extent);
    }
    open.parts.push((tp, part));
    outputs.push(open);
    outputs
}

fn bytes(extents: &[Located]) -> u64 {
    extents.iter().map(Located::bytes).sum()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use highwater_store::Etag;
    use highwater_types::{Epoch, TopicId};

    use super::*;
    use crate::manifest::SegmentHead;

    const SIZES: Sizes = Sizes { segment: 1_600 };

    fn partition(number: i32, extents: i64, bytes: u64) -> (TopicPartition, Vec<Located>) {
        let extent = |at: i64| Located {
            segment: Arc::new(SegmentHead::flushed(at.unsigned_abs(), Epoch(1), Etag::from("e"), 0, 0)),
            first_offset: at,
            last_offset: at,
            start: 0,
            end: bytes,
            max_timestamp_ms: 0,
        };
        (TopicPartition { topic: TopicId::ZERO, partition: number }, (0..extents).map(extent).collect())
    }

    fn sizes(partitions: Vec<Part>) -> Vec<(usize, u64)> {
        let all: usize = partitions.iter().map(|(_, extents)| extents.len()).sum();
        let outputs = lay_out(partitions.into_iter().collect(), SIZES);
        let laid: usize = outputs.iter().flat_map(|output| &output.parts).map(|(_, extents)| extents.len()).sum();
        assert_eq!(laid, all, "each extent once");
        for output in &outputs {
            assert!(output.parts.is_sorted_by_key(|(tp, _)| *tp));
            assert_eq!(output.bytes, output.parts.iter().map(|(_, extents)| bytes(extents)).sum::<u64>());
        }
        outputs.iter().map(|output| (output.parts.len(), output.bytes)).collect()
    }

    #[test]
    fn small_partitions_share_and_large_ones_do_not() {
        assert_eq!(sizes(vec![partition(0, 2, 10), partition(1, 10, 10), partition(2, 3, 10)]), [(1, 100), (2, 50)]);
        assert_eq!(
            sizes((0..40).map(|number| partition(number, 9, 11)).collect()),
            [(16, 1_584), (16, 1_584), (8, 792)]
        );
    }

    #[test]
    fn a_partition_beyond_one_segment_is_divided_evenly() {
        assert_eq!(sizes(vec![partition(0, 17, 100)]), [(1, 900), (1, 800)]);
        assert_eq!(sizes(vec![partition(0, 2, 5_000)]), [(1, 5_000), (1, 5_000)], "no extent is divided");
    }
}
