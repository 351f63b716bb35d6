//! `__consumer_offsets`: created when a group is first looked for, as Kafka does.

use std::sync::Arc;

use highwater_meta::{CreateTopicError, NewTopic, Topic};

use crate::broker::Broker;

/// Its name.
pub const OFFSETS_TOPIC: &str = "__consumer_offsets";

/// The settings that Kafka creates it with (`GroupCoordinatorService.groupMetadataTopicConfigs`).
const CONFIGS: [(&str, &str); 3] =
    [("cleanup.policy", "compact"), ("compression.type", "producer"), ("segment.bytes", "104857600")];

/// The topic, created if it does not exist.
///
/// # Errors
/// When it cannot be created; worth another try.
pub async fn ensure(broker: &Broker) -> Result<Arc<Topic>, CreateTopicError> {
    if let Some(topic) = broker.meta.state().topic(OFFSETS_TOPIC) {
        return Ok(Arc::clone(topic));
    }
    let created = broker.meta.create_topics(vec![new_topic(broker)], false).await.pop();
    match created {
        Some(Ok(topic)) => {
            broker.groups.refresh();
            Ok(topic)
        }
        // Somebody else was faster.
        Some(Err(CreateTopicError::Exists(name))) => {
            broker.meta.state().topic(OFFSETS_TOPIC).map(Arc::clone).ok_or(CreateTopicError::Exists(name))
        }
        Some(Err(error)) => Err(error),
        None => Err(CreateTopicError::InvalidRequest("no answer".to_owned())),
    }
}

/// What to create, with the number of partitions of `offsets.topic.num.partitions`.
pub fn new_topic(broker: &Broker) -> NewTopic {
    let partitions = broker.meta.state().settings().offsets_partitions;
    let topic = NewTopic::new(OFFSETS_TOPIC, partitions).internal();
    CONFIGS.into_iter().fold(topic, |topic, (key, value)| topic.config(key, value))
}
