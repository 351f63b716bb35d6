//! Topics and partitions as requests name them: by name, or by id.

use std::sync::Arc;

use highwater_log::{Partition, PartitionError};
use highwater_meta::{ClusterState, Topic};
use highwater_types::{TopicId, TopicPartition};
use highwater_wire::{ErrorCode, Str};

use crate::broker::Broker;
use crate::call::Call;
use crate::config::Endpoint;

/// The topic of a request that names it by `id` or else by `name`.
///
/// # Errors
/// UNKNOWN_TOPIC_ID or UNKNOWN_TOPIC_OR_PARTITION.
pub fn find<'a>(state: &'a ClusterState, name: &str, id: TopicId, by_id: bool) -> Result<&'a Arc<Topic>, ErrorCode> {
    if by_id {
        state.topic_by_id(id).ok_or(ErrorCode::UnknownTopicId)
    } else {
        state.topic(name).ok_or(ErrorCode::UnknownTopicOrPartition)
    }
}

/// The handle of a topic's partition.
///
/// # Errors
/// UNKNOWN_TOPIC_OR_PARTITION, NOT_LEADER_OR_FOLLOWER when another broker leads it, or KAFKA_STORAGE_ERROR
/// when nobody can.
pub fn open(broker: &Broker, topic: &Topic, partition: i32) -> Result<Partition, ErrorCode> {
    if topic.shard(partition).is_none() {
        return Err(ErrorCode::UnknownTopicOrPartition);
    }
    broker.log.partition(TopicPartition { topic: topic.id, partition }).map_err(|error| match error {
        PartitionError::Unknown => ErrorCode::UnknownTopicOrPartition,
        PartitionError::NotLeader => ErrorCode::NotLeaderOrFollower,
        PartitionError::Stopped => ErrorCode::KafkaStorageError,
    })
}

/// Compares the leader epoch that a client knows (-1: none) with ours (KIP-320).
///
/// # Errors
/// FENCED_LEADER_EPOCH if the client's is older, UNKNOWN_LEADER_EPOCH if ours is.
pub const fn check_leader_epoch(asked: i32, ours: i32) -> Result<(), ErrorCode> {
    if asked < 0 || asked == ours {
        Ok(())
    } else if asked < ours {
        Err(ErrorCode::FencedLeaderEpoch)
    } else {
        Err(ErrorCode::UnknownLeaderEpoch)
    }
}

/// Who leads a partition now, for answers with NOT_LEADER_OR_FOLLOWER (KIP-951).
#[derive(Clone, Debug)]
pub struct LeaderHint {
    /// The broker.
    pub node: i32,
    /// The leader epoch, -1 if not known.
    pub epoch: i32,
    /// Its address and rack.
    pub endpoint: Endpoint,
    /// `broker.rack`.
    pub rack: Option<String>,
}

/// The leader of a partition, if another broker is known to be.
pub fn leader_hint(call: &Call, topic: &Topic, partition: i32) -> Option<LeaderHint> {
    let broker = &*call.broker;
    let leader = broker.brokers.leader(topic.shard(partition)?)?;
    if leader.node == broker.config.node_id {
        return None;
    }
    let info = broker.brokers.find(leader.node, call.peer.listener)?;
    Some(LeaderHint { node: leader.node.0, epoch: leader.leader_epoch, endpoint: info.endpoint, rack: info.rack })
}

/// A shared name as the wire takes it; copies.
pub fn text(name: &str) -> Str {
    Str::from(name)
}
