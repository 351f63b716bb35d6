//! What the write-ahead log takes, gives and reports.

use std::fmt;
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};

use highwater_batch::StoredBatch;
use highwater_env::HUGE_PAGE_BYTES;
use highwater_format::wal::{BLOCK_HEADER_BYTES, FILE_HEADER_BYTES, WAL_ALIGNMENT, block_bytes};
use highwater_types::{Epoch, ShardId, TopicPartition};

use crate::metrics::LogMetrics;

/// Largest block: its buffer is one huge page. With 1 MiB a sync costs 0.12 CPU s/GiB and half a millisecond;
/// larger ones gain little but waste more at the end of a file.
const WRITE_BYTES: usize = HUGE_PAGE_BYTES - BLOCK_HEADER_BYTES;
/// Blocks of a file at least, so that little of it stays empty at its end; also where files are small.
const BLOCKS_PER_FILE: u64 = 32;

/// Most files, so that a census stays small.
const MAX_FILES: u64 = 4096;

/// Where and how large. Invalid combinations are refused by [`crate::wal::Wal::open`].
#[derive(Clone, Debug)]
pub struct WalOptions {
    /// The log's own directory; created if absent. The caller holds the data directory's lock.
    pub dir: PathBuf,
    /// Bytes of one file, a multiple of 4,096, at most 1 GiB; preallocated.
    pub file_bytes: u64,
    /// Bytes of all files together; two files at least. At the limit appends are refused.
    pub max_bytes: u64,
    /// Bytes appended and not yet synced; at the limit appends are refused.
    pub buffer_bytes: usize,
    /// A group of less is synced at once: it is from those who wait for an answer rather than for a batch
    /// to fill.
    pub pace_from_bytes: usize,
    /// Where it counts.
    pub metrics: LogMetrics,
}

impl WalOptions {
    /// Largest frame that fits buffer and file, bytes.
    pub(super) fn frame_limit(&self) -> usize {
        let file = usize::try_from(self.file_bytes).unwrap_or(usize::MAX);
        let used = FILE_HEADER_BYTES + self.census_limit() + BLOCK_HEADER_BYTES;
        file.saturating_sub(used).min(self.buffer_bytes)
    }

    /// Bytes at which a block is written even though more frames wait.
    pub(super) fn write_bytes(&self) -> usize {
        let part = usize::try_from(self.file_bytes / BLOCKS_PER_FILE).unwrap_or(usize::MAX);
        WRITE_BYTES.min(part.saturating_sub(BLOCK_HEADER_BYTES)).min(self.frame_limit())
    }

    fn census_limit(&self) -> usize {
        let files = usize::try_from(self.max_bytes / self.file_bytes.max(1)).unwrap_or(usize::MAX);
        block_bytes(files.saturating_mul(16).saturating_add(4))
    }

    pub(super) fn check(&self) -> Result<(), WalError> {
        if self.file_bytes == 0 || !self.file_bytes.is_multiple_of(WAL_ALIGNMENT as u64) || self.file_bytes > 1 << 30 {
            return Err(WalError::Options("a file must have a multiple of 4096 bytes, at most 1 GiB"));
        }
        if self.max_bytes / self.file_bytes < 2 || self.max_bytes / self.file_bytes > MAX_FILES {
            return Err(WalError::Options("the limit must allow between 2 and 4096 files"));
        }
        if self.frame_limit() < WAL_ALIGNMENT {
            return Err(WalError::Options("file or buffer is too small"));
        }
        Ok(())
    }
}

/// Position of a frame in the log: dense while a process runs, strictly increasing over files, and
/// after a restart larger than every position that can come back. Its upper half is the number of
/// the file generation that the process began with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WalSeq(pub u64);

impl fmt::Display for WalSeq {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.0 >> 32, self.0 & u64::from(u32::MAX))
    }
}

/// What is appended: one batch with its offsets assigned and its CRC right (recovery holds the batch
/// against it).
#[derive(Clone, Copy, Debug)]
pub struct Frame<'a> {
    /// The shard that appends.
    pub shard: ShardId,
    /// Its epoch.
    pub epoch: Epoch,
    /// The partition.
    pub tp: TopicPartition,
    /// The batch; copied.
    pub batch: &'a StoredBatch,
}

