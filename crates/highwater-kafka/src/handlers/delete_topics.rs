//! DeleteTopics, by name or by id.

use std::collections::BTreeMap;
use std::time::Duration;

use highwater_meta::ClusterState;
use highwater_types::TopicId;
use highwater_wire::messages::delete_topics::{
    DeletableTopicResult, DeleteTopicState, DeleteTopicsRequest, DeleteTopicsResponse,
};
use highwater_wire::{ErrorCode, Str, Uuid};

use crate::call::Call;
use crate::errors;
use crate::topics::text;

/// First version that names topics in a list of names and ids.
const FIRST_WITH_STATES: i16 = 6;
/// First version that knows TOPIC_DELETION_DISABLED.
const FIRST_WITH_DISABLED: i16 = 3;

/// A topic of the request: found, or why not.
struct Asked {
    name: Option<Str>,
    id: Uuid,
    found: Result<TopicId, ErrorCode>,
    by_id: bool,
}

/// Deletes each topic for itself; answers when that is durable, or the request's time is up.
pub async fn handle(call: &Call, request: DeleteTopicsRequest) -> DeleteTopicsResponse {
    let broker = &*call.broker;
    let state = broker.meta.state();
    let named: Vec<DeleteTopicState> = if call.version >= FIRST_WITH_STATES {
        request.topics
    } else {
        let by_name = |name| DeleteTopicState { name: Some(name), ..Default::default() };
        request.topic_names.into_iter().map(by_name).collect()
    };
    let mut asked: Vec<Asked> = named.into_iter().map(|one| find(&state, one)).collect();
    refuse_duplicates(&mut asked);
    let ids: Vec<TopicId> = asked.iter().filter_map(|one| one.found.ok()).collect();
    let names: Vec<_> = ids.iter().filter_map(|id| state.topic_by_id(*id)).map(|topic| topic.name.clone()).collect();
    drop(state);
    let timeout = Duration::from_millis(u64::try_from(request.timeout_ms).unwrap_or(0));
    let deleted = match ids.is_empty() {
        true => Ok(Vec::new()),
        false => broker.env.timeout(timeout, broker.meta.delete_topics(ids)).await,
    };
    let any_deleted = matches!(&deleted, Ok(outcomes) if outcomes.iter().any(Result::is_ok));
    let mut outcomes = deleted.map(Vec::into_iter);
    let mut responses = Vec::with_capacity(asked.len());
    for one in asked {
        let failure = match (one.found, &mut outcomes) {
            (Err(error), _) => Some((error, None)),
            (Ok(_), Err(_)) => Some((ErrorCode::RequestTimedOut, None)),
            (Ok(_), Ok(outcomes)) => match outcomes.next() {
                Some(Ok(())) => None,
                Some(Err(error)) => Some((errors::of_delete_topic(&error, one.by_id), Some(error.to_string()))),
                None => Some((ErrorCode::UnknownServerError, None)),
            },
        };
        responses.push(result(call, one, failure));
    }
    if any_deleted {
        tracing::info!(topics = ?names, "topics deleted");
        broker.groups.forget_topics(names).await;
    }
    DeleteTopicsResponse { responses, ..Default::default() }
}

fn find(state: &ClusterState, asked: DeleteTopicState) -> Asked {
    let (name, id) = (asked.name, asked.topic_id);
    let by_id = !id.is_zero();
    let (name, found) = match (name, by_id) {
        (Some(name), false) => {
            let found = state.topic(&name).map(|topic| topic.id).ok_or(ErrorCode::UnknownTopicOrPartition);
            (Some(name), found)
        }
        (None, true) => match state.topic_by_id(id.into()) {
            Some(topic) => (Some(text(&topic.name)), Ok(topic.id)),
            None => (None, Err(ErrorCode::UnknownTopicId)),
        },
        (name, _) => (name, Err(ErrorCode::InvalidRequest)),
    };
    let id = found.map_or(id, Uuid::from);
    Asked { name, id, found, by_id }
}

/// A topic that is named twice is not deleted, as in Kafka.
fn refuse_duplicates(asked: &mut [Asked]) {
    let mut counts: BTreeMap<TopicId, usize> = BTreeMap::new();
    for one in asked.iter() {
        if let Ok(id) = one.found {
            *counts.entry(id).or_default() += 1;
        }
    }
    for one in asked {
        if one.found.is_ok_and(|id| counts.get(&id).is_some_and(|count| *count > 1)) {
            one.found = Err(ErrorCode::InvalidRequest);
        }
    }
}

fn result(call: &Call, asked: Asked, failure: Option<(ErrorCode, Option<String>)>) -> DeletableTopicResult {
    let (error, message) = failure.unwrap_or((ErrorCode::None, None));
    let error = match error {
        ErrorCode::TopicDeletionDisabled if call.version < FIRST_WITH_DISABLED => ErrorCode::InvalidRequest,
        error => error,
    };
    // Versions below 6 have no null name; they never name topics by id.
    let name = if call.version < FIRST_WITH_STATES { Some(asked.name.unwrap_or_default()) } else { asked.name };
    DeletableTopicResult {
        name,
        topic_id: asked.id,
        error_code: error.code(),
        error_message: message.map(Str::from),
        ..Default::default()
    }
}
