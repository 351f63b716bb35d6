//! What a shard knows of its committed past: a function of its journals' prefix, and of nothing else.
//!
//! - [`state`]: the state and how it grows; the same `apply` serves commit and recovery. - [`segment`]: a
//!   segment as it is referred to. - [`compacted`]: segments that replace others.
//! - [`codec`]: edits and snapshots as bytes.

pub mod codec;
#[cfg(test)]
mod codec_tests;
pub mod compacted;
pub mod segment;
pub mod state;

pub use compacted::{CompactedSegment, Piece};
pub use segment::{Located, Run, SegmentHead, SegmentId};
pub use state::{Edit, ExtentRecord, LogStart, Manifest, PartitionRecord, ProducerDelta, SegmentRecord, Start};
