//! What to compact next: neighbouring runs of the chain with many small extents, or a run that is mostly
//! dead.
//!
//! As in a log-structured merge tree with tiers: at least [`FAN_IN`] runs of one level become one of the
//! next, so a record is rewritten a few times at most, however many partitions share the bytes. An extent
//! that is large enough to be read at once is left where it is: rewriting it would save next to nothing.

use std::collections::BTreeSet;

use crate::manifest::Run;

/// Runs that are worth a rewrite.
const FAN_IN: usize = 8;
/// Runs of this level stay as they are.
const TOP_LEVEL: u8 = 8;
/// Inputs of one job: it asks for a part of each for every segment that it writes, and nothing else is done
/// to the shard meanwhile. With a thousand a slow machine was busy for minutes with one job.
const MOST_SEGMENTS: usize = 128;
/// Extents of one job: each becomes a line of the manifest's edit, of some fifty bytes, at most.
const MOST_EXTENTS: usize = 100_000;
/// What a footer says of an extent, bytes: not dead, though no record.
const FOOTER_SHARE: u64 = 512;

/// Sizes that the others follow from.
#[derive(Clone, Copy, Debug)]
pub struct Sizes {
    /// A segment that compaction writes, bytes.
    pub segment: u64,
}

impl Sizes {
    /// Extents of this size are left alone.
    pub const fn large_extent(self) -> u64 {
        self.segment / 64
    }

    /// What a reader fetches at once, and from where on a partition gets a segment of its own.
    pub const fn piece(self) -> u64 {
        self.segment / 16
    }

    /// What one job rewrites at most.
    const fn job(self) -> u64 {
        self.segment * 16
    }
}

/// A run as it is now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunStat {
    pub run: Run,
    /// Objects, and their bytes.
    pub segments: usize,
    pub object_bytes: u64,
    /// Extents that are referred to, and their bytes.
    pub extents: usize,
    pub live_bytes: u64,
}

impl RunStat {
    /// A run of which nothing was seen yet.
    pub const fn none(run: Run) -> Self {
        Self { run, segments: 0, object_bytes: 0, extents: 0, live_bytes: 0 }
    }

    fn is_settled(&self, sizes: Sizes) -> bool {
        self.run.level >= TOP_LEVEL || self.live_bytes >= sizes.large_extent() * self.extents as u64
    }

    /// More than half of the objects' bytes are nobody's.
    fn is_mostly_dead(&self, sizes: Sizes) -> bool {
        let in_use = self.live_bytes + FOOTER_SHARE * self.extents as u64;
        self.object_bytes >= sizes.large_extent() && self.object_bytes.saturating_sub(in_use) > self.live_bytes
    }
}

/// The run to make out of these, which ascend; `barred` ones are left alone.
pub fn choose(stats: &[RunStat], barred: &BTreeSet<Run>, sizes: Sizes) -> Option<Run> {
    let dead = stats.iter().find(|stat| stat.is_mostly_dead(sizes) && !barred.contains(&stat.run));
    let usable =
        |a: &RunStat, b: &RunStat| a.run.level == b.run.level && barred.contains(&a.run) == barred.contains(&b.run);
    let mut stretches = stats.chunk_by(usable).filter(|stretch| !barred.contains(&stretch[0].run));
    stretches.find_map(|stretch| window(stretch, sizes)).or_else(|| dead.map(|stat| stat.run))
}

