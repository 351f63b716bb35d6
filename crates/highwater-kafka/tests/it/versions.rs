//! Every version of every API is answered, in its own form.

use highwater_kafka::handlers::HANDLERS;
use highwater_wire::messages::api_versions::{ApiVersionsRequest, ApiVersionsResponse};
use highwater_wire::messages::*;
use highwater_wire::{ApiKey, Decoder, Encoder, ErrorCode, Response, Str};

use crate::world::{Client, World, batch, frame, values};

/// Sends a small request of each kind; gives whether an answer is due.
async fn send(client: &mut Client, key: ApiKey, version: i16) {
    macro_rules! send {
        ($request:expr) => {{
            let request = $request;
            client.send(key, version, &|e: &mut Encoder, v| request.encode(e, v)).await
        }};
    }
    let group = || Str::from_static("group");
    match key {
        ApiKey::Produce => send!(produce::ProduceRequest { acks: 1, timeout_ms: 1000, ..Default::default() }),
        ApiKey::Fetch => send!(fetch::FetchRequest::default()),
        ApiKey::ListOffsets => send!(list_offsets::ListOffsetsRequest::default()),
        ApiKey::Metadata => send!(metadata::MetadataRequest::default()),
        ApiKey::OffsetCommit => {
            send!(offset_commit::OffsetCommitRequest { group_id: group(), ..Default::default() })
        }
        ApiKey::OffsetFetch if version < 8 => {
            send!(offset_fetch::OffsetFetchRequest { group_id: group(), ..Default::default() })
        }
        ApiKey::OffsetFetch => {
            let one = offset_fetch::OffsetFetchRequestGroup { group_id: group(), topics: None, ..Default::default() };
            send!(offset_fetch::OffsetFetchRequest { groups: vec![one], ..Default::default() })
        }
        ApiKey::FindCoordinator if version < 4 => {
            send!(find_coordinator::FindCoordinatorRequest { key: group(), ..Default::default() })
        }
        ApiKey::FindCoordinator => {
            send!(find_coordinator::FindCoordinatorRequest { coordinator_keys: vec![group()], ..Default::default() })
        }
        ApiKey::JoinGroup => send!(join_group::JoinGroupRequest { group_id: group(), ..Default::default() }),
        ApiKey::Heartbeat => send!(heartbeat::HeartbeatRequest { group_id: group(), ..Default::default() }),
        ApiKey::LeaveGroup => send!(leave_group::LeaveGroupRequest { group_id: group(), ..Default::default() }),
        ApiKey::SyncGroup => send!(sync_group::SyncGroupRequest { group_id: group(), ..Default::default() }),
        ApiKey::DescribeGroups => {
            send!(describe_groups::DescribeGroupsRequest { groups: vec![group()], ..Default::default() })
        }
        ApiKey::ListGroups => send!(list_groups::ListGroupsRequest::default()),
        ApiKey::ApiVersions => send!(ApiVersionsRequest {
            client_software_name: Str::from_static("test"),
            client_software_version: Str::from_static("1.0"),
            ..Default::default()
        }),
        ApiKey::CreateTopics => send!(create_topics::CreateTopicsRequest::default()),
        ApiKey::DeleteTopics => send!(delete_topics::DeleteTopicsRequest::default()),
        ApiKey::InitProducerId => send!(init_producer_id::InitProducerIdRequest {
            transactional_id: None,
            transaction_timeout_ms: 1000,
            ..Default::default()
        }),
        ApiKey::DeleteGroups => {
            send!(delete_groups::DeleteGroupsRequest { groups_names: vec![group()], ..Default::default() })
        }
        ApiKey::OffsetDelete => {
            send!(offset_delete::OffsetDeleteRequest { group_id: group(), ..Default::default() })
        }
        other => panic!("no request for {other}"),
    };
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_version_of_every_api_is_answered() {
    let world = World::start().await;
    world.create("topic", 2).await;
    let mut client = world.client().await;
    for handler in &HANDLERS {
        for version in handler.served.min..=handler.served.max {
            send(&mut client, handler.key, version).await;
            let answer = client.answer().await.unwrap_or_else(|| panic!("{} {version}: closed", handler.key));
            let mut decoder = Decoder::new(answer);
            header::ResponseHeader::decode(&mut decoder, handler.key.response_header_version(version)).unwrap();
            Response::decode(handler.key, &mut decoder, version)
                .unwrap_or_else(|error| panic!("{} {version}: {error}", handler.key));
            decoder.expect_end().unwrap_or_else(|error| panic!("{} {version}: {error}", handler.key));
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn api_versions_names_the_handlers_and_answers_the_future() {
    let world = World::start().await;
    let mut client = world.client().await;
    let named = ApiVersionsRequest {
        client_software_name: Str::from_static("test"),
        client_software_version: Str::from_static("1"),
        ..Default::default()
    };
    let response =
        client.call(ApiKey::ApiVersions, 4, |e, v| named.encode(e, v), ApiVersionsResponse::decode).await;
    assert_eq!(response.error_code, 0);
    assert_eq!(response.api_keys.len(), HANDLERS.len());
    let produce = response.api_keys.iter().find(|api| api.api_key == 0).unwrap();
    assert_eq!((produce.min_version, produce.max_version), (0, 13));

    // A version of the future, in its own (unknown) form.
    client.send(ApiKey::ApiVersions, 99, &|e: &mut Encoder, _| { e.i64(-1); Ok(()) }).await;
    let (_, response) = client.receive(ApiKey::ApiVersions, 0, ApiVersionsResponse::decode).await;
    assert_eq!(response.error_code, ErrorCode::UnsupportedVersion.code());
    assert_eq!(response.api_keys.iter().map(|api| api.api_key).collect::<Vec<_>>(), [18]);

    let unnamed = ApiVersionsRequest::default();
    let response =
        client.call(ApiKey::ApiVersions, 3, |e, v| unnamed.encode(e, v), ApiVersionsResponse::decode).await;
    assert_eq!(response.error_code, ErrorCode::InvalidRequest.code());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn unserved_apis_and_versions_close_the_connection() {
    let world = World::start().await;
    for (key, version) in [(ApiKey::Produce, 2), (ApiKey::Metadata, 99), (ApiKey::CreateAcls, 3), (ApiKey::Fetch, 3)] {
        let mut client = world.client().await;
        client.send(key, version, &|_: &mut Encoder, _| Ok(())).await;
        assert_eq!(client.answer().await, None, "{key} {version}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_any_version_produces_any_version_fetches() {
    let world = World::start().await;
    let topic_id = world.create("topic", 1).await;
    let mut client = world.client().await;
    let mut offset = 0;
    for version in ApiKey::Produce.served_versions().min..=ApiKey::Produce.served_versions().max {
        let mut request = crate::world::produce_request("topic", 0, batch(&["a", "b"]), -1);
        request.topic_data[0].topic_id = topic_id;
        let encode = |e: &mut Encoder, v| request.encode(e, v);
        let response = client.call(ApiKey::Produce, version, encode, produce::ProduceResponse::decode).await;
        let partition = &response.responses[0].partition_responses[0];
        assert_eq!((partition.error_code, partition.base_offset), (0, offset), "version {version}");
        offset += 2;
    }
    for version in ApiKey::Fetch.served_versions().min..=ApiKey::Fetch.served_versions().max {
        let mut request = crate::world::fetch_request("topic", &[(0, 0)]);
        request.topics[0].topic_id = topic_id;
        request.session_epoch = -1;
        let encode = |e: &mut Encoder, v| request.encode(e, v);
        let response = client.call(ApiKey::Fetch, version, encode, fetch::FetchResponse::decode).await;
        let data = &response.responses[0].partitions[0];
        assert_eq!((data.error_code, data.high_watermark), (0, offset), "version {version}");
        let offsets: Vec<i64> = values(&data.records).into_iter().map(|(offset, _)| offset).collect();
        assert_eq!(offsets, (0..offset).collect::<Vec<_>>());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pipelined_requests_are_answered_in_order() {
    use tokio::io::AsyncWriteExt;
    let world = World::start().await;
    world.create("topic", 1).await;
    let mut client = world.client().await;
    let mut all = Vec::new();
    for id in 0..50 {
        let one = crate::world::produce_request("topic", 0, batch(&[&format!("{id}")]), -1);
        all.extend_from_slice(&frame(ApiKey::Produce, 9, id, &|e: &mut Encoder, v| one.encode(e, v)));
    }
    client.stream.write_all(&all).await.unwrap();
    for id in 0..50 {
        let (correlation, response) = client.receive(ApiKey::Produce, 9, produce::ProduceResponse::decode).await;
        assert_eq!(correlation, id);
        assert_eq!(response.responses[0].partition_responses[0].base_offset, i64::from(id));
    }
}
