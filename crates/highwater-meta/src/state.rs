//! The cluster's metadata at one version: what every broker holds in memory.
//!
//! A pure value: it changes only by [`crate::apply`], and a clone costs a few pointers. It is the
//! same on every broker that has applied the same entries, but for what is the broker's own
//! ([`Local`]), which only the resolved settings show.

use std::collections::BTreeMap;
use std::sync::Arc;

use highwater_types::ids::Uuid;
use highwater_types::{ShardId, TopicId, TopicPartition};

use crate::config::{self, BrokerSettings, ConfigEntry, Source, TopicSettings};
use crate::names;
use crate::shared_map::SharedMap;
use crate::topic::Topic;
use crate::uuid_text;

/// Configurations by name.
pub type Configs = BTreeMap<String, String>;

/// What one broker adds of its own: it shows in the resolved settings only.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Local {
    /// Its node id, for dynamic configurations that are set for it alone.
    pub node_id: i32,
    /// Its start-up configuration, by Kafka's broker configuration names.
    pub configs: Configs,
}

/// Cluster metadata. See the module.
#[derive(Clone, Debug)]
pub struct ClusterState {
    /// Entries of the journal below this number are in; 0 before the first.
    pub version: u64,
    /// Random, from the first entry; nil before it.
    pub cluster_id: Uuid,
    /// Number of shards, fixed by the first entry; 0 before it.
    pub shards: u32,
    pub(crate) by_name: SharedMap<Arc<str>, Arc<Topic>>,
    pub(crate) by_id: SharedMap<TopicId, Arc<Topic>>,
    /// Collision key ([`names::collision_key`]) to the one topic that has it.
    pub(crate) by_collision: SharedMap<Arc<str>, Arc<str>>,
    /// Partitions of each shard, by shard.
    pub(crate) shard_load: Arc<Vec<u32>>,
    pub(crate) partition_count: u64,
    pub(crate) next_producer_id: i64,
    /// Dynamic configurations of all brokers.
    pub(crate) default_configs: Arc<Configs>,
    /// Dynamic configurations of single brokers, by node id.
    pub(crate) broker_configs: Arc<BTreeMap<i32, Configs>>,
    local: Arc<Local>,
    settings: Arc<BrokerSettings>,
    /// Settings of a topic that sets nothing; shared by all of them.
    plain_settings: Arc<TopicSettings>,
}

impl ClusterState {
    /// Before the first entry, on this broker.
    pub fn empty(local: Arc<Local>) -> Self {
        let mut state = Self {
            version: 0,
            cluster_id: Uuid::nil(),
            shards: 0,
            by_name: SharedMap::default(),
            by_id: SharedMap::default(),
            by_collision: SharedMap::default(),
            shard_load: Arc::default(),
            partition_count: 0,
            next_producer_id: 0,
            default_configs: Arc::default(),
            broker_configs: Arc::default(),
            settings: Arc::new(BrokerSettings::resolve(&[])),
            plain_settings: Arc::new(TopicSettings::resolve(&Configs::new(), &[])),
            local,
        };
        state.resolve_all();
        state
    }

    /// Whether the first entry is in.
    pub fn is_founded(&self) -> bool {
        self.shards > 0
    }

    /// The cluster id as Kafka shows it: base64-url of its 16 bytes.
    pub fn cluster_id_text(&self) -> String {
        uuid_text::format(self.cluster_id)
    }

    /// A topic by name.
    pub fn topic(&self, name: &str) -> Option<&Arc<Topic>> {
        self.by_name.get(name)
    }

    /// A topic by id.
    pub fn topic_by_id(&self, id: TopicId) -> Option<&Arc<Topic>> {
        self.by_id.get(&id)
    }

    /// All topics, ascending by name.
    pub fn topics(&self) -> impl Iterator<Item = &Arc<Topic>> {
        self.by_name.iter().map(|(_, topic)| topic)
    }

    /// The topics whose name is `from` or above, ascending by name.
    pub fn topics_from(&self, from: &str) -> impl Iterator<Item = &Arc<Topic>> {
        self.by_name.iter_from(from).map(|(_, topic)| topic)
    }

    /// Number of topics.
    pub fn topic_count(&self) -> usize {
        self.by_name.len()
    }

    /// Number of partitions of all topics.
    pub fn partition_count(&self) -> u64 {
        self.partition_count
    }

    /// The shard of a partition; `None` if the topic or the partition does not exist.
    pub fn shard_of(&self, tp: TopicPartition) -> Option<ShardId> {
        self.by_id.get(&tp.topic)?.shard(tp.partition)
    }

    /// Every partition of a shard with its topic, ascending by topic name and partition. Looks at
    /// every topic: for the opening of a shard, not for a request.
    pub fn partitions_of(&self, shard: ShardId) -> impl Iterator<Item = (TopicPartition, &Arc<Topic>)> {
        self.topics().flat_map(move |topic| {
            (0i32..)
                .zip(&topic.partitions)
                .filter(move |(_, of)| **of == shard)
                .map(move |(partition, _)| (TopicPartition { topic: topic.id, partition }, topic))
        })
    }