/// The oldest runs of a stretch of one level that are worth a rewrite together.
fn window(stretch: &[RunStat], sizes: Sizes) -> Option<Run> {
    (0..stretch.len()).filter(|at| !stretch[*at].is_settled(sizes)).find_map(|at| {
        let (mut bytes, mut segments, mut extents) = (0, 0, 0);
        let within = |stat: &&RunStat| {
            bytes += stat.live_bytes;
            segments += stat.segments;
            extents += stat.extents;
            bytes <= sizes.job() && segments <= MOST_SEGMENTS && extents <= MOST_EXTENTS
        };
        let reach: Vec<&RunStat> = stretch[at..].iter().take_while(within).collect();
        let worth: Vec<&&RunStat> = reach.iter().filter(|stat| !stat.is_settled(sizes)).collect();
        let last = worth.last().filter(|_| worth.len() >= FAN_IN)?;
        Some(Run { first: stretch[at].run.first, last: last.run.last, level: stretch[at].run.level + 1 })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIZES: Sizes = Sizes { segment: 64 << 20 };
    const MIB: u64 = 1 << 20;

    fn stat(first: u64, last: u64, level: u8, extents: usize, live_bytes: u64) -> RunStat {
        let run = Run { first, last, level };
        RunStat { run, segments: 1, object_bytes: live_bytes + 200 * extents as u64, extents, live_bytes }
    }

    fn small(number: u64) -> RunStat {
        stat(number, number, 0, 100, 8 * MIB)
    }

    fn large(number: u64) -> RunStat {
        stat(number, number, 0, 4, 8 * MIB)
    }

    fn chosen(stats: &[RunStat]) -> Option<(u64, u64, u8)> {
        choose(stats, &BTreeSet::new(), SIZES).map(|run| (run.first, run.last, run.level))
    }

    #[test]
    fn eight_runs_with_small_extents_become_one() {
        assert_eq!(chosen(&(0..7).map(small).collect::<Vec<_>>()), None);
        assert_eq!(chosen(&(0..8).map(small).collect::<Vec<_>>()), Some((0, 7, 1)));
        assert_eq!(chosen(&(0..20).map(large).collect::<Vec<_>>()), None, "nothing to win");
        let mixed: Vec<RunStat> = (0..20).map(|n| if n % 2 == 0 { large(n) } else { small(n) }).collect();
        assert_eq!(chosen(&mixed), Some((1, 19, 1)), "from the first small one to the last");
    }

    #[test]
    fn levels_are_kept_apart_and_climb() {
        let old = |n: u64| stat(n, n, 1, 100, 60 * MIB);
        let mut stats: Vec<RunStat> = (0..7).map(old).chain((7..14).map(small)).collect();
        assert_eq!(chosen(&stats), None, "seven of each");
        stats.insert(0, stat(0, 0, 1, 100, 60 * MIB));
        assert_eq!(chosen(&stats), Some((0, 6, 2)));
        let top: Vec<RunStat> = (0..20).map(|n| stat(n, n, TOP_LEVEL, 100, MIB)).collect();
        assert_eq!(chosen(&top), None);
    }

    #[test]
    fn a_job_has_limits() {
        let stats: Vec<RunStat> = (0..2_000).map(small).collect();
        assert_eq!(chosen(&stats), Some((0, 127, 1)), "1 GiB of 8 MiB each");
        let stats: Vec<RunStat> = (0..2_000).map(|n| stat(n, n, 0, 1, 100)).collect();
        assert_eq!(chosen(&stats), Some((0, 127, 1)));
        let stats: Vec<RunStat> = (0..2_000).map(|n| stat(n, n, 0, 2_000, 100 * MIB)).collect();
        assert_eq!(chosen(&stats), Some((0, 9, 1)), "1 GiB of 100 MiB each");
        let huge: Vec<RunStat> = (0..20).map(|n| stat(n, n, 2, 100_000, 1024 * MIB)).collect();
        assert_eq!(chosen(&huge), None, "eight of them are too much for one job");
    }

    #[test]
    fn what_is_mostly_dead_is_rewritten_and_then_is_not() {
        let dead = RunStat { object_bytes: 64 * MIB, ..stat(3, 9, 1, 20, 30 * MIB) };
        assert_eq!(chosen(std::slice::from_ref(&dead)), Some((3, 9, 1)));
        let alive = RunStat { object_bytes: 59 * MIB, ..dead.clone() };
        assert_eq!(chosen(&[alive]), None);
        // Records of some bytes each, in a footer that is larger than they are.
        let tiny = RunStat { object_bytes: 70 * 20_000 + 200 * 20_000, ..stat(3, 9, 1, 20_000, 70 * 20_000) };
        assert_eq!(chosen(&[tiny]), None);
        assert_eq!(choose(std::slice::from_ref(&dead), &BTreeSet::from([dead.run]), SIZES), None, "barred");
    }

    #[test]
    fn what_is_barred_parts_its_neighbours() {
        let stats: Vec<RunStat> = (0..17).map(small).collect();
        let barred = BTreeSet::from([stats[8].run]);
        assert_eq!(choose(&stats, &barred, SIZES), Some(Run { first: 0, last: 7, level: 1 }));
        let barred = BTreeSet::from([stats[5].run, stats[11].run]);
        assert_eq!(choose(&stats, &barred, SIZES), None);
    }
}
