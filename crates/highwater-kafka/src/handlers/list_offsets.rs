//! ListOffsets: by position or time.

use std::collections::BTreeSet;

use highwater_log::{FoundOffset, Isolation, OffsetQuery};
use highwater_meta::ClusterState;
use highwater_wire::ErrorCode;
use highwater_wire::messages::list_offsets::{
    ListOffsetsPartition, ListOffsetsPartitionResponse, ListOffsetsRequest, ListOffsetsResponse,
    ListOffsetsTopicResponse,
};

use crate::call::Call;
use crate::errors;
use crate::topics;

/// What a timestamp of a request asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Asked {
    /// An offset of the log.
    Log(OffsetQuery),
    /// An offset of tiered storage, which Kafka answers with -1 where there is none.
    Tiered,
}

/// First version that tells the epoch in which the record was written (KIP-320).
const FIRST_WITH_EPOCH: i16 = 4;
/// READ_COMMITTED on the wire (KIP-98).
const READ_COMMITTED: i8 = 1;

/// Answers for each partition.
pub async fn handle(call: &Call, request: ListOffsetsRequest) -> ListOffsetsResponse {
    let isolation =
        if request.isolation_level == READ_COMMITTED { Isolation::ReadCommitted } else { Isolation::ReadUncommitted };
    let twice = named_twice(&request);
    let state = call.broker.meta.state();
    let mut response = ListOffsetsResponse::default();
    for topic in request.topics {
        let mut partitions = Vec::with_capacity(topic.partitions.len());
        for partition in topic.partitions {
            let found = if twice.contains(&(topic.name.to_string(), partition.partition_index)) {
                Err(ErrorCode::InvalidRequest)
            } else {
                find(call, &state, &topic.name, &partition, isolation).await
            };
            partitions.push(answer(call.version, partition.partition_index, found));
        }
        response.topics.push(ListOffsetsTopicResponse { name: topic.name, partitions, ..Default::default() });
    }
    response
}

/// Partitions that the request names more than once: Kafka refuses them.
fn named_twice(request: &ListOffsetsRequest) -> BTreeSet<(String, i32)> {
    let mut seen = BTreeSet::new();
    let mut twice = BTreeSet::new();
    for topic in &request.topics {
        for partition in &topic.partitions {
            if !seen.insert((&*topic.name, partition.partition_index)) {
                twice.insert((topic.name.to_string(), partition.partition_index));
            }
        }
    }
    twice
}

async fn find(
    call: &Call,
    state: &ClusterState,
    name: &str,
    asked: &ListOffsetsPartition,
    isolation: Isolation,
) -> Result<Option<FoundOffset>, ErrorCode> {
    let query = query(asked.timestamp, call.version, isolation).ok_or(ErrorCode::UnsupportedVersion)?;
    let topic = state.topic(name).ok_or(ErrorCode::UnknownTopicOrPartition)?;
    let partition = topics::open(&call.broker, topic, asked.partition_index)?;
    let marks = partition.marks().map_err(|error| errors::of_read(&error))?;
    topics::check_leader_epoch(asked.current_leader_epoch, marks.leader_epoch)?;
    match query {
        Asked::Tiered => Ok(None),
        Asked::Log(query) => partition.offset_for(query).await.map_err(|error| errors::of_read(&error)),
    }
}

/// The question that a timestamp stands for, if this version may ask it.
fn query(timestamp: i64, version: i16, isolation: Isolation) -> Option<Asked> {
    let (least_version, asked) = match timestamp {
        0.. => (1, Asked::Log(OffsetQuery::Timestamp(timestamp))),
        -1 => (1, Asked::Log(OffsetQuery::Latest(isolation))),
        -2 => (1, Asked::Log(OffsetQuery::Earliest)),
        -3 => (7, Asked::Log(OffsetQuery::MaxTimestamp)),
        // The start of what is on local disks: without tiered storage, all.
        -4 => (8, Asked::Log(OffsetQuery::Earliest)),
        -5 => (9, Asked::Tiered),
        -6 => (11, Asked::Tiered),
        _ => return None,
    };
    (version >= least_version).then_some(asked)
}

fn answer(
    version: i16,
    partition_index: i32,
    found: Result<Option<FoundOffset>, ErrorCode>,
) -> ListOffsetsPartitionResponse {
    let nothing = ListOffsetsPartitionResponse { partition_index, ..Default::default() };
    match found {
        Ok(Some(found)) => ListOffsetsPartitionResponse {
            offset: found.offset,
            timestamp: found.timestamp_ms,
            leader_epoch: if version >= FIRST_WITH_EPOCH { found.leader_epoch } else { -1 },
            ..nothing
        },
        Ok(None) => nothing,
        Err(error) => ListOffsetsPartitionResponse { error_code: error.code(), ..nothing },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn special_timestamps_belong_to_versions() {
        let isolation = Isolation::ReadUncommitted;
        for (timestamp, least) in [(0, 1), (-1, 1), (-2, 1), (-3, 7), (-4, 8), (-5, 9), (-6, 11)] {
            assert!(query(timestamp, least, isolation).is_some(), "{timestamp}");
            assert!(query(timestamp, least - 1, isolation).is_none(), "{timestamp}");
        }
        assert_eq!(query(-7, 11, isolation), None);
        assert_eq!(query(i64::MIN, 11, isolation), None);
        assert_eq!(query(-5, 9, isolation), Some(Asked::Tiered));
    }
}
