//! Heartbeat of a classic group's member.

use highwater_groups::api::Heartbeat;
use highwater_wire::messages::heartbeat::{HeartbeatRequest, HeartbeatResponse};

use super::group_text::caller;
use crate::call::Call;
use crate::errors;

/// Answers with what the member has to do.
pub async fn handle(call: &Call, request: HeartbeatRequest) -> HeartbeatResponse {
    let instance_id = request.group_instance_id.as_ref();
    let caller = caller(&request.group_id, request.generation_id, &request.member_id, instance_id);
    let outcome = call.broker.groups.heartbeat(Heartbeat { caller }).await;
    HeartbeatResponse { error_code: errors::of_group_option(outcome.err()), ..Default::default() }
}
