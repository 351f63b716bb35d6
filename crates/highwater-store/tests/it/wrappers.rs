//! Faults, retries, limits and the observer, around a bucket in memory.

use std::sync::Arc;
use std::time::Duration;

use highwater_env::SimEnv;
use highwater_store::{
    Body, Fault, FaultRates, FaultRule, Faults, Limited, MemoryStore, Observed, ReadRange, RequestKind, RequestLimits,
    RequestSeen, RetryPolicy, Retrying, Store, StoreErrorKind, StoreObserver, conformance,
};
use parking_lot::Mutex;

const ALL: ReadRange = ReadRange::All { limit: 1 << 20 };

struct World {
    sim: SimEnv,
    memory: Arc<MemoryStore>,
    faults: Arc<Faults>,
}

fn world(seed: u64) -> World {
    let sim = SimEnv::auto(seed);
    let memory = Arc::new(MemoryStore::new(&sim.env));
    let faults = Arc::new(Faults::new(memory.clone(), &sim.env, seed));
    World { sim, memory, faults }
}

fn on_create(fault: Fault) -> FaultRule {
    FaultRule { kind: Some(RequestKind::Create), name_contains: "a".to_owned(), skip: 0, times: 1, fault }
}

#[tokio::test(start_paused = true)]
async fn conformance_under_delays_throttling_limits_and_an_observer() {
    #[derive(Debug, Default)]
    struct Seen(Mutex<Vec<RequestSeen>>);
    impl StoreObserver for Seen {
        fn request_ended(&self, seen: RequestSeen) {
            self.0.lock().push(seen);
        }
    }
    let world = world(3);
    world.faults.set_rates(FaultRates {
        delayed: 300,
        longest_delay: Duration::from_millis(20),
        ..FaultRates::default()
    });
    let limited = Arc::new(Limited::new(world.faults.clone(), RequestLimits { puts: 2, others: 2 }));
    let seen = Arc::new(Seen::default());
    let observed = Arc::new(Observed::new(limited, &world.sim.env, seen.clone()));
    let store = Arc::new(Retrying::new(observed, &world.sim.env, RetryPolicy::default()));
    conformance::run(store, "suite").await;
    assert!(world.faults.injected() > 100);
    let seen = seen.0.lock();
    let creates = seen.iter().filter(|seen| seen.kind == RequestKind::Create);
    assert!(creates.clone().any(|seen| seen.outcome == Err(StoreErrorKind::AlreadyExists)));
    assert!(creates.clone().any(|seen| seen.outcome.is_ok() && seen.bytes == 5));
    assert!(seen.iter().any(|seen| seen.elapsed > Duration::ZERO));
}

#[tokio::test(start_paused = true)]
async fn reads_and_lists_are_repeated_until_the_deadline() {
    let world = world(5);
    let store = Retrying::new(world.faults.clone(), &world.sim.env, RetryPolicy::default());
    store.create("a", "x".into()).await.unwrap();
    world.faults.set_rates(FaultRates { unavailable: 300, throttled: 300, ..FaultRates::default() });
    for _ in 0..20 {
        store.read("a", ALL, None).await.unwrap();
        store.list("", None, 1).await.unwrap();
    }
    world.faults.set_rates(FaultRates { unavailable: 1000, ..FaultRates::default() });
    let start = world.sim.env.now();
    assert_eq!(store.read("a", ALL, None).await.unwrap_err().kind, StoreErrorKind::Unavailable);
    let took = world.sim.env.now() - start;
    assert!(took > Duration::from_secs(10) && took <= Duration::from_secs(20), "{took:?}");
    world.faults.heal();
    let missing = store.read("none", ALL, None).await.unwrap_err();
    assert_eq!(missing.kind, StoreErrorKind::NotFound, "final answers are not repeated");
}

#[tokio::test(start_paused = true)]
async fn a_request_that_hangs_is_dropped_at_the_deadline() {
    let world = world(6);
    world.faults.script(FaultRule {
        kind: None,
        name_contains: String::new(),
        skip: 0,
        times: 1,
        fault: Fault::DelayedBefore(Duration::from_secs(3600)),
    });
    let store = Retrying::new(world.faults.clone(), &world.sim.env, RetryPolicy::default());
    assert_eq!(store.read("a", ALL, None).await.unwrap_err().kind, StoreErrorKind::Unavailable);
}

#[tokio::test(start_paused = true)]
async fn lost_answers_lost_requests_and_late_effects() {
    let World { sim, memory, faults } = world(7);
    let create = |name: &'static str| {
        let faults = faults.clone();
        async move { faults.create(name, Body::from("x")).await.map_err(|error| error.kind) }
    };
    faults.script(on_create(Fault::ResponseLost));
    assert_eq!(create("b").await.map(|_| ()), Ok(()), "another name is spared");
    assert_eq!(create("a1").await.unwrap_err(), StoreErrorKind::Unknown);
    assert!(memory.read("a1", ALL, None).await.is_ok());
    faults.script(on_create(Fault::RequestLost));
    assert_eq!(create("a2").await.unwrap_err(), StoreErrorKind::Unknown);
    assert!(memory.read("a2", ALL, None).await.is_err());
    faults.script(on_create(Fault::Late(Duration::from_secs(5))));
    assert_eq!(create("a3").await.unwrap_err(), StoreErrorKind::Unknown);
    assert!(memory.read("a3", ALL, None).await.is_err());
    sim.env.sleep(Duration::from_secs(6)).await;
    assert!(memory.read("a3", ALL, None).await.is_ok());
    faults.script(on_create(Fault::Twice(Duration::from_secs(5))));
    create("a4").await.unwrap();
    memory.delete("a4").await.unwrap();
    sim.env.sleep(Duration::from_secs(6)).await;
    assert!(memory.read("a4", ALL, None).await.is_ok(), "the copy came after the delete");
    assert_eq!(faults.injected(), 4);
}

#[tokio::test(start_paused = true)]
async fn the_same_seed_gives_the_same_faults() {
    async fn outcomes(seed: u64) -> Vec<Result<(), StoreErrorKind>> {
        let world = world(seed);
        let rates = FaultRates { unavailable: 200, response_lost: 200, request_lost: 200, ..FaultRates::default() };
        world.faults.set_rates(rates);
        let mut outcomes = Vec::new();
        for number in 0..50 {
            let put = world.faults.create(&format!("a{number}"), Body::from("x")).await;
            outcomes.push(put.map(|_| ()).map_err(|error| error.kind));
        }
        outcomes
    }
    assert_eq!(outcomes(1).await, outcomes(1).await);
    assert_ne!(outcomes(1).await, outcomes(2).await);
}
