//! Fetch: which partitions a request means, what they have, how long to wait.
//!
//! - [`session`]: incremental fetches (KIP-227). - [`plan`]: reading the partitions of a request
//!   within its limits. - [`poll`]: waiting for enough.

pub mod plan;
pub mod poll;
pub mod session;

#[cfg(test)]
mod session_tests;

use std::sync::Arc;

use highwater_types::TopicId;

/// A topic as a Fetch names it: by name up to version 12, by id from 13 on.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TopicKey {
    /// By name.
    Name(Arc<str>),
    /// By id.
    Id(TopicId),
}

/// A partition as a Fetch names it.
pub type PartitionKey = (TopicKey, i32);

/// What a Fetch wants of one partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FetchItem {
    /// Which one.
    pub key: PartitionKey,
    /// First offset wanted.
    pub offset: i64,
    /// Bytes at most of this partition.
    pub max_bytes: usize,
    /// The leader epoch that the client knows, or -1 (KIP-320).
    pub current_leader_epoch: i32,
}
