//! Blocks by what they hold: in memory, then on this machine's disk if there is such a tier, then in the
//! bucket. Single flight, within a budget that counts until the last reader has let go.
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
use parking_lot::Mutex;
use tokio::sync::{OnceCell, OwnedSemaphorePermit, Semaphore};

use super::block::{Block, BlockError};
use super::tier::{BlockKey, ReadCache};
use crate::manifest::Located;
use crate::metrics::LogMetrics;

/// Budget granularity: permits are counted in KiB so that any budget fits the semaphore.
const PERMIT_BYTES: usize = 1024;

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

/// Room for a block, held by its bytes.
type Permit = Arc<OwnedSemaphorePermit>;

/// Keeps bytes and the permit that accounts for them together.
struct Accounted {
    bytes: Bytes,
    _permit: Permit,
}

impl AsRef<[u8]> for Accounted {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

/// A block that is to be read ahead, with the room for it.
pub struct Reserved {
    key: BlockKey,
    cell: Cell,
    permit: OwnedSemaphorePermit,
}

#[derive(Default)]
struct Entries {
    by_key: HashMap<BlockKey, (u64, Cell)>,
    /// Last use, oldest first.
    by_use: BTreeMap<u64, BlockKey>,
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
    disk: Option<Arc<dyn ReadCache>>,
    permits: Arc<Semaphore>,
    total: u32,
    entries: Mutex<Entries>,
    metrics: LogMetrics,
}

impl BlockCache {
    /// Holds at most `budget` bytes, slices in readers' hands included; `disk` has limits of its own.
    pub fn new(
        env: Env,
        store: Arc<dyn Store>,
        disk: Option<Arc<dyn ReadCache>>,
        budget: usize,
        metrics: LogMetrics,
    ) -> Self {
        let total = u32::try_from((budget / PERMIT_BYTES).max(1)).unwrap_or(u32::MAX);
        Self {
            env,
            refused: Arc::default(),
            store,
            disk,
            permits: Arc::new(Semaphore::new(total as usize)),
            total,
            entries: Mutex::new(Entries::default()),
            metrics,
        }
    }

    /// The block of an extent. Concurrent callers share one load; after an error the next caller tries
    /// again. `None` if there was no memory for it in [`ROOM_WAIT`]: callers may hold other blocks, so
    /// nobody waits for long.
    pub async fn get(&self, key: BlockKey, name: &str, extent: &Located) -> Result<Option<Arc<Block>>, LoadError> {
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
        self.fill(&cell, &key, name, extent, permit).await.map(Some)
    }

    /// Takes it on oneself to load a block that somebody will soon ask for, if there is memory for it
    /// at once and nobody else has begun.
    pub fn reserve(&self, key: BlockKey, extent: &Located) -> Option<Reserved> {
        if self.has(&key) {
            return None;
        }
        let permit = self.admit_at_once(extent)?;
        let mut entries = self.entries.lock();
        if entries.by_key.contains_key(&key) {
            return None;
        }
        let cell = entries.touch(key.clone());
        drop(entries);
        Some(Reserved { key, cell, permit })
    }

    /// Loads it. An error is left to the reader, who meets it again.
    pub async fn load_ahead(&self, reserved: Reserved, name: &str, extent: &Located) {
        let Reserved { key, cell, permit } = reserved;
        if self.fill(&cell, &key, name, extent, permit).await.is_ok() {
            self.metrics.block_read_ahead();
        }
    }

    /// Whether a block is there or on its way.
    pub fn has(&self, key: &BlockKey) -> bool {
        self.entries.lock().by_key.contains_key(key)
    }

    /// Forgets a block that turned out to be damaged: the next reader asks the bucket again.
    pub fn discard(&self, key: &BlockKey) {
        self.entries.lock().forget(key);
    }

