//! A segment as the manifest refers to it: which object it is, and which part of the chain it holds.

use std::fmt;
use std::sync::Arc;

use highwater_store::Etag;
use highwater_types::{Epoch, Offset, ShardId};

/// Which object a segment is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SegmentId {
    /// A flush: the entry of this number in the shard's journal.
    Flushed(u64),
    /// What compaction made of others, under a name that is never used again (rule 7 of the journal).
    Compacted {
        /// Epoch of the leader that wrote it.
        epoch: Epoch,
        /// Drawn at random.
        id: u64,
    },
}

/// The records that a segment has are those of a run: all that the chain held from one number to another,
/// in one segment or several. Runs do not overlap.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Run {
    /// First number of the chain.
    pub first: u64,
    /// Last number of the chain.
    pub last: u64,
    /// How often the records were compacted; 0: a flush.
    pub level: u8,
}

/// A segment without its extents, shared by the extents that refer to it.
#[derive(Clone, Debug, PartialEq)]
pub struct SegmentHead {
    /// Which one.
    pub id: SegmentId,
    /// Which part of the chain.
    pub run: Run,
    /// Epoch that wrote it.
    pub epoch: Epoch,
    /// Exact reference (rule 7).
    pub etag: Etag,
    /// Bytes of the whole object.
    pub size: u64,
    /// Where the segment begins in the object: a flush lies behind the journal's header.
    pub payload_at: u64,
}

/// A run of batches of one partition in one segment; what a read fetches at once.
#[derive(Clone, Debug, PartialEq)]
pub struct Located {
    pub segment: Arc<SegmentHead>,
    pub first_offset: Offset,
    pub last_offset: Offset,
    pub start: u64,
    pub end: u64,
    pub max_timestamp_ms: i64,
}

impl Run {
    /// That of a flush.
    pub const fn flushed(number: u64) -> Self {
        Self { first: number, last: number, level: 0 }
    }

    /// Whether all of `other` lies within.
    pub const fn contains(&self, other: &Self) -> bool {
        self.first <= other.first && other.last <= self.last
    }
}

impl SegmentHead {
    /// That of an entry in the shard's journal.
    pub const fn flushed(number: u64, epoch: Epoch, etag: Etag, size: u64, payload_at: u64) -> Self {
        Self { id: SegmentId::Flushed(number), run: Run::flushed(number), epoch, etag, size, payload_at }
    }
}

impl Located {
    /// Its length.
    pub const fn bytes(&self) -> u64 {
        self.end - self.start
    }
}

impl SegmentId {
    /// The object's name.
    pub fn name(&self, shard: ShardId) -> String {
        match self {
            Self::Flushed(number) => format!("{}/{number:020}", flushed_prefix(shard)),
            Self::Compacted { epoch, id } => format!("{}/{:010}-{id:016x}", compacted_prefix(shard), epoch.0),
        }
    }

    /// The segment of a name below `shards/S/`.
    pub fn of_name(below_shard: &str) -> Option<Self> {
        let (folder, name) = below_shard.split_once('/')?;
        let digits =
            |text: &str, count: usize| text.len() == count && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        match folder {
            FLUSHED if digits(name, 20) => name.parse().ok().map(Self::Flushed),
            COMPACTED => {
                let (epoch, id) = name.split_once('-').filter(|(epoch, id)| digits(epoch, 10) && digits(id, 16))?;
                let id = u64::from_str_radix(id, 16).ok().filter(|number| format!("{number:016x}") == id)?;
                Some(Self::Compacted { epoch: Epoch(epoch.parse().ok()?), id })
            }
            _ => None,
        }
    }
}

impl fmt::Display for SegmentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flushed(number) => write!(f, "{number}"),
            Self::Compacted { epoch, id } => write!(f, "{epoch}-{id:016x}"),
        }
    }
}

const FLUSHED: &str = "wal";
const COMPACTED: &str = "compacted";

/// Prefix of a shard's journal of flushes.
pub fn flushed_prefix(shard: ShardId) -> String {
    format!("shards/{shard}/{FLUSHED}")
}

/// Prefix of what compaction wrote.
pub fn compacted_prefix(shard: ShardId) -> String {
    format!("shards/{shard}/{COMPACTED}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_read_back_and_others_are_refused() {
        for id in [SegmentId::Flushed(17), SegmentId::Compacted { epoch: Epoch(9), id: 0xab }] {
            let name = id.name(ShardId(3));
            assert_eq!(name.strip_prefix("shards/3/").and_then(SegmentId::of_name), Some(id), "{name}");
        }
        for name in
            ["wal/17", "wal/0000000000000000001x", "compacted/9-ab", "compacted/0000000009-00000000000000AB", "x"]
        {
            assert_eq!(SegmentId::of_name(name), None, "{name}");
        }
    }
}
