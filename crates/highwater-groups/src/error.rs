//! Kafka's answers that a group's client acts on, and their codes.

/// Why a request, or one item of it, was not done. The text is for logs; clients see the code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, thiserror::Error)]
pub enum GroupError {
    /// A defect or a limit that a retry does not cure. UNKNOWN_SERVER_ERROR (-1).
    #[error("unknown server error")]
    UnknownServerError,
    /// A topic or partition that a deletion of offsets does not know. UNKNOWN_TOPIC_OR_PARTITION (3).
    #[error("unknown topic or partition")]
    UnknownTopicOrPartition,
    /// Commit metadata longer than `offset.metadata.max.bytes`. OFFSET_METADATA_TOO_LARGE (12).
    #[error("the offset's metadata is too large")]
    OffsetMetadataTooLarge,
    /// The partition of `__consumer_offsets` is being read; retry. COORDINATOR_LOAD_IN_PROGRESS (14).
    #[error("the coordinator is loading")]
    CoordinatorLoadInProgress,
    /// The log did not take the record; retry. COORDINATOR_NOT_AVAILABLE (15).
    #[error("the coordinator is not available")]
    CoordinatorNotAvailable,
    /// Another broker leads the group's partition: find it again. NOT_COORDINATOR (16).
    #[error("not the coordinator of this group")]
    NotCoordinator,
    /// A generation that is not the group's: join again. ILLEGAL_GENERATION (22).
    #[error("illegal generation")]
    IllegalGeneration,
    /// Protocols that no other member shares. INCONSISTENT_GROUP_PROTOCOL (23).
    #[error("inconsistent group protocol")]
    InconsistentGroupProtocol,
    /// An empty or overlong group id. INVALID_GROUP_ID (24).
    #[error("invalid group id")]
    InvalidGroupId,
    /// No such member: join again without a member id. UNKNOWN_MEMBER_ID (25).
    #[error("unknown member id")]
    UnknownMemberId,
    /// Outside `group.{min,max}.session.timeout.ms`. INVALID_SESSION_TIMEOUT (26).
    #[error("invalid session timeout")]
    InvalidSessionTimeout,
    /// The group rebalances: join again. REBALANCE_IN_PROGRESS (27).
    #[error("a rebalance is in progress")]
    RebalanceInProgress,
    /// A commit that is larger than a batch may be. INVALID_COMMIT_OFFSET_SIZE (28).
    #[error("invalid commit offset size")]
    InvalidCommitOffsetSize,
    /// A request that contradicts itself. INVALID_REQUEST (42).
    #[error("invalid request")]
    InvalidRequest,
    /// The group still has members. NON_EMPTY_GROUP (68).
    #[error("the group is not empty")]
    NonEmptyGroup,
    /// No such group. GROUP_ID_NOT_FOUND (69).
    #[error("the group id was not found")]
    GroupIdNotFound,
    /// Join again with the member id of this answer (KIP-394). MEMBER_ID_REQUIRED (79).
    #[error("a member id is required")]
    MemberIdRequired,
    /// `group.max.size` is reached (KIP-389). GROUP_MAX_SIZE_REACHED (81).
    #[error("the group has reached its maximum size")]
    GroupMaxSizeReached,
    /// Another member took over this instance id (KIP-345). FENCED_INSTANCE_ID (82).
    #[error("the instance id was fenced")]
    FencedInstanceId,
    /// Offsets of a topic that the group consumes (KIP-496). GROUP_SUBSCRIBED_TO_TOPIC (86).
    #[error("the group is subscribed to the topic")]
    GroupSubscribedToTopic,
}

impl GroupError {
    /// Kafka's error code.
    pub const fn code(self) -> i16 {
        match self {
            Self::UnknownServerError => -1,
            Self::UnknownTopicOrPartition => 3,
            Self::OffsetMetadataTooLarge => 12,
            Self::CoordinatorLoadInProgress => 14,
            Self::CoordinatorNotAvailable => 15,
            Self::NotCoordinator => 16,
            Self::IllegalGeneration => 22,
            Self::InconsistentGroupProtocol => 23,
            Self::InvalidGroupId => 24,
            Self::UnknownMemberId => 25,
            Self::InvalidSessionTimeout => 26,
            Self::RebalanceInProgress => 27,
            Self::InvalidCommitOffsetSize => 28,
            Self::InvalidRequest => 42,
            Self::NonEmptyGroup => 68,
            Self::GroupIdNotFound => 69,
            Self::MemberIdRequired => 79,
            Self::GroupMaxSizeReached => 81,
            Self::FencedInstanceId => 82,
            Self::GroupSubscribedToTopic => 86,
        }
    }
}
