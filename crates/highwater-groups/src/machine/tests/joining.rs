//! JoinGroup and the rebalance.

use super::world::*;
use crate::api::{GroupState, JoinGroup, JoinReply};
use crate::error::GroupError;
use crate::settings::GroupSettings;

fn error(reply: &JoinReply) -> GroupError {
    reply.error.unwrap()
}

#[test]
fn a_first_member_waits_for_the_initial_delay() {
    let mut world = World::new();
    let token = world.start_join(joiner(""));
    world.advance(2_999);
    assert!(world.is_open(token));
    world.advance(1);
    let reply = world.joined(token);
    assert_eq!((reply.error, reply.generation), (None, 1));
    assert_eq!(reply.leader, reply.member_id);
    assert!(reply.member_id.starts_with("client-"));
    assert_eq!(reply.protocol.as_deref(), Some("range"));
    assert_eq!(reply.protocol_type.as_deref(), Some("consumer"));
    assert_eq!(reply.members.len(), 1);
    assert_eq!(world.state(), GroupState::CompletingRebalance);
}

#[test]
fn newcomers_extend_the_initial_delay_up_to_the_rebalance_timeout() {
    let mut world = World::new();
    let first = world.start_join(JoinGroup { rebalance_timeout_ms: 7_000, ..joiner("") });
    world.advance(2_000);
    let second = world.start_join(JoinGroup { rebalance_timeout_ms: 7_000, ..joiner("") });
    world.advance(1_000);
    assert!(world.is_open(first)); // extended to 6,000
    world.advance(1_000);
    let third = world.start_join(joiner(""));
    world.advance(2_999);
    assert!(world.is_open(first)); // extended by what remained: 1,000
    world.advance(1);
    for token in [first, second, third] {
        assert_eq!(world.joined(token).generation, 1);
    }
}

#[test]
fn only_the_leader_sees_the_members() {
    let mut world = World::new();
    let tokens = [0; 3].map(|_| world.start_join(joiner("")));
    world.advance(10_000);
    let replies = tokens.map(|token| world.joined(token));
    for reply in &replies {
        let leads = reply.member_id == reply.leader;
        assert_eq!(reply.members.len(), if leads { 3 } else { 0 });
    }
    assert_eq!(replies.iter().filter(|reply| reply.leader == reply.member_id).count(), 1);
}

#[test]
fn version_4_asks_for_the_member_id_first() {
    let mut world = World::new();
    let request = JoinGroup { requires_known_member_id: true, ..joiner("") };
    let promised = world.join(request.clone());
    assert_eq!(error(&promised), GroupError::MemberIdRequired);
    assert!(!promised.member_id.is_empty());
    assert_eq!(world.state(), GroupState::Empty);
    let token = world.start_join(JoinGroup { member_id: promised.member_id.clone(), ..request });
    world.advance(3_000);
    assert_eq!(world.joined(token).member_id, promised.member_id);
}

#[test]
fn a_promised_id_expires_with_its_session() {
    let mut world = World::new();
    let request = JoinGroup { requires_known_member_id: true, ..joiner("") };
    let promised = world.join(request.clone());
    world.advance(10_000);
    assert_eq!(world.coordinator.group_count(), 0);
    let late = world.join(JoinGroup { member_id: promised.member_id, ..request });
    assert_eq!(error(&late), GroupError::UnknownMemberId);
}

#[test]
fn a_rebalance_waits_for_a_promised_member() {
    let mut world = World::new();
    let (ids, generation) = world.stable(1);
    let request = JoinGroup { requires_known_member_id: true, ..joiner("") };
    let promised = world.join(request.clone());
    let leader = world.start_join(joiner(&ids[0])); // the leader may ask for a rebalance
    assert!(world.is_open(leader));
    let newcomer = world.start_join(JoinGroup { member_id: promised.member_id, ..request });
    assert_eq!(world.joined(leader).generation, generation + 1);
    assert_eq!(world.joined(newcomer).generation, generation + 1);
}

