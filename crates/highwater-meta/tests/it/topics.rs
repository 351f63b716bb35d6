//! CreateTopics and its neighbours, by Kafka's rules.

use std::collections::BTreeMap;

use highwater_env::sim::SimEnv;
use highwater_meta::journal::memory::MemoryJournal;
use highwater_meta::{
    AddPartitionsError, AlterConfigsError, ConfigChange, ConfigChanges, ConfigTarget, CreateTopicError,
    DeleteTopicError, MetaClient, MetaOptions, NewTopic,
};
use highwater_types::{Durability, TopicId};

async fn client(shards: u32) -> MetaClient {
    let sim = SimEnv::new(1);
    let mut options = MetaOptions { shards, ..MetaOptions::new() };
    options.configs.insert("highwater.durability".to_owned(), "local".to_owned());
    options.configs.insert("num.partitions".to_owned(), "3".to_owned());
    MetaClient::over(&sim.env, MemoryJournal::new().place(), options).await.unwrap()
}

async fn create(
    client: &MetaClient,
    topic: NewTopic,
) -> Result<std::sync::Arc<highwater_meta::Topic>, CreateTopicError> {
    client.create_topics(vec![topic], false).await.remove(0)
}

#[tokio::test]
async fn a_topic_is_found_by_name_and_id() {
    let client = client(4).await;
    let mut changes = client.changes();
    assert_eq!(changes.look(|version| *version), 1);
    let topic = create(&client, NewTopic::new("flights", 8)).await.unwrap();
    changes.changed().await.unwrap();
    assert_eq!(changes.look(|version| *version), 2);
    let state = client.state();
    assert_eq!(state.cluster_id_text().len(), 22);
    assert_eq!(state.shards, 4);
    assert_eq!(state.topic("flights"), Some(&topic));
    assert_eq!(state.topic_by_id(topic.id), Some(&topic));
    assert_eq!(topic.partition_count(), 8);
    assert_eq!(topic.settings.durability, Durability::Local);
    assert!(!topic.internal);
    let mut of_shard = BTreeMap::new();
    topic.partitions.iter().for_each(|shard| *of_shard.entry(*shard).or_insert(0) += 1);
    assert_eq!(of_shard.len(), 4);
    assert!(of_shard.values().all(|count| *count == 2));
    for (shard, count) in of_shard {
        assert_eq!(state.partitions_of(shard).count(), count);
        assert!(state.partitions_of(shard).all(|(tp, _)| state.shard_of(tp) == Some(shard)));
    }
    let internal =
        create(&client, NewTopic::new("__consumer_offsets", 2).config("cleanup.policy", "compact")).await.unwrap();
    assert!(internal.internal);
    assert!(internal.settings.cleanup.compact);
}

#[tokio::test]
async fn what_kafka_refuses_is_refused() {
    let client = client(2).await;
    create(&client, NewTopic::new("a.b", -1)).await.unwrap();
    assert_eq!(client.state().topic("a.b").unwrap().partition_count(), 3);
    let version = client.state().version;
    let refuse = async |topic: NewTopic| create(&client, topic).await.unwrap_err();

    assert!(matches!(refuse(NewTopic::new("a.b", 1)).await, CreateTopicError::Exists(_)));
    assert!(matches!(refuse(NewTopic::new("a_b", 1)).await, CreateTopicError::Collides { .. }));
    assert!(matches!(refuse(NewTopic::new("a b", 1)).await, CreateTopicError::InvalidName(_)));
    for partitions in [0, -2, 10_001, i32::MAX, i32::MIN] {
        assert!(matches!(refuse(NewTopic::new("x", partitions)).await, CreateTopicError::InvalidPartitions(_)));
    }
    for replication_factor in [0, -2] {
        let topic = NewTopic { replication_factor, ..NewTopic::new("x", 1) };
        assert!(matches!(refuse(topic).await, CreateTopicError::InvalidReplicationFactor(_)));
    }
    for (key, value) in [("no.such", "1"), ("retention.ms", "soon"), ("highwater.durability", "quorum")] {
        assert!(matches!(refuse(NewTopic::new("x", 1).config(key, value)).await, CreateTopicError::InvalidConfig(_)));
    }
    let mut null = NewTopic::new("x", 1);
    null.configs.insert("retention.ms".to_owned(), None);
    assert_eq!(refuse(null).await.to_string(), "Null value not supported for topic configs: retention.ms");

    let assigned = |assignments: Vec<(i32, Vec<i32>)>| NewTopic { assignments, ..NewTopic::new("x", -1) };
    for assignments in [
        vec![(0, vec![1]), (0, vec![1])],
        vec![(0, vec![])],
        vec![(1, vec![1])],
        vec![(0, vec![1]), (2, vec![1])],
        vec![(0, vec![1, 1])],
        vec![(0, vec![-1])],
        vec![(-1, vec![1])],
    ] {
        assert!(matches!(refuse(assigned(assignments)).await, CreateTopicError::InvalidAssignment(_)));
    }
    let both = NewTopic { partitions: 1, ..assigned(vec![(0, vec![1])]) };
    assert!(matches!(refuse(both).await, CreateTopicError::InvalidRequest(_)));
    let both = NewTopic { replication_factor: 1, ..assigned(vec![(0, vec![1])]) };
    assert!(matches!(refuse(both).await, CreateTopicError::InvalidRequest(_)));
    assert_eq!(client.state().version, version, "nothing was written");

    let topic = create(&client, assigned(vec![(1, vec![2, 3]), (0, vec![1])])).await.unwrap();
    assert_eq!(topic.partition_count(), 2);
}

