//! A topic, as everything above the metadata sees it.

use std::collections::BTreeMap;
use std::sync::Arc;

use highwater_types::{ShardId, TopicId};

use crate::config::TopicSettings;

/// A topic at one version of the metadata. Shared by `Arc`; a change makes a new one.
#[derive(Clone, Debug, PartialEq)]
pub struct Topic {
    /// Its identity: random, never reused.
    pub id: TopicId,
    /// Its name, unique among the topics that exist.
    pub name: Arc<str>,
    /// The shard of each partition, by partition index. Never empty; only ever grows.
    pub partitions: Vec<ShardId>,
    /// One of the system's own (`__consumer_offsets`), which Metadata marks.
    pub internal: bool,
    /// Configurations set on the topic itself, as text.
    pub configs: BTreeMap<String, String>,
    /// What they and the cluster's defaults resolve to.
    pub settings: Arc<TopicSettings>,
}

impl Topic {
    /// The shard of a partition; `None` if there is no such partition.
    pub fn shard(&self, partition: i32) -> Option<ShardId> {
        self.partitions.get(usize::try_from(partition).ok()?).copied()
    }

    /// Number of partitions.
    pub fn partition_count(&self) -> i32 {
        // Bounded by `MAX_PARTITIONS_PER_TOPIC`.
        i32::try_from(self.partitions.len()).unwrap_or(i32::MAX)
    }
}

/// What to create.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewTopic {
    /// Name.
    pub name: String,
    /// Number of partitions; -1 takes the cluster's `num.partitions`.
    pub partitions: i32,
    /// Copies; any number from 1 to 32,767, or -1. Accepted and not used: the bucket replicates.
    pub replication_factor: i16,
    /// Partition index and its brokers, as some tools give them; `partitions` and
    /// `replication_factor` are -1 then. Only their number is used.
    pub assignments: Vec<(i32, Vec<i32>)>,
    /// Configurations; `None` values are refused.
    pub configs: BTreeMap<String, Option<String>>,
    /// Mark it as the system's own.
    pub internal: bool,
}

impl NewTopic {
    /// A topic with the cluster's defaults for all but name and number of partitions (-1: default).
    pub fn new(name: impl Into<String>, partitions: i32) -> Self {
        Self {
            name: name.into(),
            partitions,
            replication_factor: -1,
            assignments: Vec::new(),
            configs: BTreeMap::new(),
            internal: false,
        }
    }

    /// With this configuration.
    #[must_use]
    pub fn config(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.configs.insert(key.into(), Some(value.into()));
        self
    }

    /// As one of the system's own.
    #[must_use]
    pub fn internal(mut self) -> Self {
        self.internal = true;
        self
    }
}
