//! What the bucket's leases promise beyond the suite.

#![allow(clippy::unwrap_used, reason = "a test says what went wrong by panicking")]

use std::sync::Arc;

use highwater_env::sim::SimEnv;
use highwater_store::{Fault, FaultRule, Faults, MemoryStore, RequestKind};

use super::*;
use crate::conformance::{self, Bench, info};

const TTL: Duration = Duration::from_secs(10);

fn bench() -> (SimEnv, Arc<MemoryStore>, Bench) {
    let sim = SimEnv::auto(1);
    let store = Arc::new(MemoryStore::new(&sim.env).with_whole_seconds());
    let of = Arc::clone(&store);
    let bench = Bench {
        env: sim.env.clone(),
        open: Box::new(move |number| {
            Arc::new(BucketLeases::new(Arc::clone(&of) as Arc<dyn Store>, info(number), TTL)) as Arc<dyn LeaseStore>
        }),
    };
    (sim, store, bench)
}

#[tokio::test(start_paused = true)]
async fn conforms() {
    let (_sim, _store, bench) = bench();
    conformance::run(&bench).await;
}

#[tokio::test(start_paused = true)]
async fn damaged_leases_hold_nobody_up() {
    let (_sim, store, bench) = bench();
    let a = (bench.open)(1);
    for (name, body) in [
        ("leases/shards/00000", "not json"),
        ("leases/shards/x", "{}"),
        ("leases/brokers/y", "{}"),
        ("leases/live/z", ""),
        ("leases/other", ""),
    ] {
        store.overwrite(name, body.into()).await.unwrap();
    }
    store.overwrite("leases/shards/00001", "x".repeat(20_000).into_bytes().into()).await.unwrap();
    a.renew().await.unwrap();
    assert_eq!(a.acquire(&[ShardId(0), ShardId(1)]).await.unwrap(), [Claim::Held, Claim::Held]);
    assert_eq!(a.registry().await.unwrap().shards.len(), 2);
}

#[tokio::test(start_paused = true)]
async fn what_the_long_dead_left_is_deleted() {
    let (sim, store, bench) = bench();
    let (a, b) = ((bench.open)(1), (bench.open)(2));
    a.renew().await.unwrap();
    sim.env.sleep(FORGET + Duration::from_secs(5)).await;
    b.renew().await.unwrap();
    let registry = b.registry().await.unwrap();
    assert_eq!(registry.brokers.len(), 1);
    assert_eq!(store.list("leases/", None, 10).await.unwrap().objects.len(), 2);
}

#[tokio::test(start_paused = true)]
async fn unchanged_leases_are_not_read_again() {
    use std::sync::atomic::{AtomicUsize, Ordering};

    struct Counting(Arc<MemoryStore>, AtomicUsize);
    #[async_trait]
    impl Store for Counting {
        async fn create(&self, name: &str, body: highwater_store::Body) -> Result<highwater_store::Put, StoreError> {
            self.0.create(name, body).await
        }
        async fn overwrite(&self, name: &str, body: highwater_store::Body) -> Result<highwater_store::Put, StoreError> {
            self.0.overwrite(name, body).await
        }
        async fn read(
            &self,
            name: &str,
            range: ReadRange,
            etag: Option<&Etag>,
        ) -> Result<highwater_store::Read, StoreError> {
            self.1.fetch_add(1, Ordering::Relaxed);
            self.0.read(name, range, etag).await
        }
        async fn list(
            &self,
            prefix: &str,
            after: Option<&str>,
            limit: usize,
        ) -> Result<highwater_store::Listing, StoreError> {
            self.0.list(prefix, after, limit).await
        }
        async fn delete(&self, name: &str) -> Result<BucketTime, StoreError> {
            self.0.delete(name).await
        }
        fn describe(&self) -> String {
            self.0.describe()
        }
        fn is_local(&self) -> bool {
            false
        }
    }

    let (_sim, store, bench) = bench();
    let a = (bench.open)(1);
    a.renew().await.unwrap();
    let shards: Vec<ShardId> = (0..64).map(ShardId).collect();
    a.acquire(&shards).await.unwrap();
    let counting = Arc::new(Counting(store, AtomicUsize::new(0)));
    let b = BucketLeases::new(Arc::clone(&counting) as Arc<dyn Store>, info(2), TTL);
    for _ in 0..5 {
        a.renew().await.unwrap();
        assert_eq!(b.registry().await.unwrap().shards.len(), 64);
    }
    assert_eq!(counting.1.load(Ordering::Relaxed), 65);
}

#[tokio::test(start_paused = true)]
async fn what_was_taken_from_one_that_comes_back_meanwhile_is_given_back() {
    let sim = SimEnv::auto(3);
    let memory: Arc<dyn Store> = Arc::new(MemoryStore::new(&sim.env).with_whole_seconds());
    let slow = Arc::new(Faults::new(Arc::clone(&memory), &sim.env, 3));
    let a = BucketLeases::new(memory, info(1), TTL);
    let b = BucketLeases::new(Arc::clone(&slow) as Arc<dyn Store>, info(2), TTL);
    let shard = [ShardId(0)];
    a.renew().await.unwrap();
    assert_eq!(a.acquire(&shard).await.unwrap(), [Claim::Held]);
    sim.env.sleep(TTL + SKEW + TTL).await;
    b.renew().await.unwrap();
    // Between the look of the one who takes over and its next, the other one is back.
    slow.script(FaultRule {
        kind: Some(RequestKind::Overwrite),
        name_contains: "leases/shards/".to_owned(),
        skip: 0,
        times: 1,
        fault: Fault::DelayedAfter(Duration::from_secs(2)),
    });
    let back = async {
        sim.env.sleep(Duration::from_secs(1)).await;
        a.renew().await.unwrap();
    };
    let (claims, ()) = futures::join!(b.acquire(&shard), back);
    assert!(matches!(&claims.unwrap()[0], Claim::HeldBy(holder) if holder.identity == info(1).identity));
    assert_eq!(a.acquire(&shard).await.unwrap(), [Claim::Held]);
    assert!(matches!(b.acquire(&shard).await.unwrap()[0], Claim::HeldBy(_)), "and stays so");
}
