//! A world for one or more brokers: a bucket, a disk and a clock that outlive them.
//!
//! Each broker runs on a runtime of its own, so that a kill takes every task of it at once.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use highwater_batch::{BatchBuilder, Compression, Expansion, Records, StoredBatch};
use highwater_env::Env;
use highwater_env::sim::SimEnv;
use highwater_lease::conformance::info;
use highwater_lease::waiting::acquire_all;
use highwater_lease::{BucketLeases, Keeper, LeaseStore, Tenure};
use highwater_log::{
    Acks, AppendError, AppendTicket, Appended, Engine, EngineOptions, Isolation, Log, Origin, Partition, ReadCache,
    ReadError, ReadRequest,
};
use highwater_meta::{MetaClient, MetaOptions, NewTopic};
use highwater_store::{Fault, FaultRates, FaultRule, Faults, MemoryStore, RequestKind, RetryPolicy, Retrying, Store};
use highwater_types::{Incarnation, ShardId, TopicPartition};

/// What outlives the brokers.
pub struct World {
    pub sim: SimEnv,
    pub bucket: Arc<Faults>,
    pub paced: bool,
    pub shards: u32,
    pub flush_bytes: usize,
    pub block_cache_bytes: usize,
    pub upkeep_interval: Duration,
    pub compaction_bytes: u64,
    pub read_cache: Option<Arc<dyn ReadCache>>,
    /// How long a broker's lease lives; without one, nobody else can lead.
    pub lease: Option<Duration>,
    /// Whether leases are renewed.
    pub renews: Arc<AtomicBool>,
    incarnations: u64,
}

/// A running broker.
pub struct Broker {
    runtime: tokio::runtime::Runtime,
    sim: SimEnv,
    bucket: Arc<Faults>,
    engine: Option<Engine>,
    pub log: Log,
    pub meta: MetaClient,
    pub keeper: Option<Keeper>,
}

/// A record as tests see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    pub offset: i64,
    pub value: u64,
}

impl World {
    pub fn new(seed: u64) -> Self {
        let sim = SimEnv::new(seed);
        let memory: Arc<dyn Store> = Arc::new(MemoryStore::new(&sim.env));
        let bucket = Arc::new(Faults::new(memory, &sim.env, seed));
        Self {
            sim,
            bucket,
            paced: false,
            shards: 2,
            flush_bytes: 4096,
            block_cache_bytes: 64 << 20,
            upkeep_interval: Duration::from_secs(300),
            compaction_bytes: 64 << 20,
            read_cache: None,
            lease: None,
            renews: Arc::new(AtomicBool::new(true)),
            incarnations: 0,
        }
    }

    /// Starts a broker of this identity; its write-ahead log is its own.
    pub fn start(&mut self, identity: u128) -> Broker {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let sim = self.sim.clone();
        let opening = self.opening(identity);
        let (meta, engine, keeper) = drive(&runtime, &sim, opening);
        let log = engine.log();
        Broker { runtime, sim, bucket: Arc::clone(&self.bucket), log, engine: Some(engine), meta, keeper }
    }

    /// Starts a broker that cannot create what lies under `refused`, and kills it after a while.
    pub fn try_start(&mut self, identity: u128, refused: &str) {
        self.refuse_creates(refused);
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let opening = self.opening(identity);
        let sim = self.sim.clone();
        runtime.block_on(async {
            let mut opening = Box::pin(opening);
            for _ in 0..400 {
                assert!(futures::FutureExt::now_or_never(&mut opening).is_none(), "it cannot have started");
                sim.clock.advance(Duration::from_millis(5)).await;
            }
        });
        runtime.shutdown_background();
    }

