//! Every version of every API is answered, in its own form.

use highwater_kafka::handlers::HANDLERS;
use highwater_wire::messages::api_versions::{ApiVersionsRequest, ApiVersionsResponse};
use highwater_wire::messages::*;
use highwater_wire::{ApiKey, Decoder, Encoder, ErrorCode, Response, Str, Uuid};

use crate::world::{Client, World, batch, fetch_request, frame, produce_request, values};

/// Sends a request of each kind that makes its answer say something.
async fn send(client: &mut Client, key: ApiKey, version: i16, topic_id: Uuid) {
    macro_rules! send {
        ($request:expr) => {{
            let request = $request;
            client.send(key, version, &|e: &mut Encoder, v| request.encode(e, v)).await
        }};
    }
    let group = || Str::from_static("group");
    let topic = || Str::from_static("topic");
    match key {
        ApiKey::Produce => send!(produce_request("topic", 7, batch(&["a"]), -1)),
        ApiKey::Fetch => send!(fetch_request("topic", &[(0, 0), (7, 0)])),
        ApiKey::ListOffsets => {
            let ask = |partition_index, timestamp| list_offsets::ListOffsetsPartition {
                partition_index,
                timestamp,
                ..Default::default()
            };
            let partitions = vec![ask(0, -1), ask(1, 0), ask(7, 0)];
            let topics = vec![list_offsets::ListOffsetsTopic { name: topic(), partitions, ..Default::default() }];
            send!(list_offsets::ListOffsetsRequest { topics, ..Default::default() })
        }
        ApiKey::Metadata => {
            let one = metadata::MetadataRequestTopic { name: Some(topic()), ..Default::default() };
            send!(metadata::MetadataRequest { topics: Some(vec![one]), ..Default::default() })
        }
        ApiKey::OffsetCommit => {
            let one = offset_commit::OffsetCommitRequestPartition::default();
            let topic = offset_commit::OffsetCommitRequestTopic {
                name: topic(),
                topic_id,
                partitions: vec![one],
                ..Default::default()
            };
            send!(offset_commit::OffsetCommitRequest { group_id: group(), topics: vec![topic], ..Default::default() })
        }
        ApiKey::OffsetFetch if version < 8 => {
            let one = offset_fetch::OffsetFetchRequestTopic {
                name: topic(),
                partition_indexes: vec![0, 1],
                ..Default::default()
            };
            let topics = Some(vec![one]);
            send!(offset_fetch::OffsetFetchRequest { group_id: group(), topics, ..Default::default() })
        }
        ApiKey::OffsetFetch => {
            let topics = offset_fetch::OffsetFetchRequestTopics {
                name: topic(),
                topic_id,
                partition_indexes: vec![0, 1],
                ..Default::default()
            };
            let one = offset_fetch::OffsetFetchRequestGroup {
                group_id: group(),
                topics: Some(vec![topics]),
                ..Default::default()
            };
            send!(offset_fetch::OffsetFetchRequest { groups: vec![one], ..Default::default() })
        }
        ApiKey::FindCoordinator if version < 4 => {
            send!(find_coordinator::FindCoordinatorRequest { key: group(), ..Default::default() })
        }
        ApiKey::FindCoordinator => {
            send!(find_coordinator::FindCoordinatorRequest { coordinator_keys: vec![group()], ..Default::default() })
        }
        ApiKey::JoinGroup => {
            let protocol = join_group::JoinGroupRequestProtocol { name: topic(), ..Default::default() };
            send!(join_group::JoinGroupRequest {
                group_id: Str::from(format!("joined-{version}")),
                session_timeout_ms: 10_000,
                protocol_type: Str::from_static("consumer"),
                protocols: vec![protocol],
                ..Default::default()
            })
        }
        ApiKey::Heartbeat => send!(heartbeat::HeartbeatRequest { group_id: group(), ..Default::default() }),
        ApiKey::LeaveGroup if version < 3 => {
            send!(leave_group::LeaveGroupRequest { group_id: group(), ..Default::default() })
        }
        ApiKey::LeaveGroup => {
            let members = vec![leave_group::MemberIdentity::default()];
            send!(leave_group::LeaveGroupRequest { group_id: group(), members, ..Default::default() })
        }
        ApiKey::SyncGroup => send!(sync_group::SyncGroupRequest { group_id: group(), ..Default::default() }),
        ApiKey::DescribeGroups => {
            let groups = (0..=9).map(|version| Str::from(format!("joined-{version}"))).collect();
            send!(describe_groups::DescribeGroupsRequest { groups, ..Default::default() })
        }
        ApiKey::ListGroups => send!(list_groups::ListGroupsRequest::default()),
        ApiKey::ApiVersions => send!(ApiVersionsRequest {
            client_software_name: Str::from_static("test"),
            client_software_version: Str::from_static("1.0"),
            ..Default::default()
        }),
        ApiKey::CreateTopics => {
            let good = create_topics::CreatableTopic {
                name: Str::from(format!("created-{version}")),
                num_partitions: 1,
                replication_factor: 1,
                ..Default::default()
            };
            let bad = create_topics::CreatableTopic { name: topic(), ..good.clone() };
            send!(create_topics::CreateTopicsRequest { topics: vec![good, bad], ..Default::default() })
        }
        ApiKey::DeleteTopics if version < 6 => {
            let topic_names = vec![Str::from(format!("created-{version}")), Str::from_static("none")];
            send!(delete_topics::DeleteTopicsRequest { topic_names, timeout_ms: 1000, ..Default::default() })
        }
        ApiKey::DeleteTopics => {
            let topics = vec![delete_topics::DeleteTopicState { topic_id: Uuid([5; 16]), ..Default::default() }];
            send!(delete_topics::DeleteTopicsRequest { topics, timeout_ms: 1000, ..Default::default() })
        }
        ApiKey::InitProducerId => {
            send!(init_producer_id::InitProducerIdRequest { transactional_id: None, ..Default::default() })
        }
        ApiKey::DeleteGroups => {
            send!(delete_groups::DeleteGroupsRequest { groups_names: vec![group()], ..Default::default() })
        }
        ApiKey::OffsetDelete => {
            let one = offset_delete::OffsetDeleteRequestPartition { partition_index: 7 };
            let topics = vec![offset_delete::OffsetDeleteRequestTopic { name: topic(), partitions: vec![one] }];
            send!(offset_delete::OffsetDeleteRequest { group_id: group(), topics })
        }
        ApiKey::DescribeConfigs => {
            let resource = |resource_type, name: &str| describe_configs::DescribeConfigsResource {
                resource_type,
                resource_name: Str::from(name),
                configuration_keys: None,
                ..Default::default()
            };
            let resources = vec![resource(2, "topic"), resource(4, "1"), resource(4, ""), resource(9, "x")];
            send!(describe_configs::DescribeConfigsRequest {
                resources,
                include_synonyms: true,
                include_documentation: version >= 3,
                ..Default::default()
            })
        }
        ApiKey::AlterConfigs => {
            let one =
                alter_configs::AlterConfigsResource { resource_type: 2, resource_name: topic(), ..Default::default() };
            let none = alter_configs::AlterConfigsResource { resource_name: group(), ..one.clone() };
            send!(alter_configs::AlterConfigsRequest { resources: vec![one, none], ..Default::default() })
        }
        ApiKey::IncrementalAlterConfigs => {
            let one = incremental_alter_configs::AlterConfigsResource {
                resource_type: 2,
                resource_name: topic(),
                ..Default::default()
            };
            let none = incremental_alter_configs::AlterConfigsResource { resource_name: group(), ..one.clone() };
            let resources = vec![one, none];
            send!(incremental_alter_configs::IncrementalAlterConfigsRequest { resources, ..Default::default() })
        }
        ApiKey::CreatePartitions => {
            let one = create_partitions::CreatePartitionsTopic { name: topic(), count: 1, ..Default::default() };
            send!(create_partitions::CreatePartitionsRequest {
                topics: vec![one],
                timeout_ms: 1_000,
                ..Default::default()
            })
        }
        ApiKey::DescribeCluster => send!(describe_cluster::DescribeClusterRequest::default()),
        ApiKey::ListConfigResources => send!(list_config_resources::ListConfigResourcesRequest::default()),
        ApiKey::DescribeTopicPartitions => {
            let named = |name| describe_topic_partitions::TopicRequest { name, ..Default::default() };
            send!(describe_topic_partitions::DescribeTopicPartitionsRequest {
                topics: vec![named(topic()), named(group())],
                ..Default::default()
            })
        }
        ApiKey::DeleteRecords => {
            let one =
                |partition_index| delete_records::DeleteRecordsPartition { partition_index, ..Default::default() };
            let topics = vec![delete_records::DeleteRecordsTopic {
                name: topic(),
                partitions: vec![one(0), one(7)],
                ..Default::default()
            }];
            send!(delete_records::DeleteRecordsRequest { topics, timeout_ms: 1_000, ..Default::default() })
        }
        ApiKey::OffsetForLeaderEpoch => {
            let one = |partition| offset_for_leader_epoch::OffsetForLeaderPartition { partition, ..Default::default() };
            let topics = vec![offset_for_leader_epoch::OffsetForLeaderTopic {
                topic: topic(),
                partitions: vec![one(0), one(7)],
                ..Default::default()
            }];
            send!(offset_for_leader_epoch::OffsetForLeaderEpochRequest { topics, ..Default::default() })
        }
        ApiKey::DescribeProducers => {
            let topics = vec![describe_producers::TopicRequest {
                name: topic(),
                partition_indexes: vec![0, 7],
                ..Default::default()
            }];
            send!(describe_producers::DescribeProducersRequest { topics, ..Default::default() })
        }
        ApiKey::DescribeLogDirs => {
            send!(describe_log_dirs::DescribeLogDirsRequest { topics: None, ..Default::default() })
        }
        other => panic!("no request for {other}"),
    };
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_version_of_every_api_is_answered() {
    let world = World::start().await;
    let topic_id = world.create("topic", 2).await;
    let mut client = world.client().await;
    client.produce("topic", 0, batch(&["a"])).await;
    client.produce("topic", 1, batch(&["a"])).await;
    for handler in &HANDLERS {
        for version in handler.served.min..=handler.served.max {
            send(&mut client, handler.key, version, topic_id).await;
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
    let response = client.call(ApiKey::ApiVersions, 4, |e, v| named.encode(e, v), ApiVersionsResponse::decode).await;
    assert_eq!(response.error_code, 0);
    assert_eq!(response.api_keys.len(), HANDLERS.len());
    let produce = response.api_keys.iter().find(|api| api.api_key == 0).unwrap();
    assert_eq!((produce.min_version, produce.max_version), (0, 13));

    // A version of the future, in its own (unknown) form.
    client
        .send(ApiKey::ApiVersions, 99, &|e: &mut Encoder, _| {
            e.i64(-1);
            Ok(())
        })
        .await;
    let (_, response) = client.receive(ApiKey::ApiVersions, 0, ApiVersionsResponse::decode).await;
    assert_eq!(response.error_code, ErrorCode::UnsupportedVersion.code());
    assert_eq!(response.api_keys.iter().map(|api| api.api_key).collect::<Vec<_>>(), [18]);

    let unnamed = ApiVersionsRequest::default();
    let response = client.call(ApiKey::ApiVersions, 3, |e, v| unnamed.encode(e, v), ApiVersionsResponse::decode).await;
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
        let mut request = produce_request("topic", 0, batch(&["a", "b"]), -1);
        request.topic_data[0].topic_id = topic_id;
        let encode = |e: &mut Encoder, v| request.encode(e, v);
        let response = client.call(ApiKey::Produce, version, encode, produce::ProduceResponse::decode).await;
        let partition = &response.responses[0].partition_responses[0];
        assert_eq!((partition.error_code, partition.base_offset), (0, offset), "version {version}");
        offset += 2;
    }
    for version in ApiKey::Fetch.served_versions().min..=ApiKey::Fetch.served_versions().max {
        let mut request = fetch_request("topic", &[(0, 0)]);
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
        let one = produce_request("topic", 0, batch(&[&format!("{id}")]), -1);
        all.extend_from_slice(&frame(ApiKey::Produce, 9, id, &|e: &mut Encoder, v| one.encode(e, v)));
    }
    client.stream.write_all(&all).await.unwrap();
    for id in 0..50 {
        let (correlation, response) = client.receive(ApiKey::Produce, 9, produce::ProduceResponse::decode).await;
        assert_eq!(correlation, id);
        assert_eq!(response.responses[0].partition_responses[0].base_offset, i64::from(id));
    }
}
