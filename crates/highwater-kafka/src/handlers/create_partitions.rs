//! CreatePartitions: more partitions for topics that exist (KIP-195).

use std::collections::BTreeSet;
use std::time::Duration;

use highwater_wire::ErrorCode;
use highwater_wire::messages::create_partitions::{
    CreatePartitionsAssignment, CreatePartitionsRequest, CreatePartitionsResponse, CreatePartitionsTopic,
    CreatePartitionsTopicResult,
};

use crate::assignments;
use crate::call::Call;
use crate::config_resources::{self, Failure};
use crate::errors;

/// Grows each topic for itself; answers when that is durable, or the request's time is up.
pub async fn handle(call: &Call, request: CreatePartitionsRequest) -> CreatePartitionsResponse {
    let mut seen = BTreeSet::new();
    let names = request.topics.iter().map(|topic| topic.name.to_string());
    let twice: BTreeSet<String> = names.filter(|name| !seen.insert(name.clone())).collect();
    let timeout = Duration::from_millis(u64::try_from(request.timeout_ms).unwrap_or(0));
    let deadline = call.broker.env.now() + timeout;
    let mut results = Vec::with_capacity(request.topics.len());
    for topic in request.topics {
        let outcome = if twice.contains(&*topic.name) {
            Err((ErrorCode::InvalidRequest, "Duplicate topic name.".to_owned()))
        } else {
            let left = deadline.since(call.broker.env.now());
            match call.broker.env.timeout(left, grow(call, &topic, request.validate_only)).await {
                Ok(outcome) => outcome,
                Err(_) => Err((ErrorCode::RequestTimedOut, "The request's time is up.".to_owned())),
            }
        };
        let (error_code, error_message) = config_resources::told(outcome);
        results.push(CreatePartitionsTopicResult { name: topic.name, error_code, error_message, ..Default::default() });
    }
    CreatePartitionsResponse { results, ..Default::default() }
}

async fn grow(call: &Call, topic: &CreatePartitionsTopic, validate_only: bool) -> Result<(), Failure> {
    let state = call.broker.meta.state();
    let unknown = || (ErrorCode::UnknownTopicOrPartition, format!("The topic '{}' does not exist.", topic.name));
    let (id, had) = state.topic(&topic.name).map(|known| (known.id, known.partition_count())).ok_or_else(unknown)?;
    drop(state);
    if let Some(assignments) = &topic.assignments
        && topic.count > had
    {
        check_assignments(call, assignments, topic.count.abs_diff(had) as usize)?;
    }
    let grown = call.broker.meta.add_partitions(id, topic.count, validate_only).await;
    if grown.is_ok() && !validate_only {
        tracing::info!(topic = %topic.name, from = had, to = topic.count, "partitions added");
    }
    grown.map_err(|error| (errors::of_add_partitions(&error), error.to_string()))
}

fn check_assignments(call: &Call, assignments: &[CreatePartitionsAssignment], added: usize) -> Result<(), Failure> {
    let refuse = |text: String| Err((ErrorCode::InvalidReplicaAssignment, text));
    if assignments.len() != added {
        return refuse(format!(
            "Attempted to add {added} additional partition(s), but only {} assignment(s) were specified.",
            assignments.len()
        ));
    }
    for assignment in assignments {
        assignments::check(call, &assignment.broker_ids).or_else(refuse)?;
        if assignment.broker_ids.len() != assignments[0].broker_ids.len() {
            return refuse(
                "The manual partition assignment includes partitions of different replica counts.".to_owned(),
            );
        }
    }
    Ok(())
}
