//! Commit, fetch and delete of offsets.

use std::sync::Arc;

use highwater_types::{Offset, TopicId};

use super::Caller;
use crate::error::GroupError;

/// A committed offset.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommittedOffset {
    /// Next offset to read.
    pub offset: Offset,
    /// Leader epoch of the last record read, or -1.
    pub leader_epoch: i32,
    /// Whatever the client wants to keep.
    pub metadata: Arc<str>,
    /// When it was committed, milliseconds since 1970.
    pub commit_timestamp_ms: i64,
    /// When it expires if the client said so (OffsetCommit v2 to v4), milliseconds since 1970.
    pub expire_timestamp_ms: Option<i64>,
    /// Id of the topic at the commit, or [`TopicId::ZERO`]: an offset is not carried over to
    /// another topic of the same name.
    pub topic_id: TopicId,
}

/// One partition of an [`OffsetCommit`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommitPartition {
    /// Partition index.
    pub partition: i32,
    /// Next offset to read.
    pub offset: Offset,
    /// Leader epoch of the last record read, or -1.
    pub leader_epoch: i32,
    /// Null is kept as the empty string, as in Kafka.
    pub metadata: Option<Arc<str>>,
}

/// One topic of an [`OffsetCommit`]. That it exists, and that the caller may read it, the caller of
/// the coordinator has checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommitTopic {
    /// The topic's name.
    pub name: Arc<str>,
    /// Its id, or [`TopicId::ZERO`] if it is not known.
    pub topic_id: TopicId,
    /// What to commit.
    pub partitions: Vec<CommitPartition>,
}

/// OffsetCommit; generation -1 with an empty member id is a consumer that manages its own
/// assignment, accepted while the group has no members.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OffsetCommit {
    /// Who commits.
    pub caller: Caller,
    /// Milliseconds after which the offsets expire (v2 to v4), or -1 for the broker's setting.
    pub retention_time_ms: i64,
    /// Version 9 and up: an unknown group is GROUP_ID_NOT_FOUND; below, ILLEGAL_GENERATION.
    pub knows_group_id_not_found: bool,
    /// What to commit.
    pub topics: Vec<CommitTopic>,
}

/// What became of one partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PartitionResult {
    /// Partition index.
    pub partition: i32,
    /// None when done.
    pub error: Option<GroupError>,
}

/// What became of one topic's partitions, in the request's order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicResults {
    /// The topic's name.
    pub name: Arc<str>,
    /// As in the request.
    pub topic_id: TopicId,
    /// One for each of the request.
    pub partitions: Vec<PartitionResult>,
}

/// One topic of an [`OffsetFetch`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FetchTopic {
    /// The topic's name.
    pub name: Arc<str>,
    /// The id that the name has now, or [`TopicId::ZERO`]: offsets of another id are not given out.
    pub topic_id: TopicId,
    /// Partition indexes.
    pub partitions: Vec<i32>,
}

/// OffsetFetch for one group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OffsetFetch {
    /// The group.
    pub group_id: Arc<str>,
    /// None for every offset of the group.
    pub topics: Option<Vec<FetchTopic>>,
    /// Wait for commits that are on their way (KIP-447), instead of giving the ones before.
    pub require_stable: bool,
}

/// One partition of a [`FetchedTopic`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FetchedPartition {
    /// Partition index.
    pub partition: i32,
    /// None: nothing is committed, which Kafka writes as offset -1, leader epoch -1, empty metadata.
    pub committed: Option<CommittedOffset>,
}

/// One topic of the answer to [`OffsetFetch`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FetchedTopic {
    /// The topic's name.
    pub name: Arc<str>,
    /// As in the request; for a fetch of everything, as in the commit.
    pub topic_id: TopicId,
    /// In the request's order.
    pub partitions: Vec<FetchedPartition>,
}

/// Partitions of one topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicPartitions {
    /// The topic's name.
    pub name: Arc<str>,
    /// Partition indexes.
    pub partitions: Vec<i32>,
}

/// OffsetDelete (KIP-496).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OffsetDelete {
    /// The group.
    pub group_id: Arc<str>,
    /// What to forget.
    pub topics: Vec<TopicPartitions>,
}
