//! CreatePartitions, DescribeCluster, DescribeTopicPartitions.

use highwater_wire::messages::create_partitions::{
    CreatePartitionsAssignment, CreatePartitionsRequest, CreatePartitionsResponse, CreatePartitionsTopic,
};
use highwater_wire::messages::describe_cluster::{DescribeClusterRequest, DescribeClusterResponse};
use highwater_wire::messages::describe_topic_partitions::{
    DescribeTopicPartitionsRequest, DescribeTopicPartitionsResponse, RequestCursor, TopicRequest,
};
use highwater_wire::{ApiKey, ErrorCode, Str};

use crate::world::{Client, World, batch};

async fn grow(client: &mut Client, topics: Vec<CreatePartitionsTopic>, validate_only: bool) -> Vec<i16> {
    let request = CreatePartitionsRequest { topics, timeout_ms: 10_000, validate_only, ..Default::default() };
    let response =
        client.call(ApiKey::CreatePartitions, 3, |e, v| request.encode(e, v), CreatePartitionsResponse::decode).await;
    response.results.iter().map(|result| result.error_code).collect()
}

fn topic(name: &str, count: i32) -> CreatePartitionsTopic {
    CreatePartitionsTopic { name: Str::from(name), count, assignments: None, ..Default::default() }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn topics_get_more_partitions() {
    let world = World::start().await;
    world.create("topic", 2).await;
    let mut client = world.client().await;
    assert_eq!(grow(&mut client, vec![topic("topic", 5)], true).await, [0]);
    assert_ne!(client.produce("topic", 4, batch(&["a"])).await.error_code, 0, "only validated");
    let invalid = ErrorCode::InvalidPartitions.code();
    let refused = [topic("topic", 2), topic("topic", 1), topic("topic", -1), topic("topic", 1_000_000)];
    for one in refused {
        assert_eq!(grow(&mut client, vec![one], false).await, [invalid]);
    }
    assert_eq!(grow(&mut client, vec![topic("none", 3), topic("topic", 3)], false).await, [3, 0]);
    assert_eq!(client.produce("topic", 2, batch(&["a"])).await.error_code, 0, "usable at once");
    let twice = grow(&mut client, vec![topic("topic", 4), topic("topic", 5)], false).await;
    assert_eq!(twice, [ErrorCode::InvalidRequest.code(); 2]);
    let assigned = |brokers: &[&[i32]]| CreatePartitionsTopic {
        assignments: Some(
            brokers
                .iter()
                .map(|ids| CreatePartitionsAssignment { broker_ids: ids.to_vec(), ..Default::default() })
                .collect(),
        ),
        ..topic("topic", 5)
    };
    let invalid = ErrorCode::InvalidReplicaAssignment.code();
    for brokers in [&[&[1][..]][..], &[&[1], &[]], &[&[1, 1], &[1, 2]], &[&[1], &[1, 2]], &[&[-1], &[1]]] {
        assert_eq!(grow(&mut client, vec![assigned(brokers)], false).await, [invalid], "{brokers:?}");
    }
    assert_eq!(grow(&mut client, vec![assigned(&[&[1], &[1]])], false).await, [0]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_cluster_is_described() {
    let world = World::start().await;
    let mut client = world.client().await;
    for version in 0..=2 {
        let request =
            DescribeClusterRequest { include_cluster_authorized_operations: version > 0, ..Default::default() };
        let encode = |e: &mut highwater_wire::Encoder, v| request.encode(e, v);
        let response = client.call(ApiKey::DescribeCluster, version, encode, DescribeClusterResponse::decode).await;
        assert_eq!((response.error_code, response.controller_id, response.cluster_id.len()), (0, 1, 22));
        let broker = &response.brokers[0];
        assert_eq!((broker.broker_id, broker.port), (1, i32::from(world.address.port())));
        assert_eq!(response.cluster_authorized_operations > 0, version > 0);
    }
    for (endpoint_type, error) in [(2, ErrorCode::MismatchedEndpointType), (7, ErrorCode::UnsupportedEndpointType)] {
        let request = DescribeClusterRequest { endpoint_type, ..Default::default() };
        let encode = |e: &mut highwater_wire::Encoder, v| request.encode(e, v);
        let response = client.call(ApiKey::DescribeCluster, 1, encode, DescribeClusterResponse::decode).await;
        assert_eq!(response.error_code, error.code());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn topics_are_described_page_by_page() {
    let world = World::start().await;
    for (name, partitions) in [("a", 3), ("b", 1), ("c", 4)] {
        world.create(name, partitions).await;
    }
    let mut client = world.client().await;
    for names in [&[][..], &["c", "b", "a", "none"]] {
        let mut seen: Vec<(String, i32)> = Vec::new();
        let mut unknown = 0;
        let mut cursor = None;
        loop {
            let request = DescribeTopicPartitionsRequest {
                topics: names
                    .iter()
                    .map(|name| TopicRequest { name: Str::from(*name), ..Default::default() })
                    .collect(),
                response_partition_limit: 2,
                cursor,
                ..Default::default()
            };
            let encode = |e: &mut highwater_wire::Encoder, v| request.encode(e, v);
            let response =
                client.call(ApiKey::DescribeTopicPartitions, 0, encode, DescribeTopicPartitionsResponse::decode).await;
            assert!(response.topics.iter().map(|topic| topic.partitions.len()).sum::<usize>() <= 2);
            for topic in &response.topics {
                unknown += usize::from(topic.error_code == ErrorCode::UnknownTopicOrPartition.code());
                let name = topic.name.as_ref().unwrap().to_string();
                seen.extend(topic.partitions.iter().map(|partition| (name.clone(), partition.partition_index)));
            }
            let Some(next) = response.next_cursor else { break };
            cursor = Some(RequestCursor {
                topic_name: next.topic_name,
                partition_index: next.partition_index,
                ..Default::default()
            });
        }
        let expected = [("a", 3), ("b", 1), ("c", 4)];
        let expected: Vec<_> =
            expected.into_iter().flat_map(|(name, count)| (0..count).map(|p| (name.to_owned(), p))).collect();
        assert_eq!(seen, expected);
        assert_eq!(unknown, usize::from(!names.is_empty()));
    }
}
