//! Edit by edit: the only way that the metadata changes. Pure and deterministic.
//!
//! Only what keeps the state consistent is checked here, and these checks never change: whether a
//! name or a configuration is legal was decided by whoever wrote the entry ([`crate::plan`]), and a
//! later release may decide otherwise. An edit that is refused leaves the state as it was.

use std::collections::BTreeMap;
use std::sync::Arc;

use highwater_types::{ShardId, TopicId};

use crate::edit::Edit;
use crate::errors::Refused;
use crate::limits::{MAX_PARTITIONS, MAX_PARTITIONS_PER_TOPIC, MAX_SHARDS};
use crate::state::{ClusterState, Configs};
use crate::topic::Topic;

/// Applies one edit.
pub fn apply(state: &mut ClusterState, edit: &Edit) -> Result<(), Refused> {
    if state.is_founded() == matches!(edit, Edit::Found { .. }) {
        return Err(Refused::Founding);
    }
    match edit {
        Edit::Found { cluster_id, shards } => {
            if *shards == 0 || *shards > MAX_SHARDS {
                return Err(Refused::OutOfBounds("the number of shards"));
            }
            state.cluster_id = *cluster_id;
            state.shards = *shards;
            state.shard_load = Arc::new(vec![0; *shards as usize]);
            Ok(())
        }
        Edit::CreateTopic { id, name, partitions, configs, internal } => {
            create_topic(state, *id, name, partitions, configs, *internal)
        }
        Edit::DeleteTopic { id } => {
            let topic = state.take_topic(*id).ok_or(Refused::UnknownTopic(*id))?;
            state.count_partitions(&topic.partitions, -1);
            Ok(())
        }
        Edit::AddPartitions { id, from, partitions } => add_partitions(state, *id, *from, partitions),
        Edit::SetTopicConfigs { id, changes } => {
            let topic = state.topic_by_id(*id).ok_or(Refused::UnknownTopic(*id))?;
            let mut topic = Topic::clone(topic);
            change(&mut topic.configs, changes);
            topic.settings = state.resolve(&topic.configs);
            state.put_topic(topic);
            Ok(())
        }
        Edit::SetBrokerConfigs { broker, changes } => {
            match broker {
                None => change(Arc::make_mut(&mut state.default_configs), changes),
                Some(broker) => {
                    let all = Arc::make_mut(&mut state.broker_configs);
                    let configs = all.entry(*broker).or_default();
                    change(configs, changes);
                    if configs.is_empty() {
                        all.remove(broker);
                    }
                }
            }
            state.resolve_all();
            Ok(())
        }
        Edit::TakeProducerIds { first, count } => {
            let refused = Refused::ProducerIds { next: state.next_producer_id };
            if *first != state.next_producer_id || *count <= 0 {
                return Err(refused);
            }
            state.next_producer_id = first.checked_add(*count).ok_or(refused)?;
            Ok(())
        }
    }
}

fn create_topic(
    state: &mut ClusterState,
    id: TopicId,
    name: &str,
    partitions: &[u32],
    configs: &Configs,
    internal: bool,
) -> Result<(), Refused> {
    if state.by_id.get(&id).is_some() {
        return Err(Refused::IdInUse(id));
    }
    if let Some(with) = state.collides_with(name) {
        return Err(Refused::TopicExists(with.to_string()));
    }
    let partitions = check_shards(state, 0, partitions)?;
    state.count_partitions(&partitions, 1);
    let settings = state.resolve(configs);
    state.put_topic(Topic { id, name: name.into(), partitions, internal, configs: configs.clone(), settings });
    Ok(())
}

fn add_partitions(state: &mut ClusterState, id: TopicId, from: u32, added: &[u32]) -> Result<(), Refused> {
    let topic = Arc::clone(state.topic_by_id(id).ok_or(Refused::UnknownTopic(id))?);
    if topic.partitions.len() != from as usize {
        return Err(Refused::PartitionCount { expected: from, is: topic.partitions.len() });
    }
    let added = check_shards(state, topic.partitions.len(), added)?;
    state.count_partitions(&added, 1);
    let mut topic = Topic::clone(&topic);
    topic.partitions.extend(added);
    state.put_topic(topic);
    Ok(())
}

/// The shards of new partitions, if all exist and the limits hold.
fn check_shards(state: &ClusterState, had: usize, shards: &[u32]) -> Result<Vec<ShardId>, Refused> {
    let total = state.partition_count.saturating_add(shards.len() as u64);
    if shards.is_empty() || had.saturating_add(shards.len()) > MAX_PARTITIONS_PER_TOPIC || total > MAX_PARTITIONS {
        return Err(Refused::OutOfBounds("the number of partitions"));
    }
    if shards.iter().any(|shard| *shard >= state.shards) {
        return Err(Refused::OutOfBounds("the shard of a partition"));
    }
    Ok(shards.iter().copied().map(ShardId).collect())
}

fn change(configs: &mut Configs, changes: &BTreeMap<String, Option<String>>) {
    for (name, value) in changes {
        match value {
            Some(value) => configs.insert(name.clone(), value.clone()),
            None => configs.remove(name),
        };
    }
}
