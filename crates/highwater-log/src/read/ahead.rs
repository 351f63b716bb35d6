//! Read-ahead: who goes through a partition in order finds the next blocks in memory.
//!
//! No reader is remembered. A block whose predecessors are in memory is being read in order; the longer
//! that run, the more is read ahead, twice as much as lies behind, up to a limit. So a single look at an
//! old record costs one read, and a scan soon waits for none.

use crate::manifest::Located;

/// Blocks that one reader is ahead of itself at most: the extents of slow partitions are small.
const MOST_BLOCKS: usize = 16;
/// And bytes of them: two segments.
const MOST_BYTES: u64 = 16 << 20;
/// Blocks that a broker reads ahead at the same time, for all its readers.
pub const IN_FLIGHT: usize = 16;

/// Which extents to read ahead of the one at `at`, nearest first; `has` says which are in memory or on
/// their way.
pub fn plan(extents: &[Located], at: usize, has: impl Fn(&Located) -> bool) -> Vec<Located> {
    let behind = extents[..at].iter().rev().take(MOST_BLOCKS / 2).take_while(|extent| has(extent)).count();
    let mut bytes = 0;
    let within = |extent: &&Located| {
        bytes += extent.end - extent.start;
        bytes <= MOST_BYTES
    };
    let ahead = extents[at..].iter().skip(1).take(2 * behind).take_while(within);
    ahead.filter(|extent| !has(extent)).cloned().collect()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use highwater_store::Etag;
    use highwater_types::Epoch;

    use super::*;
    use crate::manifest::SegmentHead;

    fn extents(count: i64, bytes: u64) -> Vec<Located> {
        let head = |number| SegmentHead::flushed(number, Epoch(1), Etag::from("e"), bytes, 0);
        let extent = |at: i64| Located {
            segment: Arc::new(head(at.unsigned_abs())),
            first_offset: at,
            last_offset: at,
            start: 0,
            end: bytes,
            max_timestamp_ms: 0,
        };
        (0..count).map(extent).collect()
    }

    fn planned(extents: &[Located], at: usize, in_memory: std::ops::Range<i64>) -> Vec<i64> {
        let plan = plan(extents, at, |extent| in_memory.contains(&extent.first_offset));
        plan.iter().map(|extent| extent.first_offset).collect()
    }

    #[test]
    fn a_single_look_reads_nothing_ahead() {
        assert!(planned(&extents(10, 100), 5, 5..6).is_empty());
        assert!(planned(&extents(10, 100), 0, 0..0).is_empty());
    }

    #[test]
    fn a_run_reads_twice_its_length_ahead() {
        assert_eq!(planned(&extents(10, 100), 5, 4..5), [6, 7]);
        assert_eq!(planned(&extents(20, 100), 5, 3..6), [6, 7, 8, 9]);
        assert_eq!(planned(&extents(20, 100), 5, 3..8), [8, 9], "what is there is not read again");
        assert_eq!(planned(&extents(7, 100), 5, 0..6), [6], "up to the end");
    }

    #[test]
    fn blocks_and_bytes_have_limits() {
        assert_eq!(planned(&extents(100, 100), 50, 0..51).len(), MOST_BLOCKS);
        assert_eq!(planned(&extents(100, MOST_BYTES / 2), 50, 0..51), [51, 52]);
        assert!(planned(&extents(100, MOST_BYTES + 1), 50, 0..51).is_empty());
    }
}
