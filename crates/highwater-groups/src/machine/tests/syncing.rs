//! SyncGroup and the record of the assignment.

use super::world::*;
use crate::api::{Caller, GroupState, SyncGroup};
use crate::error::GroupError;
use crate::machine::{AppendFailure, Command, Reply};

#[test]
fn nobody_gets_an_assignment_before_it_is_durable() {
    let mut world = World::new();
    let tokens = [0; 2].map(|_| world.start_join(joiner("")));
    world.advance(10_000);
    let [first, second] = tokens.map(|token| world.joined(token));
    let (leader, follower) = if first.members.is_empty() { (second, first) } else { (first, second) };
    world.durable_at_once = false;
    let waits = world.start_sync(caller(&follower.member_id, 1), &[]);
    assert!(world.is_open(waits));
    let assignments = [(&*leader.member_id, "x"), (&*follower.member_id, "y")];
    let leads = world.start_sync(caller(&leader.member_id, 1), &assignments);
    assert_eq!(world.in_flight.len(), 1);
    assert!(world.is_open(waits) && world.is_open(leads));
    assert_eq!(world.state(), GroupState::CompletingRebalance);
    assert!(world.finish_append(Ok(())));
    assert_eq!(world.synced(leads).unwrap(), "x");
    assert_eq!(world.synced(waits).unwrap(), "y");
    let again = world.start_sync(caller(&follower.member_id, 1), &[]);
    assert_eq!(world.synced(again).unwrap(), "y");
}

#[test]
fn a_leader_that_repeats_its_sync_writes_one_record() {
    let mut world = World::new();
    let token = world.start_join(joiner(""));
    world.advance(3_000);
    let id = world.joined(token).member_id;
    world.durable_at_once = false;
    let first = world.start_sync(caller(&id, 1), &[(&id, "x")]);
    let second = world.start_sync(caller(&id, 1), &[(&id, "x")]);
    assert_eq!(world.synced(first), Err(GroupError::RebalanceInProgress));
    assert_eq!(world.in_flight.len(), 1);
    world.finish_append(Ok(()));
    assert_eq!(world.synced(second).unwrap(), "x");
}

#[test]
fn a_failed_append_rebalances_and_says_why() {
    for (failure, expected) in [
        (AppendFailure::Unavailable, GroupError::CoordinatorNotAvailable),
        (AppendFailure::NotLeader, GroupError::NotCoordinator),
        (AppendFailure::TooLarge, GroupError::UnknownServerError),
    ] {
        let mut world = World::new();
        let token = world.start_join(joiner(""));
        world.advance(3_000);
        let id = world.joined(token).member_id;
        world.durable_at_once = false;
        let sync = world.start_sync(caller(&id, 1), &[(&id, "x")]);
        world.finish_append(Err(failure));
        assert_eq!(world.synced(sync), Err(expected));
        assert_eq!(world.heartbeat(caller(&id, 1)), Err(GroupError::RebalanceInProgress));
        assert_eq!(world.join(joiner(&id)).generation, 2);
    }
}

#[test]
fn an_assignment_of_a_generation_that_is_over_changes_nothing() {
    let mut world = World::new();
    let token = world.start_join(joiner(""));
    world.advance(3_000);
    let id = world.joined(token).member_id;
    world.durable_at_once = false;
    let sync = world.start_sync(caller(&id, 1), &[(&id, "x")]);
    let newcomer = world.start_join(joiner(""));
    assert_eq!(world.synced(sync), Err(GroupError::RebalanceInProgress));
    let again = world.start_join(joiner(&id));
    assert_eq!(world.joined(again).generation, 2);
    assert!(world.joined(newcomer).error.is_none());
    world.finish_append(Ok(()));
    assert_eq!(world.state(), GroupState::CompletingRebalance);
}

#[test]
fn errors_by_caller_and_state() {
    let mut world = World::new();
    let sync = world.start_sync(caller("nobody", 1), &[]);
    assert_eq!(world.synced(sync), Err(GroupError::UnknownMemberId)); // no such group
    let no_group = Caller { group_id: s(""), ..caller("m", 1) };
    let sync = world.start_sync(no_group, &[]);
    assert_eq!(world.synced(sync), Err(GroupError::InvalidGroupId));
    let (ids, generation) = world.stable(2);
    for (who, expected) in [
        (caller("nobody", generation), GroupError::UnknownMemberId),
        (caller(&ids[0], generation + 1), GroupError::IllegalGeneration),
        (caller(&ids[0], generation - 1), GroupError::IllegalGeneration),
    ] {
        let sync = world.start_sync(who, &[]);
        assert_eq!(world.synced(sync), Err(expected));
    }
    for (protocol_type, protocol) in [(Some("connect"), None), (None, Some("sticky"))] {
        let request = SyncGroup {
            caller: caller(&ids[0], generation),
            protocol_type: protocol_type.map(s),
            protocol: protocol.map(s),
            assignments: Vec::new(),
        };
        let token = world.send(Command::Sync(request));
        assert_eq!(world.answer(token), Some(Reply::Sync(Err(GroupError::InconsistentGroupProtocol))));
    }
    let _ = world.start_join(joiner(&ids[0]));
    let sync = world.start_sync(caller(&ids[1], generation), &[]);
    assert_eq!(world.synced(sync), Err(GroupError::RebalanceInProgress));
}

#[test]
fn a_leader_that_never_syncs_is_removed_with_all_that_did_not() {
    let mut world = World::new();
    let tokens = [0; 2].map(|_| world.start_join(joiner("")));
    world.advance(3_000);
    world.advance(3_000);
    let [first, second] = tokens.map(|token| world.joined(token));
    let (leader, follower) = if first.members.is_empty() { (second, first) } else { (first, second) };
    let waits = world.start_sync(caller(&follower.member_id, 1), &[]);
    for _ in 0..7 {
        world.advance(8_000);
        assert_eq!(world.heartbeat(caller(&leader.member_id, 1)), Ok(()));
    }
    world.advance(4_000); // the rebalance timeout
    assert_eq!(world.synced(waits), Err(GroupError::RebalanceInProgress));
    let alone = world.join(joiner(&follower.member_id));
    assert_eq!((alone.leader.clone(), alone.members.len()), (follower.member_id, 1));
    assert_eq!(world.heartbeat(caller(&leader.member_id, 1)), Err(GroupError::UnknownMemberId));
}

#[test]
fn members_left_out_get_nothing() {
    let mut world = World::new();
    let (ids, generation) = world.stable(2);
    let leader = world.start_join(joiner(&ids[0]));
    let follower = world.start_join(joiner(&ids[1]));
    assert!(world.joined(leader).error.is_none() && world.joined(follower).error.is_none());
    let waits = world.start_sync(caller(&ids[1], generation + 1), &[]);
    let leads = world.start_sync(caller(&ids[0], generation + 1), &[(&ids[0], "all"), ("stranger", "x")]);
    assert_eq!(world.synced(leads).unwrap(), "all");
    assert_eq!(world.synced(waits).unwrap(), "");
}
