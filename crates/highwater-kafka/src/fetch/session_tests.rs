//! Fetch sessions against a client that keeps its own picture of the partitions.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use highwater_env::{Instant, Random};
use highwater_wire::ErrorCode;
use proptest::prelude::*;

use super::session::{FINAL_EPOCH, FetchSessions, Found, INITIAL_EPOCH, SessionRequest, next_epoch};
use super::{FetchItem, PartitionKey, TopicKey};

struct Counting(AtomicU64);

impl Random for Counting {
    fn next_u64(&self) -> u64 {
        self.0.fetch_add(0x1234_5678_9abc, Ordering::Relaxed).wrapping_mul(0x9e37_79b9_7f4a_7c15)
    }
}

fn key(partition: i32) -> PartitionKey {
    (TopicKey::Name("t".into()), partition)
}

fn item(partition: i32, offset: i64) -> FetchItem {
    FetchItem { key: key(partition), offset, max_bytes: 100, current_leader_epoch: -1 }
}

fn request(id: i32, epoch: i32, items: Vec<FetchItem>) -> SessionRequest {
    SessionRequest { id, epoch, uses_ids: false, items, forgotten: Vec::new() }
}

fn nothing_new(high_watermark: i64) -> Found {
    Found { bytes: 0, high_watermark, log_start: 0, is_error: false }
}

const NOW: Instant = Instant(1_000_000_000_000);

static RANDOM: Counting = Counting(AtomicU64::new(1));

fn open(sessions: &FetchSessions, partitions: i32, now: Instant) -> i32 {
    let items = (0..partitions).map(|partition| item(partition, 0)).collect();
    let context = sessions.begin(request(0, INITIAL_EPOCH, items), now).unwrap();
    let found = vec![nothing_new(5); context.items.len()];
    sessions.finish(&context, &found, now, &RANDOM).unwrap().0
}

#[test]
fn an_incremental_answer_names_only_what_changed() {
    let sessions = FetchSessions::new(10);
    let id = open(&sessions, 3, NOW);
    assert_ne!(id, 0);
    let context = sessions.begin(request(id, 1, vec![item(1, 7)]), NOW).unwrap();
    assert_eq!(context.items.iter().map(|item| item.offset).collect::<Vec<_>>(), [0, 7, 0]);
    let with_records = Found { bytes: 10, ..nothing_new(5) };
    let found = [with_records, nothing_new(5), nothing_new(6)];
    assert_eq!(sessions.finish(&context, &found, NOW, &RANDOM), Ok((id, vec![true, false, true])));
    // The partition that gave records has its next turn last.
    let context = sessions.begin(request(id, 2, vec![]), NOW).unwrap();
    let order: Vec<i32> = context.items.iter().map(|item| item.key.1).collect();
    assert_eq!(order, [1, 2, 0]);
}

#[test]
fn an_error_is_named_each_time_and_its_end_too() {
    let sessions = FetchSessions::new(10);
    let id = open(&sessions, 1, NOW);
    let error = Found { bytes: 0, high_watermark: -1, log_start: -1, is_error: true };
    for (epoch, found) in [(1, error), (2, error), (3, nothing_new(5))] {
        let context = sessions.begin(request(id, epoch, vec![]), NOW).unwrap();
        assert_eq!(sessions.finish(&context, &[found], NOW, &RANDOM), Ok((id, vec![true])));
    }
    let context = sessions.begin(request(id, 4, vec![]), NOW).unwrap();
    assert_eq!(sessions.finish(&context, &[nothing_new(5)], NOW, &RANDOM), Ok((id, vec![false])));
}

#[test]
fn wrong_sessions_and_epochs_are_told() {
    let sessions = FetchSessions::new(10);
    let id = open(&sessions, 1, NOW);
    let error = |request| sessions.begin(request, NOW).err();
    assert_eq!(error(request(id + 1, 1, vec![])), Some(ErrorCode::FetchSessionIdNotFound));
    assert_eq!(error(request(id, 2, vec![])), Some(ErrorCode::InvalidFetchSessionEpoch));
    let by_id = SessionRequest { uses_ids: true, ..request(id, 1, vec![]) };
    assert_eq!(error(by_id), Some(ErrorCode::FetchSessionTopicIdError));
    // Two requests with one epoch: the later one wins, the other is told.
    let first = sessions.begin(request(id, 1, vec![]), NOW).unwrap();
    let _second = sessions.begin(request(id, 2, vec![]), NOW).unwrap();
    let outcome = sessions.finish(&first, &[nothing_new(5)], NOW, &RANDOM);
    assert_eq!(outcome, Err(ErrorCode::InvalidFetchSessionEpoch));
    // The final epoch ends the session.
    assert!(error(request(id, FINAL_EPOCH, vec![])).is_none());
    assert!(sessions.is_empty());
}

#[test]
fn a_session_without_partitions_ends() {
    let sessions = FetchSessions::new(10);
    let id = open(&sessions, 1, NOW);
    let forget = SessionRequest { forgotten: vec![key(0)], ..request(id, 1, vec![]) };
    let context = sessions.begin(forget, NOW).unwrap();
    assert!(context.items.is_empty());
    assert_eq!(sessions.finish(&context, &[], NOW, &RANDOM), Ok((0, vec![])));
    assert!(sessions.is_empty());
}