#[test]
fn bad_requests_are_refused() {
    let mut world = World::new();
    let cases = [
        (JoinGroup { group_id: s(""), ..joiner("") }, GroupError::InvalidGroupId),
        (JoinGroup { group_id: s(&"g".repeat(40_000)), ..joiner("") }, GroupError::InvalidGroupId),
        (JoinGroup { session_timeout_ms: 5_999, ..joiner("") }, GroupError::InvalidSessionTimeout),
        (JoinGroup { session_timeout_ms: 1_800_001, ..joiner("") }, GroupError::InvalidSessionTimeout),
        (joiner("nobody"), GroupError::UnknownMemberId),
        (JoinGroup { protocols: Vec::new(), ..joiner("") }, GroupError::InconsistentGroupProtocol),
        (JoinGroup { protocol_type: s(""), ..joiner("") }, GroupError::InconsistentGroupProtocol),
        (JoinGroup { client_id: s(&"c".repeat(32_767)), ..joiner("") }, GroupError::InvalidRequest),
        (JoinGroup { protocols: protocols(&[&"p".repeat(40_000)]), ..joiner("") }, GroupError::InvalidRequest),
    ];
    for (request, expected) in cases {
        let reply = world.join(request);
        assert_eq!(error(&reply), expected);
        assert_eq!((reply.generation, &*reply.leader, reply.protocol), (-1, "", None));
    }
    assert_eq!(world.coordinator.group_count(), 0);
}

#[test]
fn protocols_must_have_one_in_common() {
    let mut world = World::new();
    let first = world.start_join(JoinGroup { protocols: protocols(&["range", "roundrobin"]), ..joiner("") });
    let other_type = world.join(JoinGroup { protocol_type: s("connect"), ..joiner("") });
    assert_eq!(error(&other_type), GroupError::InconsistentGroupProtocol);
    let disjoint = world.join(JoinGroup { protocols: protocols(&["sticky"]), ..joiner("") });
    assert_eq!(error(&disjoint), GroupError::InconsistentGroupProtocol);
    let second = world.start_join(JoinGroup { protocols: protocols(&["sticky", "roundrobin"]), ..joiner("") });
    world.advance(10_000);
    assert_eq!(world.joined(first).protocol.as_deref(), Some("roundrobin"));
    assert_eq!(world.joined(second).protocol.as_deref(), Some("roundrobin"));
}

#[test]
fn the_majority_chooses_the_protocol() {
    let mut world = World::new();
    let tokens = [["a", "b"], ["b", "a"], ["b", "a"]]
        .map(|names| world.start_join(JoinGroup { protocols: protocols(&names), ..joiner("") }));
    world.advance(10_000);
    assert_eq!(world.joined(tokens[0]).protocol.as_deref(), Some("b"));
}

#[test]
fn a_follower_that_missed_the_answer_gets_it_again() {
    let mut world = World::new();
    let (ids, generation) = world.stable(2);
    let again = world.join(joiner(&ids[1]));
    assert_eq!((again.error, again.generation, again.members.len()), (None, generation, 0));
    assert_eq!(again.leader, ids[0]);
    assert_eq!(world.state(), GroupState::Stable);
}

#[test]
fn a_changed_subscription_or_the_leader_rebalances() {
    for (at, request) in [(1, JoinGroup { protocols: protocols(&["range", "sticky"]), ..joiner("") }), (0, joiner(""))]
    {
        let mut world = World::new();
        let (ids, generation) = world.stable(2);
        let joining = world.start_join(JoinGroup { member_id: ids[at].clone(), ..request });
        assert_eq!(world.state(), GroupState::PreparingRebalance);
        let other = &ids[1 - at];
        assert_eq!(world.heartbeat(caller(other, generation)), Err(GroupError::RebalanceInProgress));
        let last = world.start_join(joiner(other));
        assert_eq!(world.joined(joining).generation, generation + 1);
        assert_eq!(world.joined(last).generation, generation + 1);
    }
}

#[test]
fn a_member_may_join_again_while_the_assignment_is_awaited() {
    let mut world = World::new();
    let token = world.start_join(joiner(""));
    world.advance(3_000);
    let first = world.joined(token);
    let again = world.join(joiner(&first.member_id));
    assert_eq!(again, first);
}

