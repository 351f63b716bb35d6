//! What may be asked of the metadata: from a request to edits, by Kafka's rules. Pure.
//!
//! Each operation plans against the state that its entry will follow; when another broker's entry
//! gets in between, it is planned again. The answers are given when the entry is durable.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::Arc;

use highwater_types::{ShardId, TopicId};

use crate::config::{self, InvalidConfig};
use crate::draft::Draft;
use crate::edit::Edit;
use crate::errors::{AddPartitionsError, CreateTopicError, DeleteTopicError, MetaError, Refused};
use crate::limits::{MAX_PARTITIONS, MAX_PARTITIONS_PER_TOPIC, MAX_TOPICS_PER_REQUEST, PRODUCER_ID_BLOCK};
use crate::names;
use crate::spread::spread;
use crate::state::{ClusterState, Configs};
use crate::topic::{NewTopic, Topic};

/// A request to change the metadata.
pub trait Operation: Send + 'static {
    /// Its answer.
    type Answer: Send + 'static;
    /// Adds the edits it takes to the draft; the answer holds when they are durable. Called again,
    /// on another draft, when these edits came too late.
    fn plan(&self, draft: &mut Draft) -> Self::Answer;
    /// The answer when the journal could not be written.
    fn failed(&self, error: &MetaError) -> Self::Answer;
}

/// CreateTopics.
#[derive(Clone, Debug)]
pub struct CreateTopics {
    /// What to create.
    pub topics: Vec<NewTopic>,
    /// Only say what would happen; the topics given back have a zero id.
    pub validate_only: bool,
}

impl Operation for CreateTopics {
    type Answer = Vec<Result<Arc<Topic>, CreateTopicError>>;

    fn plan(&self, draft: &mut Draft) -> Self::Answer {
        if self.topics.len() > MAX_TOPICS_PER_REQUEST {
            let refuse = || {
                CreateTopicError::InvalidRequest(format!(
                    "At most {MAX_TOPICS_PER_REQUEST} topics can be created at once."
                ))
            };
            return self.topics.iter().map(|_| Err(refuse())).collect();
        }
        let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
        for topic in &self.topics {
            *counts.entry(&topic.name).or_default() += 1;
        }
        let twice: BTreeSet<&str> = counts.into_iter().filter(|(_, count)| *count > 1).map(|(name, _)| name).collect();
        let mut trial = self.validate_only.then(|| draft.trial());
        let target = trial.as_mut().unwrap_or(draft);
        self.topics
            .iter()
            .map(|topic| {
                if twice.contains(topic.name.as_str()) {
                    return Err(CreateTopicError::InvalidRequest("Duplicate topic name.".to_owned()));
                }
                let created = create_topic(target, topic)?;
                Ok(if self.validate_only {
                    Arc::new(Topic { id: TopicId::ZERO, ..Topic::clone(&created) })
                } else {
                    created
                })
            })
            .collect()
    }

    fn failed(&self, error: &MetaError) -> Self::Answer {
        self.topics.iter().map(|_| Err(error.clone().into())).collect()
    }
}

fn create_topic(draft: &mut Draft, new: &NewTopic) -> Result<Arc<Topic>, CreateTopicError> {
    names::check(&new.name).map_err(CreateTopicError::InvalidName)?;
    if let Some(with) = draft.state.collides_with(&new.name) {
        return Err(if **with == *new.name {
            CreateTopicError::Exists(new.name.clone())
        } else {
            CreateTopicError::Collides { name: new.name.clone(), with: with.to_string() }
        });
    }
    let configs = check_configs(&draft.state, &new.configs)?;
    let count = partition_count(&draft.state, new)?;
    let total = draft.state.partition_count().saturating_add(count as u64);
    if total > MAX_PARTITIONS {
        return Err(CreateTopicError::InvalidPartitions(format!(
            "The cluster would have {total} partitions, and can have {MAX_PARTITIONS}."
        )));
    }
    let id = draft.fresh_topic_id();
    let partitions = spread(&draft.state.shard_load, count).into_iter().map(|ShardId(shard)| shard).collect();
    let internal = new.internal || names::is_internal(&new.name);
    draft
        .put(Edit::CreateTopic { id, name: new.name.clone(), partitions, configs, internal })
        .map_err(|refused| CreateTopicError::InvalidRequest(refused.to_string()))?;
    draft
        .state
        .topic_by_id(id)
        .cloned()
        .ok_or_else(|| CreateTopicError::InvalidRequest("the topic vanished while it was created".to_owned()))
}