    /// The existing topic that a new one of this name would be, or collide with.
    pub fn collides_with(&self, name: &str) -> Option<&Arc<str>> {
        self.by_collision.get(names::collision_key(name).as_ref())
    }

    /// First producer id that has not been given away.
    pub fn next_producer_id(&self) -> i64 {
        self.next_producer_id
    }

    /// Settings of the cluster that are not a topic's.
    pub fn settings(&self) -> &Arc<BrokerSettings> {
        &self.settings
    }

    /// Settings of a topic that sets nothing itself.
    pub fn default_topic_settings(&self) -> &Arc<TopicSettings> {
        &self.plain_settings
    }

    /// Every topic configuration with the value in effect for a topic that sets `own`.
    pub fn describe_topic_configs(&self, own: &Configs) -> Vec<ConfigEntry> {
        config::describe::describe_topic(own, &self.layers())
    }

    /// Every configuration of this broker with the value in effect.
    pub fn describe_broker_configs(&self) -> Vec<ConfigEntry> {
        config::describe::describe_broker(&self.layers())
    }

    /// What is set for all brokers, while they run.
    pub fn describe_default_configs(&self) -> Vec<ConfigEntry> {
        config::describe::describe_layer((&self.default_configs, Source::DynamicDefault))
    }

    fn layers(&self) -> [config::describe::Layer<'_>; 3] {
        let [broker, default, fixed] = self.inherited();
        [(broker, Source::DynamicBroker), (default, Source::DynamicDefault), (fixed, Source::StaticBroker)]
    }

    /// The broker configurations under every topic's own, strongest first.
    pub(crate) fn inherited(&self) -> [&Configs; 3] {
        static NONE: Configs = Configs::new();
        let broker = self.broker_configs.get(&self.local.node_id).unwrap_or(&NONE);
        [broker, &self.default_configs, &self.local.configs]
    }

    /// What a topic's own configurations resolve to; one shared value for all that set nothing.
    pub(crate) fn resolve(&self, own: &Configs) -> Arc<TopicSettings> {
        if own.is_empty() {
            Arc::clone(&self.plain_settings)
        } else {
            Arc::new(TopicSettings::resolve(own, &self.inherited()))
        }
    }

    /// Resolves everything again after a change of the brokers' configurations.
    pub(crate) fn resolve_all(&mut self) {
        self.settings = Arc::new(BrokerSettings::resolve(&self.inherited()));
        self.plain_settings = Arc::new(TopicSettings::resolve(&Configs::new(), &self.inherited()));
        let fresh =
            |topic: &Arc<Topic>| Arc::new(Topic { settings: self.resolve(&topic.configs), ..Topic::clone(topic) });
        let by_name = self.by_name.map_values(fresh);
        let by_id = self.by_id.map_values(|topic| by_name.get(&topic.name).cloned().unwrap_or_else(|| fresh(topic)));
        self.by_name = by_name;
        self.by_id = by_id;
    }

    /// Puts a topic in, new or changed, in all its indexes.
    pub(crate) fn put_topic(&mut self, topic: Topic) {
        let topic = Arc::new(topic);
        let key: Arc<str> = match names::collision_key(&topic.name) {
            std::borrow::Cow::Borrowed(_) => Arc::clone(&topic.name),
            std::borrow::Cow::Owned(key) => key.into(),
        };
        self.by_collision.insert(key, Arc::clone(&topic.name));
        self.by_id.insert(topic.id, Arc::clone(&topic));
        self.by_name.insert(Arc::clone(&topic.name), topic);
    }

    /// Takes a topic out of all its indexes.
    pub(crate) fn take_topic(&mut self, id: TopicId) -> Option<Arc<Topic>> {
        let topic = self.by_id.remove(&id)?;
        self.by_name.remove(&*topic.name);
        self.by_collision.remove(names::collision_key(&topic.name).as_ref());
        Some(topic)
    }

    /// Counts partitions that come (`1`) or go (`-1`).
    pub(crate) fn count_partitions(&mut self, shards: &[ShardId], step: i32) {
        let load = Arc::make_mut(&mut self.shard_load);
        for shard in shards {
            if let Some(count) = load.get_mut(shard.0 as usize) {
                *count = count.saturating_add_signed(step);
            }
        }
        let signed = i64::from(step).saturating_mul(i64::try_from(shards.len()).unwrap_or(0));
        self.partition_count = self.partition_count.saturating_add_signed(signed);
    }
}

/// Equal metadata; what is a broker's own ([`Local`]) does not count.
impl PartialEq for ClusterState {
    fn eq(&self, other: &Self) -> bool {
        let plain = |topic: &Arc<Topic>| {
            (topic.id, Arc::clone(&topic.name), topic.partitions.clone(), topic.internal, topic.configs.clone())
        };
        self.version == other.version
            && self.cluster_id == other.cluster_id
            && self.shards == other.shards
            && self.next_producer_id == other.next_producer_id
            && self.default_configs == other.default_configs
            && self.broker_configs == other.broker_configs
            && self.topics().map(plain).eq(other.topics().map(plain))
    }
}
