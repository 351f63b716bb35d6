//! What a shard knows of its committed past: a function of its journals' prefix, and of nothing else.
//!
//! - [`state`]: the state and how it grows; the same `apply` serves commit and recovery.
//! - [`codec`]: edits and snapshots as bytes.

pub mod codec;
#[cfg(test)]
mod codec_tests;
pub mod state;

pub use state::{
    Edit, ExtentRecord, Located, LogStart, Manifest, PartitionRecord, ProducerDelta, SegmentHead, SegmentRecord, Start,
};
