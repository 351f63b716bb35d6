//! ListGroups: of the partitions that this broker leads.

use highwater_groups::api::ListGroups;
use highwater_wire::Str;
use highwater_wire::messages::list_groups::{ListGroupsRequest, ListGroupsResponse, ListedGroup};

use super::group_text::{owned, wire};
use crate::call::Call;
use crate::errors;

/// Lists.
pub async fn handle(call: &Call, request: ListGroupsRequest) -> ListGroupsResponse {
    let list = ListGroups {
        states: request.states_filter.iter().map(owned).collect(),
        types: request.types_filter.iter().map(owned).collect(),
    };
    match call.broker.groups.list(list).await {
        Ok(groups) => {
            let one = |group: &highwater_groups::api::ListedGroup| ListedGroup {
                group_id: wire(&group.group_id),
                protocol_type: wire(&group.protocol_type),
                group_state: Str::from_static(group.state.as_str()),
                group_type: Str::from_static(group.group_type),
                ..Default::default()
            };
            ListGroupsResponse { groups: groups.iter().map(one).collect(), ..Default::default() }
        }
        Err(error) => ListGroupsResponse { error_code: errors::of_group(error), ..Default::default() },
    }
}
