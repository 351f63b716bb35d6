//! DeleteGroups: of groups without members.

use highwater_wire::messages::delete_groups::{DeletableGroupResult, DeleteGroupsRequest, DeleteGroupsResponse};

use super::group_text::owned;
use crate::call::Call;
use crate::errors;

/// Deletes each group for itself.
pub async fn handle(call: &Call, request: DeleteGroupsRequest) -> DeleteGroupsResponse {
    let mut results = Vec::with_capacity(request.groups_names.len());
    for group_id in request.groups_names {
        let outcome = call.broker.groups.delete(owned(&group_id)).await;
        let error_code = errors::of_group_option(outcome.err());
        results.push(DeletableGroupResult { group_id, error_code, ..Default::default() });
    }
    DeleteGroupsResponse { results, ..Default::default() }
}
