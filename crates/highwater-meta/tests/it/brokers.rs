//! Several brokers on one journal: conflicts, lost answers, snapshots, damage.

use std::collections::BTreeSet;
use std::time::Duration;

use bytes::Bytes;
use futures::future::join_all;
use highwater_env::sim::SimEnv;
use highwater_meta::journal::memory::{Fault, MemoryJournal};
use highwater_meta::{CreateTopicError, MetaClient, MetaError, MetaOptions, NewTopic, edit};

async fn open(sim: &SimEnv, journal: &MemoryJournal) -> MetaClient {
    let poll_interval = Some(Duration::from_secs(1));
    MetaClient::over(&sim.env, journal.place(), MetaOptions { poll_interval, shards: 2, ..MetaOptions::new() })
        .await
        .unwrap()
}

#[tokio::test(start_paused = true)]
async fn one_cluster_is_founded_and_everyone_sees_everything() {
    let sim = SimEnv::auto(1);
    let journal = MemoryJournal::new();
    let a = open(&sim, &journal).await;
    let b = open(&sim, &journal).await;
    assert_eq!(journal.len(), 1);
    assert_eq!(a.state().cluster_id, b.state().cluster_id);
    a.create_topics(vec![NewTopic::new("x", 1)], false).await[0].as_ref().unwrap();
    assert!(b.state().topic("x").is_none());
    b.refresh().await.unwrap();
    assert!(b.state().topic("x").is_some());
    b.create_topics(vec![NewTopic::new("y", 1)], false).await[0].as_ref().unwrap();
    let mut changes = a.changes();
    changes.wait_for(|version| *version == 3).await.unwrap();
    assert_eq!(a.state(), b.state());
}

#[tokio::test(start_paused = true)]
async fn the_loser_of_a_number_plans_again() {
    let sim = SimEnv::auto(2);
    let journal = MemoryJournal::new();
    let a = open(&sim, &journal).await;
    let b = open(&sim, &journal).await;
    let (of_a, of_b) = futures::join!(
        a.create_topics(vec![NewTopic::new("same", 1)], false),
        b.create_topics(vec![NewTopic::new("same", 1), NewTopic::new("other", 1)], false)
    );
    let made = of_a[0].is_ok();
    assert_ne!(made, of_b[0].is_ok());
    let lost = if made { &of_b[0] } else { &of_a[0] };
    assert!(matches!(lost, Err(CreateTopicError::Exists(_))));
    assert!(of_b[1].is_ok());
    a.refresh().await.unwrap();
    b.refresh().await.unwrap();
    assert_eq!(a.state(), b.state());
}

#[tokio::test(start_paused = true)]
async fn producer_ids_are_never_given_twice() {
    let sim = SimEnv::auto(3);
    let journal = MemoryJournal::new();
    let brokers = join_all((0..3).map(|_| open(&sim, &journal))).await;
    let mut seen = BTreeSet::new();
    for round in 0..20 {
        if round % 5 == 4 {
            journal.inject(Fault::LoseAnswer);
            journal.inject(Fault::LoseRequest);
        }
        let blocks = join_all((0..12).map(|i| brokers[i % 3].producer_ids())).await;
        for block in blocks.into_iter().flatten() {
            assert_eq!((block.end - block.start, block.start % 1_000), (1_000, 0));
            assert!(seen.insert(block.start), "{block:?} was given before");
        }
    }
    assert!(seen.len() >= 150, "{}", seen.len());
}

#[tokio::test(start_paused = true)]
async fn requests_that_wait_together_are_one_entry() {
    let sim = SimEnv::auto(4);
    let journal = MemoryJournal::new();
    let a = open(&sim, &journal).await;
    let answers = join_all((0..100).map(|i| a.create_topics(vec![NewTopic::new(format!("t{i}"), 1)], false))).await;
    assert!(answers.iter().flatten().all(Result::is_ok));
    assert!(journal.len() <= 3, "{} entries", journal.len());
    assert_eq!(a.state().topic_count(), 100);
}

#[tokio::test(start_paused = true)]
async fn a_lost_answer_is_told_and_found_out() {
    let sim = SimEnv::auto(5);
    let journal = MemoryJournal::new();
    let a = open(&sim, &journal).await;
    journal.inject(Fault::LoseAnswer);
    let answer = a.create_topics(vec![NewTopic::new("x", 1)], false).await.remove(0);
    assert!(matches!(answer, Err(CreateTopicError::Meta(MetaError::Journal(_)))));
    let answer = a.create_topics(vec![NewTopic::new("x", 1)], false).await.remove(0);
    assert!(matches!(answer, Err(CreateTopicError::Exists(_))), "the first one had taken effect");

    journal.inject(Fault::LoseRequest);
    assert!(a.create_topics(vec![NewTopic::new("y", 1)], false).await[0].is_err());
    assert!(a.create_topics(vec![NewTopic::new("y", 1)], false).await[0].is_ok());

    journal.inject(Fault::CatchUp);
    assert!(a.refresh().await.is_err());
    a.refresh().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_start_reads_the_snapshot_and_what_follows() {
    let sim = SimEnv::auto(6);
    let journal = MemoryJournal::new();
    let a = open(&sim, &journal).await;
    let sleeper = MetaClient::over(&sim.env, journal.place(), MetaOptions::new()).await.unwrap();
    for i in 0..300 {
        a.create_topics(vec![NewTopic::new(format!("t{i:04}"), 1 + i % 3)], false).await[0].as_ref().unwrap();
    }
    let snapshot = journal.snapshot().expect("a snapshot was due");
    assert!((250..=300).contains(&snapshot), "{snapshot}");
    journal.trim();
    let b = open(&sim, &journal).await;
    assert_eq!(a.state(), b.state());
    assert_eq!(b.state().topic_count(), 300);
    sleeper.refresh().await.unwrap();
    assert_eq!(sleeper.state(), b.state());
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_understood_stops_changes_and_keeps_the_last_state() {
    for (bytes, says) in [
        (Bytes::from_static(br#"{"format":9,"edits":[]}"#), "has format 9"),
        (Bytes::from_static(b"garbage"), "is damaged"),
        (
            Bytes::from(edit::encode(&[edit::Edit::TakeProducerIds { first: 77, count: 1 }]).unwrap()),
            "contradicts the metadata before it",
        ),
    ] {
        let sim = SimEnv::auto(7);
        let journal = MemoryJournal::new();
        let a = open(&sim, &journal).await;
        a.create_topics(vec![NewTopic::new("x", 1)], false).await[0].as_ref().unwrap();
        journal.push(bytes);
        for _ in 0..2 {
            let error = a.producer_ids().await.unwrap_err().to_string();
            assert!(error.contains(says) && error.contains("meta/log/00000000000000000002"), "{error}");
        }
        assert!(a.refresh().await.is_err());
        assert!(a.state().topic("x").is_some());
        assert_eq!(journal.len(), 3);
        let error = MetaClient::over(&sim.env, journal.place(), MetaOptions::new()).await.err().unwrap();
        assert!(error.to_string().contains(says));
    }
}

#[tokio::test(start_paused = true)]
async fn closed_is_closed_for_all_clones() {
    let sim = SimEnv::auto(8);
    let a = open(&sim, &MemoryJournal::new()).await;
    let b = a.clone();
    a.close().await;
    assert!(matches!(b.producer_ids().await, Err(MetaError::Closed)));
    assert!(matches!(b.refresh().await, Err(MetaError::Closed)));
    b.close().await;
}