/// Hears what became of frames. Called by the writer, one call at a time, with no lock held; it
/// must not block.
pub trait WalListener: Send + Sync + 'static {
    /// Every frame up to and including this one is durable, but for those named by `failed`.
    fn synced(&self, up_to: WalSeq);
    /// These frames (both ends included) are not durable and will not become so: the write or its
    /// sync failed, or the log was closed without room for them. Recovery may give them back.
    fn failed(&self, from: WalSeq, to: WalSeq);
    /// The log needs files, and unreleased frames of these shards hold the oldest of those it has: they
    /// should be flushed. Called by the one who prepares files, as often as it is so.
    fn pinned(&self, by: &[ShardId]);
}

/// Why a frame was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WalFull {
    /// The buffer is full: the disk is slow, full or at its limit (then [`WalListener::pinned`] is told what
    /// to flush). Wait for [`crate::wal::Wal::wait_for_space`] and try again.
    #[error("the write-ahead log's buffer is full")]
    Busy,
    /// It will never fit.
    #[error("frame of {bytes} bytes exceeds the write-ahead log's limit of {limit}")]
    TooLarge {
        /// Bytes of the frame.
        bytes: usize,
        /// The limit, from file and buffer size.
        limit: usize,
    },
    /// The log was closed.
    #[error("the write-ahead log is closed")]
    Closed,
}

/// How full the log is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WalUsage {
    /// Bytes of all files.
    pub disk_bytes: u64,
    /// Bytes of files with frames that are not released (or not replayed).
    pub pinned_bytes: u64,
    /// The limit of `disk_bytes`.
    pub max_bytes: u64,
    /// Bytes appended and not yet synced.
    pub unsynced_bytes: usize,
    /// Callers in [`crate::wal::Wal::wait_for_space`].
    pub waiting: usize,
}

/// The last write before a crash, which did not get done; its frames were never reported synced.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TornTail {
    /// The file.
    pub file: PathBuf,
    /// Where the write began.
    pub position: u64,
    /// Frames that its header announces.
    pub frames: u32,
}

/// Synced bytes that cannot be read any more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Damage {
    /// The file.
    pub file: PathBuf,
    /// Which bytes of it.
    pub bytes: Range<u64>,
    /// First frame that is lost, where it is known.
    pub first_seq: Option<WalSeq>,
    /// First frame behind that can be read, if one can.
    pub next_seq: Option<WalSeq>,
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: bytes {} to {}", self.file.display(), self.bytes.start, self.bytes.end)?;
        if let Some(first) = self.first_seq {
            write!(f, ", frames from {first}")?;
        }
        if let Some(next) = self.next_seq {
            write!(f, ", before {next}")?;
        }
        Ok(())
    }
}

/// Why the log cannot be opened, replayed, or written beside.
#[derive(Debug, thiserror::Error)]
pub enum WalError {
    /// The options do not go together.
    #[error("write-ahead log: {0}")]
    Options(&'static str),
    /// The disk failed.
    #[error("write-ahead log: cannot {action} {path}: {source}")]
    Io {
        /// What was tried.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
    /// A file of a later version of Highwater.
    #[error("write-ahead log: {path} has format version {version}, written by a later version of Highwater")]
    Version {
        /// The file.
        path: PathBuf,
        /// Its version.
        version: u32,
    },
    /// Two files claim the same generation: somebody copied one.
    #[error("write-ahead log: {first} and {second} are copies of one file; move one of them away")]
    Copies {
        /// One.
        first: PathBuf,
        /// The other.
        second: PathBuf,
    },
    /// Frames that had been reported synced are lost. The replay may be continued behind them.
    #[error("write-ahead log is damaged, synced frames are lost: {0}")]
    Damaged(Damage),
    /// Nothing was given to be set aside.
    #[error("write-ahead log: no frames to set aside")]
    Nothing,
}

impl WalError {
    pub(super) fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_path_buf();
        move |source| Self::Io { action, path, source }
    }
}
