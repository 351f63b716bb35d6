//! What every lease store promises, as a suite to run against it.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test suite says what went wrong by panicking")]

use std::sync::Arc;
use std::time::Duration;

use highwater_env::Env;
use highwater_types::ids::Uuid;
use highwater_types::{Incarnation, NodeId, ShardId};

use crate::broker::{BrokerIdentity, BrokerInfo};
use crate::store::{Claim, LeaseStore};

/// A lease store under test.
pub struct Bench {
    /// Its world; the suite sleeps in it, past the time to live.
    pub env: Env,
    /// Opens the store as the broker of this number ([`info`]); every call is a new start of it.
    /// All share one set of leases.
    pub open: Box<dyn Fn(u32) -> Arc<dyn LeaseStore> + Send + Sync>,
}

/// The broker of this number.
pub fn info(number: u32) -> BrokerInfo {
    BrokerInfo {
        identity: BrokerIdentity(Uuid::from_u128(0x0011_2233_4455_4677_8899_aabb_0000_0000 + u128::from(number))),
        incarnation: Incarnation(u64::from(number)),
        node_id: NodeId(number.cast_signed()),
        address: format!("broker-{number}:9092"),
        zone: None,
    }
}

/// Runs the suite; panics with what does not hold. The leases must be empty before.
pub async fn run(bench: &Bench) {
    a_broker_takes_what_is_free_and_others_are_told_who_has_it(bench).await;
    the_same_identity_resumes_at_once(bench).await;
    a_dead_brokers_shards_are_free_after_its_time_to_live(bench).await;
    release_frees_or_hands_over(bench).await;
    resigning_frees_everything_at_once(bench).await;
}

/// Lets every lease run out.
async fn run_out(bench: &Bench) {
    let ttl = (bench.open)(0).ttl();
    bench.env.sleep(ttl * 2 + Duration::from_secs(5)).await;
}

async fn a_broker_takes_what_is_free_and_others_are_told_who_has_it(bench: &Bench) {
    let (a, b) = ((bench.open)(1), (bench.open)(2));
    assert_eq!(a.registry().await.unwrap().brokers.len(), 0, "leases must be empty before the suite");
    a.renew().await.unwrap();
    b.renew().await.unwrap();
    let shards = [ShardId(0), ShardId(7)];
    assert_eq!(a.acquire(&shards).await.unwrap(), [Claim::Held, Claim::Held]);
    assert_eq!(a.acquire(&shards).await.unwrap(), [Claim::Held, Claim::Held], "again");
    let claims = b.acquire(&[ShardId(7), ShardId(8)]).await.unwrap();
    match &claims[0] {
        Claim::HeldBy(holder) => {
            assert_eq!((holder.identity, holder.node_id), (info(1).identity, info(1).node_id));
            assert_eq!(holder.address, info(1).address);
            assert!(!holder.remaining.is_zero() && holder.remaining <= b.ttl() + Duration::from_secs(5));
        }
        Claim::Held => panic!("two brokers hold one shard"),
    }
    assert_eq!(claims[1], Claim::Held);
    for store in [&a, &b] {
        let registry = store.registry().await.unwrap();
        assert_eq!(registry.brokers.len(), 2);
        assert_eq!(registry.brokers[&info(2).identity].info, info(2));
        let holders: Vec<_> = registry.shards.into_iter().collect();
        let (one, two) = (info(1).identity, info(2).identity);
        assert_eq!(holders, [(ShardId(0), one), (ShardId(7), one), (ShardId(8), two)]);
    }
}

async fn the_same_identity_resumes_at_once(bench: &Bench) {
    let a = (bench.open)(1);
    a.renew().await.unwrap();
    assert_eq!(a.acquire(&[ShardId(0), ShardId(7)]).await.unwrap(), [Claim::Held, Claim::Held]);
}

async fn a_dead_brokers_shards_are_free_after_its_time_to_live(bench: &Bench) {
    let b = (bench.open)(2);
    let half = b.ttl() / 2;
    (bench.open)(1).renew().await.unwrap();
    // Renewed all the time, a lease lives on.
    for _ in 0..4 {
        bench.env.sleep(half).await;
        (bench.open)(1).renew().await.unwrap();
        b.renew().await.unwrap();
    }
    assert!(matches!(b.acquire(&[ShardId(0)]).await.unwrap()[0], Claim::HeldBy(_)));
    run_out(bench).await;
    b.renew().await.unwrap();
    let registry = b.registry().await.unwrap();
    assert_eq!(registry.brokers.keys().copied().collect::<Vec<_>>(), [info(2).identity]);
    assert_eq!(b.acquire(&[ShardId(0)]).await.unwrap(), [Claim::Held]);
    let a = (bench.open)(1);
    a.renew().await.unwrap();
    assert!(matches!(a.acquire(&[ShardId(0)]).await.unwrap()[0], Claim::HeldBy(_)), "its old lease is another's now");
}

async fn release_frees_or_hands_over(bench: &Bench) {
    let (a, b) = ((bench.open)(1), (bench.open)(2));
    a.renew().await.unwrap();
    b.renew().await.unwrap();
    assert_eq!(b.acquire(&[ShardId(20), ShardId(21)]).await.unwrap(), [Claim::Held, Claim::Held]);
    a.release(&[ShardId(20)], None).await.unwrap();
    assert!(matches!(a.acquire(&[ShardId(20)]).await.unwrap()[0], Claim::HeldBy(_)), "another's is not released");
    b.release(&[ShardId(20)], None).await.unwrap();
    assert_eq!(a.acquire(&[ShardId(20)]).await.unwrap(), [Claim::Held]);
    b.release(&[ShardId(21)], Some(info(1).identity)).await.unwrap();
    assert_eq!(b.registry().await.unwrap().shards[&ShardId(21)], info(1).identity);
    assert!(matches!(b.acquire(&[ShardId(21)]).await.unwrap()[0], Claim::HeldBy(_)));
    assert_eq!(a.acquire(&[ShardId(21)]).await.unwrap(), [Claim::Held]);
}

async fn resigning_frees_everything_at_once(bench: &Bench) {
    let (a, b) = ((bench.open)(1), (bench.open)(2));
    a.renew().await.unwrap();
    b.renew().await.unwrap();
    a.acquire(&[ShardId(30)]).await.unwrap();
    a.resign().await.unwrap();
    let registry = b.registry().await.unwrap();
    assert_eq!(registry.brokers.keys().copied().collect::<Vec<_>>(), [info(2).identity]);
    assert_eq!(b.acquire(&[ShardId(30)]).await.unwrap(), [Claim::Held]);
    a.resign().await.unwrap();
    a.renew().await.unwrap();
    assert_eq!(b.registry().await.unwrap().brokers.len(), 2, "and back");
}