/// The topic's own configurations, if all are legal.
fn check_configs(state: &ClusterState, given: &BTreeMap<String, Option<String>>) -> Result<Configs, InvalidConfig> {
    let nulls: Vec<&str> = given.iter().filter(|(_, value)| value.is_none()).map(|(name, _)| name.as_str()).collect();
    if !nulls.is_empty() {
        let shown: String = nulls.join(",").chars().take(256).collect();
        return Err(InvalidConfig::Null(shown));
    }
    let configs = given.iter().filter_map(|(name, value)| Some((name.clone(), value.clone()?))).collect();
    check_topic_configs(state, &configs)?;
    Ok(configs)
}

pub(crate) fn check_topic_configs(state: &ClusterState, configs: &Configs) -> Result<(), InvalidConfig> {
    config::topic::check(configs, |row| config::settings::inherited(row, &state.inherited()))
}

/// How many partitions a new topic gets.
fn partition_count(state: &ClusterState, new: &NewTopic) -> Result<usize, CreateTopicError> {
    if !new.assignments.is_empty() {
        return assigned_partitions(new);
    }
    if new.replication_factor == 0 || new.replication_factor < -1 {
        return Err(CreateTopicError::InvalidReplicationFactor(
            "Replication factor must be larger than 0, or -1 to use the default value.".to_owned(),
        ));
    }
    let count = if new.partitions == -1 { state.settings().num_partitions } else { new.partitions };
    let count = usize::try_from(count).unwrap_or(0);
    if count == 0 {
        return Err(CreateTopicError::InvalidPartitions(
            "Number of partitions was set to an invalid non-positive value.".to_owned(),
        ));
    }
    check_partition_limit(count).map_err(CreateTopicError::InvalidPartitions)?;
    Ok(count)
}

fn check_partition_limit(count: usize) -> Result<(), String> {
    if count > MAX_PARTITIONS_PER_TOPIC {
        return Err(format!("A topic can have at most {MAX_PARTITIONS_PER_TOPIC} partitions, not {count}."));
    }
    Ok(())
}

/// The number of partitions of a manual assignment: 0 to n-1, each once, each with brokers.
fn assigned_partitions(new: &NewTopic) -> Result<usize, CreateTopicError> {
    if new.replication_factor != -1 {
        return Err(CreateTopicError::InvalidRequest(
            "A manual partition assignment was specified, but replication factor was not set to -1.".to_owned(),
        ));
    }
    if new.partitions != -1 {
        return Err(CreateTopicError::InvalidRequest(
            "A manual partition assignment was specified, but numPartitions was not set to -1.".to_owned(),
        ));
    }
    check_partition_limit(new.assignments.len()).map_err(CreateTopicError::InvalidPartitions)?;
    let mut indexes = BTreeSet::new();
    for (index, brokers) in &new.assignments {
        if !indexes.insert(*index) {
            return Err(CreateTopicError::InvalidAssignment(format!(
                "Found multiple manual partition assignments for partition {index}"
            )));
        }
        if brokers.is_empty() {
            return Err(CreateTopicError::InvalidAssignment(
                "The manual partition assignment includes an empty replica list.".to_owned(),
            ));
        }
        let distinct: BTreeSet<i32> = brokers.iter().copied().collect();
        if distinct.len() != brokers.len() || distinct.first().is_some_and(|broker| *broker < 0) {
            return Err(CreateTopicError::InvalidAssignment(format!(
                "The manual partition assignment of partition {index} names a broker twice, or one below 0."
            )));
        }
    }
    if !indexes.iter().copied().eq(0..i32::try_from(indexes.len()).unwrap_or(i32::MAX)) {
        return Err(CreateTopicError::InvalidAssignment(
            "partitions should be a consecutive 0-based integer sequence".to_owned(),
        ));
    }
    Ok(indexes.len())
}

/// DeleteTopics.
#[derive(Clone, Debug)]
pub struct DeleteTopics {
    /// What to delete.
    pub ids: Vec<TopicId>,
}

