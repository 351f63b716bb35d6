//! DeleteRecords: the oldest records of partitions go (KIP-107).

use std::time::Duration;

use futures::future::join_all;
use highwater_types::Offset;
use highwater_wire::ErrorCode;
use highwater_wire::messages::delete_records::{
    DeleteRecordsPartition, DeleteRecordsPartitionResult, DeleteRecordsRequest, DeleteRecordsResponse,
    DeleteRecordsTopicResult,
};

use crate::call::Call;
use crate::errors;
use crate::topics;

/// On the wire: everything that consumers can see.
const HIGH_WATERMARK: i64 = -1;

/// Answers when the log starts are durable, or the request's time is up.
pub async fn handle(call: &Call, request: DeleteRecordsRequest) -> DeleteRecordsResponse {
    let timeout = Duration::from_millis(u64::try_from(request.timeout_ms).unwrap_or(0));
    let topics = request.topics.into_iter().map(async |topic| {
        let partitions = topic.partitions.iter().map(async |partition| {
            let delete = call.broker.env.timeout(timeout, delete(call, &topic.name, partition));
            let outcome = delete.await.unwrap_or(Err(ErrorCode::RequestTimedOut));
            DeleteRecordsPartitionResult {
                partition_index: partition.partition_index,
                low_watermark: outcome.unwrap_or(-1),
                error_code: outcome.err().unwrap_or(ErrorCode::None).code(),
                ..Default::default()
            }
        });
        let partitions = join_all(partitions).await;
        DeleteRecordsTopicResult { name: topic.name, partitions, ..Default::default() }
    });
    DeleteRecordsResponse { topics: join_all(topics).await, ..Default::default() }
}

async fn delete(call: &Call, name: &str, asked: &DeleteRecordsPartition) -> Result<Offset, ErrorCode> {
    let partition = {
        let state = call.broker.meta.state();
        let topic = state.topic(name).ok_or(ErrorCode::UnknownTopicOrPartition)?;
        if topic.internal {
            return Err(ErrorCode::InvalidTopicException);
        }
        if topic.settings.cleanup.compact && !topic.settings.cleanup.delete {
            return Err(ErrorCode::PolicyViolation);
        }
        topics::open(&call.broker, topic, asked.partition_index)?
    };
    let before = (asked.offset != HIGH_WATERMARK).then_some(asked.offset);
    partition.delete_records(before).await.map_err(|error| errors::of_delete_records(&error))
}
