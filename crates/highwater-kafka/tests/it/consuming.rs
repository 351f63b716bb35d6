//! Fetch and ListOffsets: limits, waiting, sessions, memory.

use std::time::{Duration, Instant};

use highwater_wire::messages::fetch::{FetchRequest, FetchResponse, ForgottenTopic};
use highwater_wire::messages::list_offsets::{
    ListOffsetsPartition, ListOffsetsPartitionResponse, ListOffsetsRequest, ListOffsetsResponse, ListOffsetsTopic,
};
use highwater_wire::{ApiKey, Encoder, ErrorCode, Str};

use crate::world::{Client, LIMIT, World, batch, fetch_request, large, values};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn any_offset_can_be_fetched_and_others_are_told() {
    let world = World::start().await;
    world.create("topic", 1).await;
    let mut client = world.client().await;
    client.produce("topic", 0, batch(&["a", "b", "c"])).await;
    client.produce("topic", 0, batch(&["d"])).await;
    // The batch that holds the offset comes whole.
    for (offset, expected) in [(0, 4), (2, 4), (3, 1), (4, 0)] {
        let response = client.fetch(fetch_request("topic", &[(0, offset)])).await;
        let data = &response.responses[0].partitions[0];
        assert_eq!((data.error_code, data.high_watermark), (0, 4));
        assert_eq!(values(&data.records).len(), expected, "from {offset}");
    }
    for (partition, offset, expected) in [
        (0, 5, ErrorCode::OffsetOutOfRange),
        (0, -1, ErrorCode::OffsetOutOfRange),
        (1, 0, ErrorCode::UnknownTopicOrPartition),
    ] {
        let response = client.fetch(fetch_request("topic", &[(partition, offset)])).await;
        assert_eq!(response.responses[0].partitions[0].error_code, expected.code());
    }
    for (epoch, expected) in [(0, ErrorCode::FencedLeaderEpoch), (1000, ErrorCode::UnknownLeaderEpoch)] {
        let mut request = fetch_request("topic", &[(0, 0)]);
        request.topics[0].partitions[0].current_leader_epoch = epoch;
        let response = client.fetch(request).await;
        assert_eq!(response.responses[0].partitions[0].error_code, expected.code());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn limits_hold_but_for_the_first_batch() {
    let world = World::start().await;
    world.create("topic", 2).await;
    let mut client = world.client().await;
    for partition in [0, 0, 0, 1, 1] {
        client.produce("topic", partition, large(10_000)).await;
    }
    let sizes = |response: &FetchResponse| -> Vec<usize> {
        response.responses[0].partitions.iter().map(|data| values(&data.records).len()).collect()
    };
    let mut tiny = fetch_request("topic", &[(0, 0), (1, 0)]);
    tiny.max_bytes = 1;
    assert_eq!(sizes(&client.fetch(tiny).await), [1, 0]);
    let mut two = fetch_request("topic", &[(0, 0), (1, 0)]);
    two.topics[0].partitions[0].partition_max_bytes = 21_000;
    two.topics[0].partitions[1].partition_max_bytes = 11_000;
    assert_eq!(sizes(&client.fetch(two).await), [2, 1]);
    let mut total = fetch_request("topic", &[(0, 0), (1, 0)]);
    total.max_bytes = 45_000;
    assert_eq!(sizes(&client.fetch(total).await), [3, 1]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_long_poll_ends_with_the_record_or_with_its_time() {
    let world = World::start().await;
    world.create("topic", 2).await;
    let (mut reader, mut writer) = (world.client().await, world.client().await);
    let mut waiting = fetch_request("topic", &[(0, 0), (1, 0)]);
    waiting.max_wait_ms = 10_000;
    let started = Instant::now();
    reader.send(ApiKey::Fetch, 12, &|e: &mut Encoder, v| waiting.encode(e, v)).await;
    tokio::time::sleep(Duration::from_millis(100)).await;
    writer.produce("topic", 1, batch(&["a"])).await;
    let (_, response) = reader.receive(ApiKey::Fetch, 12, FetchResponse::decode).await;
    assert!(started.elapsed() < Duration::from_secs(5));
    assert_eq!(values(&response.responses[0].partitions[1].records), [(0, "a".to_owned())]);

    let mut more = fetch_request("topic", &[(1, 0)]);
    (more.max_wait_ms, more.min_bytes) = (200, 1 << 20);
    let started = Instant::now();
    let response = reader.fetch(more).await;
    assert!(started.elapsed() >= Duration::from_millis(200));
    assert_eq!(values(&response.responses[0].partitions[0].records).len(), 1);
}

async fn incremental(client: &mut Client, request: &FetchRequest) -> FetchResponse {
    client.call(ApiKey::Fetch, 12, |e, v| request.encode(e, v), FetchResponse::decode).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_names_only_what_is_new() {
    let world = World::start().await;
    world.create("topic", 3).await;
    let mut client = world.client().await;
    let mut request = fetch_request("topic", &[(0, 0), (1, 0), (2, 0)]);
    request.session_epoch = 0;
    let first = incremental(&mut client, &request).await;
    assert_ne!(first.session_id, 0);
    assert_eq!(first.responses[0].partitions.len(), 3);
    client.produce("topic", 1, batch(&["a"])).await;
    let next = |epoch, wanted: &[(i32, i64)]| FetchRequest {
        session_id: first.session_id,
        session_epoch: epoch,
        topics: if wanted.is_empty() { vec![] } else { fetch_request("topic", wanted).topics },
        ..fetch_request("topic", &[])
    };
    let second = incremental(&mut client, &next(1, &[])).await;
    assert_eq!((second.error_code, second.session_id), (0, first.session_id));
    let named: Vec<i32> = second.responses[0].partitions.iter().map(|data| data.partition_index).collect();
    assert_eq!(named, [1]);
    let mut third = next(2, &[(1, 1)]);
    third.forgotten_topics_data =
        vec![ForgottenTopic { topic: Str::from_static("topic"), partitions: vec![0], ..Default::default() }];
    assert!(incremental(&mut client, &third).await.responses.is_empty());
    assert_eq!(incremental(&mut client, &next(2, &[])).await.error_code, ErrorCode::InvalidFetchSessionEpoch.code());
    let mut unknown = next(3, &[]);
    unknown.session_id ^= 1;
    assert_eq!(incremental(&mut client, &unknown).await.error_code, ErrorCode::FetchSessionIdNotFound.code());
}

/// A hundred readers that ask for 50 MiB each and read nothing hold no more than the budget; others
/// are still served, if need be because the broker cuts some of these off.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn readers_that_read_nothing_hold_bounded_memory() {
    const BUDGET: usize = 32 << 20;
    let world = World::start_with(|config| config.fetch_memory_bytes = BUDGET).await;
    world.create("topic", 8).await;
    let mut client = world.client().await;
    for partition in 0..8 {
        for _ in 0..2 {
            client.produce("topic", partition, large(900_000)).await;
        }
    }
    let wanted: Vec<(i32, i64)> = (0..8).map(|partition| (partition, 0)).collect();
    let mut request = fetch_request("topic", &wanted);
    for partition in &mut request.topics[0].partitions {
        partition.partition_max_bytes = 50 << 20;
    }
    let mut stuck = Vec::new();
    for _ in 0..100 {
        let mut reader = world.client().await;
        reader.send(ApiKey::Fetch, 12, &|e: &mut Encoder, v| request.encode(e, v)).await;
        stuck.push(reader);
    }
    tokio::time::sleep(Duration::from_millis(300)).await;
    let response = tokio::time::timeout(LIMIT, client.fetch(fetch_request("topic", &[(3, 0)]))).await.unwrap();
    assert!(!values(&response.responses[0].partitions[0].records).is_empty());
    drop(stuck);
    let all_back = async {
        while world.broker.fetch_memory.free_bytes() != BUDGET {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(LIMIT, all_back).await.expect("memory comes back when the readers are gone");
}

async fn offset(client: &mut Client, partition: i32, timestamp: i64, version: i16) -> ListOffsetsPartitionResponse {
    let partition = ListOffsetsPartition { partition_index: partition, timestamp, ..Default::default() };
    let topic = ListOffsetsTopic { name: Str::from_static("topic"), partitions: vec![partition], ..Default::default() };
    let request = ListOffsetsRequest { replica_id: -1, topics: vec![topic], ..Default::default() };
    let encode = |e: &mut Encoder, v| request.encode(e, v);
    let response = client.call(ApiKey::ListOffsets, version, encode, ListOffsetsResponse::decode).await;
    response.topics[0].partitions[0].clone()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn offsets_by_position_and_time() {
    let world = World::start().await;
    world.create("topic", 1).await;
    let mut client = world.client().await;
    for timestamp in [1000, 3000, 2000] {
        let mut builder = highwater_batch::BatchBuilder::new(highwater_batch::Compression::Lz4);
        builder.push(timestamp, None, Some(b"v")).unwrap();
        client.produce("topic", 0, builder.finish().unwrap().to_bytes()).await;
    }
    for (timestamp, version, expected) in [
        (-2, 1, (0, 0, -1)),
        (-1, 1, (0, 3, -1)),
        (-3, 7, (0, 1, 3000)),
        (-4, 8, (0, 0, -1)),
        (-5, 9, (0, -1, -1)),
        (-6, 11, (0, -1, -1)),
        (0, 1, (0, 0, 1000)),
        (1001, 11, (0, 1, 3000)),
        (3001, 11, (0, -1, -1)),
        (-3, 6, (35, -1, -1)),
        (-9, 11, (35, -1, -1)),
    ] {
        let found = offset(&mut client, 0, timestamp, version).await;
        assert_eq!((found.error_code, found.offset, found.timestamp), expected, "{timestamp} in version {version}");
    }
    assert_eq!(offset(&mut client, 7, -1, 5).await.error_code, ErrorCode::UnknownTopicOrPartition.code());
}
