//! A consumer group from its first question to its end.

use bytes::Bytes;
use highwater_wire::messages::delete_groups::{DeleteGroupsRequest, DeleteGroupsResponse};
use highwater_wire::messages::describe_groups::{DescribeGroupsRequest, DescribeGroupsResponse};
use highwater_wire::messages::find_coordinator::{FindCoordinatorRequest, FindCoordinatorResponse};
use highwater_wire::messages::heartbeat::{HeartbeatRequest, HeartbeatResponse};
use highwater_wire::messages::join_group::{JoinGroupRequest, JoinGroupRequestProtocol, JoinGroupResponse};
use highwater_wire::messages::leave_group::{LeaveGroupRequest, LeaveGroupResponse, MemberIdentity};
use highwater_wire::messages::list_groups::{ListGroupsRequest, ListGroupsResponse};
use highwater_wire::messages::offset_commit::{
    OffsetCommitRequest, OffsetCommitRequestPartition, OffsetCommitRequestTopic, OffsetCommitResponse,
};
use highwater_wire::messages::offset_fetch::{
    OffsetFetchRequest, OffsetFetchRequestGroup, OffsetFetchRequestTopics, OffsetFetchResponse,
};
use highwater_wire::messages::sync_group::{SyncGroupRequest, SyncGroupRequestAssignment, SyncGroupResponse};
use highwater_wire::{ApiKey, ErrorCode, Str};

use crate::world::{Client, LIMIT, World};

const GROUP: Str = Str::from_static("group");

async fn find(client: &mut Client, key_type: i8) -> (i16, i32) {
    let request = FindCoordinatorRequest { coordinator_keys: vec![GROUP], key_type, ..Default::default() };
    let encode = |e: &mut _, v| request.encode(e, v);
    let response = client.call(ApiKey::FindCoordinator, 4, encode, FindCoordinatorResponse::decode).await;
    (response.coordinators[0].error_code, response.coordinators[0].node_id)
}

async fn join(client: &mut Client, member_id: &Str) -> JoinGroupResponse {
    let request = JoinGroupRequest {
        group_id: GROUP,
        session_timeout_ms: 10_000,
        rebalance_timeout_ms: 10_000,
        member_id: member_id.clone(),
        protocol_type: Str::from_static("consumer"),
        protocols: vec![JoinGroupRequestProtocol {
            name: Str::from_static("range"),
            metadata: Bytes::from_static(b"subscription"),
            ..Default::default()
        }],
        ..Default::default()
    };
    client.call(ApiKey::JoinGroup, 9, |e, v| request.encode(e, v), JoinGroupResponse::decode).await
}

