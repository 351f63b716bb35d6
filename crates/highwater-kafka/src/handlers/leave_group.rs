//! LeaveGroup; from version 3 on of several members at once (KIP-345).

use highwater_groups::api::{LeaveGroup, LeavingMember};
use highwater_wire::messages::leave_group::{LeaveGroupRequest, LeaveGroupResponse, MemberResponse};

use super::group_text::{owned, owned_option, wire, wire_option};
use crate::call::Call;
use crate::errors;

/// First version with a list of members.
const FIRST_WITH_LIST: i16 = 3;

/// Leaves.
pub async fn handle(call: &Call, request: LeaveGroupRequest) -> LeaveGroupResponse {
    let many = call.version >= FIRST_WITH_LIST;
    let members = if many {
        let leaving = |member: &highwater_wire::messages::leave_group::MemberIdentity| LeavingMember {
            member_id: owned(&member.member_id),
            instance_id: owned_option(member.group_instance_id.as_ref()),
        };
        request.members.iter().map(leaving).collect()
    } else {
        vec![LeavingMember { member_id: owned(&request.member_id), instance_id: None }]
    };
    let leave = LeaveGroup { group_id: owned(&request.group_id), members };
    match call.broker.groups.leave(leave).await {
        Err(error) => LeaveGroupResponse { error_code: errors::of_group(error), ..Default::default() },
        Ok(reply) if many => {
            let left = |member: &highwater_groups::api::LeftMember| MemberResponse {
                member_id: wire(&member.member_id),
                group_instance_id: wire_option(member.instance_id.as_ref()),
                error_code: errors::of_group_option(member.error),
                ..Default::default()
            };
            LeaveGroupResponse { members: reply.members.iter().map(left).collect(), ..Default::default() }
        }
        Ok(reply) => {
            let error = reply.members.first().and_then(|member| member.error);
            LeaveGroupResponse { error_code: errors::of_group_option(error), ..Default::default() }
        }
    }
}
