//! DescribeTopicPartitions: topics page by page, so that no answer is large (KIP-966).

use std::collections::BTreeSet;

use highwater_meta::{ClusterState, Topic, names};
use highwater_wire::messages::describe_topic_partitions::{
    DescribeTopicPartitionsRequest, DescribeTopicPartitionsResponse, DescribeTopicPartitionsResponsePartition,
    DescribeTopicPartitionsResponseTopic, RequestCursor, ResponseCursor,
};
use highwater_wire::{ErrorCode, Str};

use crate::authorized;
use crate::broker::Broker;
use crate::call::Call;
use crate::topics::text;

/// Answers for the topics that are named, or all, from the cursor on, ascending by name.
pub async fn handle(call: &Call, request: DescribeTopicPartitionsRequest) -> DescribeTopicPartitionsResponse {
    let state = call.broker.meta.state();
    let invalid = |cursor: &RequestCursor| cursor.partition_index < 0;
    if request.cursor.as_ref().is_some_and(invalid) || request.response_partition_limit < 1 {
        let failed = |topic: highwater_wire::messages::describe_topic_partitions::TopicRequest| {
            failed(topic.name, ErrorCode::InvalidRequest)
        };
        let topics = request.topics.into_iter().map(failed).collect();
        return DescribeTopicPartitionsResponse { topics, ..Default::default() };
    }
    let limit = usize::try_from(request.response_partition_limit).unwrap_or(usize::MAX);
    let mut page = Page {
        broker: &call.broker,
        left: limit.min(state.settings().max_request_partitions),
        response: DescribeTopicPartitionsResponse::default(),
    };
    let (from, first_partition) =
        request.cursor.map_or((Str::default(), 0), |cursor| (cursor.topic_name, cursor.partition_index));
    let start = |name: &str| if *name == *from { first_partition } else { 0 };
    if request.topics.is_empty() {
        for topic in state.topics_from(&from) {
            if !page.add(topic, start(&topic.name)) {
                break;
            }
        }
    } else {
        let named: BTreeSet<String> = request.topics.iter().map(|topic| topic.name.to_string()).collect();
        for name in named.range(from.to_string()..) {
            if !page.add_named(&state, name, start(name)) {
                break;
            }
        }
    }
    page.response
}

/// An answer in the making.
struct Page<'a> {
    broker: &'a Broker,
    /// Partitions that may still be in it.
    left: usize,
    response: DescribeTopicPartitionsResponse,
}

impl Page<'_> {
    fn add_named(&mut self, state: &ClusterState, name: &str, first: i32) -> bool {
        let error = match state.topic(name) {
            Some(topic) => return self.add(topic, first),
            None if names::check(name).is_err() => ErrorCode::InvalidTopicException,
            None => ErrorCode::UnknownTopicOrPartition,
        };
        self.response.topics.push(failed(Str::from(name), error));
        true
    }

    /// Adds a topic's partitions from `first` on. `false` when there is no room for more: the cursor
    /// then says where to go on.
    fn add(&mut self, topic: &Topic, first: i32) -> bool {
        let cursor = |partition_index: i32| ResponseCursor {
            topic_name: text(&topic.name),
            partition_index,
            ..Default::default()
        };
        if self.left == 0 {
            self.response.next_cursor = Some(cursor(first));
            return false;
        }
        let end = first.saturating_add(i32::try_from(self.left).unwrap_or(i32::MAX)).min(topic.partition_count());
        let partitions: Vec<_> = (first..end).map(|index| described(self.broker, topic, index)).collect();
        self.left -= partitions.len();
        self.response.topics.push(DescribeTopicPartitionsResponseTopic {
            name: Some(text(&topic.name)),
            topic_id: topic.id.into(),
            is_internal: topic.internal,
            partitions,
            topic_authorized_operations: authorized::ON_TOPIC,
            ..Default::default()
        });
        if end < topic.partition_count() {
            self.response.next_cursor = Some(cursor(end));
            return false;
        }
        true
    }
}

fn described(broker: &Broker, topic: &Topic, partition_index: i32) -> DescribeTopicPartitionsResponsePartition {
    match topic.shard(partition_index).and_then(|shard| broker.brokers.leader(shard)) {
        Some(leader) => DescribeTopicPartitionsResponsePartition {
            partition_index,
            leader_id: leader.node.0,
            leader_epoch: leader.leader_epoch,
            replica_nodes: vec![leader.node.0],
            isr_nodes: vec![leader.node.0],
            eligible_leader_replicas: Some(Vec::new()),
            last_known_elr: Some(Vec::new()),
            ..Default::default()
        },
        None => DescribeTopicPartitionsResponsePartition {
            error_code: ErrorCode::LeaderNotAvailable.code(),
            partition_index,
            leader_id: -1,
            ..Default::default()
        },
    }
}

fn failed(name: Str, error: ErrorCode) -> DescribeTopicPartitionsResponseTopic {
    DescribeTopicPartitionsResponseTopic {
        error_code: error.code(),
        is_internal: names::is_internal(&name),
        name: Some(name),
        ..Default::default()
    }
}
