//! The same over a bucket: objects, conflicts, a start from nothing and from a snapshot.

use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use highwater_env::sim::SimEnv;
use highwater_meta::{MetaClient, MetaError, MetaOptions, NewTopic};
use highwater_store::{MemoryStore, ReadRange, Store};
use highwater_types::Incarnation;

async fn open(sim: &SimEnv, store: &Arc<MemoryStore>, incarnation: u64) -> Result<MetaClient, MetaError> {
    let options = MetaOptions { shards: 3, poll_interval: Some(Duration::from_secs(1)), ..MetaOptions::new() };
    let store = Arc::clone(store) as Arc<dyn Store>;
    MetaClient::open(&sim.env, store, Incarnation(incarnation), options).await
}

#[tokio::test(start_paused = true)]
async fn brokers_on_one_bucket_agree() {
    let sim = SimEnv::auto(1);
    let store = Arc::new(MemoryStore::new(&sim.env).with_whole_seconds());
    let (a, b) = futures::join!(open(&sim, &store, 1), open(&sim, &store, 2));
    let (a, b) = (a.unwrap(), b.unwrap());
    assert_eq!(a.state().cluster_id, b.state().cluster_id);
    assert_eq!(a.state().shards, 3);
    let names = |prefix: &str, client: &MetaClient| {
        let client = client.clone();
        join_all((0..20).map(move |i| {
            let (client, name) = (client.clone(), format!("{prefix}{i}"));
            async move { client.create_topics(vec![NewTopic::new(name, 2)], false).await.remove(0) }
        }))
    };
    let (of_a, of_b) = futures::join!(names("a", &a), names("b", &b));
    assert!(of_a.iter().chain(&of_b).all(Result::is_ok), "{of_a:?} {of_b:?}");
    a.refresh().await.unwrap();
    b.refresh().await.unwrap();
    assert_eq!(a.state(), b.state());
    assert_eq!(a.state().topic_count(), 40);
}

#[tokio::test(start_paused = true)]
async fn a_start_from_a_snapshot_finds_the_same() {
    let sim = SimEnv::auto(2);
    let store = Arc::new(MemoryStore::new(&sim.env).with_whole_seconds());
    let a = open(&sim, &store, 1).await.unwrap();
    for i in 0..300 {
        a.create_topics(vec![NewTopic::new(format!("t{i}"), 1)], false).await[0].as_ref().unwrap();
    }
    a.close().await;
    let snapshots = store.list("meta/snap/", None, 10).await.unwrap();
    assert_eq!(snapshots.objects.len(), 1);
    let b = open(&sim, &store, 2).await.unwrap();
    assert_eq!(a.state(), b.state());
    assert_eq!(b.producer_ids().await.unwrap(), 0..1_000);
}

#[tokio::test(start_paused = true)]
async fn what_a_snapshot_replaced_goes_after_the_grace_and_not_before() {
    const GRACE: Duration = Duration::from_secs(40);
    let entries_left = async |seed: u64, slept: Duration| {
        let sim = SimEnv::auto(seed);
        let store = Arc::new(MemoryStore::new(&sim.env).with_whole_seconds());
        let options = MetaOptions { gc_grace: GRACE, ..MetaOptions::new() };
        let shared = Arc::clone(&store) as Arc<dyn Store>;
        let client = MetaClient::open(&sim.env, shared, Incarnation(1), options).await.unwrap();
        let create = async |from: u32, to: u32| {
            for i in from..to {
                client.create_topics(vec![NewTopic::new(format!("t{i}"), 1)], false).await[0].as_ref().unwrap();
            }
        };
        create(0, 300).await;
        sim.env.sleep(slept).await;
        // The next snapshot sweeps what the one before it replaced.
        create(300, 600).await;
        client.close().await;
        store.list("meta/log/", None, 1_000).await.unwrap().objects.len()
    };
    let (before, after) = (entries_left(5, GRACE / 2).await, entries_left(5, 2 * GRACE).await);
    assert!(before > 600, "{before} entries after half of the grace");
    assert!(after < 400, "{after} entries after twice the grace");
}

#[tokio::test(start_paused = true)]
async fn an_idle_broker_asks_little() {
    let sim = SimEnv::auto(3);
    let store = Arc::new(MemoryStore::new(&sim.env).with_whole_seconds());
    let a = open(&sim, &store, 1).await.unwrap();
    let before = store.len();
    sim.env.sleep(Duration::from_secs(3_600)).await;
    assert_eq!(store.len(), before);
    // Its proof is long stale by now: it has to look before it writes.
    a.create_topics(vec![NewTopic::new("x", 1)], false).await[0].as_ref().unwrap();
    assert_eq!(store.len(), before + 1);
}

#[tokio::test(start_paused = true)]
async fn a_damaged_object_is_named() {
    let sim = SimEnv::auto(4);
    let store = Arc::new(MemoryStore::new(&sim.env).with_whole_seconds());
    open(&sim, &store, 1).await.unwrap().close().await;
    let first = store.list("meta/log/", None, 1).await.unwrap().objects.remove(0).name;
    let mut bytes = store.read(&first, ReadRange::All { limit: 1 << 20 }, None).await.unwrap().bytes.to_vec();
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    store.overwrite(&first, bytes.into()).await.unwrap();
    let error = open(&sim, &store, 2).await.err().unwrap().to_string();
    assert!(error.contains(&format!("is damaged: {first}: number 0 cannot be read")), "{error}");
}