#[test]
fn epochs_wrap_to_one() {
    assert_eq!(next_epoch(INITIAL_EPOCH), 1);
    assert_eq!(next_epoch(i32::MAX), 1);
    assert_eq!(next_epoch(FINAL_EPOCH), FINAL_EPOCH);
}

#[test]
fn the_cap_holds_and_evicts_as_kafka() {
    let sessions = FetchSessions::new(2);
    let (small, large) = (open(&sessions, 1, NOW), open(&sessions, 5, NOW));
    assert_eq!(open(&sessions, 9, NOW), 0, "young sessions stay");
    let later = NOW + Duration::from_secs(121);
    for id in [small, large] {
        sessions.begin(request(id, 1, vec![]), later).unwrap();
    }
    assert_eq!(open(&sessions, 1, later), 0, "none is smaller");
    let third = open(&sessions, 3, later);
    assert_ne!(third, 0);
    assert_eq!(sessions.begin(request(small, 2, vec![]), later).err(), Some(ErrorCode::FetchSessionIdNotFound));
    let much_later = later + Duration::from_secs(121);
    assert_ne!(open(&sessions, 1, much_later), 0, "stale ones go for any");
    assert_eq!(sessions.len(), 2);
}

#[derive(Clone, Debug)]
enum Step {
    /// Records arrive in a partition.
    Grow(i32),
    /// A partition's error begins or ends.
    Flip(i32),
    /// The client follows a partition, from an offset.
    Follow(i32, i64),
    /// It follows it no longer.
    Forget(i32),
    /// It loses its session and begins anew.
    Restart,
    /// It fetches.
    Fetch,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        (0..6).prop_map(Step::Grow),
        (0..6).prop_map(Step::Flip),
        ((0..6), 0..9i64).prop_map(|(partition, offset)| Step::Follow(partition, offset)),
        (0..6).prop_map(Step::Forget),
        Just(Step::Restart),
        Just(Step::Fetch),
        Just(Step::Fetch),
    ]
}

/// What a client knows of a partition: high watermark, or an error.
type View = Option<i64>;

#[derive(Default)]
struct Client {
    id: i32,
    epoch: i32,
    follows: BTreeMap<i32, i64>,
    changed: BTreeMap<i32, i64>,
    forgotten: Vec<i32>,
    view: BTreeMap<i32, View>,
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// Whatever happens, after each fetch the client's picture of each partition that it follows is
    /// the broker's, and the broker reads at the offsets that the client asked for.
    #[test]
    fn the_clients_picture_stays_right(steps in proptest::collection::vec(step(), 1..60)) {
        let sessions = FetchSessions::new(1);
        let mut truth: BTreeMap<i32, (i64, bool)> = (0..6).map(|partition| (partition, (0, false))).collect();
        let mut client = Client::default();
        for step in steps {
            match step {
                Step::Grow(partition) => truth.get_mut(&partition).unwrap().0 += 1,
                Step::Flip(partition) => truth.get_mut(&partition).unwrap().1 ^= true,
                Step::Follow(partition, offset) => {
                    client.follows.insert(partition, offset);
                    client.changed.insert(partition, offset);
                    client.forgotten.retain(|forgotten| *forgotten != partition);
                }
                Step::Forget(partition) => {
                    if client.follows.remove(&partition).is_some() {
                        client.changed.remove(&partition);
                        client.forgotten.push(partition);
                    }
                }
                Step::Restart => (client.id, client.epoch) = (0, INITIAL_EPOCH),
                Step::Fetch => {
                    let full = client.epoch == INITIAL_EPOCH;
                    let asked = if full { &client.follows } else { &client.changed };
                    let request = SessionRequest {
                        id: client.id,
                        epoch: client.epoch,
                        uses_ids: false,
                        items: asked.iter().map(|(partition, offset)| item(*partition, *offset)).collect(),
                        forgotten: client.forgotten.drain(..).map(key).collect(),
                    };
                    client.changed.clear();
                    let Ok(context) = sessions.begin(request, NOW) else {
                        (client.id, client.epoch) = (0, INITIAL_EPOCH);
                        continue;
                    };
                    let offsets: BTreeMap<i32, i64> = context.items.iter().map(|item| (item.key.1, item.offset)).collect();
                    prop_assert_eq!(&offsets, &client.follows);
                    let found: Vec<Found> = context.items.iter().map(|item| match truth[&item.key.1] {
                        (_, true) => Found { bytes: 0, high_watermark: -1, log_start: -1, is_error: true },
                        (high_watermark, false) => nothing_new(high_watermark),
                    }).collect();
                    let (id, named) = sessions.finish(&context, &found, NOW, &RANDOM).unwrap();
                    if full {
                        client.view.clear();
                    }
                    for (item, named) in context.items.iter().zip(&named) {
                        let (high_watermark, error) = truth[&item.key.1];
                        if *named {
                            client.view.insert(item.key.1, (!error).then_some(high_watermark));
                        }
                    }
                    client.view.retain(|partition, _| client.follows.contains_key(partition));
                    for partition in client.follows.keys() {
                        let (high_watermark, error) = truth[partition];
                        prop_assert_eq!(client.view.get(partition), Some(&(!error).then_some(high_watermark)));
                    }
                    client.id = id;
                    client.epoch = if id == 0 { INITIAL_EPOCH } else { next_epoch(client.epoch) };
                }
            }
        }
        prop_assert!(sessions.len() <= 1);
    }
}
