//! Metadata, CreateTopics, DeleteTopics, and the end of the broker.

use std::time::{Duration, Instant};

use highwater_wire::messages::create_topics::{CreatableTopic, CreateTopicsRequest, CreateTopicsResponse};
use highwater_wire::messages::delete_topics::{DeleteTopicState, DeleteTopicsRequest, DeleteTopicsResponse};
use highwater_wire::messages::fetch::FetchResponse;
use highwater_wire::messages::metadata::{MetadataRequest, MetadataRequestTopic, MetadataResponse};
use highwater_wire::{ApiKey, Encoder, ErrorCode, Str, Uuid};

use crate::world::{Client, World, batch, fetch_request};

async fn metadata(client: &mut Client, version: i16, topics: Option<&[&str]>, may_create: bool) -> MetadataResponse {
    let topic = |name: &&str| MetadataRequestTopic { name: Some(Str::from(*name)), ..Default::default() };
    let request = MetadataRequest {
        topics: topics.map(|topics| topics.iter().map(topic).collect()),
        allow_auto_topic_creation: may_create,
        ..Default::default()
    };
    client.call(ApiKey::Metadata, version, |e, v| request.encode(e, v), MetadataResponse::decode).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn metadata_describes_and_creates() {
    let world = World::start().await;
    let id = world.create("topic", 3).await;
    let mut client = world.client().await;
    let all = metadata(&mut client, 12, None, false).await;
    assert_eq!(all.topics.len(), 1);
    assert_eq!(all.topics[0].partitions.len(), 3);
    assert!(all.topics[0].partitions.iter().all(|partition| (partition.error_code, partition.leader_id) == (0, 1)));
    assert_eq!((all.brokers[0].node_id, all.brokers[0].port), (1, i32::from(world.address.port())));
    assert_eq!(all.cluster_id.as_ref().map(|id| id.len()), Some(22));
    assert!(metadata(&mut client, 1, Some(&[]), true).await.topics.is_empty());

    let codes = |response: &MetadataResponse| -> Vec<i16> { response.topics.iter().map(|t| t.error_code).collect() };
    let missing = metadata(&mut client, 12, Some(&["topic", "other", "bad name"]), false).await;
    assert_eq!(codes(&missing), [0, 3, 17]);
    let created = metadata(&mut client, 12, Some(&["other", "bad name", "__consumer_offsets"]), true).await;
    assert_eq!(codes(&created), [0, 17, 0]);
    assert_eq!(created.topics[0].partitions.len(), 1);
    assert_eq!((created.topics[2].is_internal, created.topics[2].partitions.len()), (true, 50));
    let told = client.produce("other", 0, batch(&["a"])).await;
    assert_eq!(told.error_code, 0, "a topic can be used at once");

    let by_id = |topic_id| MetadataRequest {
        topics: Some(vec![MetadataRequestTopic { topic_id, name: None, ..Default::default() }]),
        ..Default::default()
    };
    for (topic_id, expected) in [(id, 0), (Uuid([9; 16]), ErrorCode::UnknownTopicId.code())] {
        let request = by_id(topic_id);
        let response = client.call(ApiKey::Metadata, 13, |e, v| request.encode(e, v), MetadataResponse::decode).await;
        assert_eq!(response.topics[0].error_code, expected);
        assert_eq!(response.topics[0].name.is_some(), expected == 0);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn topics_are_created_and_deleted() {
    let world = World::start().await;
    let mut client = world.client().await;
    let topic = |name: &'static str, num_partitions| CreatableTopic {
        name: Str::from_static(name),
        num_partitions,
        replication_factor: 1,
        ..Default::default()
    };
    let request = CreateTopicsRequest {
        topics: vec![topic("a.b", 2), topic("..", 1), topic("c", 0), topic("d", -1)],
        timeout_ms: 10_000,
        ..Default::default()
    };
    let encode = |e: &mut Encoder, v| request.encode(e, v);
    let created = client.call(ApiKey::CreateTopics, 7, encode, CreateTopicsResponse::decode).await;
    let codes: Vec<i16> = created.topics.iter().map(|topic| topic.error_code).collect();
    assert_eq!(codes, [0, 17, 37, 0]);
    assert_eq!((created.topics[0].num_partitions, created.topics[3].num_partitions), (2, 1));
    let configs = created.topics[0].configs.as_ref().unwrap();
    assert!(configs.iter().any(|config| config.name == *"cleanup.policy"));

    let collide =
        CreateTopicsRequest { topics: vec![topic("a_b", 1), topic("d", 1)], timeout_ms: 10_000, ..Default::default() };
    let encode = |e: &mut Encoder, v| collide.encode(e, v);
    let refused = client.call(ApiKey::CreateTopics, 5, encode, CreateTopicsResponse::decode).await;
    let codes: Vec<i16> = refused.topics.iter().map(|topic| topic.error_code).collect();
    assert_eq!(codes, [17, 36]);

    client.produce("a.b", 0, batch(&["x"])).await;
    let by_id = DeleteTopicsRequest {
        topics: vec![
            DeleteTopicState { name: None, topic_id: created.topics[0].topic_id, ..Default::default() },
            DeleteTopicState { name: None, topic_id: Uuid([3; 16]), ..Default::default() },
            DeleteTopicState { name: Some(Str::from_static("nobody")), ..Default::default() },
            DeleteTopicState { name: Some(Str::from_static("d")), topic_id: Uuid([3; 16]), ..Default::default() },
        ],
        timeout_ms: 10_000,
        ..Default::default()
    };
    let encode = |e: &mut Encoder, v| by_id.encode(e, v);
    let deleted = client.call(ApiKey::DeleteTopics, 6, encode, DeleteTopicsResponse::decode).await;
    let codes: Vec<i16> = deleted.responses.iter().map(|topic| topic.error_code).collect();
    assert_eq!(codes, [0, 100, 3, 42]);
    assert_eq!(client.produce("a.b", 0, batch(&["x"])).await.error_code, 3);

    let by_name = DeleteTopicsRequest {
        topic_names: vec![Str::from_static("d"), Str::from_static("nobody")],
        timeout_ms: 10_000,
        ..Default::default()
    };
    let encode = |e: &mut Encoder, v| by_name.encode(e, v);
    let deleted = client.call(ApiKey::DeleteTopics, 3, encode, DeleteTopicsResponse::decode).await;
    let codes: Vec<i16> = deleted.responses.iter().map(|topic| topic.error_code).collect();
    assert_eq!(codes, [0, 3]);
    assert!(metadata(&mut client, 12, None, false).await.topics.is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_drain_ends_long_polls_and_idle_connections() {
    let world = World::start().await;
    world.create("topic", 1).await;
    let (mut waiting, mut idle) = (world.client().await, world.client().await);
    metadata(&mut idle, 12, None, false).await;
    let mut request = fetch_request("topic", &[(0, 0)]);
    request.max_wait_ms = 60_000;
    waiting.send(ApiKey::Fetch, 12, &|e: &mut Encoder, v| request.encode(e, v)).await;
    tokio::time::sleep(Duration::from_millis(50)).await;
    let started = Instant::now();
    let draining = world.server.drain(Duration::from_secs(10));
    let (left, answer) = tokio::join!(draining, waiting.receive(ApiKey::Fetch, 12, FetchResponse::decode));
    assert_eq!((left, answer.1.error_code), (0, 0));
    assert!(started.elapsed() < Duration::from_secs(5));
    assert_eq!(idle.answer().await, None);
    world.engine.shutdown().await;
}
