//! OffsetDelete (KIP-496): forgets committed offsets of topics that the group does not consume.

use std::collections::VecDeque;

use highwater_groups::api::{OffsetDelete, TopicPartitions};
use highwater_meta::ClusterState;
use highwater_wire::ErrorCode;
use highwater_wire::messages::offset_delete::{
    OffsetDeleteRequest, OffsetDeleteRequestTopic, OffsetDeleteResponse, OffsetDeleteResponsePartition,
    OffsetDeleteResponseTopic,
};

use super::group_text::owned;
use crate::call::Call;
use crate::errors;

/// Deletes what can be deleted; partitions of topics that do not exist are told so, as in Kafka.
pub async fn handle(call: &Call, request: OffsetDeleteRequest) -> OffsetDeleteResponse {
    let state = call.broker.meta.state();
    let wanted: Vec<TopicPartitions> =
        request.topics.iter().map(|topic| existing(&state, topic)).filter(|one| !one.partitions.is_empty()).collect();
    let delete = OffsetDelete { group_id: owned(&request.group_id), topics: wanted };
    let results = match call.broker.groups.delete_offsets(delete).await {
        Ok(results) => results,
        Err(error) => {
            return OffsetDeleteResponse { error_code: errors::of_group(error), ..Default::default() };
        }
    };
    let mut codes: VecDeque<i16> = results
        .into_iter()
        .flat_map(|topic| topic.partitions)
        .map(|partition| errors::of_group_option(partition.error))
        .collect();
    let mut response = OffsetDeleteResponse::default();
    for topic in request.topics {
        let known = existing(&state, &topic).partitions;
        let partitions = topic.partitions.iter().map(|partition| {
            let index = partition.partition_index;
            let code = if known.contains(&index) { codes.pop_front() } else { None };
            OffsetDeleteResponsePartition {
                partition_index: index,
                error_code: code.unwrap_or(ErrorCode::UnknownTopicOrPartition.code()),
            }
        });
        let partitions = partitions.collect();
        response.topics.push(OffsetDeleteResponseTopic { name: topic.name, partitions });
    }
    response
}

fn existing(state: &ClusterState, topic: &OffsetDeleteRequestTopic) -> TopicPartitions {
    let found = state.topic(&topic.name);
    let exists = |partition: &i32| found.is_some_and(|topic| topic.shard(*partition).is_some());
    let partitions = topic.partitions.iter().map(|one| one.partition_index).filter(exists).collect();
    TopicPartitions { name: owned(&topic.name), partitions }
}