#[tokio::test]
async fn each_topic_of_a_request_is_for_itself() {
    let client = client(1).await;
    let topics = ["a", "b", "twice", "twice", "bad name", "c.d", "c_d"].map(|name| NewTopic::new(name, 1));
    let made = client.create_topics(topics.to_vec(), true).await;
    assert_eq!(made.iter().filter(|r| r.is_ok()).count(), 3);
    assert!(made.iter().flatten().all(|topic| topic.id == TopicId::ZERO));
    assert_eq!(client.state().topic_count(), 0);
    let made = client.create_topics(topics.to_vec(), false).await;
    assert!(made[0].is_ok() && made[1].is_ok() && made[5].is_ok());
    assert!(matches!(made[2], Err(CreateTopicError::InvalidRequest(_))));
    assert!(matches!(made[6], Err(CreateTopicError::Collides { .. })));
    assert_eq!(client.state().version, 2, "one entry for all");
}

#[tokio::test]
async fn deleted_is_gone_and_the_name_is_free() {
    let client = client(2).await;
    let old = create(&client, NewTopic::new("a.b", 5)).await.unwrap();
    let answers = client.delete_topics(vec![old.id, old.id, TopicId::ZERO]).await;
    assert!(answers[0].is_ok());
    assert!(answers[1..].iter().all(|a| matches!(a, Err(DeleteTopicError::Unknown))));
    assert_eq!(client.state().partition_count(), 0);
    let new = create(&client, NewTopic::new("a_b", 1)).await.unwrap();
    assert_ne!(new.id, old.id);

    let no = [("delete.topic.enable", Some("false"))];
    let refused = client.alter_configs(ConfigTarget::AllBrokers, no.into(), false).await;
    assert!(matches!(refused, Err(AlterConfigsError::ReadOnly(_))), "changes at a start only");
    assert!(client.delete_topics(vec![new.id]).await[0].is_ok());
}

#[tokio::test]
async fn partitions_are_added() {
    let client = client(3).await;
    let topic = create(&client, NewTopic::new("a", 2)).await.unwrap();
    for total in [2, 1, 0, -1, 10_001] {
        let error = client.add_partitions(topic.id, total, false).await.unwrap_err();
        assert!(matches!(error, AddPartitionsError::InvalidPartitions(_)));
    }
    assert!(matches!(client.add_partitions(TopicId::ZERO, 3, false).await, Err(AddPartitionsError::Unknown)));
    client.add_partitions(topic.id, 5, true).await.unwrap();
    assert_eq!(client.state().topic("a").unwrap().partition_count(), 2);
    client.add_partitions(topic.id, 5, false).await.unwrap();
    let grown = client.state().topic_by_id(topic.id).cloned().unwrap();
    assert_eq!(grown.partitions[..2], topic.partitions[..]);
    assert_eq!((grown.partition_count(), client.state().partition_count()), (5, 5));
}

