//! Produce: acks, codes, idempotence.

use bytes::Bytes;
use highwater_batch::{BatchBuilder, Compression};
use highwater_wire::messages::init_producer_id::{InitProducerIdRequest, InitProducerIdResponse};
use highwater_wire::messages::produce::ProduceResponse;
use highwater_wire::{ApiKey, Encoder, ErrorCode, Str, Uuid};

use crate::world::{Client, World, batch, fetch_request, large, produce_request, values};

async fn code(client: &mut Client, version: i16, request: &highwater_wire::messages::produce::ProduceRequest) -> i16 {
    let encode = |e: &mut Encoder, v| request.encode(e, v);
    let response = client.call(ApiKey::Produce, version, encode, ProduceResponse::decode).await;
    response.responses[0].partition_responses[0].error_code
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_mistake_has_its_code() {
    let world = World::start().await;
    world.create("topic", 1).await;
    let mut client = world.client().await;
    client.create("small", 1, &[("max.message.bytes", "1000")]).await;
    let good = || batch(&["a"]);
    let mut damaged = good().to_vec();
    *damaged.last_mut().unwrap() ^= 1;
    let mut old = good().to_vec();
    old[16] = 1;
    let cases = [
        ("topic", 0, good(), -1, ErrorCode::None),
        ("topic", 0, good(), 1, ErrorCode::None),
        ("topic", 0, good(), 2, ErrorCode::InvalidRequiredAcks),
        ("topic", 1, good(), -1, ErrorCode::UnknownTopicOrPartition),
        ("topic", -1, good(), -1, ErrorCode::UnknownTopicOrPartition),
        ("nobody", 0, good(), -1, ErrorCode::UnknownTopicOrPartition),
        ("topic", 0, Bytes::from(damaged), -1, ErrorCode::CorruptMessage),
        ("topic", 0, Bytes::from(old), -1, ErrorCode::InvalidRecord),
        ("topic", 0, Bytes::new(), -1, ErrorCode::InvalidRecord),
        ("topic", 0, Bytes::from([good(), good()].concat()), -1, ErrorCode::InvalidRecord),
        ("small", 0, large(2000), -1, ErrorCode::MessageTooLarge),
    ];
    for (index, (topic, partition, records, acks, expected)) in cases.into_iter().enumerate() {
        let request = produce_request(topic, partition, records, acks);
        assert_eq!(code(&mut client, 9, &request).await, expected.code(), "case {index}");
    }
    let mut unknown_id = produce_request("", 0, good(), -1);
    unknown_id.topic_data[0].topic_id = Uuid([7; 16]);
    assert_eq!(code(&mut client, 13, &unknown_id).await, ErrorCode::UnknownTopicId.code());
    let mut transactional = produce_request("topic", 0, good(), -1);
    transactional.transactional_id = Some(Str::from_static("t"));
    let expected = ErrorCode::TransactionalIdAuthorizationFailed.code();
    assert_eq!(code(&mut client, 9, &transactional).await, expected);

    let mut zstd = BatchBuilder::new(Compression::Zstd);
    zstd.push(5, None, Some(b"z")).unwrap();
    let zstd = produce_request("topic", 0, zstd.finish().unwrap().to_bytes(), -1);
    assert_eq!(code(&mut client, 6, &zstd).await, ErrorCode::UnsupportedCompressionType.code());
    assert_eq!(code(&mut client, 7, &zstd).await, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_acks_there_is_no_answer_and_a_failure_closes() {
    let world = World::start().await;
    world.create("topic", 1).await;
    let mut client = world.client().await;
    let silent = produce_request("topic", 0, batch(&["a"]), 0);
    client.send(ApiKey::Produce, 9, &|e: &mut Encoder, v| silent.encode(e, v)).await;
    let told = client.produce("topic", 0, batch(&["b"])).await;
    assert_eq!((told.error_code, told.base_offset), (0, 1));
    let failing = produce_request("nobody", 0, batch(&["a"]), 0);
    client.send(ApiKey::Produce, 9, &|e: &mut Encoder, v| failing.encode(e, v)).await;
    assert_eq!(client.answer().await, None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clients_do_not_write_to_internal_topics() {
    let world = World::start().await;
    let mut client = world.client().await;
    client.create("__consumer_offsets", 1, &[]).await;
    let request = produce_request("__consumer_offsets", 0, batch(&["a"]), -1);
    assert_eq!(code(&mut client, 9, &request).await, ErrorCode::InvalidTopicException.code());
}

async fn init(client: &mut Client, transactional_id: Option<&'static str>) -> InitProducerIdResponse {
    let request = InitProducerIdRequest {
        transactional_id: transactional_id.map(Str::from_static),
        transaction_timeout_ms: 1000,
        ..Default::default()
    };
    client.call(ApiKey::InitProducerId, 4, |e, v| request.encode(e, v), InitProducerIdResponse::decode).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_idempotent_producer_may_repeat_itself() {
    let world = World::start().await;
    world.create("topic", 1).await;
    let mut client = world.client().await;
    let (one, two) = (init(&mut client, None).await, init(&mut client, None).await);
    assert_eq!((one.error_code, one.producer_epoch), (0, 0));
    assert_ne!(one.producer_id, two.producer_id);
    let code = init(&mut client, Some("t")).await.error_code;
    assert_eq!(code, ErrorCode::TransactionalIdAuthorizationFailed.code());

    let batch = |sequence: i32| {
        let mut builder = BatchBuilder::new(Compression::None).producer(one.producer_id, 0, sequence);
        builder.push(5, None, Some(format!("{sequence}").as_bytes())).unwrap();
        builder.finish().unwrap().to_bytes()
    };
    assert_eq!(client.produce("topic", 0, batch(0)).await.base_offset, 0);
    assert_eq!(client.produce("topic", 0, batch(1)).await.base_offset, 1);
    let again = client.produce("topic", 0, batch(0)).await;
    assert_eq!((again.error_code, again.base_offset), (0, 0));
    let gap = client.produce("topic", 0, batch(5)).await;
    assert_eq!(gap.error_code, ErrorCode::OutOfOrderSequenceNumber.code());
    let fetched = client.fetch(fetch_request("topic", &[(0, 0)])).await;
    assert_eq!(values(&fetched.responses[0].partitions[0].records).len(), 2);
}
