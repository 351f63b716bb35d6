//! DescribeLogDirs: how large partitions are (KIP-113, KIP-827). A broker has one directory of its own;
//! what it shows there is what the bucket and its memory hold of the partitions that it leads.

use highwater_meta::Topic;
use highwater_wire::Str;
use highwater_wire::messages::describe_log_dirs::{
    DescribeLogDirsPartition, DescribeLogDirsRequest, DescribeLogDirsResponse, DescribeLogDirsResult,
    DescribeLogDirsTopic,
};

use crate::call::Call;
use crate::topics::{self, text};

/// Answers for the partitions that are named, or all. Unknown ones are left out, as in Kafka.
pub async fn handle(call: &Call, request: DescribeLogDirsRequest) -> DescribeLogDirsResponse {
    let state = call.broker.meta.state();
    let topics: Vec<DescribeLogDirsTopic> = match request.topics {
        None => state.topics().map(|topic| described(call, topic, 0..topic.partition_count())).collect(),
        Some(asked) => {
            let known = asked.into_iter().filter_map(|one| Some((state.topic(&one.topic)?, one.partitions)));
            known.map(|(topic, partitions)| described(call, topic, partitions.into_iter())).collect()
        }
    };
    let topics = topics.into_iter().filter(|topic| !topic.partitions.is_empty()).collect();
    let result =
        DescribeLogDirsResult { log_dir: Str::from(&*call.broker.config.log_dir), topics, ..Default::default() };
    DescribeLogDirsResponse { results: vec![result], ..Default::default() }
}

fn described(call: &Call, topic: &Topic, partitions: impl Iterator<Item = i32>) -> DescribeLogDirsTopic {
    let size = |partition_index: i32| {
        let bytes = topics::open(&call.broker, topic, partition_index).ok()?.bytes().ok()?;
        Some(DescribeLogDirsPartition {
            partition_index,
            partition_size: i64::try_from(bytes).unwrap_or(i64::MAX),
            ..Default::default()
        })
    };
    DescribeLogDirsTopic {
        name: text(&topic.name),
        partitions: partitions.filter_map(size).collect(),
        ..Default::default()
    }
}
