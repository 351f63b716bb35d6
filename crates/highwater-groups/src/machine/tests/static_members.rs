//! Members with a group.instance.id (KIP-345).

use std::sync::Arc;

use super::world::*;
use crate::api::{Caller, GroupState, JoinGroup, JoinReply};
use crate::error::GroupError;
use crate::machine::AppendFailure;

fn as_instance(member_id: &str, generation: i32, instance: &str) -> Caller {
    Caller { instance_id: Some(s(instance)), ..caller(member_id, generation) }
}

/// A stable group of two static members, `one` leading.
fn stable_pair(world: &mut World) -> (Arc<str>, Arc<str>, i32) {
    let one = world.start_join(static_joiner("", "one"));
    let two = world.start_join(static_joiner("", "two"));
    world.advance(10_000);
    let (one, two) = (world.joined(one), world.joined(two));
    assert!(one.member_id.starts_with("one-"));
    assert_eq!(one.leader, one.member_id);
    world.sync_all(&[one.member_id.clone(), two.member_id.clone()], one.generation);
    (one.member_id, two.member_id, one.generation)
}

#[test]
fn a_follower_comes_back_without_a_rebalance() {
    let mut world = World::new();
    let (one, two, generation) = stable_pair(&mut world);
    let reply = world.join(static_joiner("", "two"));
    assert_eq!((reply.error, reply.generation, reply.members.len()), (None, generation, 0));
    assert_ne!(reply.member_id, two);
    assert_eq!(reply.leader, one);
    assert_eq!(world.state(), GroupState::Stable);
    // It fetches the assignment that its former self had, which is fenced.
    let sync = world.start_sync(as_instance(&reply.member_id, generation, "two"), &[]);
    assert_eq!(world.synced(sync).unwrap(), "a");
    assert_eq!(world.heartbeat(as_instance(&two, generation, "two")), Err(GroupError::FencedInstanceId));
    assert_eq!(world.heartbeat(caller(&two, generation)), Err(GroupError::UnknownMemberId));
    let fenced = world.join(static_joiner(&two, "two"));
    assert_eq!(fenced.error, Some(GroupError::FencedInstanceId));
    let fenced = world.commit(commit(as_instance(&two, generation, "two"), &[("t", 0, 1)]));
    assert_eq!(fenced, Some(GroupError::FencedInstanceId));
    // A coordinator that takes over knows the new id.
    world.reload();
    assert_eq!(world.heartbeat(as_instance(&reply.member_id, generation, "two")), Ok(()));
}

#[test]
fn a_leader_that_comes_back_is_told_to_skip_the_assignment() {
    let mut world = World::new();
    let (one, _, generation) = stable_pair(&mut world);
    let new: JoinReply = world.join(static_joiner("", "one"));
    assert_eq!((new.error, new.generation, new.skip_assignment), (None, generation, true));
    assert_eq!(new.leader, new.member_id);
    assert_eq!(new.members.len(), 2);
    // A client below version 9 does not know how to skip, so it is not shown that it leads.
    let old = world.join(JoinGroup { supports_skipping_assignment: false, ..static_joiner("", "one") });
    assert_eq!((old.error, old.skip_assignment, old.members.len()), (None, false, 0));
    assert_eq!(old.leader, new.member_id);
    assert_ne!(old.leader, one);
    assert_eq!(world.state(), GroupState::Stable);
}

#[test]
fn a_changed_choice_of_protocol_rebalances() {
    let mut world = World::new();
    let request = |instance| JoinGroup { protocols: protocols(&["range", "sticky"]), ..static_joiner("", instance) };
    let one = world.start_join(request("one"));
    let two = world.start_join(request("two"));
    world.advance(10_000);
    let (one, two) = (world.joined(one), world.joined(two));
    world.sync_all(&[one.member_id.clone(), two.member_id], one.generation);
    let back = world.start_join(JoinGroup { protocols: protocols(&["sticky"]), ..static_joiner("", "two") });
    assert_eq!(world.state(), GroupState::PreparingRebalance);
    let leader = world.start_join(JoinGroup { member_id: one.member_id, ..request("one") });
    assert_eq!(world.joined(leader).protocol.as_deref(), Some("sticky"));
    assert_eq!(world.joined(back).generation, one.generation + 1);
}

#[test]
fn coming_back_while_the_assignment_is_awaited_rebalances() {
    let mut world = World::new();
    let one = world.start_join(static_joiner("", "one"));
    let two = world.start_join(static_joiner("", "two"));
    world.advance(10_000);
    let (one, two) = (world.joined(one), world.joined(two));
    let waits = world.start_sync(as_instance(&two.member_id, 1, "two"), &[]);
    let back = world.start_join(static_joiner("", "two"));
    assert_eq!(world.synced(waits), Err(GroupError::FencedInstanceId));
    assert_eq!(world.state(), GroupState::PreparingRebalance);
    let leader = world.start_join(static_joiner(&one.member_id, "one"));
    assert_eq!(world.joined(leader).generation, 2);
    assert_eq!(world.joined(back).generation, 2);
}

