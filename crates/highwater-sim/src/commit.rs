//! Group members that commit ever greater offsets, and ask for them; and topics that come and go.

use std::sync::Arc;
use std::time::Duration;

use highwater_groups::api::{Caller, CommitPartition, CommitTopic, FetchTopic, OffsetCommit, OffsetFetch};
use highwater_meta::NewTopic;
use highwater_types::{TopicId, TopicPartition};

use crate::network::call;
use crate::process::Handles;
use crate::world::World;

/// Longest pause of a member.
const PAUSE_US: u64 = 150_000;
/// Longest life of a topic that goes.
const TOPIC_LIFE_US: u64 = 1_500_000;

/// Commits and fetches until the history ends.
pub(crate) async fn run(world: Arc<World>, group: u64) {
    let name: Arc<str> = Arc::from(format!("group-{group}").as_str());
    let mut next = 1;
    while !*world.quiet.lock() {
        world.env.sleep(Duration::from_micros(world.below(PAUSE_US))).await;
        if world.chance(400) {
            fetch(&world, group, &name).await;
            continue;
        }
        let (offset, request) = (next, commit_request(&name, next));
        next += 1;
        world.model.lock().commit(group, offset, None);
        let group_id = Arc::clone(&name);
        let commit =
            move |handles: Handles| async move { (handles.groups.commit(request).await, term(&handles, &group_id)) };
        if let Some((broker, (Ok(topics), epoch))) = call(&world, commit).await
            && topics.iter().flat_map(|topic| &topic.partitions).all(|partition| partition.error.is_none())
        {
            world.note(&[40, broker as u64, group, offset as u64], || {
                format!("broker {broker}: group {group} has committed {offset}")
            });
            world.model.lock().commit(group, offset, Some(epoch));
        }
    }
}

fn commit_request(name: &Arc<str>, offset: i64) -> OffsetCommit {
    let member_id = Arc::from("");
    OffsetCommit {
        caller: Caller { group_id: Arc::clone(name), generation: -1, member_id, instance_id: None },
        retention_time_ms: -1,
        knows_group_id_not_found: true,
        topics: vec![CommitTopic {
            name: Arc::from("object"),
            topic_id: TopicId::ZERO,
            partitions: vec![CommitPartition { partition: 0, offset, leader_epoch: -1, metadata: None }],
        }],
    }
}

/// Asks for the committed offset; gives whether there was an answer.
pub(crate) async fn fetch(world: &Arc<World>, group: u64, name: &Arc<str>) -> bool {
    fetch_of(world, group, name, 0).await
}

/// The same of one partition, whose offsets the model calls `key`.
pub(crate) async fn fetch_of(world: &Arc<World>, key: u64, name: &Arc<str>, partition: i32) -> bool {
    // Of the commits that are acknowledged by now.
    let least = world.model.lock().committed(key);
    let topic = FetchTopic { name: Arc::from("object"), topic_id: TopicId::ZERO, partitions: vec![partition] };
    let request = OffsetFetch { group_id: Arc::clone(name), topics: Some(vec![topic]), require_stable: false };
    let group_id = Arc::clone(name);
    let fetch = move |handles: Handles| async move { (handles.groups.fetch(request).await, term(&handles, &group_id)) };
    let Some((broker, (Ok(topics), epoch))) = call(world, fetch).await else { return false };
    let committed = topics.first().and_then(|topic| topic.partitions.first()?.committed.as_ref());
    let offset = committed.map_or(0, |committed| committed.offset);
    world.note(&[41, broker as u64, key, offset as u64], || {
        format!("broker {broker}: {name} ({key}) is told {offset}, at least {} is due", least.offset())
    });
    world.model.lock().fetched(key, epoch, &least, offset);
    true
}

/// The epoch in which a broker leads the group's partition, as far as it knows.
pub(crate) fn term(handles: &Handles, group_id: &str) -> i32 {
    let find = || {
        let topic = handles.meta.state().topic("__consumer_offsets")?.id;
        let partition = i32::try_from(handles.groups.partition_of(group_id)?).ok()?;
        Some(handles.log.partition(TopicPartition { topic, partition }).ok()?.marks().ok()?.leader_epoch)
    };
    find().unwrap_or(0)
}

/// Creates a topic and deletes it, again and again.
pub(crate) async fn topics(world: Arc<World>) {
    for number in 0.. {
        world.env.sleep(Duration::from_micros(world.below(TOPIC_LIFE_US))).await;
        if *world.quiet.lock() {
            return;
        }
        let create = move |handles: Handles| async move {
            let topic = NewTopic::new(format!("passing-{number}"), 1).config("highwater.durability", "local");
            handles.meta.create_topics(vec![topic], false).await
        };
        let created = call(&world, create).await.and_then(|(_, topics)| topics.into_iter().next());
        let Some(Ok(topic)) = created else { continue };
        let id = topic.id;
        world.env.sleep(Duration::from_micros(world.below(TOPIC_LIFE_US))).await;
        let delete = move |handles: Handles| async move { handles.meta.delete_topics(vec![id]).await };
        if call(&world, delete).await.is_some() {
            highwater_env::marks::met("topic-deleted");
        }
    }
}
