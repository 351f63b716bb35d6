//! JoinGroup: answered when the group has come together, or the broker stops.

use std::sync::Arc;

use futures::future::{Either, select};
use highwater_groups::GroupError;
use highwater_groups::api::{JoinGroup, JoinReply, Protocol};
use highwater_wire::Str;
use highwater_wire::messages::join_group::{JoinGroupRequest, JoinGroupResponse, JoinGroupResponseMember};

use super::group_text::{owned, owned_bytes, owned_option, wire, wire_option};
use crate::call::Call;
use crate::errors;

/// First version whose members come back with the id that they are given (KIP-394).
const FIRST_WITH_REQUIRED_ID: i16 = 4;
/// First version with a null protocol name.
const FIRST_WITH_NULL_PROTOCOL: i16 = 7;
/// First version in which the leader may be told not to compute an assignment (KIP-814).
const FIRST_WITH_SKIPPING: i16 = 9;

/// Joins.
pub async fn handle(call: &Call, request: JoinGroupRequest) -> JoinGroupResponse {
    let member_id = owned(&request.member_id);
    let join = JoinGroup {
        group_id: owned(&request.group_id),
        member_id: Arc::clone(&member_id),
        instance_id: owned_option(request.group_instance_id.as_ref()),
        client_id: call.client_id.as_ref().map_or_else(|| Arc::from(""), owned),
        client_host: Arc::from(call.client_host()),
        session_timeout_ms: request.session_timeout_ms,
        rebalance_timeout_ms: request.rebalance_timeout_ms,
        protocol_type: owned(&request.protocol_type),
        protocols: request
            .protocols
            .iter()
            .map(|one| Protocol { name: owned(&one.name), metadata: owned_bytes(&one.metadata) })
            .collect(),
        requires_known_member_id: call.version >= FIRST_WITH_REQUIRED_ID,
        supports_skipping_assignment: call.version >= FIRST_WITH_SKIPPING,
    };
    drop(request);
    let draining = call.broker.draining.cancelled();
    let joining = call.broker.groups.join(join);
    futures::pin_mut!(draining, joining);
    let reply = match select(joining, draining).await {
        Either::Left((reply, _)) => reply,
        Either::Right(((), _)) => JoinReply::refused(member_id, GroupError::NotCoordinator),
    };
    respond(call.version, &reply)
}

fn respond(version: i16, reply: &JoinReply) -> JoinGroupResponse {
    let members = reply.members.iter().map(|member| JoinGroupResponseMember {
        member_id: wire(&member.member_id),
        group_instance_id: wire_option(member.instance_id.as_ref()),
        metadata: member.metadata.clone(),
        ..Default::default()
    });
    let protocol_name = match wire_option(reply.protocol.as_ref()) {
        None if version < FIRST_WITH_NULL_PROTOCOL => Some(Str::EMPTY),
        name => name,
    };
    JoinGroupResponse {
        error_code: errors::of_group_option(reply.error),
        generation_id: reply.generation,
        protocol_type: wire_option(reply.protocol_type.as_ref()),
        protocol_name,
        leader: wire(&reply.leader),
        skip_assignment: reply.skip_assignment && version >= FIRST_WITH_SKIPPING,
        member_id: wire(&reply.member_id),
        members: members.collect(),
        ..Default::default()
    }
}
