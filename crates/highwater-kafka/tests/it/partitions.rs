//! DeleteRecords, OffsetForLeaderEpoch, DescribeProducers, DescribeLogDirs, and batches in the topic's own
//! codec.

use highwater_batch::{BatchBuilder, Compression, StoredBatch};
use highwater_wire::messages::delete_records::{
    DeleteRecordsPartition, DeleteRecordsRequest, DeleteRecordsResponse, DeleteRecordsTopic,
};
use highwater_wire::messages::describe_log_dirs::{
    DescribableLogDirTopic, DescribeLogDirsRequest, DescribeLogDirsResponse,
};
use highwater_wire::messages::describe_producers::{DescribeProducersRequest, DescribeProducersResponse, TopicRequest};
use highwater_wire::messages::offset_for_leader_epoch::{
    OffsetForLeaderEpochRequest, OffsetForLeaderEpochResponse, OffsetForLeaderPartition, OffsetForLeaderTopic,
};
use highwater_wire::{ApiKey, ErrorCode, Str};

use crate::world::{Client, World, batch, fetch_request, values};

/// Low watermark and code.
async fn delete(client: &mut Client, topic: &str, partition_index: i32, offset: i64) -> (i64, i16) {
    let partition = DeleteRecordsPartition { partition_index, offset, ..Default::default() };
    let topics = vec![DeleteRecordsTopic { name: Str::from(topic), partitions: vec![partition], ..Default::default() }];
    let request = DeleteRecordsRequest { topics, timeout_ms: 10_000, ..Default::default() };
    let response =
        client.call(ApiKey::DeleteRecords, 2, |e, v| request.encode(e, v), DeleteRecordsResponse::decode).await;
    let result = &response.topics[0].partitions[0];
    (result.low_watermark, result.error_code)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn records_are_deleted() {
    let world = World::start().await;
    world.create("topic", 1).await;
    let mut client = world.client().await;
    client.create("compacted", 1, &[("cleanup.policy", "compact")]).await;
    for value in ["a", "b", "c"] {
        client.produce("topic", 0, batch(&[value])).await;
    }
    let out_of_range = ErrorCode::OffsetOutOfRange.code();
    assert_eq!(delete(&mut client, "topic", 0, 2).await, (2, 0));
    let fetched = client.fetch(fetch_request("topic", &[(0, 1)])).await;
    assert_eq!(fetched.responses[0].partitions[0].error_code, out_of_range);
    let fetched = client.fetch(fetch_request("topic", &[(0, 2)])).await;
    assert_eq!(fetched.responses[0].partitions[0].log_start_offset, 2);
    assert_eq!(values(&fetched.responses[0].partitions[0].records), [(2, "c".to_owned())]);
    assert_eq!(delete(&mut client, "topic", 0, 1).await, (2, 0), "deleted already");
    assert_eq!(delete(&mut client, "topic", 0, 4).await, (-1, out_of_range));
    assert_eq!(delete(&mut client, "topic", 0, -2).await, (-1, out_of_range));
    assert_eq!(delete(&mut client, "topic", 7, 0).await, (-1, ErrorCode::UnknownTopicOrPartition.code()));
    assert_eq!(delete(&mut client, "none", 0, 0).await, (-1, ErrorCode::UnknownTopicOrPartition.code()));
    assert_eq!(delete(&mut client, "compacted", 0, 0).await, (-1, ErrorCode::PolicyViolation.code()));
    assert_eq!(delete(&mut client, "topic", 0, -1).await, (3, 0), "up to the high watermark");
    assert_eq!(client.produce("topic", 0, batch(&["d"])).await.log_start_offset, 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn epochs_producers_and_sizes_are_told() {
    let world = World::start().await;
    world.create("topic", 1).await;
    let mut client = world.client().await;
    client.produce("topic", 0, batch(&["a", "b"])).await;
    let mut builder = BatchBuilder::new(Compression::None);
    builder.push(1_700_000_000_000, None, Some(b"c")).unwrap();
    let sequenced = builder.producer(7, 1, 0).finish().unwrap().to_bytes();
    assert_eq!(client.produce("topic", 0, sequenced).await.error_code, 0);

    // Epoch asked, current epoch of the client; epoch, end and code.
    for (leader_epoch, current_leader_epoch, expected) in [
        (1, -1, (1, 3, 0)),
        (1, 1, (1, 3, 0)),
        (5, -1, (-1, -1, 0)),
        (0, -1, (-1, -1, 0)),
        (1, 0, (-1, -1, ErrorCode::FencedLeaderEpoch.code())),
        (1, 9, (-1, -1, ErrorCode::UnknownLeaderEpoch.code())),
    ] {
        let partition =
            OffsetForLeaderPartition { partition: 0, current_leader_epoch, leader_epoch, ..Default::default() };
        let topics = vec![OffsetForLeaderTopic {
            topic: Str::from_static("topic"),
            partitions: vec![partition],
            ..Default::default()
        }];
        let request = OffsetForLeaderEpochRequest { topics, ..Default::default() };
        let encode = |e: &mut highwater_wire::Encoder, v| request.encode(e, v);
        let response = client.call(ApiKey::OffsetForLeaderEpoch, 4, encode, OffsetForLeaderEpochResponse::decode).await;
        let end = &response.topics[0].partitions[0];
        assert_eq!((end.leader_epoch, end.end_offset, end.error_code), expected, "epoch {leader_epoch}");
    }

    let asked = TopicRequest { name: Str::from_static("topic"), partition_indexes: vec![0, 1], ..Default::default() };
    let request = DescribeProducersRequest { topics: vec![asked], ..Default::default() };
    let encode = |e: &mut highwater_wire::Encoder, v| request.encode(e, v);
    let response = client.call(ApiKey::DescribeProducers, 0, encode, DescribeProducersResponse::decode).await;
    let producers = &response.topics[0].partitions[0].active_producers;
    assert_eq!(producers.len(), 1);
    assert_eq!((producers[0].producer_id, producers[0].producer_epoch, producers[0].last_sequence), (7, 1, 0));
    assert_eq!(response.topics[0].partitions[1].error_code, ErrorCode::UnknownTopicOrPartition.code());

    for (names, expected) in [(None, 1), (Some(vec!["topic"]), 1), (Some(vec!["none"]), 0)] {
        let topics = names.map(|names| {
            let asked = |name: &str| DescribableLogDirTopic {
                topic: Str::from(name),
                partitions: vec![0],
                ..Default::default()
            };
            names.into_iter().map(asked).collect()
        });
        let request = DescribeLogDirsRequest { topics, ..Default::default() };
        let encode = |e: &mut highwater_wire::Encoder, v| request.encode(e, v);
        let response = client.call(ApiKey::DescribeLogDirs, 5, encode, DescribeLogDirsResponse::decode).await;
        let topics = &response.results[0].topics;
        assert_eq!(topics.len(), expected);
        assert!(topics.iter().all(|topic| topic.partitions[0].partition_size > 100));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn batches_are_kept_in_the_topics_codec() {
    let world = World::start().await;
    let mut client = world.client().await;
    let sent = ["the same words, the same words, the same words"; 20];
    for (kind, codec) in [("gzip", Compression::Gzip), ("uncompressed", Compression::None), ("zstd", Compression::Zstd)]
    {
        client.create(kind, 1, &[("compression.type", kind)]).await;
        for from in Compression::ALL {
            let mut builder = BatchBuilder::new(from);
            for value in sent {
                builder.push(1_700_000_000_000, None, Some(value.as_bytes())).unwrap();
            }
            assert_eq!(client.produce(kind, 0, builder.finish().unwrap().to_bytes()).await.error_code, 0);
        }
        let fetched = client.fetch(fetch_request(kind, &[(0, 0)])).await;
        let records = fetched.responses[0].partitions[0].records.clone();
        let bytes = records.clone().map(highwater_wire::Records::into_bytes).unwrap();
        for one in highwater_batch::Batches::new(bytes) {
            let stored = StoredBatch::from_bytes(&one.unwrap().1).unwrap();
            assert_eq!(stored.header().attributes.compression(), Some(codec));
        }
        let seen = values(&records);
        assert_eq!(seen.len(), 100);
        assert!(seen.iter().zip(0..).all(|((offset, value), at)| *offset == at && value == sent[0]));
    }
}
