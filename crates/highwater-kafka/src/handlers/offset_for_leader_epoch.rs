//! OffsetForLeaderEpoch: where a leader epoch ends, by which a consumer finds out whether what it has
//! read is still in the log (KIP-101, KIP-320).

use highwater_log::EpochEnd;
use highwater_meta::ClusterState;
use highwater_wire::ErrorCode;
use highwater_wire::messages::offset_for_leader_epoch::{
    EpochEndOffset, OffsetForLeaderEpochRequest, OffsetForLeaderEpochResponse, OffsetForLeaderPartition,
    OffsetForLeaderTopicResult,
};

use crate::call::Call;
use crate::errors;
use crate::topics;

/// Answers for each partition.
pub async fn handle(call: &Call, request: OffsetForLeaderEpochRequest) -> OffsetForLeaderEpochResponse {
    let state = call.broker.meta.state();
    let topics = request.topics.into_iter().map(|topic| {
        let answer = |asked: &OffsetForLeaderPartition| {
            let nothing = EpochEndOffset { partition: asked.partition, ..Default::default() };
            match end(call, &state, &topic.topic, asked) {
                Ok(Some(end)) => {
                    EpochEndOffset { leader_epoch: end.epoch.as_leader_epoch(), end_offset: end.end_offset, ..nothing }
                }
                Ok(None) => nothing,
                Err(error) => EpochEndOffset { error_code: error.code(), ..nothing },
            }
        };
        let partitions = topic.partitions.iter().map(answer).collect();
        OffsetForLeaderTopicResult { topic: topic.topic, partitions, ..Default::default() }
    });
    OffsetForLeaderEpochResponse { topics: topics.collect(), ..Default::default() }
}

fn end(
    call: &Call,
    state: &ClusterState,
    name: &str,
    asked: &OffsetForLeaderPartition,
) -> Result<Option<EpochEnd>, ErrorCode> {
    let topic = state.topic(name).ok_or(ErrorCode::UnknownTopicOrPartition)?;
    let partition = topics::open(&call.broker, topic, asked.partition)?;
    let marks = partition.marks().map_err(|error| errors::of_read(&error))?;
    topics::check_leader_epoch(asked.current_leader_epoch, marks.leader_epoch)?;
    partition.epoch_end(asked.leader_epoch).map_err(|error| errors::of_read(&error))
}
