//! The engine of one broker: its shards, its write-ahead log, start and end.

use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::time::Duration;

use highwater_env::{Env, TaskHandle, watch};
use highwater_lease::Tenure;
use highwater_meta::MetaClient;
use highwater_store::Store;
use highwater_types::{Incarnation, ShardId, TopicId, TopicPartition};
use tokio::sync::Semaphore;

use crate::api::PartitionError;
use crate::flush::pace::Pacer;
use crate::leader::{self, Leading};
use crate::options::EngineOptions;
use crate::partition::Partition;
use crate::read::ahead;
use crate::read::cache::BlockCache;
use crate::recover::{self, RecoverError};
use crate::replay;
use crate::shard::Shard;
use crate::shard::live::Limits;
use crate::shard::partition::PartitionLive;
use crate::shard::room::Room;
use crate::shared::{OFFSET_RESERVE, Shared};
use crate::start_error::StartError;
use crate::wal::WalUsage;
use crate::wal::{Wal, WalListener, WalOptions, WalSeq};

/// Least bytes that the write-ahead log may gather while a sync is in flight.
const WAL_BUFFER_BYTES: usize = 8 << 20;

/// A running engine. Dropping it without [`Engine::shutdown`] is a crash: nothing acknowledged is
/// lost, the next start recovers.
pub struct Engine {
    shared: Arc<Shared>,
    draining: watch::Sender<bool>,
    leaders: Vec<TaskHandle>,
    following: TaskHandle,
    tenure: TaskHandle,
}

/// What the layers above hold: partitions by topic id, and room to append.
#[derive(Clone)]
pub struct Log {
    shared: Arc<Shared>,
}

struct SyncListener {
    shards: Arc<Vec<Arc<Shard>>>,
    tenure: Tenure,
}

impl WalListener for SyncListener {
    fn synced(&self, up_to: WalSeq) {
        let run = self.tenure.run();
        for shard in self.shards.iter() {
            let (effects, alone) = shard.live.lock().synced(up_to, run);
            effects.run();
            if !alone {
                shard.flush.notify_one();
            }
        }
    }

    fn failed(&self, from: WalSeq, to: WalSeq) {
        for shard in self.shards.iter() {
            shard.live.lock().sync_failed(from, to);
            shard.flush.notify_one();
        }
    }

    fn pinned(&self, by: &[ShardId]) {
        for shard in self.shards.iter().filter(|shard| by.contains(&shard.id)) {
            shard.live.lock().urge_flush();
            shard.flush.notify_one();
        }
    }
}

impl Engine {
    /// Opens the write-ahead log, takes every shard over, replays, and serves. The caller holds the
    /// lease (or the directory's lock) and a started metadata client.
    pub async fn start(
        env: Env,
        store: Arc<dyn Store>,
        meta: MetaClient,
        incarnation: Incarnation,
        options: EngineOptions,
    ) -> Result<Self, StartError> {
        let options = Arc::new(options);
        let room = Arc::new(Room::new(options.unflushed_max_bytes));
        let count = meta.state().shards.max(1);
        let limits = Limits {
            flush_bytes: options.flush_bytes,
            tail_bytes: options.tail_max_bytes / count as usize,
            reserve: OFFSET_RESERVE,
            producer_expiration_ms: i64::try_from(options.producer_expiration.as_millis()).unwrap_or(i64::MAX),
        };
        let new = |id| Arc::new(Shard::new(ShardId(id), Arc::clone(&room), limits));
        let shards: Arc<Vec<Arc<Shard>>> = Arc::new((0..count).map(new).collect());
        let wal_options = WalOptions {
            dir: options.wal_dir.clone(),
            file_bytes: options.wal_file_bytes,
            max_bytes: options.wal_max_bytes,
            buffer_bytes: WAL_BUFFER_BYTES,
            pace_from_bytes: options.wal_pace_from_bytes,
            metrics: options.metrics.clone(),
        };
        let listener = Arc::new(SyncListener { shards: Arc::clone(&shards), tenure: options.tenure.clone() });
        let (wal, recovered) = Wal::open(env.clone(), wal_options, listener).await?;
        let interval = options.paced.then_some(options.flush_interval);
        let shared = Arc::new(Shared {
            pacer: Arc::new(Pacer::new(interval, env.now())),
            blocks: BlockCache::new(
                env.clone(),
                Arc::clone(&store),
                options.read_cache.clone(),
                options.block_cache_bytes,
                options.metrics.clone(),
            ),
            read_ahead: Arc::new(Semaphore::new(ahead::IN_FLIGHT)),
            compaction: Arc::new(Semaphore::new(1)),
            env,
            store,
            meta,
            incarnation,
            options,
            shards,
            room,
            wal,
        });
        let (draining, drain) = watch::channel(false);
        let mut leading = Vec::new();
        for shard in shared.shards.iter() {
            let run = shared.options.tenure.run();
            let taken = recover::take_over(&shared, shard.id, recover::Tail::Kept).await;
            let taken = match taken {
                Ok(taken) => taken,
                // Its frames stay in the log: they are replayed when it was mended.
                Err(RecoverError::Corrupt(why)) => {
                    shard.stop(&why);
                    continue;
                }
                Err(source) => return Err(StartError::Recover { shard: shard.id, source }),
            };
            leading.push(leader::start(&shared, shard, taken, run, drain.clone()));
        }
        replay::replay(&shared, &mut leading, recovered).await?;
        let spawn = |leading: Leading| leader::supervise(Arc::clone(&shared), leading, drain.clone());
        let leaders = leading
            .into_iter()
            .map(|leading| {
                leading.open();
                spawn(leading)
            })
            .collect();
        let following = follow_metadata(&shared);
        let tenure = follow_tenure(&shared);
        Ok(Self { shared, draining, leaders, following, tenure })
    }

