//! SyncGroup: answered when the leader's assignment is durable, or the broker stops.

use futures::future::{Either, select};
use highwater_groups::GroupError;
use highwater_groups::api::SyncGroup;
use highwater_wire::messages::sync_group::{SyncGroupRequest, SyncGroupResponse};

use super::group_text::{caller, owned, owned_bytes, owned_option, wire_option};
use crate::call::Call;
use crate::errors;

/// First version that has to name protocol type and protocol (KIP-559).
const FIRST_WITH_PROTOCOL: i16 = 5;

/// Syncs.
pub async fn handle(call: &Call, request: SyncGroupRequest) -> SyncGroupResponse {
    let unnamed = request.protocol_type.is_none() || request.protocol_name.is_none();
    if call.version >= FIRST_WITH_PROTOCOL && unnamed {
        return failed(GroupError::InconsistentGroupProtocol);
    }
    let instance_id = request.group_instance_id.as_ref();
    let sync = SyncGroup {
        caller: caller(&request.group_id, request.generation_id, &request.member_id, instance_id),
        protocol_type: owned_option(request.protocol_type.as_ref()),
        protocol: owned_option(request.protocol_name.as_ref()),
        assignments: request
            .assignments
            .iter()
            .map(|one| (owned(&one.member_id), owned_bytes(&one.assignment)))
            .collect(),
    };
    drop(request);
    let draining = call.broker.draining.cancelled();
    let syncing = call.broker.groups.sync(sync);
    futures::pin_mut!(draining, syncing);
    match select(syncing, draining).await {
        Either::Left((Ok(reply), _)) => SyncGroupResponse {
            protocol_type: wire_option(reply.protocol_type.as_ref()),
            protocol_name: wire_option(reply.protocol.as_ref()),
            assignment: reply.assignment,
            ..Default::default()
        },
        Either::Left((Err(error), _)) => failed(error),
        Either::Right(((), _)) => failed(GroupError::NotCoordinator),
    }
}

fn failed(error: GroupError) -> SyncGroupResponse {
    SyncGroupResponse { error_code: errors::of_group(error), ..Default::default() }
}
