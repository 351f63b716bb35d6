//! Blocks by what they hold: single flight, within a budget that counts until the last reader has
//! let go.
//!
//! A block's permit lives as long as any slice of its bytes, so a slow reader's answers are in the
//! budget, too: at the limit, loads wait, and nothing else of the broker does.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use highwater_env::Env;
use highwater_store::{ReadRange, Store, StoreError};
use highwater_types::ShardId;
use parking_lot::Mutex;
use tokio::sync::{OnceCell, OwnedSemaphorePermit, Semaphore};

use super::block::{Block, BlockError};
use crate::manifest::Located;
use crate::metrics::LogMetrics;

/// Budget granularity: permits are counted in KiB so that any budget fits the semaphore.
const PERMIT_BYTES: usize = 1024;

/// What a block holds. The e-tag keeps a name that came back from serving old bytes (rule 7).
#[derive(Clone, PartialEq, Eq, Hash)]
struct Key {
    shard: ShardId,
    number: u64,
    start: u64,
    etag: Arc<str>,
}

/// A block that is there, is being loaded, or could not be loaded.
type Cell = Arc<OnceCell<Arc<Block>>>;

/// Why a block could not be loaded.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("{name}: {source}")]
    Block {
        name: String,
        #[source]
        source: BlockError,
    },
}

/// Keeps bytes and the permit that accounts for them together.
struct Accounted {
    bytes: Bytes,
    _permit: OwnedSemaphorePermit,
}

impl AsRef<[u8]> for Accounted {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

#[derive(Default)]
struct Entries {
    by_key: HashMap<Key, (u64, Cell)>,
    /// Last use, oldest first.
    by_use: BTreeMap<u64, Key>,
    clock: u64,
}

/// Longest wait of a read for memory. A fetch of many partitions may hold blocks of some of them
/// while it waits for the next: with this limit it cannot wait for itself.
const ROOM_WAIT: Duration = Duration::from_millis(250);

/// Blocks of all shards.
pub struct BlockCache {
    env: Env,
    refused: Arc<AtomicUsize>,
    store: Arc<dyn Store>,
    permits: Arc<Semaphore>,
    total: u32,
    entries: Mutex<Entries>,
    metrics: LogMetrics,
}

impl BlockCache {
    /// Holds at most `budget` bytes, slices in readers' hands included.
    pub fn new(env: Env, store: Arc<dyn Store>, budget: usize, metrics: LogMetrics) -> Self {
        let total = u32::try_from((budget / PERMIT_BYTES).max(1)).unwrap_or(u32::MAX);
        Self {
            env,
            refused: Arc::default(),
            store,
            permits: Arc::new(Semaphore::new(total as usize)),
            total,
            entries: Mutex::new(Entries::default()),
            metrics,
        }
    }

    /// The block of an extent, from memory or from the bucket. Concurrent callers share one load;
    /// after an error the next caller tries again. `None` if there was no memory for it in
    /// [`ROOM_WAIT`]: callers may hold other blocks, so nobody waits for long.
    pub async fn get(&self, shard: ShardId, name: &str, extent: &Located) -> Result<Option<Arc<Block>>, LoadError> {
        let key = Key {
            shard,
            number: extent.segment.number,
            start: extent.start,
            etag: Arc::from(extent.segment.etag.as_str()),
        };
        let cell = self.entries.lock().touch(key.clone());
        if let Some(block) = cell.get() {
            self.metrics.block_found();
            return Ok(Some(Arc::clone(block)));
        }
        // Memory before the load: whoever loads waits for the bucket alone.
        let Some(permit) = self.admit(extent).await else {
            self.entries.lock().forget_unloaded(&key);
            return Ok(None);
        };
        let loaded = cell.get_or_try_init(|| self.load(name, extent, permit)).await.cloned();
        if loaded.is_err() {
            self.entries.lock().forget_unloaded(&key);
        }
        loaded.map(Some)
    }

    /// Bytes in use, and their limit.
    pub fn bytes(&self) -> (usize, usize) {
        let limit = self.total as usize * PERMIT_BYTES;
        (limit.saturating_sub(self.permits.available_permits() * PERMIT_BYTES), limit)
    }

    /// How often a read found no memory.
    pub const fn refused(&self) -> &Arc<AtomicUsize> {
        &self.refused
    }

    async fn load(&self, name: &str, extent: &Located, permit: OwnedSemaphorePermit) -> Result<Arc<Block>, LoadError> {
        let base = extent.segment.payload_at;
        let range = ReadRange::Bounded(base + extent.start..base + extent.end);
        let read = self.store.read(name, range, Some(&extent.segment.etag)).await?;
        self.metrics.block_loaded(read.bytes.len());
        let bytes = Bytes::from_owner(Accounted { bytes: read.bytes, _permit: permit });
        let block = Block::open(bytes, extent.first_offset, extent.last_offset)
            .map_err(|source| LoadError::Block { name: name.to_owned(), source })?;
        Ok(Arc::new(block))
    }

    /// Room for an extent: drops what was not used for longest, then waits a little for readers.
    async fn admit(&self, extent: &Located) -> Option<OwnedSemaphorePermit> {
        let len = usize::try_from(extent.end - extent.start).unwrap_or(usize::MAX);
        let wanted = u32::try_from(len.div_ceil(PERMIT_BYTES)).unwrap_or(u32::MAX).min(self.total);
        while self.permits.available_permits() < wanted as usize {
            if !self.entries.lock().drop_oldest() {
                break;
            }
        }
        let permit = Arc::clone(&self.permits).acquire_many_owned(wanted);
        match self.env.timeout(ROOM_WAIT, permit).await {
            Ok(permit) => permit.ok(),
            Err(_) => {
                self.refused.fetch_add(1, Ordering::Relaxed);
                self.metrics.block_refused();
                None
            }
        }
    }
}

impl Entries {
    /// The cell of a key, new or known, as the most recently used.
    fn touch(&mut self, key: Key) -> Cell {
        self.clock += 1;
        let now = self.clock;
        let (used, cell) = self.by_key.entry(key.clone()).or_insert_with(|| (now, Arc::new(OnceCell::new())));
        let before = std::mem::replace(used, now);
        let cell = Arc::clone(cell);
        self.by_use.remove(&before);
        self.by_use.insert(now, key);
        cell
    }

    /// Forgets a key whose block did not come, unless somebody else waits for it or has it.
    fn forget_unloaded(&mut self, key: &Key) {
        let idle = |(_, cell): &(u64, Cell)| !cell.initialized() && Arc::strong_count(cell) <= 2;
        if self.by_key.get(key).is_some_and(idle)
            && let Some((used, _)) = self.by_key.remove(key)
        {
            self.by_use.remove(&used);
        }
    }

    /// Forgets the block that was not used for longest. `false` if none is left that is loaded.
    fn drop_oldest(&mut self) -> bool {
        let loaded =
            |key: &Key, by_key: &HashMap<Key, (u64, Cell)>| by_key.get(key).is_some_and(|(_, cell)| cell.initialized());
        let Some(used) = self.by_use.iter().find(|(_, key)| loaded(key, &self.by_key)).map(|(used, _)| *used) else {
            return false;
        };
        if let Some(key) = self.by_use.remove(&used) {
            self.by_key.remove(&key);
        }
        true
    }
}
