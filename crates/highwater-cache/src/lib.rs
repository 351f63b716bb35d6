//! The read cache's tier on disk: blocks of segments that came from the bucket, kept for the next reader.
//!
//! [`foyer`] does the work: blocks are appended to files of a fixed size, the oldest file is emptied when
//! room is needed, and a start finds what the last run has left. Memory belongs to the engine's own tier,
//! whose budget counts what slow readers hold on to, so foyer's is kept as small as can be.
//!
//! - [`entry`]: keys and blocks as they lie on disk.

pub mod entry;

use std::path::{Path, PathBuf};

use async_trait::async_trait;
use bytes::Bytes;
use foyer::{
    BlockEngineConfig, DeviceBuilder, FsDeviceBuilder, HybridCache, HybridCacheBuilder, HybridCachePolicy, RecoverMode,
};
use highwater_log::{BlockKey, ReadCache};

use crate::entry::{BlockOnDisk, KeyOnDisk};

/// Bytes of one file of the cache: what is given up at once when room is needed.
const FILE_BYTES: usize = 16 << 20;
/// The least that makes sense: several files in turn.
pub const LEAST_BYTES: u64 = 16 * FILE_BYTES as u64;
/// Longest block that is kept: it lies in one file, beside headers.
const LONGEST_BLOCK: usize = FILE_BYTES - (64 << 10);
/// Blocks on their way to disk, in bytes; what comes beyond is declined. A scan brings them in bursts.
const QUEUE_BYTES: usize = 2 * FILE_BYTES;
/// foyer's own memory: nothing is meant to stay in it.
const MEMORY_BYTES: usize = 1 << 20;

/// A cache in a directory of its own, which nothing else may use.
pub struct DiskCache {
    cache: HybridCache<KeyOnDisk, BlockOnDisk>,
}

/// Why a cache could not be opened. The broker works without one, but more slowly than was asked for.
#[derive(Debug, thiserror::Error)]
#[error("the disk cache in {dir} cannot be opened: {why}")]
pub struct OpenError {
    dir: PathBuf,
    why: String,
}

impl DiskCache {
    /// Opens the cache in `dir`, with what an earlier run has left there, and keeps it within `bytes`.
    /// Needs a tokio runtime, on whose blocking threads it reads and writes.
    pub async fn open(dir: &Path, bytes: u64) -> Result<Self, OpenError> {
        let failed = |error: &dyn std::fmt::Display| OpenError { dir: dir.to_path_buf(), why: error.to_string() };
        // foyer panics where it cannot make it.
        make(dir).map_err(|error| failed(&error))?;
        let capacity = usize::try_from(bytes).unwrap_or(usize::MAX);
        let device = FsDeviceBuilder::new(dir).with_capacity(capacity).build().map_err(|error| failed(&error))?;
        let engine = BlockEngineConfig::new(device)
            .with_block_size(FILE_BYTES)
            .with_buffer_pool_size(QUEUE_BYTES)
            .with_submit_queue_size_threshold(QUEUE_BYTES);
        let cache = HybridCacheBuilder::new()
            .with_name("highwater")
            .with_policy(HybridCachePolicy::WriteOnInsertion)
            .memory(MEMORY_BYTES)
            .with_shards(1)
            .with_weighter(|_: &KeyOnDisk, block: &BlockOnDisk| block.0.len())
            .storage()
            .with_engine_config(engine)
            .with_recover_mode(RecoverMode::Quiet)
            .build()
            .await
            .map_err(|error| failed(&error))?;
        Ok(Self { cache })
    }

    /// Waits until what was offered is on disk, and ends. Due before the runtime is dropped, which waits for
    /// its tasks: foyer's, cancelled while it makes room, wait for a lock that they hold themselves
    /// (`shutdown_background` does not wait).
    pub async fn close(&self) {
        if let Err(error) = self.cache.close().await {
            tracing::warn!(%error, "the disk cache did not end well; it may have forgotten some blocks");
        }
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "foyer's files are not the environment's: a simulation has no disk cache"
)]
fn make(dir: &Path) -> std::io::Result<()> {
    std::fs::create_dir_all(dir)
}

#[async_trait]
impl ReadCache for DiskCache {
    async fn get(&self, key: &BlockKey) -> Option<Bytes> {
        match self.cache.get(&KeyOnDisk(key.clone())).await {
            Ok(found) => found.map(|entry| entry.value().0.clone()),
            Err(error) => {
                tracing::warn!(%error, "the disk cache could not be read; reading from the bucket");
                None
            }
        }
    }

    fn offer(&self, key: BlockKey, bytes: &Bytes) {
        if bytes.len() <= LONGEST_BLOCK {
            self.cache.storage_writer(KeyOnDisk(key)).insert(BlockOnDisk(bytes.clone()));
        }
    }

    fn forget(&self, key: &BlockKey) {
        self.cache.remove(&KeyOnDisk(key.clone()));
    }
}

#[cfg(test)]
mod tests;
