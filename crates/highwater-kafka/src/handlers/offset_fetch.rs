//! OffsetFetch: of one group up to version 7, of several from 8 on (KIP-709).

use std::sync::Arc;

use highwater_groups::GroupError;
use highwater_groups::api::{FetchTopic, FetchedPartition, FetchedTopic, OffsetFetch};
use highwater_meta::ClusterState;
use highwater_types::TopicId;
use highwater_wire::messages::offset_fetch::{
    OffsetFetchRequest, OffsetFetchRequestGroup, OffsetFetchRequestTopic, OffsetFetchRequestTopics,
    OffsetFetchResponse, OffsetFetchResponseGroup, OffsetFetchResponsePartition, OffsetFetchResponsePartitions,
    OffsetFetchResponseTopic, OffsetFetchResponseTopics,
};
use highwater_wire::{ErrorCode, Str, Uuid};

use super::group_text::{owned, wire};
use crate::call::Call;
use crate::errors;

/// First version with a list of groups.
const FIRST_WITH_GROUPS: i16 = 8;
/// First version that names topics by id.
const FIRST_WITH_IDS: i16 = 10;
/// First version with an error for the whole answer.
const FIRST_WITH_TOP_ERROR: i16 = 2;

/// Answers for each group.
pub async fn handle(call: &Call, request: OffsetFetchRequest) -> OffsetFetchResponse {
    if call.version < FIRST_WITH_GROUPS {
        let renamed = |topic: OffsetFetchRequestTopic| OffsetFetchRequestTopics {
            name: topic.name,
            partition_indexes: topic.partition_indexes,
            ..Default::default()
        };
        let group = OffsetFetchRequestGroup {
            group_id: request.group_id,
            topics: request.topics.map(|topics| topics.into_iter().map(renamed).collect()),
            ..Default::default()
        };
        return as_one(call.version, one(call, group, request.require_stable).await);
    }
    let mut groups = Vec::with_capacity(request.groups.len());
    for group in request.groups {
        groups.push(one(call, group, request.require_stable).await);
    }
    OffsetFetchResponse { groups, ..Default::default() }
}

/// The answer for one group; with an error it names the partitions of the request, which only
/// version 1 sends.
async fn one(call: &Call, group: OffsetFetchRequestGroup, require_stable: bool) -> OffsetFetchResponseGroup {
    let state = call.broker.meta.state();
    let by_id = call.version >= FIRST_WITH_IDS;
    let mut unknown = Vec::new();
    let mut wanted = group.topics.as_ref().map(|_| Vec::new());
    for topic in group.topics.into_iter().flatten() {
        match resolve(&state, &topic, by_id) {
            Some(topic) => wanted.get_or_insert_default().push(topic),
            None => {
                unknown.push(failed(topic.name, topic.topic_id, &topic.partition_indexes, ErrorCode::UnknownTopicId))
            }
        }
    }
    let all = wanted.is_none();
    let fetch = OffsetFetch { group_id: owned(&group.group_id), topics: wanted.clone(), require_stable };
    let response = OffsetFetchResponseGroup { group_id: group.group_id, ..Default::default() };
    match call.broker.groups.fetch(fetch).await {
        Ok(fetched) => {
            let named = fetched.iter().filter_map(|topic| fetched_topic(&state, topic, all && by_id));
            OffsetFetchResponseGroup { topics: named.chain(unknown).collect(), ..response }
        }
        Err(error) if call.version < FIRST_WITH_TOP_ERROR => {
            let topics = wanted.iter().flatten().map(|topic| with_error(topic, error));
            OffsetFetchResponseGroup { topics: topics.collect(), error_code: errors::of_group(error), ..response }
        }
        Err(error) => OffsetFetchResponseGroup { error_code: errors::of_group(error), ..response },
    }
}

/// The topic with both its names; `None` for an id that no topic has.
fn resolve(state: &ClusterState, asked: &OffsetFetchRequestTopics, by_id: bool) -> Option<FetchTopic> {
    let (name, topic_id) = if by_id {
        let topic = state.topic_by_id(asked.topic_id.into())?;
        (Arc::clone(&topic.name), topic.id)
    } else {
        // Offsets of a topic that does not exist (any more) are given out under its name.
        let id = state.topic(&asked.name).map_or(TopicId::ZERO, |topic| topic.id);
        (owned(&asked.name), id)
    };
    Some(FetchTopic { name, topic_id, partitions: asked.partition_indexes.clone() })
}

/// A topic of the answer. Where the client did not name topics and wants ids, one without an id is
/// left out.
fn fetched_topic(state: &ClusterState, topic: &FetchedTopic, needs_id: bool) -> Option<OffsetFetchResponseTopics> {
    let topic_id = if topic.topic_id == TopicId::ZERO {
        state.topic(&topic.name).map_or(TopicId::ZERO, |topic| topic.id)
    } else {
        topic.topic_id
    };
    if needs_id && topic_id == TopicId::ZERO {
        return None;
    }
    Some(OffsetFetchResponseTopics {
        name: wire(&topic.name),
        topic_id: topic_id.into(),
        partitions: topic.partitions.iter().map(fetched_partition).collect(),
        ..Default::default()
    })
}

fn fetched_partition(partition: &FetchedPartition) -> OffsetFetchResponsePartitions {
    match &partition.committed {
        Some(committed) => OffsetFetchResponsePartitions {
            partition_index: partition.partition,
            committed_offset: committed.offset,
            committed_leader_epoch: committed.leader_epoch,
            metadata: Some(wire(&committed.metadata)),
            ..Default::default()
        },
        None => nothing(partition.partition, ErrorCode::None.code()),
    }
}

fn nothing(partition_index: i32, error_code: i16) -> OffsetFetchResponsePartitions {
    OffsetFetchResponsePartitions {
        partition_index,
        committed_offset: -1,
        committed_leader_epoch: -1,
        metadata: Some(Str::EMPTY),
        error_code,
        ..Default::default()
    }
}

fn failed(name: Str, topic_id: Uuid, partitions: &[i32], error: ErrorCode) -> OffsetFetchResponseTopics {
    let partitions = partitions.iter().map(|partition| nothing(*partition, error.code())).collect();
    OffsetFetchResponseTopics { name, topic_id, partitions, ..Default::default() }
}

fn with_error(topic: &FetchTopic, error: GroupError) -> OffsetFetchResponseTopics {
    let partitions = topic.partitions.iter().map(|partition| nothing(*partition, errors::of_group(error)));
    OffsetFetchResponseTopics { name: wire(&topic.name), partitions: partitions.collect(), ..Default::default() }
}

/// One group as versions below 8 have it.
fn as_one(version: i16, group: OffsetFetchResponseGroup) -> OffsetFetchResponse {
    let partition = |partition: OffsetFetchResponsePartitions| OffsetFetchResponsePartition {
        partition_index: partition.partition_index,
        committed_offset: partition.committed_offset,
        committed_leader_epoch: partition.committed_leader_epoch,
        metadata: partition.metadata,
        error_code: partition.error_code,
        ..Default::default()
    };
    let topic = |topic: OffsetFetchResponseTopics| OffsetFetchResponseTopic {
        name: topic.name,
        partitions: topic.partitions.into_iter().map(partition).collect(),
        ..Default::default()
    };
    let error_code = if version < FIRST_WITH_TOP_ERROR { ErrorCode::None.code() } else { group.error_code };
    OffsetFetchResponse { topics: group.topics.into_iter().map(topic).collect(), error_code, ..Default::default() }
}
