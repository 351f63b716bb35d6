//! Every error enum of the layers below, as Kafka's codes.
//!
//! A code is chosen for what clients do on it: a retriable one where another try helps, a final one
//! where it does not. The text beside it goes to the client where the version has a place for it.

use highwater_groups::GroupError;
use highwater_log::{AppendError, DeleteError, ReadError};
use highwater_meta::{AddPartitionsError, AlterConfigsError, CreateTopicError, DeleteTopicError};
use highwater_wire::ErrorCode;

/// Produce.
pub const fn of_append(error: &AppendError) -> ErrorCode {
    match error {
        AppendError::Corrupt(_) => ErrorCode::CorruptMessage,
        // Kafka 4 answers INVALID_RECORD for older magics in Produce 3 and up.
        AppendError::InvalidRecord(_) | AppendError::UnsupportedMagic(_) => ErrorCode::InvalidRecord,
        AppendError::TooLarge { .. } => ErrorCode::MessageTooLarge,
        AppendError::InvalidTimestamp(_) => ErrorCode::InvalidTimestamp,
        AppendError::OutOfOrderSequence { .. } => ErrorCode::OutOfOrderSequenceNumber,
        AppendError::InvalidProducerEpoch { .. } => ErrorCode::InvalidProducerEpoch,
        // Nothing was appended and time is up: every client sends again on this one, which is not
        // true of THROTTLING_QUOTA_EXCEEDED.
        AppendError::Backpressure => ErrorCode::RequestTimedOut,
        AppendError::NotLeader => ErrorCode::NotLeaderOrFollower,
        AppendError::Unknown => ErrorCode::UnknownTopicOrPartition,
        AppendError::Storage(_) => ErrorCode::KafkaStorageError,
    }
}

/// Fetch, ListOffsets.
pub const fn of_read(error: &ReadError) -> ErrorCode {
    match error {
        ReadError::OutOfRange(_) => ErrorCode::OffsetOutOfRange,
        ReadError::NotLeader => ErrorCode::NotLeaderOrFollower,
        ReadError::Unknown => ErrorCode::UnknownTopicOrPartition,
        ReadError::Storage(_) | ReadError::Busy => ErrorCode::KafkaStorageError,
    }
}

/// DeleteRecords.
pub const fn of_delete_records(error: &DeleteError) -> ErrorCode {
    match error {
        DeleteError::OutOfRange => ErrorCode::OffsetOutOfRange,
        DeleteError::NotLeader => ErrorCode::NotLeaderOrFollower,
        DeleteError::Unknown => ErrorCode::UnknownTopicOrPartition,
    }
}

/// CreateTopics.
pub const fn of_create_topic(error: &CreateTopicError) -> ErrorCode {
    match error {
        CreateTopicError::Exists(_) => ErrorCode::TopicAlreadyExists,
        CreateTopicError::InvalidName(_) | CreateTopicError::Collides { .. } => ErrorCode::InvalidTopicException,
        CreateTopicError::InvalidRequest(_) => ErrorCode::InvalidRequest,
        CreateTopicError::InvalidPartitions(_) => ErrorCode::InvalidPartitions,
        CreateTopicError::InvalidReplicationFactor(_) => ErrorCode::InvalidReplicationFactor,
        CreateTopicError::InvalidAssignment(_) => ErrorCode::InvalidReplicaAssignment,
        CreateTopicError::InvalidConfig(_) => ErrorCode::InvalidConfig,
        // Retriable, and true to what Kafka says when its metadata quorum does not answer.
        CreateTopicError::Meta(_) => ErrorCode::RequestTimedOut,
    }
}

/// A topic that Metadata was to create for a client that merely named it.
pub const fn of_auto_create(error: &CreateTopicError) -> ErrorCode {
    match error {
        CreateTopicError::InvalidName(_) | CreateTopicError::Collides { .. } => ErrorCode::InvalidTopicException,
        CreateTopicError::Exists(_) | CreateTopicError::Meta(_) => ErrorCode::LeaderNotAvailable,
        // The client asked for nothing but the name: it is not to blame for the settings.
        _ => ErrorCode::UnknownTopicOrPartition,
    }
}

/// DeleteTopics, of a topic that was found.
pub const fn of_delete_topic(error: &DeleteTopicError, by_id: bool) -> ErrorCode {
    match error {
        DeleteTopicError::Unknown if by_id => ErrorCode::UnknownTopicId,
        DeleteTopicError::Unknown => ErrorCode::UnknownTopicOrPartition,
        DeleteTopicError::Disabled => ErrorCode::TopicDeletionDisabled,
        DeleteTopicError::InvalidRequest(_) => ErrorCode::InvalidRequest,
        DeleteTopicError::Meta(_) => ErrorCode::RequestTimedOut,
    }
}

/// CreatePartitions.
pub const fn of_add_partitions(error: &AddPartitionsError) -> ErrorCode {
    match error {
        AddPartitionsError::Unknown => ErrorCode::UnknownTopicOrPartition,
        AddPartitionsError::InvalidPartitions(_) => ErrorCode::InvalidPartitions,
        AddPartitionsError::Meta(_) => ErrorCode::RequestTimedOut,
    }
}

/// AlterConfigs, IncrementalAlterConfigs.
pub const fn of_alter_configs(error: &AlterConfigsError) -> ErrorCode {
    match error {
        AlterConfigsError::UnknownTopic => ErrorCode::UnknownTopicOrPartition,
        AlterConfigsError::InvalidConfig(_) | AlterConfigsError::NotAList { .. } => ErrorCode::InvalidConfig,
        AlterConfigsError::ReadOnly(_) | AlterConfigsError::PerBroker(_) => ErrorCode::InvalidRequest,
        AlterConfigsError::Meta(_) => ErrorCode::RequestTimedOut,
    }
}

/// The group APIs: the coordinator already speaks Kafka's codes.
pub const fn of_group(error: GroupError) -> i16 {
    error.code()
}

/// The group APIs, where no error is 0.
pub fn of_group_option(error: Option<GroupError>) -> i16 {
    error.map_or(ErrorCode::None.code(), of_group)
}
