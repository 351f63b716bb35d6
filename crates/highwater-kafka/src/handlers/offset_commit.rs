//! OffsetCommit: of topics that exist; answered when the offsets are durable.

use std::sync::Arc;

use highwater_groups::api::{CommitPartition, CommitTopic, OffsetCommit};
use highwater_meta::{ClusterState, Topic};
use highwater_types::TopicId;
use highwater_wire::ErrorCode;
use highwater_wire::messages::offset_commit::{
    OffsetCommitRequest, OffsetCommitRequestPartition, OffsetCommitRequestTopic, OffsetCommitResponse,
    OffsetCommitResponsePartition, OffsetCommitResponseTopic,
};

use super::group_text::{caller, owned_option};
use crate::call::Call;
use crate::errors;
use crate::topics;

/// First version that names topics by id.
const FIRST_WITH_IDS: i16 = 10;
/// First version that knows GROUP_ID_NOT_FOUND.
const FIRST_WITH_NOT_FOUND: i16 = 9;

/// Commits what can be committed.
pub async fn handle(call: &Call, request: OffsetCommitRequest) -> OffsetCommitResponse {
    let state = call.broker.meta.state();
    let instance_id = request.group_instance_id.as_ref();
    let generation = request.generation_id_or_member_epoch;
    let caller = caller(&request.group_id, generation, &request.member_id, instance_id);
    let mut response = OffsetCommitResponse::default();
    let mut wanted = Vec::new();
    for topic in request.topics {
        let (answered, commit) = split(call, &state, topic);
        response.topics.push(answered);
        wanted.push(commit);
    }
    drop(state);
    let commit = OffsetCommit {
        caller,
        retention_time_ms: request.retention_time_ms,
        knows_group_id_not_found: call.version >= FIRST_WITH_NOT_FOUND,
        topics: wanted.iter().flatten().cloned().collect(),
    };
    // With topics, but none of them fit to commit, Kafka does not ask the coordinator.
    if !wanted.is_empty() && commit.topics.is_empty() {
        return response;
    }
    let codes = match call.broker.groups.commit(commit).await {
        Ok(results) => {
            let all = results.into_iter().flat_map(|topic| topic.partitions);
            all.map(|partition| errors::of_group_option(partition.error)).collect()
        }
        Err(error) => {
            let count = wanted.iter().flatten().map(|topic| topic.partitions.len()).sum();
            vec![errors::of_group(error); count]
        }
    };
    // What was to be committed has no code yet, in the order of the request.
    let pending = response.topics.iter_mut().flat_map(|topic| &mut topic.partitions);
    let pending = pending.filter(|partition| partition.error_code == ErrorCode::None.code());
    for (partition, code) in pending.zip(codes) {
        partition.error_code = code;
    }
    response
}

/// The answer for a topic with the errors that are known already, and what there is to commit.
fn split(
    call: &Call,
    state: &ClusterState,
    asked: OffsetCommitRequestTopic,
) -> (OffsetCommitResponseTopic, Option<CommitTopic>) {
    let by_id = call.version >= FIRST_WITH_IDS;
    let found = topics::find(state, &asked.name, asked.topic_id.into(), by_id);
    let known = |partition: &OffsetCommitRequestPartition| match found {
        Ok(topic) if topic.shard(partition.partition_index).is_some() => ErrorCode::None,
        Ok(_) => ErrorCode::UnknownTopicOrPartition,
        Err(error) => error,
    };
    let partitions: Vec<_> = asked
        .partitions
        .iter()
        .map(|partition| OffsetCommitResponsePartition {
            partition_index: partition.partition_index,
            error_code: known(partition).code(),
            ..Default::default()
        })
        .collect();
    let commit = found.ok().and_then(|topic| commit_topic(topic, &asked));
    let answered =
        OffsetCommitResponseTopic { name: asked.name, topic_id: asked.topic_id, partitions, ..Default::default() };
    (answered, commit)
}

fn commit_topic(topic: &Topic, asked: &OffsetCommitRequestTopic) -> Option<CommitTopic> {
    let existing = asked.partitions.iter().filter(|one| topic.shard(one.partition_index).is_some());
    let partitions: Vec<CommitPartition> = existing
        .map(|one| CommitPartition {
            partition: one.partition_index,
            offset: one.committed_offset,
            leader_epoch: one.committed_leader_epoch,
            metadata: owned_option(one.committed_metadata.as_ref()),
        })
        .collect();
    let topic_id: TopicId = topic.id;
    (!partitions.is_empty()).then(|| CommitTopic { name: Arc::clone(&topic.name), topic_id, partitions })
}