    /// The handle for the layers above.
    pub fn log(&self) -> Log {
        Log { shared: Arc::clone(&self.shared) }
    }

    /// Flushes everything, publishes the manifests, closes the write-ahead log. Appends that come
    /// later are not acknowledged. May be given up at any time: what is not flushed is in the log.
    pub async fn shutdown(self) {
        self.following.abort();
        self.tenure.abort();
        self.draining.send(true);
        for shard in self.shared.shards.iter() {
            shard.flush.notify_one();
        }
        for leader in self.leaders {
            leader.ended().await;
        }
        self.shared.wal.clone().close().await;
    }
}

impl Log {
    /// The handle of a partition that this broker leads.
    pub fn partition(&self, tp: TopicPartition) -> Result<Partition, PartitionError> {
        let shard = self.shared.meta.state().shard_of(tp).ok_or(PartitionError::Unknown)?;
        let shard = self.shared.shards.get(shard.0 as usize).ok_or(PartitionError::NotLeader)?;
        let mut live = shard.live.lock();
        let Some(epoch) = live.epoch else {
            drop(live);
            return Err(shard.stopped().map_or(PartitionError::NotLeader, |_| PartitionError::Stopped));
        };
        let slot = match live.slots.get(&tp) {
            Some(slot) => *slot,
            None => {
                // Looked at again under the lock: a topic that is there now has not been deleted
                // from memory yet, so it cannot come back as an empty one.
                let state = self.shared.meta.state();
                let topic = state.topic_by_id(tp.topic).ok_or(PartitionError::Unknown)?;
                let committed = shard.committed.read();
                let (settings, record) = (Arc::clone(&topic.settings), committed.partitions.get(&tp));
                live.add(PartitionLive::of(tp, settings, record))
            }
        };
        drop(live);
        Ok(Partition { shared: Arc::clone(&self.shared), shard: Arc::clone(shard), slot, epoch, tp })
    }

    /// Waits until an append that met [`crate::AppendError::Backpressure`] may be tried again. It
    /// may be refused again: others may have been faster.
    pub async fn room(&self) {
        self.shared.env.sleep(ROOM_PAUSE).await;
        self.shared.room.available().await;
        self.shared.wal.wait_for_space().await;
    }

    /// Whether every shard of this broker is led and serving, but for those that were stopped, and not all
    /// of them were.
    pub fn is_ready(&self) -> bool {
        let led = |shard: &Shard| shard.live.lock().epoch.is_some();
        let mut some = false;
        for shard in self.shared.shards.iter() {
            match (led(shard), shard.stopped()) {
                (true, _) => some = true,
                (false, Some(_)) => {}
                (false, None) => return false,
            }
        }
        some
    }

    /// Kafka's leader epoch of a shard's partitions, while this broker leads it.
    pub fn leader_epoch(&self, shard: ShardId) -> Option<i32> {
        let shard = self.shared.shards.get(shard.0 as usize)?;
        let epoch = shard.live.lock().epoch;
        epoch.map(highwater_types::Epoch::as_leader_epoch)
    }

    /// Whether this broker leads a partition in this epoch and nobody else can: its tenure runs, and its
    /// leadership was proven in it. What it knows is then the newest.
    pub fn confirm(&self, tp: TopicPartition, leader_epoch: i32) -> bool {
        let shard = self.shared.meta.state().shard_of(tp);
        let Some(shard) = shard.and_then(|shard| self.shared.shards.get(shard.0 as usize)) else { return false };
        let run = self.shared.options.tenure.run();
        let live = shard.live.lock();
        run.is_some() && live.proven == run && live.epoch.is_some_and(|epoch| epoch.as_leader_epoch() == leader_epoch)
    }

