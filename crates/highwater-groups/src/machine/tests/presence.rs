//! Heartbeats, sessions, leaving.

use super::world::*;
use crate::api::{Caller, GroupState, JoinGroup};
use crate::error::GroupError;

#[test]
fn heartbeats_keep_a_session() {
    let mut world = World::new();
    let (ids, generation) = world.stable(1);
    for _ in 0..20 {
        world.advance(9_999);
        assert_eq!(world.heartbeat(caller(&ids[0], generation)), Ok(()));
    }
    world.advance(9_999);
    assert_eq!(world.state(), GroupState::Stable);
    world.advance(1);
    assert_eq!(world.state(), GroupState::Empty);
    assert_eq!(world.heartbeat(caller(&ids[0], generation)), Err(GroupError::UnknownMemberId));
}

#[test]
fn commits_keep_a_session() {
    let mut world = World::new();
    let (ids, generation) = world.stable(1);
    for offset in 0..5 {
        world.advance(9_999);
        assert_eq!(world.commit(commit(caller(&ids[0], generation), &[("t", 0, offset)])), None);
    }
}

#[test]
fn heartbeat_errors() {
    let mut world = World::new();
    assert_eq!(world.heartbeat(caller("m", 1)), Err(GroupError::UnknownMemberId));
    let nameless = Caller { group_id: s(""), ..caller("m", 1) };
    assert_eq!(world.heartbeat(nameless), Err(GroupError::InvalidGroupId));
    let (ids, generation) = world.stable(1);
    assert_eq!(world.heartbeat(caller(&ids[0], generation + 1)), Err(GroupError::IllegalGeneration));
    assert_eq!(world.heartbeat(caller("m", generation)), Err(GroupError::UnknownMemberId));
    assert_eq!(world.coordinator.group_count(), 1);
}

#[test]
fn waiting_members_do_not_expire() {
    let mut world = World::new();
    let (ids, generation) = world.stable(2);
    let joining = world.start_join(JoinGroup { rebalance_timeout_ms: 200_000, ..joiner(&ids[0]) });
    for _ in 0..12 {
        world.advance(9_000);
        assert_eq!(world.heartbeat(caller(&ids[1], generation)), Err(GroupError::RebalanceInProgress));
    }
    assert!(world.is_open(joining));
    let other = world.start_join(joiner(&ids[1]));
    assert_eq!(world.joined(joining).generation, generation + 1);
    assert_eq!(world.joined(other).generation, generation + 1);
}

#[test]
fn an_expired_member_calls_the_others() {
    let mut world = World::new();
    let (ids, generation) = world.stable(2);
    world.advance(5_000);
    assert_eq!(world.heartbeat(caller(&ids[0], generation)), Ok(()));
    world.advance(5_000);
    assert_eq!(world.state(), GroupState::PreparingRebalance);
    let reply = world.join(joiner(&ids[0]));
    assert_eq!((reply.generation, reply.members.len()), (generation + 1, 1));
}

#[test]
fn leaving_rebalances_once() {
    let mut world = World::new();
    let (ids, generation) = world.stable(3);
    let outcome = world.leave(&[(&ids[1], None), (&ids[2], None), ("nobody", None)]);
    assert_eq!(outcome, Ok(vec![None, None, Some(GroupError::UnknownMemberId)]));
    let reply = world.join(joiner(&ids[0]));
    assert_eq!((reply.generation, reply.members.len()), (generation + 1, 1));
}

#[test]
fn the_last_member_leaves_an_empty_group_behind() {
    let mut world = World::new();
    let (ids, generation) = world.stable(1);
    assert_eq!(world.leave(&[(&ids[0], None)]), Ok(vec![None]));
    let group = world.describe().unwrap();
    assert_eq!((group.state, &*group.protocol_type), (GroupState::Empty, "consumer"));
    world.reload();
    let group = world.describe().unwrap();
    assert_eq!((group.state, &*group.protocol_type), (GroupState::Empty, "consumer"));
    let token = world.start_join(joiner(""));
    world.advance(3_000);
    assert_eq!(world.joined(token).generation, generation + 2);
}

#[test]
fn leave_errors() {
    let mut world = World::new();
    assert_eq!(world.leave(&[("m", None)]), Err(GroupError::UnknownMemberId));
}

#[test]
fn a_leaving_member_that_waits_is_answered() {
    let mut world = World::new();
    let (ids, _) = world.stable(2);
    let joining = world.start_join(joiner(&ids[0]));
    assert_eq!(world.leave(&[(&ids[0], None)]), Ok(vec![None]));
    assert_eq!(world.joined(joining).error, Some(GroupError::UnknownMemberId));
    let reply = world.join(joiner(&ids[1]));
    assert_eq!(reply.members.len(), 1);
}

#[test]
fn a_promised_id_may_be_given_back() {
    let mut world = World::new();
    let (ids, generation) = world.stable(1);
    let promised = world.join(JoinGroup { requires_known_member_id: true, ..joiner("") });
    let leader = world.start_join(joiner(&ids[0]));
    assert_eq!(world.leave(&[(&promised.member_id, None)]), Ok(vec![None]));
    assert_eq!(world.joined(leader).generation, generation + 1);
}

#[test]
fn giving_a_promised_id_back_does_not_disturb_the_group() {
    let mut world = World::new();
    let _ = world.stable(1);
    let promised = world.join(JoinGroup { requires_known_member_id: true, ..joiner("") });
    assert_eq!(world.leave(&[(&promised.member_id, None)]), Ok(vec![None]));
    assert_eq!(world.state(), GroupState::Stable);
}
