//! List, describe, delete.

use super::world::*;
use crate::api::{GroupState, JoinGroup, ListGroups};
use crate::error::GroupError;
use crate::machine::{AppendFailure, Command, Reply};

fn list(world: &mut World, states: &[&str], types: &[&str]) -> Vec<(String, GroupState)> {
    let states = states.iter().map(|name| s(name)).collect();
    let types = types.iter().map(|name| s(name)).collect();
    let token = world.send(Command::List(ListGroups { states, types }));
    match world.answer(token) {
        Some(Reply::List(groups)) => groups.iter().map(|group| (group.group_id.to_string(), group.state)).collect(),
        other => panic!("{other:?}"),
    }
}

fn delete(world: &mut World) -> Result<(), GroupError> {
    let token = world.send(Command::Delete(s(G)));
    match world.answer(token) {
        Some(Reply::Delete(outcome)) => outcome,
        other => panic!("{other:?}"),
    }
}

#[test]
fn groups_are_listed_by_state_and_type() {
    let mut world = World::new();
    let _ = world.stable(1);
    let mut simple = commit(caller("", -1), &[("t", 0, 1)]);
    simple.caller.group_id = s("a-simple-one");
    assert_eq!(world.commit(simple), None);
    let stable = (G.to_owned(), GroupState::Stable);
    let empty = ("a-simple-one".to_owned(), GroupState::Empty);
    assert_eq!(list(&mut world, &[], &[]), [empty.clone(), stable.clone()]);
    assert_eq!(list(&mut world, &["stable"], &[]), [stable]);
    assert_eq!(list(&mut world, &["Empty", "Dead"], &["Classic"]), [empty]);
    assert_eq!(list(&mut world, &[], &["consumer"]), []);
}

#[test]
fn assignments_are_described_of_a_stable_group_only() {
    let mut world = World::new();
    assert_eq!(world.describe().map(|group| group.state), Err(GroupError::GroupIdNotFound));
    let (ids, _) = world.stable(2);
    let group = world.describe().unwrap();
    assert_eq!((&*group.protocol, group.members.len()), ("range", 2));
    assert!(group.members.iter().all(|member| member.assignment == "a" && !member.metadata.is_empty()));
    assert!(group.members.iter().all(|member| &*member.client_host == "/127.0.0.1"));
    let _ = world.start_join(joiner(&ids[0]));
    let group = world.describe().unwrap();
    assert_eq!((&*group.protocol, group.state), ("", GroupState::PreparingRebalance));
    assert!(group.members.iter().all(|member| member.assignment.is_empty() && member.metadata.is_empty()));
}

#[test]
fn only_empty_groups_are_deleted() {
    let mut world = World::new();
    assert_eq!(delete(&mut world), Err(GroupError::GroupIdNotFound));
    let (ids, generation) = world.stable(1);
    assert_eq!(world.commit(commit(caller(&ids[0], generation), &[("t", 0, 5)])), None);
    assert_eq!(delete(&mut world), Err(GroupError::NonEmptyGroup));
    assert_eq!(world.leave(&[(&ids[0], None)]), Ok(vec![None]));
    assert_eq!(delete(&mut world), Ok(()));
    assert_eq!(world.coordinator.group_count(), 0);
    assert_eq!(world.fetch("t", 0), None);
    world.reload();
    assert_eq!(world.coordinator.group_count(), 0);
    // A group of this name begins anew.
    assert_eq!(world.stable(1).1, 1);
}

#[test]
fn a_deletion_takes_commits_on_their_way_with_it() {
    let mut world = World::new();
    world.durable_at_once = false;
    let commit = world.send(Command::Commit(commit(caller("", -1), &[("t", 0, 5)])));
    let delete = world.send(Command::Delete(s(G)));
    while world.finish_append(Ok(())) {}
    assert_eq!(world.committed(commit), None);
    assert_eq!(world.answer(delete), Some(Reply::Delete(Ok(()))));
    assert_eq!(world.coordinator.group_count(), 0);
    world.reload();
    assert_eq!(world.coordinator.group_count(), 0);
}

#[test]
fn a_group_that_is_joined_while_it_goes_lives_on_without_its_offsets() {
    let mut world = World::new();
    assert_eq!(world.commit(commit(caller("", -1), &[("t", 0, 5)])), None);
    world.durable_at_once = false;
    let delete = world.send(Command::Delete(s(G)));
    let joining = world.start_join(JoinGroup { member_id: s(""), ..joiner("") });
    while world.finish_append(Ok(())) {}
    assert_eq!(world.answer(delete), Some(Reply::Delete(Ok(()))));
    assert_eq!(world.fetch("t", 0), None);
    world.advance(3_000);
    assert_eq!(world.joined(joining).generation, 1);
}

#[test]
fn a_large_group_goes_in_several_appends() {
    let mut world = World::new();
    for partition in 0..2_500 {
        assert_eq!(world.commit(commit(caller("", -1), &[("t", partition, 5)])), None);
    }
    world.durable_at_once = false;
    let token = world.send(Command::Delete(s(G)));
    assert_eq!(world.in_flight.len(), 3);
    // One of them fails: the group is not gone, and says so.
    world.finish_append(Err(AppendFailure::Unavailable));
    world.finish_append(Ok(()));
    world.finish_append(Ok(()));
    assert_eq!(world.answer(token), Some(Reply::Delete(Err(GroupError::CoordinatorNotAvailable))));
    assert_eq!(world.fetch("t", 0), Some(5));
    assert_eq!(world.fetch("t", 2_499), None);
    let token = world.send(Command::Delete(s(G)));
    while world.finish_append(Ok(())) {}
    assert_eq!(world.answer(token), Some(Reply::Delete(Ok(()))));
    assert_eq!(world.coordinator.group_count(), 0);
}

#[test]
fn a_late_deletion_does_not_take_the_next_life_with_it() {
    let mut world = World::new();
    let (ids, _) = world.stable(1);
    assert_eq!(world.leave(&[(&ids[0], None)]), Ok(vec![None]));
    world.durable_at_once = false;
    let deletes = [0; 2].map(|_| world.send(Command::Delete(s(G))));
    world.finish_append(Ok(()));
    // A new group of the name lives and empties, in the same generation, before the second is durable.
    let token = world.start_join(joiner(""));
    world.advance(60_000);
    assert_eq!(world.joined(token).generation, 1);
    assert_eq!(world.state(), GroupState::Empty);
    while world.finish_append(Ok(())) {}
    assert!(deletes.iter().all(|token| world.answer(*token) == Some(Reply::Delete(Ok(())))));
    let group = world.describe();
    world.reload();
    assert_eq!(world.describe(), group);
    assert_eq!(group.unwrap().state, GroupState::Empty);
}
