//! What has configurations: topics and brokers, as the config APIs name them.

use std::collections::BTreeSet;

use highwater_meta::{AlterConfigsError, ConfigChanges, ConfigTarget};
use highwater_types::TopicId;
use highwater_wire::{ErrorCode, Str};

use crate::broker::Broker;
use crate::errors;

/// Topic, in Kafka's numbers (`ConfigResource.Type`).
pub const TOPIC: i8 = 2;
/// Broker; all brokers, where the name is empty.
pub const BROKER: i8 = 4;
/// The loggers of a broker.
pub const BROKER_LOGGER: i8 = 8;
/// A subscription to clients' metrics.
pub const CLIENT_METRICS: i8 = 16;
/// A group.
pub const GROUP: i8 = 32;

/// Why a request about one resource failed: a code, and the text for it.
pub type Failure = (ErrorCode, String);

/// The resource that a request names.
///
/// # Errors
/// UNKNOWN_TOPIC_OR_PARTITION, INVALID_TOPIC_EXCEPTION, or INVALID_REQUEST for what has no
/// configurations here.
pub fn find(broker: &Broker, kind: i8, name: &str) -> Result<ConfigTarget, Failure> {
    match kind {
        TOPIC => topic(broker, name).map(ConfigTarget::Topic),
        BROKER if name.is_empty() => Ok(ConfigTarget::AllBrokers),
        BROKER => this_broker(broker, name).map(ConfigTarget::Broker),
        BROKER_LOGGER => Err(invalid("The levels of loggers are not kept as configurations: see --log.".to_owned())),
        CLIENT_METRICS => Err(invalid("Client metrics are not collected by this broker.".to_owned())),
        GROUP => Err(invalid("Groups have no configurations of their own on this broker.".to_owned())),
        _ => Err(invalid("Unexpected resource type UNKNOWN.".to_owned())),
    }
}

/// Changes the configurations of one resource.
///
/// # Errors
/// See [`AlterConfigsError`].
pub async fn alter(
    broker: &Broker,
    target: ConfigTarget,
    changes: ConfigChanges,
    validate_only: bool,
) -> Result<(), Failure> {
    let outcome = broker.meta.alter_configs(target, changes.clone(), validate_only).await;
    if outcome.is_ok() && !validate_only {
        tracing::info!(?target, ?changes, "configurations changed");
    }
    outcome.map_err(|error| (errors::of_alter_configs(&error), shown(&error, target, broker)))
}

fn shown(error: &AlterConfigsError, target: ConfigTarget, broker: &Broker) -> String {
    match (error, target) {
        (AlterConfigsError::UnknownTopic, ConfigTarget::Topic(id)) => {
            let name = broker.meta.state().topic_by_id(id).map(|topic| topic.name.to_string());
            unknown_topic(&name.unwrap_or_default())
        }
        _ => error.to_string(),
    }
}

fn topic(broker: &Broker, name: &str) -> Result<TopicId, Failure> {
    highwater_meta::names::check(name).map_err(|why| (ErrorCode::InvalidTopicException, why))?;
    let state = broker.meta.state();
    let topic = state.topic(name).ok_or_else(|| (ErrorCode::UnknownTopicOrPartition, unknown_topic(name)))?;
    Ok(topic.id)
}

fn unknown_topic(name: &str) -> String {
    format!("The topic '{name}' does not exist.")
}

fn this_broker(broker: &Broker, name: &str) -> Result<i32, Failure> {
    let shown: String = name.chars().take(64).collect();
    let node = name.parse::<i32>().map_err(|_| invalid(format!("Node id must be an integer, but it is: {shown}")))?;
    let ours = broker.config.node_id.0;
    if node != ours {
        return Err(invalid(format!("Unexpected broker id, expected {ours}, but received {node}")));
    }
    Ok(node)
}

/// The resources that are named more than once: none of them is changed, as in Kafka.
pub fn named_twice<'a>(resources: impl Iterator<Item = (i8, &'a Str)>) -> BTreeSet<(i8, Str)> {
    let mut seen = BTreeSet::new();
    resources.filter(|one| !seen.insert(*one)).map(|(kind, name)| (kind, name.clone())).collect()
}

/// What is said of one of them.
pub fn twice() -> Failure {
    invalid("Each resource must appear at most once.".to_owned())
}

/// Code and text of an answer.
pub fn told(outcome: Result<(), Failure>) -> (i16, Option<Str>) {
    match outcome {
        Ok(()) => (ErrorCode::None.code(), None),
        Err((error, text)) => (error.code(), Some(Str::from(text))),
    }
}

/// INVALID_REQUEST.
pub const fn invalid(text: String) -> Failure {
    (ErrorCode::InvalidRequest, text)
}