impl Operation for DeleteTopics {
    type Answer = Vec<Result<(), DeleteTopicError>>;

    fn plan(&self, draft: &mut Draft) -> Self::Answer {
        let refusal = if self.ids.len() > MAX_TOPICS_PER_REQUEST {
            Some(DeleteTopicError::InvalidRequest(format!(
                "At most {MAX_TOPICS_PER_REQUEST} topics can be deleted at once."
            )))
        } else if !draft.state.settings().delete_topics {
            Some(DeleteTopicError::Disabled)
        } else {
            None
        };
        let delete = |id: &TopicId| match &refusal {
            Some(refusal) => Err(refusal.clone()),
            None => draft.put(Edit::DeleteTopic { id: *id }).map_err(|_| DeleteTopicError::Unknown),
        };
        self.ids.iter().map(delete).collect()
    }

    fn failed(&self, error: &MetaError) -> Self::Answer {
        self.ids.iter().map(|_| Err(error.clone().into())).collect()
    }
}

/// CreatePartitions, for one topic.
#[derive(Clone, Debug)]
pub struct AddPartitions {
    /// Which.
    pub id: TopicId,
    /// Number of partitions that it has afterwards.
    pub total: i32,
    /// Only say what would happen.
    pub validate_only: bool,
}

impl Operation for AddPartitions {
    type Answer = Result<(), AddPartitionsError>;

    fn plan(&self, draft: &mut Draft) -> Self::Answer {
        let topic = draft.state.topic_by_id(self.id).ok_or(AddPartitionsError::Unknown)?;
        let had = topic.partition_count();
        let invalid = |why: String| Err(AddPartitionsError::InvalidPartitions(why));
        if self.total == had {
            return invalid(format!("Topic already has {had} partition(s)."));
        }
        if self.total < had {
            return invalid(format!(
                "The topic {} currently has {had} partition(s); {} would not be an increase.",
                topic.name, self.total
            ));
        }
        let total = usize::try_from(self.total).unwrap_or(usize::MAX);
        check_partition_limit(total).map_err(AddPartitionsError::InvalidPartitions)?;
        let added = total.saturating_sub(topic.partitions.len());
        let partitions = spread(&draft.state.shard_load, added).into_iter().map(|ShardId(shard)| shard).collect();
        let edit = Edit::AddPartitions { id: self.id, from: had.cast_unsigned(), partitions };
        let put = if self.validate_only { draft.trial().put(edit) } else { draft.put(edit) };
        put.map_err(|refused| AddPartitionsError::InvalidPartitions(refused.to_string()))
    }

    fn failed(&self, error: &MetaError) -> Self::Answer {
        Err(error.clone().into())
    }
}

/// A block of producer ids.
#[derive(Clone, Debug)]
pub struct TakeProducerIds;

impl Operation for TakeProducerIds {
    type Answer = Result<Range<i64>, MetaError>;

    fn plan(&self, draft: &mut Draft) -> Self::Answer {
        let first = draft.state.next_producer_id();
        let contradiction =
            |why: Refused| MetaError::Contradiction { object: "a block of producer ids".to_owned(), why };
        draft.put(Edit::TakeProducerIds { first, count: PRODUCER_ID_BLOCK }).map_err(contradiction)?;
        Ok(first..first + PRODUCER_ID_BLOCK)
    }

    fn failed(&self, error: &MetaError) -> Self::Answer {
        Err(error.clone())
    }
}

/// The first entry: cluster id and number of shards. Nothing to do if there is one.
#[derive(Clone, Debug)]
pub struct FoundCluster {
    /// Number of shards.
    pub shards: u32,
    /// The id, should this be the first entry.
    pub cluster_id: highwater_types::ids::Uuid,
}

impl Operation for FoundCluster {
    type Answer = Result<(), MetaError>;

    fn plan(&self, draft: &mut Draft) -> Self::Answer {
        if draft.state.is_founded() {
            return Ok(());
        }
        draft
            .put(Edit::Found { cluster_id: self.cluster_id, shards: self.shards })
            .map_err(|why| MetaError::Contradiction { object: "the first entry".to_owned(), why })
    }

    fn failed(&self, error: &MetaError) -> Self::Answer {
        Err(error.clone())
    }
}