    async fn fill(
        &self,
        cell: &Cell,
        key: &BlockKey,
        name: &str,
        extent: &Located,
        permit: OwnedSemaphorePermit,
    ) -> Result<Arc<Block>, LoadError> {
        let loaded = cell.get_or_try_init(|| self.load(key, name, extent, Arc::new(permit))).await.cloned();
        if loaded.is_err() {
            self.entries.lock().forget_unloaded(key);
        }
        loaded
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

    async fn load(
        &self,
        key: &BlockKey,
        name: &str,
        extent: &Located,
        permit: Permit,
    ) -> Result<Arc<Block>, LoadError> {
        if let Some(block) = self.load_from_disk(key, name, extent, &permit).await {
            return Ok(block);
        }
        let base = extent.segment.payload_at;
        let range = ReadRange::Bounded(base + extent.start..base + extent.end);
        let read = self.store.read(name, range, Some(&extent.segment.etag)).await?;
        self.metrics.block_loaded(read.bytes.len());
        let bytes = Bytes::from_owner(Accounted { bytes: read.bytes, _permit: permit });
        let block = Block::open(bytes.clone(), extent.first_offset, extent.last_offset)
            .map_err(|source| LoadError::Block { name: name.to_owned(), source })?;
        if let Some(disk) = &self.disk {
            disk.offer(key.clone(), &bytes);
        }
        Ok(Arc::new(block))
    }

    /// A block of the disk's, checked whole: one that is damaged is forgotten there and read from the bucket.
    async fn load_from_disk(
        &self,
        key: &BlockKey,
        name: &str,
        extent: &Located,
        permit: &Permit,
    ) -> Option<Arc<Block>> {
        let disk = self.disk.as_ref()?;
        let bytes = disk.get(key).await?;
        let bytes = Bytes::from_owner(Accounted { bytes, _permit: Arc::clone(permit) });
        let len = bytes.len();
        match Block::open_checked(bytes, extent.first_offset, extent.last_offset) {
            Ok(block) => {
                self.metrics.block_from_disk(len);
                Some(Arc::new(block))
            }
            Err(error) => {
                tracing::warn!(name, %error, "a block of the disk cache is damaged; reading it from the bucket");
                self.metrics.block_damaged();
                disk.forget(key);
                None
            }
        }
    }

    /// Room for an extent without waiting.
    fn admit_at_once(&self, extent: &Located) -> Option<OwnedSemaphorePermit> {
        let wanted = self.make_room(extent);
        Arc::clone(&self.permits).try_acquire_many_owned(wanted).ok()
    }

    /// Drops what was not used for longest until there is room, if that is enough; says for how much.
    fn make_room(&self, extent: &Located) -> u32 {
        let len = usize::try_from(extent.end - extent.start).unwrap_or(usize::MAX);
        let wanted = u32::try_from(len.div_ceil(PERMIT_BYTES)).unwrap_or(u32::MAX).min(self.total);
        while self.permits.available_permits() < wanted as usize {
            if !self.entries.lock().drop_oldest() {
                break;
            }
        }
        wanted
    }

    /// Room for an extent: drops what was not used for longest, then waits a little for readers.
    async fn admit(&self, extent: &Located) -> Option<OwnedSemaphorePermit> {
        let wanted = self.make_room(extent);
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
    fn touch(&mut self, key: BlockKey) -> Cell {
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
    fn forget_unloaded(&mut self, key: &BlockKey) {
        let idle = |(_, cell): &(u64, Cell)| !cell.initialized() && Arc::strong_count(cell) <= 2;
        if self.by_key.get(key).is_some_and(idle) {
            self.forget(key);
        }
    }

    fn forget(&mut self, key: &BlockKey) {
        if let Some((used, _)) = self.by_key.remove(key) {
            self.by_use.remove(&used);
        }
    }

    /// Forgets the block that was not used for longest. `false` if none is left that is loaded.
    fn drop_oldest(&mut self) -> bool {
        let loaded = |key: &BlockKey, by_key: &HashMap<BlockKey, (u64, Cell)>| {
            by_key.get(key).is_some_and(|(_, cell)| cell.initialized())
        };
        let Some(used) = self.by_use.iter().find(|(_, key)| loaded(key, &self.by_key)).map(|(used, _)| *used) else {
            return false;
        };
        if let Some(key) = self.by_use.remove(&used) {
            self.by_key.remove(&key);
        }
        true
    }
}
