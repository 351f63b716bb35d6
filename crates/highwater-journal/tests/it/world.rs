//! What the tests share: a bucket in memory, brokers that reach it through faults, a trim point.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use highwater_env::{Env, SimEnv};
use highwater_journal::{Journal, JournalOptions, TrimPoint, TrimSource};
use highwater_store::{
    Body, BucketTime, FaultRates, Faults, MemoryStore, ReadRange, RetryPolicy, Retrying, Store, StoreError,
};
use highwater_types::{Epoch, Incarnation};
use parking_lot::Mutex;

/// A bucket and the world that it is in.
pub struct World {
    pub sim: SimEnv,
    pub bucket: Arc<MemoryStore>,
    seed: u64,
    brokers: std::cell::Cell<u64>,
}

/// A broker's way to the bucket.
pub struct Broker {
    pub journal: Journal,
    pub faults: Arc<Faults>,
}

impl World {
    pub fn new(seed: u64) -> Self {
        println!("seed {seed}");
        let sim = SimEnv::auto(seed);
        let bucket = Arc::new(MemoryStore::new(&sim.env));
        Self { sim, bucket, seed, brokers: std::cell::Cell::new(0) }
    }

    pub fn env(&self) -> Env {
        self.sim.env.clone()
    }

    /// Another broker, with its own incarnation and faults. Reads are retried, as in a broker.
    pub fn broker(&self, options: JournalOptions) -> Broker {
        let (nth, faults) = self.another();
        let policy = RetryPolicy {
            first_pause: Duration::from_millis(2),
            longest_pause: Duration::from_millis(20),
            deadline: Duration::from_secs(10),
        };
        let store: Arc<dyn Store> = Arc::new(Retrying::new(faults.clone(), &self.sim.env, policy));
        Broker { journal: Journal::new(self.env(), store, nth, options), faults }
    }

    /// Another broker, whose requests may take as long as they like.
    pub fn sleeper(&self, options: JournalOptions) -> Broker {
        let (nth, faults) = self.another();
        Broker { journal: Journal::new(self.env(), faults.clone(), nth, options), faults }
    }

    fn another(&self) -> (Incarnation, Arc<Faults>) {
        let nth = self.brokers.get() + 1;
        self.brokers.set(nth);
        let faults = Faults::new(self.bucket.clone(), &self.sim.env, self.seed * 1000 + nth);
        (Incarnation(nth), Arc::new(faults))
    }

    pub fn trims(&self) -> Arc<Trims> {
        let bucket: Arc<dyn Store> = self.bucket.clone();
        Arc::new(Trims { bucket, state: Mutex::new((TrimPoint::GENESIS, Epoch::NONE)) })
    }
}

pub fn options() -> JournalOptions {
    JournalOptions { window: 3, ..JournalOptions::new("wal") }
}

/// Every kind of fault, often.
pub fn stormy() -> FaultRates {
    FaultRates {
        unavailable: 20,
        throttled: 20,
        request_lost: 30,
        response_lost: 40,
        late: 30,
        twice: 30,
        delayed: 300,
        longest_delay: Duration::from_millis(40),
    }
}

pub fn body(text: &str) -> Body {
    Body::from(Bytes::copy_from_slice(text.as_bytes()))
}

/// A manifest reduced to its trim point, fenced by the epoch of who trims.
pub struct Trims {
    bucket: Arc<dyn Store>,
    state: Mutex<(TrimPoint, Epoch)>,
}

impl Trims {
    pub fn point(&self) -> TrimPoint {
        self.state.lock().0
    }

    /// Whether the trim point was moved.
    pub fn trim(&self, epoch: Epoch, point: TrimPoint) -> bool {
        let mut state = self.state.lock();
        let moved = epoch >= state.1 && point.number > state.0.number;
        if moved {
            *state = (point, epoch);
        }
        moved
    }

    /// The bucket's date.
    pub async fn date(&self) -> BucketTime {
        self.bucket.list("", None, 1).await.unwrap().date
    }
}

#[async_trait]
impl TrimSource for Trims {
    async fn newest(&self) -> Result<(TrimPoint, BucketTime), StoreError> {
        let date = self.bucket.list("", None, 1).await?.date;
        Ok((self.point(), date))
    }
}

/// Whether `name` exists.
pub async fn exists(store: &Arc<MemoryStore>, name: &str) -> bool {
    store.read(name, ReadRange::All { limit: u64::MAX }, None).await.is_ok()
}