#[test]
fn members_that_do_not_join_again_in_time_are_out() {
    let mut world = World::new();
    let (ids, generation) = world.stable(3);
    let joining = world.start_join(joiner(&ids[0]));
    let other = world.start_join(joiner(&ids[1]));
    for _ in 0..7 {
        // The third is alive, but does not join.
        world.advance(8_000);
        let _ = world.heartbeat(caller(&ids[2], generation));
    }
    assert!(world.is_open(joining));
    world.advance(4_000);
    assert_eq!(world.joined(joining).members.len(), 2);
    assert_eq!(world.joined(other).generation, generation + 1);
    assert_eq!(world.heartbeat(caller(&ids[2], generation)), Err(GroupError::UnknownMemberId));
}

#[test]
fn the_leader_is_replaced_if_it_does_not_join_again() {
    let mut world = World::new();
    let (ids, generation) = world.stable(2);
    assert_eq!(world.leave(&[(&ids[0], None)]), Ok(vec![None]));
    let reply = world.join(joiner(&ids[1]));
    assert_eq!((&reply.leader, reply.generation, reply.members.len()), (&ids[1], generation + 1, 1));
}

#[test]
fn a_repeated_join_answers_the_earlier_one() {
    let mut world = World::new();
    let (ids, _) = world.stable(2);
    let first = world.start_join(joiner(&ids[0]));
    let second = world.start_join(joiner(&ids[0]));
    let reply = world.joined(first);
    assert_eq!(error(&reply), GroupError::RebalanceInProgress);
    assert!(world.is_open(second));
}

#[test]
fn group_max_size_holds() {
    let mut world = World::with(GroupSettings { max_size: 2, ..GroupSettings::default() });
    let (ids, _) = world.stable(2);
    let third = world.join(joiner(""));
    assert_eq!(error(&third), GroupError::GroupMaxSizeReached);
    assert_eq!(&*third.member_id, "");
    assert_eq!(world.state(), GroupState::Stable);
    assert!(world.join(joiner(&ids[1])).error.is_none());
}

#[test]
fn a_group_loaded_over_its_size_shrinks() {
    let mut world = World::new();
    let (ids, generation) = world.stable(3);
    world.settings.max_size = 2;
    world.reload();
    assert_eq!(world.state(), GroupState::PreparingRebalance);
    let tokens = [0, 1].map(|at| world.start_join(joiner(&ids[at])));
    let late = world.join(joiner(&ids[2]));
    assert_eq!(error(&late), GroupError::GroupMaxSizeReached);
    for token in tokens {
        assert_eq!(world.joined(token).generation, generation + 1);
    }
}

#[test]
fn a_new_member_whose_connection_broke_is_given_up() {
    let mut world = World::new();
    let (ids, generation) = world.stable(1);
    let lost = world.start_join(JoinGroup { rebalance_timeout_ms: 1_000_000, ..joiner("") });
    for _ in 0..37 {
        world.advance(8_000);
        let _ = world.heartbeat(caller(&ids[0], generation));
    }
    assert!(world.is_open(lost));
    world.advance(4_000);
    let reply = world.joined(lost);
    assert_eq!(error(&reply), GroupError::UnknownMemberId);
}

#[test]
fn without_an_initial_delay_the_first_member_is_answered_at_once() {
    let mut world = World::with(GroupSettings { initial_rebalance_delay_ms: 0, ..GroupSettings::default() });
    assert_eq!(world.join(joiner("")).generation, 1);
}

#[test]
fn version_0_takes_the_session_timeout_for_the_rebalance() {
    let mut world = World::new();
    let (ids, generation) = world.stable(1);
    assert_eq!(world.leave(&[(&ids[0], None)]), Ok(vec![None]));
    let token = world.start_join(JoinGroup { rebalance_timeout_ms: -1, ..joiner("") });
    world.advance(3_000);
    let reply = world.joined(token);
    assert_eq!(reply.generation, generation + 2); // the empty group was one, too
    world.advance(9_999);
    assert_eq!(world.state(), GroupState::CompletingRebalance);
    world.advance(1); // it did not sync within 10 s
    assert_eq!(world.state(), GroupState::Empty);
}
