//! DescribeProducers: the idempotent producers that partitions know (KIP-664).

use highwater_log::ActiveProducer;
use highwater_meta::{ClusterState, names};
use highwater_wire::ErrorCode;
use highwater_wire::messages::describe_producers::{
    DescribeProducersRequest, DescribeProducersResponse, PartitionResponse, ProducerState, TopicResponse,
};

use crate::call::Call;
use crate::errors;
use crate::topics;

/// Answers for each partition.
pub async fn handle(call: &Call, request: DescribeProducersRequest) -> DescribeProducersResponse {
    let state = call.broker.meta.state();
    let topics = request.topics.into_iter().map(|topic| {
        let answer = |partition_index: &i32| {
            let nothing = PartitionResponse { partition_index: *partition_index, ..Default::default() };
            match producers(call, &state, &topic.name, *partition_index) {
                Ok(producers) => {
                    PartitionResponse { active_producers: producers.into_iter().map(described).collect(), ..nothing }
                }
                Err(error) => PartitionResponse { error_code: error.code(), ..nothing },
            }
        };
        let partitions = topic.partition_indexes.iter().map(answer).collect();
        TopicResponse { name: topic.name, partitions, ..Default::default() }
    });
    DescribeProducersResponse { topics: topics.collect(), ..Default::default() }
}

fn producers(call: &Call, state: &ClusterState, name: &str, index: i32) -> Result<Vec<ActiveProducer>, ErrorCode> {
    let topic = match state.topic(name) {
        Some(topic) => topic,
        None if names::check(name).is_err() => return Err(ErrorCode::InvalidTopicException),
        None => return Err(ErrorCode::UnknownTopicOrPartition),
    };
    let partition = topics::open(&call.broker, topic, index)?;
    partition.producers().map_err(|error| errors::of_read(&error))
}

fn described(producer: ActiveProducer) -> ProducerState {
    ProducerState {
        producer_id: producer.producer_id,
        producer_epoch: producer.epoch.into(),
        last_sequence: producer.last_sequence,
        last_timestamp: producer.last_timestamp_ms,
        coordinator_epoch: -1,
        ..Default::default()
    }
}
