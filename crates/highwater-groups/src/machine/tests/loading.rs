//! A coordinator that reads another's log.

use super::world::*;
use crate::api::GroupState;
use crate::error::GroupError;
use crate::records::RecordError;

#[test]
fn a_stable_group_goes_on_under_the_next_coordinator() {
    let mut world = World::new();
    let (ids, generation) = world.stable(2);
    let before = world.describe().unwrap();
    world.reload();
    assert_eq!(world.describe().unwrap(), before);
    for id in &ids {
        assert_eq!(world.heartbeat(caller(id, generation)), Ok(()));
        let sync = world.start_sync(caller(id, generation), &[]);
        assert_eq!(world.synced(sync).unwrap(), "a");
    }
    assert_eq!(world.join(joiner(&ids[1])).leader, ids[0]);
}

#[test]
fn sessions_begin_anew() {
    let mut world = World::new();
    let (ids, generation) = world.stable(1);
    world.advance(9_000);
    world.reload();
    world.advance(9_999);
    assert_eq!(world.heartbeat(caller(&ids[0], generation)), Ok(()));
    world.reload();
    world.advance(10_000);
    assert_eq!(world.state(), GroupState::Empty);
}

#[test]
fn a_group_that_was_joining_starts_over() {
    let mut world = World::new();
    let token = world.start_join(joiner(""));
    world.reload();
    world.advance(10_000);
    assert!(world.is_open(token)); // its connection broke with the coordinator
    assert_eq!(world.coordinator.group_count(), 0);
    assert_eq!(world.heartbeat(caller("client-x", 1)), Err(GroupError::UnknownMemberId));
}

#[test]
fn records_of_other_types_and_garbage_are_passed_over() {
    let mut world = World::new();
    let now = world.now;
    assert_eq!(world.coordinator.replay(b"\0\x03\0\x01g", Some(b"\0\0\0\0\0\x01"), now), Ok(()));
    assert_eq!(world.coordinator.replay(b"", None, now), Err(RecordError::Truncated));
    assert!(world.coordinator.replay(b"\0\x02\0\x05gr", Some(b"\0\x03"), now).is_err());
    assert!(world.coordinator.replay(b"\0\x02\0\x01g", Some(b"\0\x09"), now).is_err());
    assert_eq!(world.coordinator.group_count(), 0);
}

#[test]
fn tombstones_of_what_is_not_there_leave_nothing() {
    let mut world = World::new();
    let now = world.now;
    assert_eq!(world.coordinator.replay(b"\0\x02\0\x01g", None, now), Ok(()));
    assert_eq!(world.coordinator.replay(b"\0\x01\0\x01g\0\x01t\0\0\0\0", None, now), Ok(()));
    assert_eq!(world.coordinator.group_count(), 0);
    assert_eq!(world.state(), GroupState::Dead);
}
