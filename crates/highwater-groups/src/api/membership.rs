//! Join, sync, heartbeat and leave.

use std::sync::Arc;

use bytes::Bytes;

use super::Caller;
use crate::error::GroupError;

/// One assignor (or other protocol) that a member supports, with its subscription.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Protocol {
    /// The protocol's name.
    pub name: Arc<str>,
    /// Opaque to the broker but for the topics of a consumer's subscription.
    pub metadata: Bytes,
}

/// JoinGroup.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JoinGroup {
    /// The group.
    pub group_id: Arc<str>,
    /// Empty at the first join.
    pub member_id: Arc<str>,
    /// `group.instance.id` (v5 and up).
    pub instance_id: Option<Arc<str>>,
    /// From the request's header; empty if absent.
    pub client_id: Arc<str>,
    /// The peer's address as Kafka prints it: `/127.0.0.1`.
    pub client_host: Arc<str>,
    /// Milliseconds.
    pub session_timeout_ms: i32,
    /// Milliseconds; -1 (version 0) means the session timeout.
    pub rebalance_timeout_ms: i32,
    /// `consumer`, `connect`, ...
    pub protocol_type: Arc<str>,
    /// In order of preference.
    pub protocols: Vec<Protocol>,
    /// Version 4 and up: a dynamic member must come back with the id it is given (KIP-394).
    pub requires_known_member_id: bool,
    /// Version 9 and up: the leader can be told not to compute an assignment (KIP-814).
    pub supports_skipping_assignment: bool,
}

/// A member as the leader sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JoinedMember {
    /// The member's id.
    pub member_id: Arc<str>,
    /// Its `group.instance.id`.
    pub instance_id: Option<Arc<str>>,
    /// Its metadata for the chosen protocol.
    pub metadata: Bytes,
}

/// Answer to [`JoinGroup`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JoinReply {
    /// None when the member is part of `generation`.
    pub error: Option<GroupError>,
    /// -1 on an error.
    pub generation: i32,
    /// The group's protocol type (v7 and up).
    pub protocol_type: Option<Arc<str>>,
    /// The chosen protocol; versions below 7 send an empty string for `None`.
    pub protocol: Option<Arc<str>>,
    /// The leader's member id; empty on an error.
    pub leader: Arc<str>,
    /// The leader is not to compute an assignment (v9 and up).
    pub skip_assignment: bool,
    /// The member's id; with `MemberIdRequired`, the one to come back with.
    pub member_id: Arc<str>,
    /// All members, for the leader alone.
    pub members: Vec<JoinedMember>,
}

impl JoinReply {
    /// A refusal, as Kafka fills its other fields.
    pub fn refused(member_id: Arc<str>, error: GroupError) -> Self {
        Self {
            error: Some(error),
            generation: -1,
            protocol_type: None,
            protocol: None,
            leader: Arc::from(""),
            skip_assignment: false,
            member_id,
            members: Vec::new(),
        }
    }
}

/// SyncGroup.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SyncGroup {
    /// Who asks.
    pub caller: Caller,
    /// If given (v5 and up) it must be the group's.
    pub protocol_type: Option<Arc<str>>,
    /// If given (v5 and up) it must be the group's.
    pub protocol: Option<Arc<str>>,
    /// Member id and assignment, from the leader alone.
    pub assignments: Vec<(Arc<str>, Bytes)>,
}

/// Answer to [`SyncGroup`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SyncReply {
    /// The group's protocol type.
    pub protocol_type: Option<Arc<str>>,
    /// The chosen protocol.
    pub protocol: Option<Arc<str>>,
    /// The caller's assignment.
    pub assignment: Bytes,
}

/// Heartbeat: answered `Ok` or with what the member has to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Heartbeat {
    /// Who asks.
    pub caller: Caller,
}

/// One member of a [`LeaveGroup`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeavingMember {
    /// Empty if an administrator removes a static member by its instance id.
    pub member_id: Arc<str>,
    /// Its `group.instance.id`.
    pub instance_id: Option<Arc<str>>,
}

/// LeaveGroup; versions below 3 name one member, and take its error as the whole answer's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeaveGroup {
    /// The group.
    pub group_id: Arc<str>,
    /// Who leaves.
    pub members: Vec<LeavingMember>,
}

/// One member of a [`LeaveReply`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeftMember {
    /// As in the request.
    pub member_id: Arc<str>,
    /// As in the request.
    pub instance_id: Option<Arc<str>>,
    /// None when it is gone.
    pub error: Option<GroupError>,
}

/// Answer to [`LeaveGroup`], in the request's order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeaveReply {
    /// One for each of the request.
    pub members: Vec<LeftMember>,
}
