//! One file per API, and here the list of them all: what is not in it is not advertised.

pub mod alter_configs;
pub mod api_versions;
pub mod create_partitions;
pub mod create_topics;
pub mod delete_groups;
pub mod delete_records;
pub mod delete_topics;
pub mod describe_cluster;
pub mod describe_configs;
pub mod describe_groups;
pub mod describe_log_dirs;
pub mod describe_producers;
pub mod describe_topic_partitions;
pub mod fetch;
pub mod find_coordinator;
mod group_text;
pub mod heartbeat;
pub mod incremental_alter_configs;
pub mod init_producer_id;
pub mod join_group;
pub mod leave_group;
pub mod list_config_resources;
pub mod list_groups;
pub mod list_offsets;
pub mod metadata;
pub mod offset_commit;
pub mod offset_delete;
pub mod offset_fetch;
pub mod offset_for_leader_epoch;
pub mod produce;
pub mod sync_group;

#[cfg(test)]
mod tests;

use futures::future::BoxFuture;
use highwater_wire::{ApiKey, Decoder, VersionRange};

use crate::budget::Charge;
use crate::call::Call;
use crate::connection::service::{Pending, Reply};

/// A handler and what it serves.
pub struct Handler {
    /// The API.
    pub key: ApiKey,
    /// What ApiVersions names.
    pub advertised: VersionRange,
    /// What is handled.
    pub served: VersionRange,
    /// Stage one.
    pub begin: Begin,
}

/// Stage one of a handler. An error closes the connection; the text says why.
#[derive(Clone, Copy)]
pub enum Begin {
    /// Only decodes: everything else is done when the request is at the head of its connection.
    AtHead(fn(Call, Decoder, Charge) -> Result<Pending, String>),
    /// Does what has to be done in the order of the connection, and may wait for it.
    InOrder(fn(Call, Decoder, Charge) -> BoxFuture<'static, Result<Pending, String>>),
}

/// The handler of an API, if there is one.
pub fn find(key: ApiKey) -> Option<&'static Handler> {
    HANDLERS.iter().find(|handler| handler.key == key)
}

/// Wraps `handle(&Call, Request) -> Response` of a module.
macro_rules! at_head {
    ($key:ident, $module:ident, $request:ident) => {
        Handler {
            key: ApiKey::$key,
            advertised: ApiKey::$key.valid_versions(),
            served: ApiKey::$key.served_versions(),
            begin: Begin::AtHead(|call, mut decoder, charge| {
                let request = highwater_wire::messages::$module::$request::decode(&mut decoder, call.version)
                    .map_err(|error| error.to_string())?;
                let charge = keep(charge, &decoder, &call);
                Ok(Box::pin(async move {
                    let _charge = charge;
                    let response = $module::handle(&call, request).await;
                    call.reply(|encoder, version| response.encode(encoder, version))
                }))
            }),
        }
    };
}

/// Every API that is served, by key.
pub static HANDLERS: [Handler; 30] = [
    Handler {
        key: ApiKey::Produce,
        advertised: ApiKey::Produce.valid_versions(),
        served: ApiKey::Produce.served_versions(),
        begin: Begin::InOrder(|call, decoder, charge| Box::pin(produce::begin(call, decoder, charge))),
    },
    Handler {
        key: ApiKey::Fetch,
        advertised: ApiKey::Fetch.valid_versions(),
        served: ApiKey::Fetch.served_versions(),
        begin: Begin::AtHead(fetch::begin),
    },
    at_head!(ListOffsets, list_offsets, ListOffsetsRequest),
    at_head!(Metadata, metadata, MetadataRequest),
    at_head!(OffsetCommit, offset_commit, OffsetCommitRequest),
    at_head!(OffsetFetch, offset_fetch, OffsetFetchRequest),
    at_head!(FindCoordinator, find_coordinator, FindCoordinatorRequest),
    at_head!(JoinGroup, join_group, JoinGroupRequest),
    at_head!(Heartbeat, heartbeat, HeartbeatRequest),
    at_head!(LeaveGroup, leave_group, LeaveGroupRequest),
    at_head!(SyncGroup, sync_group, SyncGroupRequest),
    at_head!(DescribeGroups, describe_groups, DescribeGroupsRequest),
    at_head!(ListGroups, list_groups, ListGroupsRequest),
    at_head!(ApiVersions, api_versions, ApiVersionsRequest),
    at_head!(CreateTopics, create_topics, CreateTopicsRequest),
    at_head!(DeleteTopics, delete_topics, DeleteTopicsRequest),
    at_head!(DeleteRecords, delete_records, DeleteRecordsRequest),
    at_head!(InitProducerId, init_producer_id, InitProducerIdRequest),
    at_head!(OffsetForLeaderEpoch, offset_for_leader_epoch, OffsetForLeaderEpochRequest),
    at_head!(DescribeConfigs, describe_configs, DescribeConfigsRequest),
    at_head!(AlterConfigs, alter_configs, AlterConfigsRequest),
    at_head!(DescribeLogDirs, describe_log_dirs, DescribeLogDirsRequest),
    at_head!(CreatePartitions, create_partitions, CreatePartitionsRequest),
    at_head!(DeleteGroups, delete_groups, DeleteGroupsRequest),
    at_head!(IncrementalAlterConfigs, incremental_alter_configs, IncrementalAlterConfigsRequest),
    at_head!(OffsetDelete, offset_delete, OffsetDeleteRequest),
    at_head!(DescribeCluster, describe_cluster, DescribeClusterRequest),
    at_head!(DescribeProducers, describe_producers, DescribeProducersRequest),
    at_head!(ListConfigResources, list_config_resources, ListConfigResourcesRequest),
    at_head!(DescribeTopicPartitions, describe_topic_partitions, DescribeTopicPartitionsRequest),
];

/// Gives back what decoding was allowed and did not use.
pub(crate) fn keep(mut charge: Charge, decoder: &Decoder, call: &Call) -> Charge {
    charge.shrink_to(call.frame_bytes.saturating_add(decoder.charged()));
    charge
}

/// A pending request whose answer is there already.
pub(crate) fn ready(reply: Reply) -> Pending {
    Box::pin(std::future::ready(reply))
}
