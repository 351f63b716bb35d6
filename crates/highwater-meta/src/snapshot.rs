//! The whole state in one object under `meta/snap/`.
//!
//! Layout: JSON, UTF-8: `format` (1), `version` (entries below this number are in), `cluster_id`
//! (hyphenated), `shards`, `next_producer_id`, `default_configs`, `broker_configs` (by node id),
//! `topics` (ascending by name; id, name, partitions as their shards, configs, internal). Empty maps
//! and false flags are left out. The format rules are those of [`crate::edit`].

use std::collections::BTreeMap;
use std::sync::Arc;

use highwater_types::ids::Uuid;
use highwater_types::{ShardId, TopicId};
use serde::{Deserialize, Serialize};

use crate::apply::apply;
use crate::edit::{Edit, as_text, check_format};
use crate::errors::FormatError;
use crate::state::{ClusterState, Configs, Local};

/// The format that this release writes, and the highest that it reads.
pub const FORMAT: u32 = 1;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SnapshotForm {
    format: u32,
    version: u64,
    #[serde(with = "as_text")]
    cluster_id: Uuid,
    shards: u32,
    next_producer_id: i64,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    default_configs: Configs,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    broker_configs: BTreeMap<i32, Configs>,
    topics: Vec<TopicForm>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct TopicForm {
    #[serde(with = "as_text")]
    id: TopicId,
    name: String,
    partitions: Vec<u32>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    configs: Configs,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    internal: bool,
}

/// The bytes of a founded state.
pub fn encode(state: &ClusterState) -> Result<Vec<u8>, FormatError> {
    let topics = state
        .topics()
        .map(|topic| TopicForm {
            id: topic.id,
            name: topic.name.to_string(),
            partitions: topic.partitions.iter().map(|ShardId(shard)| *shard).collect(),
            configs: topic.configs.clone(),
            internal: topic.internal,
        })
        .collect();
    let form = SnapshotForm {
        format: FORMAT,
        version: state.version,
        cluster_id: state.cluster_id,
        shards: state.shards,
        next_producer_id: state.next_producer_id,
        default_configs: Configs::clone(&state.default_configs),
        broker_configs: BTreeMap::clone(&state.broker_configs),
        topics,
    };
    serde_json::to_vec(&form).map_err(|e| FormatError::unwritable(&e))
}

/// The state in a snapshot, on this broker. `object` names it in errors.
pub fn decode(object: &str, bytes: &[u8], local: Arc<Local>) -> Result<ClusterState, FormatError> {
    check_format(object, bytes, FORMAT)?;
    let form: SnapshotForm = serde_json::from_slice(bytes).map_err(|e| FormatError::corrupt(object, &e))?;
    let mut state = ClusterState::empty(local);
    // By way of the edits, so that a snapshot can hold nothing that they could not have made.
    let mut put = |edit: Edit| {
        apply(&mut state, &edit)
            .map_err(|refused| FormatError::Corrupt { object: object.to_owned(), detail: refused.to_string() })
    };
    put(Edit::Found { cluster_id: form.cluster_id, shards: form.shards })?;
    if !form.default_configs.is_empty() {
        put(Edit::SetBrokerConfigs { broker: None, changes: as_changes(form.default_configs) })?;
    }
    for (broker, configs) in form.broker_configs {
        put(Edit::SetBrokerConfigs { broker: Some(broker), changes: as_changes(configs) })?;
    }
    for TopicForm { id, name, partitions, configs, internal } in form.topics {
        put(Edit::CreateTopic { id, name, partitions, configs, internal })?;
    }
    if form.next_producer_id != 0 {
        put(Edit::TakeProducerIds { first: 0, count: form.next_producer_id })?;
    }
    state.version = form.version;
    Ok(state)
}

fn as_changes(configs: Configs) -> BTreeMap<String, Option<String>> {
    configs.into_iter().map(|(name, value)| (name, Some(value))).collect()
}
