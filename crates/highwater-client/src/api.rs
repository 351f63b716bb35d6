//! Requests with their answers, and the newest version of each that this client uses: the newest that
//! says what it needs. A broker that offers less is spoken to in its own newest version.

use highwater_wire::messages::*;
use highwater_wire::{ApiKey, DecodeError, Decoder, EncodeError, Encoder};

/// A request.
pub trait Request {
    /// Its API.
    const KEY: ApiKey;
    /// The newest version that is used.
    const NEWEST: i16;
    /// Its answer.
    type Response;
    /// Writes it.
    ///
    /// # Errors
    /// When it says what the version cannot.
    fn write(&self, encoder: &mut Encoder, version: i16) -> Result<(), EncodeError>;
    /// Reads its answer.
    ///
    /// # Errors
    /// When it is not one.
    fn read(decoder: &mut Decoder, version: i16) -> Result<Self::Response, DecodeError>;
}

macro_rules! requests {
    ($($module:ident :: $request:ident => $response:ident, $key:ident, $newest:literal;)+) => {$(
        impl Request for $module::$request {
            const KEY: ApiKey = ApiKey::$key;
            const NEWEST: i16 = $newest;
            type Response = $module::$response;
            fn write(&self, encoder: &mut Encoder, version: i16) -> Result<(), EncodeError> {
                self.encode(encoder, version)
            }
            fn read(decoder: &mut Decoder, version: i16) -> Result<Self::Response, DecodeError> {
                $module::$response::decode(decoder, version)
            }
        }
    )+};
}

requests! {
    api_versions::ApiVersionsRequest => ApiVersionsResponse, ApiVersions, 3;
    create_partitions::CreatePartitionsRequest => CreatePartitionsResponse, CreatePartitions, 3;
    create_topics::CreateTopicsRequest => CreateTopicsResponse, CreateTopics, 7;
    delete_groups::DeleteGroupsRequest => DeleteGroupsResponse, DeleteGroups, 2;
    delete_topics::DeleteTopicsRequest => DeleteTopicsResponse, DeleteTopics, 5;
    describe_configs::DescribeConfigsRequest => DescribeConfigsResponse, DescribeConfigs, 4;
    describe_groups::DescribeGroupsRequest => DescribeGroupsResponse, DescribeGroups, 5;
    fetch::FetchRequest => FetchResponse, Fetch, 12;
    find_coordinator::FindCoordinatorRequest => FindCoordinatorResponse, FindCoordinator, 3;
    heartbeat::HeartbeatRequest => HeartbeatResponse, Heartbeat, 4;
    incremental_alter_configs::IncrementalAlterConfigsRequest => IncrementalAlterConfigsResponse,
        IncrementalAlterConfigs, 1;
    init_producer_id::InitProducerIdRequest => InitProducerIdResponse, InitProducerId, 4;
    join_group::JoinGroupRequest => JoinGroupResponse, JoinGroup, 7;
    leave_group::LeaveGroupRequest => LeaveGroupResponse, LeaveGroup, 3;
    list_groups::ListGroupsRequest => ListGroupsResponse, ListGroups, 5;
    list_offsets::ListOffsetsRequest => ListOffsetsResponse, ListOffsets, 7;
    metadata::MetadataRequest => MetadataResponse, Metadata, 12;
    offset_commit::OffsetCommitRequest => OffsetCommitResponse, OffsetCommit, 8;
    offset_fetch::OffsetFetchRequest => OffsetFetchResponse, OffsetFetch, 7;
    produce::ProduceRequest => ProduceResponse, Produce, 9;
    sync_group::SyncGroupRequest => SyncGroupResponse, SyncGroup, 5;
}
