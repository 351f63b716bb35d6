//! Requests and replies of the coordinator: plain structs, the same for every version of the
//! Kafka message. Strings are shared; member metadata and assignments are opaque bytes.
//!
//! - [`membership`]: join, sync, heartbeat, leave. - [`offsets`]: commit, fetch, delete.
//! - [`admin`]: list, describe.

pub mod admin;
pub mod membership;
pub mod offsets;

pub use admin::{DescribedGroup, DescribedMember, GroupState, ListGroups, ListedGroup};
pub use membership::{
    Heartbeat, JoinGroup, JoinReply, JoinedMember, LeaveGroup, LeaveReply, LeavingMember, LeftMember, Protocol,
    SyncGroup, SyncReply,
};
pub use offsets::{
    CommitPartition, CommitTopic, CommittedOffset, FetchTopic, FetchedPartition, FetchedTopic, OffsetCommit,
    OffsetDelete, OffsetFetch, PartitionResult, TopicPartitions, TopicResults,
};

use std::sync::Arc;

/// A member of a classic group as its requests name it. Kafka's "no member id" is the empty string.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// The group.
    pub group_id: Arc<str>,
    /// Generation that the member knows; -1 for none.
    pub generation: i32,
    /// The member's id, or empty.
    pub member_id: Arc<str>,
    /// `group.instance.id` of a static member (KIP-345).
    pub instance_id: Option<Arc<str>>,
}
