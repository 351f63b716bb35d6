//! What goes into the state machine.

use std::sync::Arc;

use highwater_env::Instant;

use crate::api::{Heartbeat, JoinGroup, LeaveGroup, ListGroups, OffsetCommit, OffsetDelete, OffsetFetch, SyncGroup};

/// Names a request; its reply carries the same token. Never used twice with one coordinator.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Token(pub u64);

/// Now, on both clocks: sessions and rebalances run on the first, what is written on the second.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moment {
    /// Never goes back.
    pub monotonic: Instant,
    /// Milliseconds since 1970; may jump.
    pub wall_ms: i64,
}

/// A request for one coordinator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// `fresh` is random: it makes the member id, if one is given out.
    Join {
        /// The request.
        request: JoinGroup,
        /// 128 random bits.
        fresh: u128,
    },
    /// SyncGroup.
    Sync(SyncGroup),
    /// Heartbeat.
    Heartbeat(Heartbeat),
    /// LeaveGroup.
    Leave(LeaveGroup),
    /// OffsetCommit.
    Commit(OffsetCommit),
    /// OffsetFetch of one group.
    Fetch(OffsetFetch),
    /// ListGroups, for the groups of this partition.
    List(ListGroups),
    /// DescribeGroups of one group.
    Describe(Arc<str>),
    /// DeleteGroups of one group.
    Delete(Arc<str>),
    /// OffsetDelete.
    DeleteOffsets(OffsetDelete),
    /// Topics were deleted: their offsets go. Answered at once.
    ForgetTopics(Vec<Arc<str>>),
}