#[test]
fn a_duplicate_instance_takes_over_a_waiting_join() {
    let mut world = World::new();
    let first = world.start_join(static_joiner("", "one"));
    let second = world.start_join(static_joiner("", "one"));
    assert_eq!(world.joined(first).error, Some(GroupError::FencedInstanceId));
    world.advance(10_000);
    let reply = world.joined(second);
    assert_eq!((reply.error, reply.members.len()), (None, 1));
    assert_eq!(reply.leader, reply.member_id);
}

#[test]
fn static_members_keep_their_place_until_the_session_ends() {
    let mut world = World::new();
    let (one, two, generation) = stable_pair(&mut world);
    let joining = world.start_join(static_joiner(&one, "one"));
    world.advance(9_000);
    assert!(world.is_open(joining));
    let _ = world.heartbeat(as_instance(&two, generation, "two"));
    world.advance(9_999);
    assert!(world.is_open(joining));
    world.advance(1); // the session of `two`
    let reply = world.joined(joining);
    assert_eq!((reply.generation, reply.members.len()), (generation + 1, 1));
}

#[test]
fn a_rebalance_without_its_static_members_goes_on_with_those_that_joined() {
    let mut world = World::new();
    let request = |instance| JoinGroup { session_timeout_ms: 600_000, ..static_joiner("", instance) };
    let one = world.start_join(request("one"));
    let two = world.start_join(request("two"));
    world.advance(10_000);
    let (one, two) = (world.joined(one), world.joined(two));
    world.sync_all(&[one.member_id.clone(), two.member_id.clone()], 1);
    let joining = world.start_join(JoinGroup { member_id: two.member_id, ..request("two") });
    assert!(world.joined(joining).error.is_none()); // a follower unchanged: no rebalance
    let joining = world.start_join(JoinGroup { member_id: one.member_id.clone(), ..request("one") });
    world.advance(60_000);
    let reply = world.joined(joining);
    assert_eq!((reply.generation, reply.members.len(), &reply.leader), (2, 2, &one.member_id));
}

#[test]
fn the_instance_id_must_be_known_and_held() {
    let mut world = World::new();
    let (one, two, generation) = stable_pair(&mut world);
    assert_eq!(world.heartbeat(as_instance(&one, generation, "three")), Err(GroupError::UnknownMemberId));
    assert_eq!(world.heartbeat(as_instance(&one, generation, "two")), Err(GroupError::FencedInstanceId));
    assert_eq!(world.heartbeat(as_instance(&two, generation, "two")), Ok(()));
}

#[test]
fn administrators_remove_by_instance_id() {
    let mut world = World::new();
    let (one, two, generation) = stable_pair(&mut world);
    let outcome = world.leave(&[("", Some("two")), ("", Some("nobody")), (&two, Some("one")), ("", None)]);
    let unknown = Some(GroupError::UnknownMemberId);
    assert_eq!(outcome, Ok(vec![None, unknown, Some(GroupError::FencedInstanceId), unknown]));
    assert_eq!(world.heartbeat(as_instance(&one, generation, "one")), Err(GroupError::RebalanceInProgress));
}

#[test]
fn a_return_that_does_not_reach_the_log_is_undone() {
    let mut world = World::new();
    let (one, two, generation) = stable_pair(&mut world);
    world.durable_at_once = false;
    let back = world.start_join(JoinGroup { session_timeout_ms: 20_000, ..static_joiner("", "one") });
    assert!(world.is_open(back));
    assert!(world.finish_append(Err(AppendFailure::Unavailable)));
    let reply = world.joined(back);
    assert_eq!((reply.error, &*reply.member_id), (Some(GroupError::CoordinatorNotAvailable), ""));
    assert_eq!(world.heartbeat(as_instance(&one, generation, "one")), Ok(()));
    let group = world.describe().unwrap();
    let mut ids: Vec<_> = group.members.iter().map(|member| member.member_id.clone()).collect();
    ids.sort();
    let mut expected = vec![one.clone(), two];
    expected.sort();
    assert_eq!(ids, expected);
    assert_eq!(world.coordinator.group(G).unwrap().members.leader(), Some(&one));
}

#[test]
fn a_rebalance_meanwhile_answers_a_return() {
    let mut world = World::new();
    let (one, _, generation) = stable_pair(&mut world);
    world.durable_at_once = false;
    let back = world.start_join(static_joiner("", "two"));
    let leader = world.start_join(static_joiner(&one, "one"));
    assert_eq!(world.joined(back).generation, generation + 1);
    assert_eq!(world.joined(leader).generation, generation + 1);
    assert!(world.finish_append(Ok(())));
    assert!(!world.finish_append(Ok(())));
}
