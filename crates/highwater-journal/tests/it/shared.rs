//! The metadata journal: many optimistic writers, one history.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use highwater_journal::{JournalOptions, SharedError, SharedJournal};
use highwater_store::{Faults, Store};
use highwater_types::Incarnation;

use crate::world::{World, stormy};

fn options() -> JournalOptions {
    JournalOptions { put_deadline: Duration::from_secs(2), ..JournalOptions::new("meta") }
}

async fn open(world: &World, store: Arc<dyn Store>, who: u64) -> (SharedJournal, Vec<(u64, Bytes)>) {
    let (journal, opened) = SharedJournal::open(world.env(), store, Incarnation(who), options()).await.unwrap();
    (journal, opened.entries)
}

#[tokio::test(start_paused = true)]
async fn a_conflict_gives_what_won() {
    let world = World::new(61);
    let (mut one, entries) = open(&world, world.bucket.clone(), 1).await;
    let (mut two, _) = open(&world, world.bucket.clone(), 2).await;
    assert!(entries.is_empty());
    assert_eq!(one.try_append(Bytes::from_static(b"a")).await.unwrap(), 0);
    assert_eq!(one.try_append(Bytes::from_static(b"b")).await.unwrap(), 1);
    let Err(SharedError::Conflict(won)) = two.try_append(Bytes::from_static(b"c")).await else { panic!("no conflict") };
    assert_eq!(won, [(0, Bytes::from_static(b"a")), (1, Bytes::from_static(b"b"))]);
    assert_eq!(two.try_append(Bytes::from_static(b"c")).await.unwrap(), 2);
    assert_eq!(one.catch_up().await.unwrap(), [(2, Bytes::from_static(b"c"))]);
    assert_eq!(one.next(), 3);
}

#[tokio::test(start_paused = true)]
async fn three_writers_in_a_storm_have_one_history() {
    for seed in 62..66 {
        let world = World::new(seed);
        let mut tasks = Vec::new();
        for who in 1..=3u64 {
            let faults = Arc::new(Faults::new(world.bucket.clone(), &world.env(), seed * 10 + who));
            let (mut journal, entries) = open(&world, world.bucket.clone(), who).await;
            drop(entries);
            let (env, store) = (world.env(), faults.clone());
            journal = {
                drop(journal);
                SharedJournal::open(env.clone(), store, Incarnation(who), options()).await.unwrap().0
            };
            faults.set_rates(stormy());
            tasks.push(tokio::spawn(async move {
                let (mut seen, mut acked) = (Vec::new(), Vec::new());
                for at in 0..60 {
                    let payload = Bytes::from(format!("{who} {at}"));
                    loop {
                        match journal.try_append(payload.clone()).await {
                            Ok(number) => {
                                seen.push((number, payload.clone()));
                                acked.push((number, payload.clone()));
                                break;
                            }
                            // Perhaps our own, after an answer that was lost for good.
                            Err(SharedError::Conflict(won)) => {
                                let ours = won.iter().any(|(_, bytes)| *bytes == payload);
                                seen.extend(won);
                                if ours {
                                    break;
                                }
                            }
                            Err(SharedError::Store(_)) => {}
                            Err(error) => panic!("{error}"),
                        }
                    }
                    env.sleep(Duration::from_millis(env.random.below(30))).await;
                }
                (seen, acked)
            }));
        }
        let mut results = Vec::new();
        for task in tasks {
            results.push(task.await.unwrap());
        }
        let (_, history) = open(&world, world.bucket.clone(), 9).await;
        assert!(history.iter().zip(0..).all(|((number, _), at)| *number == at), "no holes");
        for (seen, acked) in results {
            assert_eq!(seen[..], history[..seen.len()], "everybody saw the same in the same order");
            assert!(acked.iter().all(|entry| history.contains(entry)));
        }
        let mut payloads: Vec<&Bytes> = history.iter().map(|(_, payload)| payload).collect();
        payloads.sort();
        assert!(payloads.is_sorted_by(|earlier, later| earlier < later) && payloads.len() == 180, "once each");
    }
}

#[tokio::test(start_paused = true)]
async fn a_sleeper_opens_again_from_the_snapshot() {
    let world = World::new(67);
    let (mut one, _) = open(&world, world.bucket.clone(), 1).await;
    let (mut sleeper, _) = open(&world, world.bucket.clone(), 2).await;
    for at in 0..10u64 {
        one.try_append(Bytes::from(at.to_string())).await.unwrap();
    }
    one.write_snapshot(one.next(), Bytes::from_static(b"all ten")).await.unwrap();
    world.sim.clock.advance(Duration::from_secs(23 * 60)).await;
    assert_eq!(one.sweep(1000).await.unwrap().deleted, 10);
    let answer = sleeper.try_append(Bytes::from_static(b"old")).await;
    assert!(matches!(answer, Err(SharedError::Trimmed)), "{answer:?}");
    assert_eq!(world.bucket.len(), 1, "nothing was sent");
    let store: Arc<dyn Store> = world.bucket.clone();
    let (mut again, opened) = SharedJournal::open(world.env(), store, Incarnation(3), options()).await.unwrap();
    assert_eq!((&opened.snapshot.unwrap().bytes[..], opened.entries.len()), (&b"all ten"[..], 0));
    assert_eq!(again.try_append(Bytes::from_static(b"new")).await.unwrap(), 10);
    assert_eq!(one.catch_up().await.unwrap().len(), 1);
}