    /// Counts reads from the bucket that gave up for want of memory, because readers hold on to
    /// what they were given: a reason to part with one that takes nothing.
    pub fn refused_reads(&self) -> &Arc<AtomicUsize> {
        self.shared.blocks.refused()
    }

    /// How full the write-ahead log is.
    pub fn wal_usage(&self) -> WalUsage {
        self.shared.wal.usage()
    }

    /// Most unflushed bytes before producers wait.
    pub fn unflushed_limit(&self) -> usize {
        self.shared.options.unflushed_max_bytes
    }

    /// Bytes of segments in memory for readers behind the tail, those in readers' hands included, and
    /// their limit.
    pub fn read_cache_bytes(&self) -> (usize, usize) {
        self.shared.blocks.bytes()
    }

    /// Bytes of flushed records in memory for readers at the tail, and their limit.
    pub fn tail_bytes(&self) -> (usize, usize) {
        let used = self.shared.shards.iter().map(|shard| shard.live.lock().retained_bytes).sum();
        (used, self.shared.options.tail_max_bytes)
    }

    /// Each shard as it stands.
    pub fn shards(&self) -> Vec<ShardStatus> {
        self.shared.shards.iter().map(|shard| ShardStatus::of(shard)).collect()
    }

    /// Partitions that the manifests know, those that never had a record left out.
    pub fn recorded_partitions(&self) -> usize {
        self.shared.shards.iter().map(|shard| shard.committed.read().partitions.len()).sum()
    }

    /// Bytes in memory that the bucket does not have yet.
    pub fn unflushed_bytes(&self) -> usize {
        self.shared.room.used()
    }
}

/// A shard as it stands, for operators.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShardStatus {
    /// Which one.
    pub shard: ShardId,
    /// Epoch in which this broker leads it.
    pub epoch: Option<u32>,
    /// Why nobody can lead it, if that is so.
    pub stopped: Option<String>,
    /// Partitions in memory.
    pub partitions: usize,
    /// Bytes that are not sealed yet.
    pub open_bytes: usize,
    /// Flushed bytes kept for readers at the tail.
    pub tail_bytes: usize,
    /// Segments that the manifest refers to.
    pub segments: usize,
    /// Where recovery would begin to walk.
    pub trim: u64,
}

impl ShardStatus {
    fn of(shard: &Shard) -> Self {
        let (epoch, partitions, open_bytes, tail_bytes) = {
            let live = shard.live.lock();
            (live.epoch, live.slots.len(), live.open_bytes, live.retained_bytes)
        };
        let committed = shard.committed.read();
        Self {
            shard: shard.id,
            epoch: epoch.map(|epoch| epoch.0),
            stopped: shard.stopped(),
            partitions,
            open_bytes,
            tail_bytes,
            segments: committed.segments(),
            trim: committed.trim.number,
        }
    }
}

/// Follows the metadata: deleted topics give their memory back, changed settings take effect.
fn follow_metadata(shared: &Arc<Shared>) -> TaskHandle {
    let shared = Arc::clone(shared);
    let mut changes = shared.meta.changes();
    let env = shared.env.clone();
    env.spawn("follow-metadata", async move {
        loop {
            let state = shared.meta.state();
            for shard in shared.shards.iter() {
                let gone = {
                    let mut live = shard.live.lock();
                    live.refresh(|topic: TopicId| state.topic_by_id(topic).map(|topic| Arc::clone(&topic.settings)))
                };
                for slot in gone {
                    let (tp, effects) = shard.live.lock().delete(slot);
                    effects.run();
                    shard.removed.lock().extend(tp);
                }
            }
            if changes.changed().await.is_err() {
                return;
            }
        }
    })
}

/// Has each shard proven anew when the tenure runs again after a lapse, though nobody writes.
fn follow_tenure(shared: &Arc<Shared>) -> TaskHandle {
    let shared = Arc::clone(shared);
    let mut tenure = shared.options.tenure.clone();
    let env = shared.env.clone();
    env.spawn("tenure", async move {
        loop {
            tenure.changed().await;
            let run = tenure.run();
            let unproven = |shard: &&Arc<Shard>| run.is_some() && shard.live.lock().proven != run;
            shared.shards.iter().filter(unproven).for_each(|shard| shard.log_starts.asked.notify_one());
        }
    })
}

/// Least pause of a producer that met back-pressure, so that a partition whose offset reserve is
/// used up is not asked in a tight loop while its flush is under way.
const ROOM_PAUSE: Duration = Duration::from_millis(1);
