//! CreateTopics.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use highwater_meta::{CreateTopicError, NewTopic, Topic};
use highwater_wire::messages::create_topics::{
    CreatableTopic, CreatableTopicConfigs, CreatableTopicResult, CreateTopicsRequest, CreateTopicsResponse,
};
use highwater_wire::{ErrorCode, Str};

use crate::assignments;
use crate::call::Call;
use crate::errors;
use crate::offsets_topic::OFFSETS_TOPIC;

/// Copies of a partition, as clients are told: the bucket replicates.
const REPLICATION_FACTOR: i16 = 1;

/// Creates each topic for itself; answers when they are durable, or the request's time is up.
pub async fn handle(call: &Call, request: CreateTopicsRequest) -> CreateTopicsResponse {
    let broker = &*call.broker;
    let (asked, mut refused) = split_strange_assignments(call, request.topics);
    let names: Vec<Str> = asked.iter().map(|topic| topic.name.clone()).collect();
    let new: Vec<NewTopic> = asked.into_iter().map(new_topic).collect();
    let timeout = Duration::from_millis(u64::try_from(request.timeout_ms).unwrap_or(0));
    let create = broker.meta.create_topics(new, request.validate_only);
    let mut topics: Vec<CreatableTopicResult> = match broker.env.timeout(timeout, create).await {
        Ok(created) => {
            if created.iter().flatten().any(|topic| &*topic.name == OFFSETS_TOPIC) {
                broker.groups.refresh();
            }
            names.into_iter().zip(created).map(|(name, outcome)| result(call, name, outcome)).collect()
        }
        Err(_) => names.into_iter().map(|name| failed(name, ErrorCode::RequestTimedOut, None)).collect(),
    };
    topics.append(&mut refused);
    CreateTopicsResponse { topics, ..Default::default() }
}

/// Sets aside the topics that are assigned to brokers which do not exist; how an assignment is numbered
/// is the metadata's to judge.
fn split_strange_assignments(
    call: &Call,
    asked: Vec<CreatableTopic>,
) -> (Vec<CreatableTopic>, Vec<CreatableTopicResult>) {
    let (mut good, mut refused) = (Vec::with_capacity(asked.len()), Vec::new());
    for topic in asked {
        let strange = topic.assignments.iter().find_map(|one| assignments::check(call, &one.broker_ids).err());
        match strange {
            Some(text) => refused.push(failed(topic.name, ErrorCode::InvalidReplicaAssignment, Some(text))),
            None => good.push(topic),
        }
    }
    (good, refused)
}

fn new_topic(topic: CreatableTopic) -> NewTopic {
    let config = |name: Str, value: Option<Str>| (String::from(name), value.map(String::from));
    NewTopic {
        name: String::from(topic.name),
        partitions: topic.num_partitions,
        replication_factor: topic.replication_factor,
        assignments: topic.assignments.into_iter().map(|one| (one.partition_index, one.broker_ids)).collect(),
        configs: topic.configs.into_iter().map(|one| config(one.name, one.value)).collect::<BTreeMap<_, _>>(),
        internal: false,
    }
}

fn result(call: &Call, name: Str, outcome: Result<Arc<Topic>, CreateTopicError>) -> CreatableTopicResult {
    match outcome {
        Ok(topic) => {
            tracing::info!(topic = %topic.name, partitions = topic.partitions.len(), "topic created");
            let configs = call.broker.meta.state().describe_topic_configs(&topic.configs);
            let config = |entry: highwater_meta::config::ConfigEntry| CreatableTopicConfigs {
                name: Str::from_static(entry.name),
                value: entry.value.map(Str::from),
                config_source: entry.source as i8,
                ..Default::default()
            };
            CreatableTopicResult {
                name,
                topic_id: topic.id.into(),
                num_partitions: topic.partition_count(),
                replication_factor: REPLICATION_FACTOR,
                configs: Some(configs.into_iter().map(config).collect()),
                ..Default::default()
            }
        }
        Err(error) => failed(name, errors::of_create_topic(&error), Some(error.to_string())),
    }
}

fn failed(name: Str, error: ErrorCode, message: Option<String>) -> CreatableTopicResult {
    CreatableTopicResult { name, error_code: error.code(), error_message: message.map(Str::from), ..Default::default() }
}
