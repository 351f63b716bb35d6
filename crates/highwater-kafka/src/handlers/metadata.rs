//! Metadata: brokers, topics, who leads which partition; creates topics that clients merely name,
//! where that is allowed.

use std::collections::BTreeMap;
use std::sync::Arc;

use highwater_meta::{ClusterState, CreateTopicError, NewTopic, Topic, names};
use highwater_wire::messages::metadata::{
    MetadataRequest, MetadataRequestTopic, MetadataResponse, MetadataResponseBroker, MetadataResponsePartition,
    MetadataResponseTopic,
};
use highwater_wire::{ErrorCode, Str, Uuid};

use crate::authorized;
use crate::broker::Broker;
use crate::call::Call;
use crate::errors;
use crate::offsets_topic::{self, OFFSETS_TOPIC};
use crate::topics::text;

/// First version in which no topics means none, and null means all.
const FIRST_WITH_NULL: i16 = 1;
/// First version in which topics may be named by id.
const FIRST_WITH_IDS: i16 = 12;

/// Versions that tell what a client may do with the cluster (KIP-430).
const WITH_CLUSTER_OPERATIONS: std::ops::RangeInclusive<i16> = 8..=10;

/// Answers for the topics of the request, or for all.
pub async fn handle(call: &Call, request: MetadataRequest) -> MetadataResponse {
    let asks_for_cluster =
        request.include_cluster_authorized_operations && WITH_CLUSTER_OPERATIONS.contains(&call.version);
    let broker = &*call.broker;
    let asked = match request.topics {
        Some(topics) if !topics.is_empty() || call.version >= FIRST_WITH_NULL => Some(topics),
        _ => None,
    };
    let mut topics = match asked {
        None => {
            let state = broker.meta.state();
            state.topics().map(|topic| described(broker, topic)).collect()
        }
        Some(asked) => named(call, asked, request.allow_auto_topic_creation).await,
    };
    if request.include_topic_authorized_operations {
        let found = topics.iter_mut().filter(|topic| topic.error_code == ErrorCode::None.code());
        found.for_each(|topic| topic.topic_authorized_operations = authorized::ON_TOPIC);
    }
    MetadataResponse {
        cluster_authorized_operations: if asks_for_cluster { authorized::ON_CLUSTER } else { authorized::NOT_ASKED },
        brokers: broker.brokers.live(call.peer.listener).into_iter().map(described_broker).collect(),
        cluster_id: Some(Str::from(broker.meta.state().cluster_id_text())),
        // Every broker serves what Kafka's controller does for clients.
        controller_id: broker.config.node_id.0,
        topics,
        ..Default::default()
    }
}

async fn named(call: &Call, asked: Vec<MetadataRequestTopic>, may_create: bool) -> Vec<MetadataResponseTopic> {
    let broker = &*call.broker;
    let state = broker.meta.state();
    let may_create = may_create && state.settings().auto_create_topics;
    let created = if may_create { create_missing(broker, &state, &asked).await } else { BTreeMap::new() };
    let state = broker.meta.state();
    let mut topics = Vec::with_capacity(asked.len());
    for one in asked {
        topics.push(match (one.name, one.topic_id) {
            // A name beside an id is not looked at: Java's admin client sends an empty one.
            (name, id) if call.version >= FIRST_WITH_IDS && (name.is_none() || id != Uuid::ZERO) => {
                match state.topic_by_id(id.into()) {
                    Some(topic) => described(broker, topic),
                    None => failed(None, id, ErrorCode::UnknownTopicId),
                }
            }
            (Some(name), Uuid::ZERO) => match (state.topic(&name), created.get(&*name)) {
                (Some(topic), _) => described(broker, topic),
                (None, Some(error)) => failed(Some(name), Uuid::ZERO, *error),
                (None, None) if names::check(&name).is_err() => {
                    failed(Some(name), Uuid::ZERO, ErrorCode::InvalidTopicException)
                }
                (None, None) => failed(Some(name), Uuid::ZERO, ErrorCode::UnknownTopicOrPartition),
            },
            // Neither, or an id in a version where Kafka's server never read them.
            (name, id) => failed(Some(name.unwrap_or_default()), id, ErrorCode::InvalidRequest),
        });
    }
    topics
}

/// Creates the topics that do not exist; gives why some could not be.
async fn create_missing(
    broker: &Broker,
    state: &ClusterState,
    asked: &[MetadataRequestTopic],
) -> BTreeMap<String, ErrorCode> {
    let missing = asked.iter().filter_map(|one| one.name.as_deref()).filter(|name| state.topic(name).is_none());
    let mut new: BTreeMap<&str, NewTopic> = BTreeMap::new();
    for name in missing {
        let topic = match name {
            OFFSETS_TOPIC => offsets_topic::new_topic(broker),
            _ => NewTopic::new(name, -1),
        };
        new.insert(name, topic);
    }
    if new.is_empty() {
        return BTreeMap::new();
    }
    let names: Vec<String> = new.keys().map(|name| (*name).to_owned()).collect();
    let created = broker.meta.create_topics(new.into_values().collect(), false).await;
    let failure = |(name, outcome): (String, Result<Arc<Topic>, CreateTopicError>)| match outcome {
        Ok(topic) => {
            tracing::info!(topic = %topic.name, partitions = topic.partitions.len(), "topic auto-created");
            None
        }
        Err(CreateTopicError::Exists(_)) => None,
        Err(error) => {
            tracing::warn!(topic = name, %error, "topic not auto-created");
            Some((name, errors::of_auto_create(&error)))
        }
    };
    names.into_iter().zip(created).filter_map(failure).collect()
}

fn failed(name: Option<Str>, topic_id: Uuid, error: ErrorCode) -> MetadataResponseTopic {
    let is_internal = name.as_deref().is_some_and(names::is_internal);
    MetadataResponseTopic { error_code: error.code(), name, topic_id, is_internal, ..Default::default() }
}

fn described(broker: &Broker, topic: &Topic) -> MetadataResponseTopic {
    let partitions =
        (0i32..).zip(&topic.partitions).map(|(partition_index, shard)| match broker.brokers.leader(*shard) {
            Some(leader) => MetadataResponsePartition {
                partition_index,
                leader_id: leader.node.0,
                leader_epoch: leader.leader_epoch,
                replica_nodes: vec![leader.node.0],
                isr_nodes: vec![leader.node.0],
                ..Default::default()
            },
            None => MetadataResponsePartition {
                error_code: ErrorCode::LeaderNotAvailable.code(),
                partition_index,
                leader_id: -1,
                ..Default::default()
            },
        });
    MetadataResponseTopic {
        name: Some(text(&topic.name)),
        topic_id: topic.id.into(),
        is_internal: topic.internal,
        partitions: partitions.collect(),
        ..Default::default()
    }
}

fn described_broker(info: crate::brokers::BrokerInfo) -> MetadataResponseBroker {
    MetadataResponseBroker {
        node_id: info.node.0,
        host: Str::from(info.endpoint.host),
        port: info.endpoint.port.into(),
        rack: info.rack.map(Str::from),
        ..Default::default()
    }
}