/// Waits until the coordinator has read its partition.
async fn join_when_loaded(client: &mut Client, member_id: &Str) -> JoinGroupResponse {
    let trying = async {
        loop {
            let joined = join(client, member_id).await;
            let wait = [ErrorCode::CoordinatorLoadInProgress.code(), ErrorCode::NotCoordinator.code()];
            if !wait.contains(&joined.error_code) {
                return joined;
            }
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(LIMIT, trying).await.expect("the coordinator loads")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_group_lives_and_dies() {
    let world = World::start().await;
    let topic_id = world.create("topic", 2).await;
    let mut client = world.client().await;
    assert_eq!(find(&mut client, 0).await, (0, 1));
    assert_eq!(find(&mut client, 1).await.0, ErrorCode::TransactionalIdAuthorizationFailed.code());
    assert_eq!(find(&mut client, 9).await.0, ErrorCode::InvalidRequest.code());

    let required = join_when_loaded(&mut client, &Str::EMPTY).await;
    assert_eq!(required.error_code, ErrorCode::MemberIdRequired.code());
    let member_id = required.member_id.detached();
    let joined = join(&mut client, &member_id).await;
    assert_eq!((joined.error_code, &joined.leader, joined.members.len()), (0, &member_id, 1));
    let generation_id = joined.generation_id;

    let sync = SyncGroupRequest {
        group_id: GROUP,
        generation_id,
        member_id: member_id.clone(),
        protocol_type: Some(Str::from_static("consumer")),
        protocol_name: Some(Str::from_static("range")),
        assignments: vec![SyncGroupRequestAssignment {
            member_id: member_id.clone(),
            assignment: Bytes::from_static(b"all of it"),
            ..Default::default()
        }],
        ..Default::default()
    };
    let synced = client.call(ApiKey::SyncGroup, 5, |e, v| sync.encode(e, v), SyncGroupResponse::decode).await;
    assert_eq!((synced.error_code, &synced.assignment[..]), (0, &b"all of it"[..]));

    let beat = HeartbeatRequest { group_id: GROUP, generation_id, member_id: member_id.clone(), ..Default::default() };
    let answered = client.call(ApiKey::Heartbeat, 4, |e, v| beat.encode(e, v), HeartbeatResponse::decode).await;
    assert_eq!(answered.error_code, 0);

    let partition = |partition_index, committed_offset| OffsetCommitRequestPartition {
        partition_index,
        committed_offset,
        committed_metadata: Some(Str::from_static("note")),
        ..Default::default()
    };
    let commit = OffsetCommitRequest {
        group_id: GROUP,
        generation_id_or_member_epoch: generation_id,
        member_id: member_id.clone(),
        topics: vec![
            OffsetCommitRequestTopic {
                name: Str::from_static("nobody"),
                partitions: vec![partition(0, 1)],
                ..Default::default()
            },
            OffsetCommitRequestTopic {
                name: Str::from_static("topic"),
                topic_id,
                partitions: vec![partition(0, 10), partition(5, 10), partition(1, 20)],
                ..Default::default()
            },
        ],
        ..Default::default()
    };
    let committed =
        client.call(ApiKey::OffsetCommit, 9, |e, v| commit.encode(e, v), OffsetCommitResponse::decode).await;
    let codes: Vec<Vec<i16>> =
        committed.topics.iter().map(|topic| topic.partitions.iter().map(|one| one.error_code).collect()).collect();
    assert_eq!(codes, [vec![3], vec![0, 3, 0]]);

    for version in [8, 9, 10] {
        let topics = OffsetFetchRequestTopics {
            name: Str::from_static("topic"),
            topic_id,
            partition_indexes: vec![1, 0],
            ..Default::default()
        };
        for topics in [Some(vec![topics]), None] {
            let one = OffsetFetchRequestGroup { group_id: GROUP, topics, ..Default::default() };
            let fetch = OffsetFetchRequest { groups: vec![one], ..Default::default() };
            let encode = |e: &mut _, v| fetch.encode(e, v);
            let fetched = client.call(ApiKey::OffsetFetch, version, encode, OffsetFetchResponse::decode).await;
            let mut offsets: Vec<(i32, i64)> = fetched.groups[0].topics[0]
                .partitions
                .iter()
                .map(|partition| (partition.partition_index, partition.committed_offset))
                .collect();
            offsets.sort_unstable();
            assert_eq!((fetched.groups[0].error_code, offsets), (0, vec![(0, 10), (1, 20)]), "version {version}");
        }
    }

    let list = ListGroupsRequest::default();
    let listed = client.call(ApiKey::ListGroups, 5, |e, v| list.encode(e, v), ListGroupsResponse::decode).await;
    assert_eq!(listed.groups.len(), 1);
    assert_eq!((&*listed.groups[0].group_state, &*listed.groups[0].group_type), ("Stable", "classic"));
    let describe = DescribeGroupsRequest { groups: vec![GROUP, Str::from_static("none")], ..Default::default() };
    let encode = |e: &mut _, v| describe.encode(e, v);
    let described = client.call(ApiKey::DescribeGroups, 6, encode, DescribeGroupsResponse::decode).await;
    assert_eq!((described.groups[0].error_code, described.groups[0].members.len()), (0, 1));
    assert_eq!(&*described.groups[0].members[0].client_host, "/127.0.0.1");

    let delete = DeleteGroupsRequest { groups_names: vec![GROUP], ..Default::default() };
    let refused = client.call(ApiKey::DeleteGroups, 2, |e, v| delete.encode(e, v), DeleteGroupsResponse::decode).await;
    assert_eq!(refused.results[0].error_code, ErrorCode::NonEmptyGroup.code());
    let leave = LeaveGroupRequest {
        group_id: GROUP,
        members: vec![MemberIdentity { member_id, ..Default::default() }],
        ..Default::default()
    };
    let left = client.call(ApiKey::LeaveGroup, 5, |e, v| leave.encode(e, v), LeaveGroupResponse::decode).await;
    assert_eq!((left.error_code, left.members[0].error_code), (0, 0));
    let deleted = client.call(ApiKey::DeleteGroups, 2, |e, v| delete.encode(e, v), DeleteGroupsResponse::decode).await;
    assert_eq!(deleted.results[0].error_code, 0);
}
