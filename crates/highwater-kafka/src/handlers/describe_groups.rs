//! DescribeGroups, of classic groups.

use highwater_groups::GroupError;
use highwater_groups::api::{DescribedGroup as Described, DescribedMember, GroupState};
use highwater_wire::Str;
use highwater_wire::messages::describe_groups::{
    DescribeGroupsRequest, DescribeGroupsResponse, DescribedGroup, DescribedGroupMember,
};

use super::group_text::{owned, wire, wire_option};
use crate::call::Call;
use crate::errors;

/// First version that says GROUP_ID_NOT_FOUND for a group that does not exist (KIP-1043).
const FIRST_WITH_NOT_FOUND: i16 = 6;

/// Describes each group.
pub async fn handle(call: &Call, request: DescribeGroupsRequest) -> DescribeGroupsResponse {
    let mut groups = Vec::with_capacity(request.groups.len());
    for group_id in request.groups {
        let outcome = call.broker.groups.describe(owned(&group_id)).await;
        groups.push(match outcome {
            Ok(group) => described(&group),
            Err(error) => failed(call.version, group_id, error),
        });
    }
    DescribeGroupsResponse { groups, ..Default::default() }
}

fn failed(version: i16, group_id: Str, error: GroupError) -> DescribedGroup {
    let group = DescribedGroup { group_id, ..Default::default() };
    match error {
        GroupError::GroupIdNotFound if version < FIRST_WITH_NOT_FOUND => {
            DescribedGroup { group_state: Str::from_static(GroupState::Dead.as_str()), ..group }
        }
        GroupError::GroupIdNotFound => DescribedGroup {
            group_state: Str::from_static(GroupState::Dead.as_str()),
            error_code: errors::of_group(error),
            error_message: Some(Str::from(format!("Group {} not found.", group.group_id))),
            ..group
        },
        _ => DescribedGroup { error_code: errors::of_group(error), ..group },
    }
}

fn described(group: &Described) -> DescribedGroup {
    let member = |member: &DescribedMember| DescribedGroupMember {
        member_id: wire(&member.member_id),
        group_instance_id: wire_option(member.instance_id.as_ref()),
        client_id: wire(&member.client_id),
        client_host: wire(&member.client_host),
        member_metadata: member.metadata.clone(),
        member_assignment: member.assignment.clone(),
        ..Default::default()
    };
    DescribedGroup {
        group_id: wire(&group.group_id),
        group_state: Str::from_static(group.state.as_str()),
        protocol_type: wire(&group.protocol_type),
        protocol_data: wire(&group.protocol),
        members: group.members.iter().map(member).collect(),
        ..Default::default()
    }
}