    fn opening(&mut self, identity: u128) -> impl Future<Output = (MetaClient, Engine, Option<Keeper>)> + use<> {
        self.incarnations += 1;
        let incarnation = Incarnation(self.incarnations);
        let mut options = EngineOptions::new(format!("/wal-{identity}").into(), identity, true);
        options.paced = self.paced;
        options.flush_bytes = self.flush_bytes;
        options.block_cache_bytes = self.block_cache_bytes;
        options.upkeep_interval = self.upkeep_interval;
        options.compaction_bytes = self.compaction_bytes;
        options.read_cache = self.read_cache.clone();
        options.wal_file_bytes = 1 << 20;
        options.wal_max_bytes = 8 << 20;
        options.manifest_every = 3;
        options.snapshot_every = 2;
        options.tail_max_bytes = 8192;
        let store: Arc<dyn Store> = Arc::new(Retrying::new(self.bucket.clone(), &self.sim.env, RetryPolicy::default()));
        let env = self.sim.env.clone();
        let shards = self.shards;
        let (lease, renews) = (self.lease, Arc::clone(&self.renews));
        async move {
            let keeper = match lease {
                Some(ttl) => Some(lead(&env, &store, identity, shards, ttl, renews).await),
                None => None,
            };
            options.tenure = keeper.as_ref().map_or(Tenure::unlimited(), Keeper::tenure);
            let mut meta = MetaOptions::new();
            meta.shards = shards;
            meta.poll_interval = None;
            let meta = MetaClient::open(&env, Arc::clone(&store), incarnation, meta).await.expect("metadata opens");
            let engine = Engine::start(env, store, meta.clone(), incarnation, options).await.expect("engine starts");
            (meta, engine, keeper)
        }
    }

    /// The bucket takes no object with this in its name from now on.
    pub fn refuse_creates(&self, name: &str) {
        self.bucket.script(FaultRule {
            kind: Some(RequestKind::Create),
            name_contains: name.to_owned(),
            skip: 0,
            times: u32::MAX,
            fault: Fault::Unavailable,
        });
    }

    pub fn rates(&self, rates: FaultRates) {
        self.bucket.set_rates(rates);
    }
}

/// Holds every shard.
async fn lead(
    env: &Env,
    store: &Arc<dyn Store>,
    identity: u128,
    shards: u32,
    ttl: Duration,
    renews: Arc<AtomicBool>,
) -> Keeper {
    let me = info(u32::try_from(identity).expect("a small number"));
    let leases: Arc<dyn LeaseStore> = Arc::new(BucketLeases::new(Arc::clone(store), me, ttl));
    let progress = Arc::new(move || renews.load(Ordering::Relaxed));
    let keeper = Keeper::start(env, Arc::clone(&leases), progress).await.expect("a lease");
    let shards: Vec<ShardId> = (0..shards).map(ShardId).collect();
    acquire_all(env, &*leases, &keeper, &shards, |_| {}).await.expect("the shards' leases");
    keeper
}

/// Runs a future while the clock goes on, 5 ms a step, for at most ten virtual minutes.
fn drive<F: Future>(runtime: &tokio::runtime::Runtime, sim: &SimEnv, future: F) -> F::Output {
    runtime.block_on(async {
        let mut future = Box::pin(future);
        for _ in 0..120_000 {
            if let Some(output) = futures::FutureExt::now_or_never(&mut future) {
                return output;
            }
            sim.clock.advance(Duration::from_millis(5)).await;
        }
        panic!("nothing happened within ten virtual minutes");
    })
}

impl Broker {
    pub fn run<F: Future>(&self, future: F) -> F::Output {
        drive(&self.runtime, &self.sim, future)
    }

    /// Objects of the data's chains, by name.
    pub fn segments(&self) -> Vec<String> {
        self.objects("/wal/")
    }

    /// Objects of the shards whose names have this in them.
    pub fn objects(&self, part: &str) -> Vec<String> {
        let bucket = Arc::clone(&self.bucket);
        let found = self.run(async move { bucket.list("shards/", None, 10_000).await.unwrap().objects });
        found.into_iter().map(|object| object.name).filter(|name| name.contains(part)).collect()
    }

    /// Lets time pass.
    pub fn tick(&self, ms: u64) {
        self.runtime.block_on(self.sim.clock.advance(Duration::from_millis(ms)));
    }

    pub fn create(&self, name: &str, partitions: i32, configs: &[(&str, &str)]) -> Vec<TopicPartition> {
        let mut topic = NewTopic::new(name, partitions);
        for (key, value) in configs {
            topic = topic.config(*key, *value);
        }
        let meta = self.meta.clone();
        let created = self.run(async move { meta.create_topics(vec![topic], false).await });
        let topic = created.into_iter().next().unwrap().unwrap();
        (0..partitions).map(|partition| TopicPartition { topic: topic.id, partition }).collect()
    }

