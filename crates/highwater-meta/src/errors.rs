//! What can go wrong, one enum per operation; the front door maps them to Kafka's codes.

use highwater_store::StoreError;
use highwater_types::TopicId;

use crate::config::InvalidConfig;

/// Bytes of ours that this release cannot read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FormatError {
    /// A later release wrote them.
    #[error(
        "{object} has format {found}, and this release knows up to {known}: use the release that wrote it, or a later one"
    )]
    Unknown {
        /// The object.
        object: String,
        /// Its format.
        found: u32,
        /// The highest format that this release reads.
        known: u32,
    },
    /// They are not what they should be.
    #[error("{object} is not cluster metadata, or is damaged: {detail}")]
    Corrupt {
        /// The object.
        object: String,
        /// What does not fit.
        detail: String,
    },
}

impl FormatError {
    pub(crate) fn corrupt(object: &str, error: &serde_json::Error) -> Self {
        Self::Corrupt { object: object.to_owned(), detail: error.to_string() }
    }

    pub(crate) fn unwritable(error: &serde_json::Error) -> Self {
        Self::Corrupt { object: "an entry to be written".to_owned(), detail: error.to_string() }
    }
}

/// Why the metadata journal gave nothing.
#[derive(Clone, Debug, thiserror::Error)]
pub enum JournalFailure {
    /// The bucket failed. After an append its fate may be open; the next catch-up tells.
    #[error(transparent)]
    Store(StoreError),
    /// The chain contradicts itself.
    #[error("the journal of the metadata is damaged: {0}")]
    Corrupt(String),
}

/// Why an edit does not fit the state that it meets.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// The first edit is `Found`, and no other is.
    #[error("a cluster is founded once, and first")]
    Founding,
    /// Shards or partitions beyond the limits, or none.
    #[error("{0} is out of bounds")]
    OutOfBounds(&'static str),
    /// A topic of this name exists, or one that its name collides with.
    #[error("topic '{0}' exists")]
    TopicExists(String),
    /// A topic of this id exists.
    #[error("topic id {0} is in use")]
    IdInUse(TopicId),
    /// No topic of this id.
    #[error("no topic has id {0}")]
    UnknownTopic(TopicId),
    /// The topic has another number of partitions than the edit starts from.
    #[error("the topic has {is} partitions, not {expected}")]
    PartitionCount {
        /// The edit's.
        expected: u32,
        /// The topic's.
        is: usize,
    },
    /// The block does not begin at the next free producer id, or is empty, or ids are used up.
    #[error("producer ids go on at {next}")]
    ProducerIds {
        /// The next free one.
        next: i64,
    },
}

/// Why the metadata cannot be read or changed at all.
#[derive(Clone, Debug, thiserror::Error)]
pub enum MetaError {
    /// The bucket or the journal failed. Try again; a change may have taken effect.
    #[error("cluster metadata is out of reach: {0}")]
    Journal(#[from] JournalFailure),
    /// An object of the journal cannot be read. An operator has to act.
    #[error("{0}")]
    Format(#[from] FormatError),
    /// An entry's edits do not fit the state that they meet. An operator has to act.
    #[error("{object} contradicts the metadata before it: {why}")]
    Contradiction {
        /// The entry.
        object: String,
        /// What does not fit.
        why: Refused,
    },
    /// Other brokers won every time. Try again.
    #[error("cluster metadata changes too fast: {attempts} attempts lost to other brokers")]
    Contended {
        /// Attempts made.
        attempts: u32,
    },
    /// Too many requests wait. Try again.
    #[error("too many metadata requests are waiting")]
    Overloaded,
    /// The client was closed.
    #[error("the broker is stopping")]
    Closed,
}

/// Why a topic was not created.
#[derive(Clone, Debug, thiserror::Error)]
pub enum CreateTopicError {
    /// Kafka: TOPIC_ALREADY_EXISTS.
    #[error("Topic '{0}' already exists.")]
    Exists(String),
    /// Kafka: INVALID_TOPIC_EXCEPTION.
    #[error("{0}")]
    InvalidName(String),
    /// Kafka: INVALID_TOPIC_EXCEPTION.
    #[error("Topic '{name}' collides with existing topic: {with}")]
    Collides {
        /// The new name.
        name: String,
        /// The name that is there.
        with: String,
    },
    /// Kafka: INVALID_REQUEST.
    #[error("{0}")]
    InvalidRequest(String),
    /// Kafka: INVALID_PARTITIONS.
    #[error("{0}")]
    InvalidPartitions(String),
    /// Kafka: INVALID_REPLICATION_FACTOR.
    #[error("{0}")]
    InvalidReplicationFactor(String),
    /// Kafka: INVALID_REPLICA_ASSIGNMENT.
    #[error("{0}")]
    InvalidAssignment(String),
    /// Kafka: INVALID_CONFIG.
    #[error("{0}")]
    InvalidConfig(#[from] InvalidConfig),
    /// Kafka: a retriable code, the change may have taken effect.
    #[error(transparent)]
    Meta(#[from] MetaError),
}

/// Why a topic was not deleted.
#[derive(Clone, Debug, thiserror::Error)]
pub enum DeleteTopicError {
    /// Kafka: UNKNOWN_TOPIC_ID.
    #[error("This server does not host this topic ID.")]
    Unknown,
    /// Kafka: TOPIC_DELETION_DISABLED.
    #[error("Topic deletion is disabled.")]
    Disabled,
    /// Kafka: INVALID_REQUEST.
    #[error("{0}")]
    InvalidRequest(String),
    /// Kafka: a retriable code, the change may have taken effect.
    #[error(transparent)]
    Meta(#[from] MetaError),
}

/// Why a topic did not get more partitions.
#[derive(Clone, Debug, thiserror::Error)]
pub enum AddPartitionsError {
    /// Kafka: UNKNOWN_TOPIC_OR_PARTITION.
    #[error("The topic does not exist.")]
    Unknown,
    /// Kafka: INVALID_PARTITIONS.
    #[error("{0}")]
    InvalidPartitions(String),
    /// Kafka: a retriable code, the change may have taken effect.
    #[error(transparent)]
    Meta(#[from] MetaError),
}

/// Why configurations were not changed.
#[derive(Clone, Debug, thiserror::Error)]
pub enum AlterConfigsError {
    /// Kafka: UNKNOWN_TOPIC_OR_PARTITION.
    #[error("The topic does not exist.")]
    UnknownTopic,
    /// Kafka: INVALID_CONFIG.
    #[error("{0}")]
    InvalidConfig(#[from] InvalidConfig),
    /// APPEND or SUBTRACT on what is not a list. Kafka: INVALID_CONFIG.
    #[error("Can't {operation} to key {key} because its type is not LIST.")]
    NotAList {
        /// `APPEND` or `SUBTRACT`.
        operation: &'static str,
        /// The configuration.
        key: String,
    },
    /// A broker configuration that changes at a start only. Kafka: INVALID_REQUEST.
    #[error("Cannot update these configs dynamically: {0}")]
    ReadOnly(String),
    /// A configuration of single brokers, set for all of them. Kafka: INVALID_REQUEST.
    #[error("Cannot update these configs at default cluster level, broker id must be specified: {0}")]
    PerBroker(String),
    /// Kafka: a retriable code, the change may have taken effect.
    #[error(transparent)]
    Meta(#[from] MetaError),
}
