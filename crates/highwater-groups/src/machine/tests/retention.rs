//! Expiry of offsets (KIP-211).

use super::world::*;
use crate::api::{GroupState, OffsetCommit};
use crate::machine::Command;

const DAY: u64 = 24 * 60 * 60 * 1_000;
const CHECK: u64 = 600_000;

#[test]
fn a_simple_group_expires_by_its_commits() {
    let mut world = World::new();
    assert_eq!(world.commit(commit(caller("", -1), &[("t", 0, 1)])), None);
    world.advance(4 * DAY);
    assert_eq!(world.commit(commit(caller("", -1), &[("t", 1, 1)])), None);
    world.advance(3 * DAY + CHECK);
    assert_eq!((world.fetch("t", 0), world.fetch("t", 1)), (None, Some(1)));
    world.advance(4 * DAY);
    assert_eq!(world.coordinator.group_count(), 0);
    world.reload();
    assert_eq!(world.coordinator.group_count(), 0);
}

#[test]
fn a_group_expires_by_when_it_became_empty() {
    let mut world = World::new();
    let (ids, generation) = world.stable(1);
    assert_eq!(world.commit(commit(caller(&ids[0], generation), &[("t", 0, 1)])), None);
    for _ in 0..(10 * DAY / 9_000) {
        world.advance(9_000);
        assert_eq!(world.heartbeat(caller(&ids[0], generation)), Ok(()));
    }
    assert_eq!(world.fetch("t", 0), Some(1)); // it is being consumed
    assert_eq!(world.leave(&[(&ids[0], None)]), Ok(vec![None]));
    world.advance(3 * DAY);
    world.reload(); // the time goes on for the next coordinator
    world.advance(4 * DAY - 1);
    assert_eq!(world.fetch("t", 0), Some(1));
    world.advance(CHECK);
    assert_eq!(world.coordinator.group_count(), 0);
}

#[test]
fn topics_that_a_stable_group_does_not_consume_expire() {
    let mut world = World::new();
    let (ids, generation) = world.stable(1);
    assert_eq!(world.commit(commit(caller(&ids[0], generation), &[("t", 0, 1), ("gone", 0, 1)])), None);
    for _ in 0..(8 * DAY / 9_000) {
        world.advance(9_000);
        assert_eq!(world.heartbeat(caller(&ids[0], generation)), Ok(()));
    }
    assert_eq!((world.fetch("t", 0), world.fetch("gone", 0)), (Some(1), None));
    assert_eq!(world.state(), GroupState::Stable);
}

#[test]
fn clients_may_choose_their_own_time() {
    let mut world = World::new();
    let short = OffsetCommit { retention_time_ms: 60_000, ..commit(caller("", -1), &[("t", 0, 1)]) };
    assert_eq!(world.commit(short), None);
    assert_eq!(world.commit(commit(caller("", -1), &[("t", 1, 1)])), None);
    world.reload();
    world.advance(CHECK);
    assert_eq!((world.fetch("t", 0), world.fetch("t", 1)), (None, Some(1)));
}

#[test]
fn an_expired_offset_that_is_committed_again_stays() {
    let mut world = World::new();
    assert_eq!(world.commit(commit(caller("", -1), &[("t", 0, 1)])), None);
    world.advance(7 * DAY - 1_000);
    world.durable_at_once = false;
    let token = world.send(Command::Commit(commit(caller("", -1), &[("t", 0, 2)])));
    world.advance(CHECK); // a check passes while the commit is on its way
    while world.finish_append(Ok(())) {}
    assert_eq!(world.committed(token), None);
    assert_eq!(world.fetch("t", 0), Some(2));
    world.reload();
    assert_eq!(world.fetch("t", 0), Some(2));
}

#[test]
fn an_empty_group_without_offsets_goes_at_the_next_check() {
    let mut world = World::new();
    let (ids, _) = world.stable(1);
    assert_eq!(world.leave(&[(&ids[0], None)]), Ok(vec![None]));
    assert_eq!(world.state(), GroupState::Empty);
    world.advance(CHECK);
    assert_eq!(world.state(), GroupState::Dead);
}