    pub fn partition(&self, tp: TopicPartition) -> Partition {
        self.log.partition(tp).unwrap()
    }

    /// Appends and waits for the acknowledgement.
    pub fn append(&self, tp: TopicPartition, values: &[u64]) -> Result<Appended, AppendError> {
        let ticket = self.try_append(tp, &plain(values), Acks::All)?;
        self.run(ticket)
    }

    pub fn try_append(&self, tp: TopicPartition, batch: &Bytes, acks: Acks) -> Result<AppendTicket, AppendError> {
        let _entered = self.runtime.enter();
        let partition = self.partition(tp);
        partition.admit(batch, batch.len(), Origin::Client).and_then(|batch| partition.append(&batch, acks))
    }

    /// Everything from an offset to the high watermark.
    pub fn read_from(&self, tp: TopicPartition, offset: i64) -> Result<Vec<Seen>, ReadError> {
        let partition = self.partition(tp);
        self.run(async move {
            let mut seen = Vec::new();
            let mut next = offset;
            loop {
                let request = ReadRequest {
                    offset: next,
                    max_bytes: 700,
                    at_least_one_batch: true,
                    isolation: Isolation::ReadUncommitted,
                };
                let outcome = partition.read(request).await?;
                if outcome.chunks.is_empty() {
                    // The end, or a gap that reaches to it.
                    return Ok(seen);
                }
                let bytes: Bytes = outcome.chunks.concat().into();
                assert_eq!(bytes.len(), outcome.bytes);
                for record in records(bytes) {
                    if record.offset >= next {
                        seen.push(record);
                    }
                }
                next = seen.last().expect("a batch holds the offset or lies behind it").offset + 1;
            }
        })
    }

    /// kill -9: every task ends where it stands. The disk keeps what was written.
    pub fn kill(mut self) {
        std::mem::forget(self.engine.take());
        self.runtime.shutdown_background();
    }

    /// Drains and ends.
    pub fn stop(mut self) {
        let engine = self.engine.take().unwrap();
        let (meta, runtime, sim) = (self.meta.clone(), &self.runtime, &self.sim);
        drive(runtime, sim, async move {
            engine.shutdown().await;
            meta.close().await;
        });
    }
}

/// Records of whole batches.
pub fn records(bytes: Bytes) -> Vec<Seen> {
    let mut seen = Vec::new();
    for batch in highwater_batch::Batches::new(bytes) {
        let (_, batch) = batch.unwrap();
        let stored = StoredBatch::from_bytes(&batch).unwrap();
        assert!(stored.crc_is_right());
        for record in Records::open(&stored, Expansion::default()).unwrap() {
            let record = record.unwrap();
            let value = record.value.unwrap();
            seen.push(Seen { offset: record.offset, value: u64::from_be_bytes(value[..8].try_into().unwrap()) });
        }
    }
    seen
}

fn builder(values: &[u64]) -> BatchBuilder {
    let mut builder = BatchBuilder::new(Compression::None);
    for value in values {
        builder.push(1_767_225_600_000, None, Some(&value.to_be_bytes())).unwrap();
    }
    builder
}

/// A batch of plain records.
pub fn plain(values: &[u64]) -> Bytes {
    builder(values).finish().unwrap().to_bytes()
}

/// A batch of an idempotent producer.
pub fn sequenced(producer_id: i64, epoch: i16, first: i32, values: &[u64]) -> Bytes {
    builder(values).producer(producer_id, epoch, first).finish().unwrap().to_bytes()
}

/// A batch of one record of so many bytes.
pub fn large(bytes: usize) -> Bytes {
    let mut builder = BatchBuilder::new(Compression::None);
    builder.push(1_767_225_600_000, None, Some(&vec![7; bytes])).unwrap();
    builder.finish().unwrap().to_bytes()
}

/// The values of a partition's records, from its beginning.
pub fn values(broker: &Broker, tp: TopicPartition) -> Vec<u64> {
    broker.read_from(tp, 0).unwrap().iter().map(|seen| seen.value).collect()
}