#[tokio::test]
async fn configurations_change_and_resolve() {
    let client = client(1).await;
    let topic = create(&client, NewTopic::new("a", 1).config("retention.ms", "5")).await.unwrap();
    let plain = create(&client, NewTopic::new("b", 1)).await.unwrap();
    let change = |key: &str, value: Option<&str>| ConfigChanges::from([(key, value)]);
    let on_topic = ConfigTarget::Topic(topic.id);

    let error = client.alter_configs(on_topic, change("retention.ms", Some("x")), false).await.unwrap_err();
    assert!(matches!(error, AlterConfigsError::InvalidConfig(_)));
    let error = client.alter_configs(ConfigTarget::Topic(TopicId::ZERO), change("retention.ms", None), false).await;
    assert!(matches!(error, Err(AlterConfigsError::UnknownTopic)));

    client.alter_configs(on_topic, change("retention.ms", Some("7")), true).await.unwrap();
    assert_eq!(client.state().topic("a").unwrap().settings.retention_ms, 5);
    client.alter_configs(on_topic, change("retention.ms", Some("7")), false).await.unwrap();
    assert_eq!(client.state().topic("a").unwrap().settings.retention_ms, 7);

    client.alter_configs(ConfigTarget::AllBrokers, change("log.retention.ms", Some("9")), false).await.unwrap();
    client.alter_configs(ConfigTarget::Broker(0), change("message.max.bytes", Some("11")), false).await.unwrap();
    client.alter_configs(ConfigTarget::Broker(8), change("message.max.bytes", Some("12")), false).await.unwrap();
    let state = client.state();
    assert_eq!(state.topic("a").unwrap().settings.retention_ms, 7);
    let settings = &state.topic_by_id(plain.id).unwrap().settings;
    assert_eq!((settings.retention_ms, settings.max_message_bytes), (9, 11));
    assert_eq!(state.default_topic_settings().retention_ms, 9);
    client.alter_configs(on_topic, change("retention.ms", None), false).await.unwrap();
    assert_eq!(client.state().topic("a").unwrap().settings.retention_ms, 9);
}

#[tokio::test]
async fn lists_grow_and_shrink_and_a_whole_replaces_what_was_there() {
    let client = client(1).await;
    let topic = create(&client, NewTopic::new("a", 1).config("retention.ms", "5")).await.unwrap();
    let target = ConfigTarget::Topic(topic.id);
    let policy = |change| ConfigChanges::Each(BTreeMap::from([("cleanup.policy".to_owned(), change)]));
    let own = || client.state().topic("a").unwrap().configs.clone();
    client.alter_configs(target, policy(ConfigChange::Append("compact".into())), false).await.unwrap();
    assert_eq!(own()["cleanup.policy"], "delete,compact", "appended to the default");
    client.alter_configs(target, policy(ConfigChange::Subtract("delete,other".into())), false).await.unwrap();
    assert_eq!(own()["cleanup.policy"], "compact");
    let version = client.state().version;
    client.alter_configs(target, policy(ConfigChange::Append("compact".into())), false).await.unwrap();
    assert_eq!(client.state().version, version, "nothing changes, nothing is written");
    let append = ConfigChanges::Each(BTreeMap::from([("retention.ms".to_owned(), ConfigChange::Append("1".into()))]));
    assert!(matches!(client.alter_configs(target, append, false).await, Err(AlterConfigsError::NotAList { .. })));
    let unknown = client.alter_configs(target, [("no.such", Some("1"))].into(), false).await.unwrap_err();
    assert_eq!(unknown.to_string(), "Unknown topic config name: no.such");
    client.alter_configs(target, [("no.such", None)].into(), false).await.unwrap();

    let whole = BTreeMap::from([("segment.ms".to_owned(), "9".to_owned())]);
    client.alter_configs(target, ConfigChanges::Whole(whole.clone()), false).await.unwrap();
    assert_eq!(own(), whole);

    let per_broker = client.alter_configs(ConfigTarget::AllBrokers, [("ssl.keystore.type", Some("PEM"))].into(), true);
    assert!(matches!(per_broker.await, Err(AlterConfigsError::PerBroker(_))));
    client.alter_configs(ConfigTarget::Broker(1), [("ssl.keystore.type", Some("PEM"))].into(), false).await.unwrap();
}
