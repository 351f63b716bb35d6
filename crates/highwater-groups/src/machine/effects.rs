//! What comes out of the state machine.

use highwater_env::Instant;

use super::command::Token;
use crate::api::{DescribedGroup, FetchedTopic, JoinReply, LeaveReply, ListedGroup, SyncReply, TopicResults};
use crate::error::GroupError;
use crate::records::KeyValue;

/// Names an append; ascending.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AppendId(pub u64);

/// Records that go into the log together, in one batch, after those of every smaller id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Append {
    /// To be named in [`super::Coordinator::appended`].
    pub id: AppendId,
    /// At least one.
    pub records: Vec<KeyValue>,
}

/// Why an append is not known to be durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AppendFailure {
    /// The log has no room or is out of reach: members are told to try again here.
    Unavailable,
    /// This broker leads the partition no longer: members are told to look for another.
    NotLeader,
    /// A batch larger than the log takes.
    TooLarge,
}

impl AppendFailure {
    /// What a group request is answered.
    pub(crate) const fn as_group_error(self) -> GroupError {
        match self {
            Self::Unavailable => GroupError::CoordinatorNotAvailable,
            Self::NotLeader => GroupError::NotCoordinator,
            Self::TooLarge => GroupError::UnknownServerError,
        }
    }

    /// What a commit is answered.
    pub(crate) const fn as_commit_error(self) -> GroupError {
        match self {
            Self::TooLarge => GroupError::InvalidCommitOffsetSize,
            other => other.as_group_error(),
        }
    }
}

/// The answer to one command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// To a join.
    Join(JoinReply),
    /// To a sync.
    Sync(Result<SyncReply, GroupError>),
    /// To a heartbeat.
    Heartbeat(Result<(), GroupError>),
    /// To a leave.
    Leave(Result<LeaveReply, GroupError>),
    /// To a commit; an error stands for all its partitions.
    Commit(Result<Vec<TopicResults>, GroupError>),
    /// To a fetch.
    Fetch(Result<Vec<FetchedTopic>, GroupError>),
    /// To a list.
    List(Vec<ListedGroup>),
    /// To a describe.
    Describe(Result<DescribedGroup, GroupError>),
    /// To the deletion of a group.
    Delete(Result<(), GroupError>),
    /// To the deletion of offsets.
    DeleteOffsets(Result<Vec<TopicResults>, GroupError>),
    /// To `ForgetTopics`.
    Forgotten,
}

/// What is to be done after a step, in this order: replies, appends in order, the timer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Effects {
    /// Each token is answered once.
    pub replies: Vec<(Token, Reply)>,
    /// Ascending by id.
    pub appends: Vec<Append>,
    /// When [`super::Coordinator::tick`] is wanted next; replaces any earlier answer.
    pub timer: Option<Instant>,
}
