//! FindCoordinator: which broker leads a group's partition of `__consumer_offsets`.
//!
//! A transactional id is refused as InitProducerId refuses it: a transactional producer asks here
//! first, and TRANSACTIONAL_ID_AUTHORIZATION_FAILED is fatal to it.

use highwater_groups::partition_for;
use highwater_wire::messages::find_coordinator::{Coordinator, FindCoordinatorRequest, FindCoordinatorResponse};
use highwater_wire::{ErrorCode, Str};

use crate::brokers::BrokerInfo;
use crate::call::Call;
use crate::offsets_topic;

/// First version with a list of keys (KIP-699).
const FIRST_WITH_LIST: i16 = 4;
/// Key type of a group.
const GROUP: i8 = 0;
/// Key type of a transactional id.
const TRANSACTION: i8 = 1;

/// Answers for each key.
pub async fn handle(call: &Call, request: FindCoordinatorRequest) -> FindCoordinatorResponse {
    if call.version >= FIRST_WITH_LIST {
        let mut coordinators = Vec::with_capacity(request.coordinator_keys.len());
        for key in request.coordinator_keys {
            let found = find(call, &key, request.key_type).await;
            coordinators.push(coordinator(key, found));
        }
        return FindCoordinatorResponse { coordinators, ..Default::default() };
    }
    let found = find(call, &request.key, request.key_type).await;
    let one = coordinator(request.key, found);
    FindCoordinatorResponse {
        error_code: one.error_code,
        error_message: one.error_message,
        node_id: one.node_id,
        host: one.host,
        port: one.port,
        ..Default::default()
    }
}

async fn find(call: &Call, key: &str, key_type: i8) -> Result<BrokerInfo, ErrorCode> {
    match key_type {
        GROUP => {}
        TRANSACTION => return Err(ErrorCode::TransactionalIdAuthorizationFailed),
        _ => return Err(ErrorCode::InvalidRequest),
    }
    let broker = &*call.broker;
    let topic = offsets_topic::ensure(broker).await.map_err(|error| {
        tracing::warn!(%error, "the offsets topic cannot be created");
        ErrorCode::CoordinatorNotAvailable
    })?;
    let count = u32::try_from(topic.partitions.len()).unwrap_or(u32::MAX);
    let shard = topic.partitions.get(partition_for(key, count) as usize);
    let leader = shard.and_then(|shard| broker.brokers.leader(*shard));
    leader
        .and_then(|leader| broker.brokers.find(leader.node, call.peer.listener))
        .ok_or(ErrorCode::CoordinatorNotAvailable)
}

fn coordinator(key: Str, found: Result<BrokerInfo, ErrorCode>) -> Coordinator {
    match found {
        Ok(info) => Coordinator {
            key,
            node_id: info.node.0,
            host: Str::from(info.endpoint.host),
            port: info.endpoint.port.into(),
            ..Default::default()
        },
        Err(error) => Coordinator {
            key,
            node_id: -1,
            port: -1,
            error_code: error.code(),
            error_message: Some(Str::from(error.name())),
            ..Default::default()
        },
    }
}
