//! List and describe.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;

/// State of a classic group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum GroupState {
    /// No members; perhaps offsets.
    Empty,
    /// Members join.
    PreparingRebalance,
    /// The leader computes the assignment, or its record is on the way to the log.
    CompletingRebalance,
    /// Every member has, or can fetch, its assignment.
    Stable,
    /// There is no such group (any more).
    Dead,
}

impl GroupState {
    /// As Kafka writes it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Empty => "Empty",
            Self::PreparingRebalance => "PreparingRebalance",
            Self::CompletingRebalance => "CompletingRebalance",
            Self::Stable => "Stable",
            Self::Dead => "Dead",
        }
    }
}

impl fmt::Display for GroupState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// ListGroups.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ListGroups {
    /// State names to include, without regard to case; empty for all (KIP-518).
    pub states: Vec<Arc<str>>,
    /// Group types to include, without regard to case; empty for all (KIP-848). Ours are `classic`.
    pub types: Vec<Arc<str>>,
}

/// One group of the list, in order of group id within a partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedGroup {
    /// The group's id.
    pub group_id: Arc<str>,
    /// Empty for a group that only keeps offsets.
    pub protocol_type: Arc<str>,
    /// Its state.
    pub state: GroupState,
    /// `classic`.
    pub group_type: &'static str,
}

/// A member as administrators see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DescribedMember {
    /// The member's id.
    pub member_id: Arc<str>,
    /// Its `group.instance.id`.
    pub instance_id: Option<Arc<str>>,
    /// Its client id.
    pub client_id: Arc<str>,
    /// Its address.
    pub client_host: Arc<str>,
    /// For the chosen protocol; empty unless the group is stable.
    pub metadata: Bytes,
    /// Empty unless the group is stable.
    pub assignment: Bytes,
}

/// Answer to DescribeGroups for one group. A group that does not exist is
/// [`crate::GroupError::GroupIdNotFound`]; versions below 6 send it as state `Dead` without an error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DescribedGroup {
    /// The group's id.
    pub group_id: Arc<str>,
    /// Its state.
    pub state: GroupState,
    /// Empty for a group that only keeps offsets.
    pub protocol_type: Arc<str>,
    /// The chosen protocol; empty unless the group is stable.
    pub protocol: Arc<str>,
    /// In order of member id.
    pub members: Vec<DescribedMember>,
}
