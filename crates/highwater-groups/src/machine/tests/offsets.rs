//! Commit, fetch, delete of offsets.

use highwater_types::TopicId;

use super::world::*;
use crate::api::{
    CommitPartition, CommitTopic, FetchTopic, FetchedTopic, JoinGroup, OffsetCommit, OffsetDelete, OffsetFetch,
    TopicPartitions, TopicResults,
};
use crate::error::GroupError;
use crate::machine::{AppendFailure, Command, Reply};

fn fetch_all(world: &mut World) -> Vec<FetchedTopic> {
    let request = OffsetFetch { group_id: s(G), topics: None, require_stable: false };
    let token = world.send(Command::Fetch(request));
    match world.answer(token) {
        Some(Reply::Fetch(Ok(topics))) => topics,
        other => panic!("{other:?}"),
    }
}

fn delete(world: &mut World, topics: &[(&str, i32)]) -> Result<Vec<TopicResults>, GroupError> {
    let topics = topics
        .iter()
        .map(|(name, partition)| TopicPartitions { name: s(name), partitions: vec![*partition] })
        .collect();
    let token = world.send(Command::DeleteOffsets(OffsetDelete { group_id: s(G), topics }));
    match world.answer(token) {
        Some(Reply::DeleteOffsets(outcome)) => outcome,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_simple_consumer_commits_without_a_group() {
    let mut world = World::new();
    assert_eq!(world.fetch("t", 0), None);
    assert_eq!(world.coordinator.group_count(), 0);
    assert_eq!(world.commit(commit(caller("", -1), &[("t", 0, 42)])), None);
    assert_eq!(world.fetch("t", 0), Some(42));
    assert_eq!(world.fetch("t", 1), None);
    assert_eq!(world.fetch("u", 0), None);
    world.reload();
    assert_eq!(world.fetch("t", 0), Some(42));
    // And goes backwards if it says so.
    assert_eq!(world.commit(commit(caller("", -1), &[("t", 0, 7)])), None);
    assert_eq!(world.fetch("t", 0), Some(7));
}

#[test]
fn nothing_is_shown_or_answered_before_it_is_durable() {
    let mut world = World::new();
    world.durable_at_once = false;
    let first = world.send(Command::Commit(commit(caller("", -1), &[("t", 0, 1)])));
    let second = world.send(Command::Commit(commit(caller("", -1), &[("t", 0, 2)])));
    assert_eq!(world.fetch("t", 0), None);
    let topics = Some(vec![FetchTopic { name: s("t"), topic_id: TopicId::ZERO, partitions: vec![0] }]);
    let stable = world.send(Command::Fetch(OffsetFetch { group_id: s(G), topics, require_stable: true }));
    world.finish_append(Ok(()));
    assert_eq!(world.committed(first), None);
    assert_eq!(world.fetch("t", 0), Some(1));
    assert!(world.is_open(second) && world.is_open(stable));
    world.finish_append(Ok(()));
    assert_eq!(world.committed(second), None);
    match world.answer(stable) {
        Some(Reply::Fetch(Ok(topics))) => {
            assert_eq!(topics[0].partitions[0].committed.as_ref().unwrap().offset, 2);
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_failed_commit_changes_nothing() {
    for (failure, expected) in [
        (AppendFailure::Unavailable, GroupError::CoordinatorNotAvailable),
        (AppendFailure::NotLeader, GroupError::NotCoordinator),
        (AppendFailure::TooLarge, GroupError::InvalidCommitOffsetSize),
    ] {
        let mut world = World::new();
        assert_eq!(world.commit(commit(caller("", -1), &[("t", 0, 1)])), None);
        world.durable_at_once = false;
        let token = world.send(Command::Commit(commit(caller("", -1), &[("t", 0, 2)])));
        world.finish_append(Err(failure));
        assert_eq!(world.committed(token), Some(expected));
        assert_eq!(world.fetch("t", 0), Some(1));
    }
}

#[test]
fn a_group_that_never_was_leaves_nothing_behind() {
    let mut world = World::new();
    world.durable_at_once = false;
    let token = world.send(Command::Commit(commit(caller("", -1), &[("t", 0, 2)])));
    assert_eq!(world.coordinator.group_count(), 1);
    world.finish_append(Err(AppendFailure::Unavailable));
    assert_eq!(world.committed(token), Some(GroupError::CoordinatorNotAvailable));
    assert_eq!(world.coordinator.group_count(), 0);
}

#[test]
fn members_commit_in_their_generation() {
    let mut world = World::new();
    let (ids, generation) = world.stable(2);
    let at = |who, generation| commit(caller(who, generation), &[("t", 0, 5)]);
    assert_eq!(world.commit(at(&ids[0], generation)), None);
    assert_eq!(world.commit(at(&ids[0], generation + 1)), Some(GroupError::IllegalGeneration));
    assert_eq!(world.commit(at("nobody", generation)), Some(GroupError::UnknownMemberId));
    assert_eq!(world.commit(at("", -1)), Some(GroupError::UnknownMemberId));
    assert_eq!(world.commit(at(&ids[0], -1)), Some(GroupError::IllegalGeneration));
    // While the group rebalances, what was read may still be committed.
    let joining = world.start_join(joiner(&ids[0]));
    assert_eq!(world.commit(at(&ids[1], generation)), None);
    let other = world.start_join(joiner(&ids[1]));
    assert!(world.joined(joining).error.is_none() && world.joined(other).error.is_none());
    // But not before the new assignment is known.
    assert_eq!(world.commit(at(&ids[1], generation + 1)), Some(GroupError::RebalanceInProgress));
    assert_eq!(world.commit(at(&ids[1], generation)), Some(GroupError::IllegalGeneration));
}

#[test]
fn commits_of_unknown_groups_and_members() {
    let mut world = World::new();
    let request = commit(caller("m", 3), &[("t", 0, 5)]);
    assert_eq!(world.commit(request.clone()), Some(GroupError::GroupIdNotFound));
    let older = OffsetCommit { knows_group_id_not_found: false, ..request.clone() };
    assert_eq!(world.commit(older), Some(GroupError::IllegalGeneration));
    assert_eq!(world.coordinator.group_count(), 0);
    // An empty group knows no members.
    assert_eq!(world.commit(commit(caller("", -1), &[("t", 0, 5)])), None);
    assert_eq!(world.commit(request), Some(GroupError::UnknownMemberId));
}

#[test]
fn metadata_has_a_limit_of_its_own_partition() {
    let mut world = World::new();
    let partition = |partition, metadata: &str| CommitPartition {
        partition,
        offset: 9,
        leader_epoch: 3,
        metadata: Some(s(metadata)),
    };
    let partitions =
        vec![partition(0, &"x".repeat(4_097)), partition(1, &"ü".repeat(4_096)), partition(2, &"x".repeat(40_000))];
    let topics = vec![CommitTopic { name: s("t"), topic_id: TopicId::ZERO, partitions }];
    let request = OffsetCommit { topics, ..commit(caller("", -1), &[]) };
    let token = world.send(Command::Commit(request));
    let Some(Reply::Commit(Ok(topics))) = world.answer(token) else { panic!() };
    let errors: Vec<_> = topics[0].partitions.iter().map(|result| result.error).collect();
    let too_large = Some(GroupError::OffsetMetadataTooLarge);
    assert_eq!(errors, [too_large, None, too_large]);
    let fetched = fetch_all(&mut world);
    assert_eq!(fetched[0].partitions.len(), 1);
    let committed = fetched[0].partitions[0].committed.as_ref().unwrap();
    assert_eq!((committed.offset, committed.leader_epoch), (9, 3));
    assert_eq!(committed.commit_timestamp_ms, world.now.wall_ms);
}

#[test]
fn offsets_of_a_deleted_topic_of_the_same_name_are_not_given_out() {
    let mut world = World::new();
    let (old, new) = (TopicId::from_bytes([1; 16]), TopicId::from_bytes([2; 16]));
    let mut request = commit(caller("", -1), &[("t", 0, 42)]);
    request.topics[0].topic_id = old;
    assert_eq!(world.commit(request), None);
    for reloaded in [false, true] {
        if reloaded {
            world.reload();
        }
        for (topic_id, expected) in [(old, Some(42)), (new, None), (TopicId::ZERO, Some(42))] {
            let topics = Some(vec![FetchTopic { name: s("t"), topic_id, partitions: vec![0] }]);
            let token = world.send(Command::Fetch(OffsetFetch { group_id: s(G), topics, require_stable: true }));
            let Some(Reply::Fetch(Ok(topics))) = world.answer(token) else { panic!() };
            assert_eq!(topics[0].partitions[0].committed.as_ref().map(|found| found.offset), expected);
        }
    }
}

#[test]
fn everything_is_fetched_by_topic() {
    let mut world = World::new();
    assert_eq!(world.commit(commit(caller("", -1), &[("b", 1, 1), ("a", 0, 2), ("b", 0, 3)])), None);
    let topics = fetch_all(&mut world);
    let summary: Vec<(&str, Vec<i32>)> = topics
        .iter()
        .map(|topic| (&*topic.name, topic.partitions.iter().map(|fetched| fetched.partition).collect()))
        .collect();
    assert_eq!(summary, [("a", vec![0]), ("b", vec![0, 1])]);
}

#[test]
fn offsets_are_deleted_unless_consumed() {
    let mut world = World::new();
    assert_eq!(delete(&mut world, &[("t", 0)]), Err(GroupError::GroupIdNotFound));
    assert_eq!(world.commit(commit(caller("", -1), &[("t", 0, 1), ("u", 0, 2)])), None);
    let _ = world.stable(1); // subscribed to `t`
    let answer = delete(&mut world, &[("t", 0), ("u", 0), ("u", 1)]).unwrap();
    let errors: Vec<_> = answer.iter().map(|topic| topic.partitions[0].error).collect();
    assert_eq!(errors, [Some(GroupError::GroupSubscribedToTopic), None, None]);
    assert_eq!((world.fetch("t", 0), world.fetch("u", 0)), (Some(1), None));
    world.reload();
    assert_eq!((world.fetch("t", 0), world.fetch("u", 0)), (Some(1), None));
}

#[test]
fn offsets_of_other_protocols_need_an_empty_group() {
    let mut world = World::new();
    assert_eq!(world.commit(commit(caller("", -1), &[("t", 0, 1)])), None);
    let token = world.start_join(JoinGroup { protocol_type: s("connect"), ..joiner("") });
    assert_eq!(delete(&mut world, &[("t", 0)]), Err(GroupError::NonEmptyGroup));
    world.advance(3_000);
    let id = world.joined(token).member_id;
    assert_eq!(world.leave(&[(&id, None)]), Ok(vec![None]));
    assert!(delete(&mut world, &[("t", 0)]).is_ok());
    assert_eq!(world.fetch("t", 0), None);
}

#[test]
fn a_deletion_that_fails_leaves_the_offsets() {
    let mut world = World::new();
    assert_eq!(world.commit(commit(caller("", -1), &[("t", 0, 1)])), None);
    world.durable_at_once = false;
    let topics = vec![TopicPartitions { name: s("t"), partitions: vec![0] }];
    let token = world.send(Command::DeleteOffsets(OffsetDelete { group_id: s(G), topics }));
    assert!(world.is_open(token));
    world.finish_append(Err(AppendFailure::Unavailable));
    let expected = Reply::DeleteOffsets(Err(GroupError::CoordinatorNotAvailable));
    assert_eq!(world.answer(token), Some(expected));
    assert_eq!(world.fetch("t", 0), Some(1));
}

#[test]
fn deleted_topics_are_forgotten() {
    let mut world = World::new();
    assert_eq!(world.commit(commit(caller("", -1), &[("t", 0, 1), ("u", 0, 2)])), None);
    let token = world.send(Command::ForgetTopics(vec![s("t")]));
    assert_eq!(world.answer(token), Some(Reply::Forgotten));
    assert_eq!((world.fetch("t", 0), world.fetch("u", 0)), (None, Some(2)));
    world.reload();
    assert_eq!((world.fetch("t", 0), world.fetch("u", 0)), (None, Some(2)));
}
