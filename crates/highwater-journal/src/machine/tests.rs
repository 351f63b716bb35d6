//! What single steps of the machines mean; their interplay is for the exhaustive search.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use highwater_types::{Epoch, Incarnation};

use super::*;

const ME: Author = Author { incarnation: Incarnation(1), first_put: 100 };
const NOW: Date = 1_000_000;
const GOOD_FOR: Date = 600_000;

fn fence(epoch: u32, window: u32) -> Seen {
    Seen { kind: Kind::Fence, epoch: Epoch(epoch), window, incarnation: Incarnation(9), put_id: PutId(1) }
}

fn data(epoch: u32) -> Seen {
    Seen { kind: Kind::Data, window: 0, ..fence(epoch, 0) }
}

fn at(number: u64, epoch: u32, window: u32) -> TrimPoint {
    TrimPoint { number, epoch: Epoch(epoch), window }
}

#[test]
fn a_fence_goes_on_behind_the_window_that_it_ends() {
    let step = |from: TrimPoint, seen: Seen, epochs| from.step(&seen, epochs, Rules::ALL);
    assert_eq!(step(TrimPoint::GENESIS, fence(1, 3), Epochs::Consecutive), Ok(at(1, 1, 3)));
    assert_eq!(step(at(7, 1, 3), fence(2, 2), Epochs::Consecutive), Ok(at(10, 2, 2)));
    assert_eq!(step(at(7, 1, 3), data(1), Epochs::Consecutive), Ok(at(8, 1, 3)));
    assert_eq!(step(at(7, 1, 3), fence(9, 2), Epochs::Claimed), Ok(at(10, 9, 2)));
    assert_eq!(step(TrimPoint::GENESIS, data(0), Epochs::Unfenced), Ok(at(1, 0, 1)));
}

#[test]
fn what_cannot_follow_is_corruption() {
    let step = |seen: Seen, epochs| at(7, 3, 3).step(&seen, epochs, Rules::ALL).unwrap_err();
    let (found, after) = (Epoch(5), Epoch(3));
    assert_eq!(step(fence(5, 2), Epochs::Consecutive), Corruption::FenceEpoch { number: 7, found, after });
    assert!(matches!(step(fence(3, 2), Epochs::Claimed), Corruption::FenceEpoch { .. }));
    assert!(matches!(step(fence(4, 2), Epochs::Unfenced), Corruption::FenceEpoch { .. }));
    assert!(matches!(step(fence(4, 0), Epochs::Consecutive), Corruption::Window { .. }));
    assert!(matches!(step(fence(4, MAX_WINDOW + 1), Epochs::Consecutive), Corruption::Window { .. }));
    for epoch in [2, 4] {
        assert!(matches!(step(data(epoch), Epochs::Consecutive), Corruption::DataEpoch { .. }));
    }
    let end = at(u64::MAX, 3, 3);
    assert!(end.step(&data(3), Epochs::Consecutive, Rules::ALL).is_err());
    assert!(end.step(&fence(4, 2), Epochs::Consecutive, Rules::ALL).is_err());
}

/// A leader of epoch 1 with window 2 that stands at 1.
fn leader() -> Leader {
    let mut candidate = Candidate::new(ME, Claim::Next, 2, GOOD_FOR, Rules::ALL);
    let mut out = Vec::new();
    candidate.start(&mut out);
    candidate.handle(NOW, &Event::Trim { point: TrimPoint::GENESIS, date: NOW }, &mut out);
    candidate.handle(NOW, &Event::Header { number: 0, seen: None }, &mut out);
    candidate.handle(NOW, &Event::Put { number: 0, outcome: PutOutcome::Created { date: NOW } }, &mut out);
    let Some(Command::Lead(lead)) = out.pop() else { panic!("{out:?}") };
    assert_eq!((lead.number, lead.start), (0, at(1, 1, 2)));
    Leader::new(&candidate, &lead)
}

fn tell(leader: &mut Leader, now: Date, event: Event) -> Vec<Command> {
    let mut out = Vec::new();
    leader.handle(now, &event, &mut out);
    out
}

fn created(number: u64, date: Date) -> Event {
    Event::Put { number, outcome: PutOutcome::Created { date } }
}

#[test]
fn the_window_is_kept_and_commits_are_in_order() {
    let mut leader = leader();
    assert_eq!(tell(&mut leader, NOW, Event::Append).len(), 1);
    assert_eq!(tell(&mut leader, NOW, Event::Append).len(), 1);
    assert_eq!(tell(&mut leader, NOW, Event::Append), []);
    assert_eq!((leader.next(), leader.queued()), (3, 1));
    assert_eq!(tell(&mut leader, NOW, created(2, NOW)), []);
    let out = tell(&mut leader, NOW, created(1, NOW));
    assert_eq!(out[..2], [Command::Committed { number: 1 }, Command::Committed { number: 2 }]);
    assert!(matches!(out[2..], [Command::Put(PutOrder { number: 3, epoch: Epoch(1), .. })]));
    assert_eq!(tell(&mut leader, NOW, created(1, NOW)), [], "an answer that comes twice");
}

#[test]
fn an_old_proof_sends_nothing_and_believes_nothing() {
    let mut leader = leader();
    tell(&mut leader, NOW, Event::Append);
    let later = NOW + GOOD_FOR;
    assert_eq!(tell(&mut leader, later, created(1, later)), [Command::ReadTrim]);
    assert_eq!(tell(&mut leader, later, Event::Append), [], "one question is enough");
    let proof = Event::Trim { point: TrimPoint::GENESIS, date: later };
    let out = tell(&mut leader, later, proof);
    assert!(matches!(out[..], [Command::ReadHeader { number: 1 }, Command::Put(PutOrder { number: 2, .. })]));
    let mine = Seen { incarnation: ME.incarnation, put_id: ME.put_at(1), ..data(1) };
    let out = tell(&mut leader, later, Event::Header { number: 1, seen: Some(mine) });
    assert_eq!(out, [Command::Committed { number: 1 }]);
    let proof = Event::Trim { point: at(4, 2, 2), date: later };
    assert_eq!(tell(&mut leader, later, proof), [Command::StepDown { by: Some(Epoch(2)) }]);
    assert_eq!(tell(&mut leader, later, created(2, later)), []);
}

#[test]
fn a_fence_settles_what_is_below_it() {
    let mut leader = leader();
    tell(&mut leader, NOW, Event::Append);
    tell(&mut leader, NOW, Event::Append);
    let exists = Event::Put { number: 2, outcome: PutOutcome::Exists };
    assert_eq!(tell(&mut leader, NOW, exists), [Command::ReadHeader { number: 2 }]);
    let out = tell(&mut leader, NOW, Event::Header { number: 2, seen: Some(fence(2, 2)) });
    assert_eq!(out, [Command::Committed { number: 1 }, Command::StepDown { by: Some(Epoch(2)) }]);
}

#[test]
fn something_that_exists_and_is_not_there_asks_for_a_proof() {
    let mut leader = leader();
    tell(&mut leader, NOW, Event::Append);
    tell(&mut leader, NOW, Event::Put { number: 1, outcome: PutOutcome::Exists });
    assert_eq!(tell(&mut leader, NOW, Event::Header { number: 1, seen: None }), [Command::ReadTrim]);
}
