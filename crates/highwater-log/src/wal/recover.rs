//! The replay: frames of the files that count, in order, a block at a time.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::Arc;

use highwater_batch::StoredBatch;
use highwater_format::wal::{
    BLOCK_HEADER_BYTES, BlockKind, FILE_HEADER_BYTES, Frame, FrameFault, FrameHeader, Frames, WAL_ALIGNMENT,
};
use highwater_types::{Epoch, ShardId, TopicPartition};

use crate::wal::api::{Damage, TornTail, WalError, WalSeq};
use crate::wal::discover::FoundFile;
use crate::wal::scan::Blocks;
use crate::wal::state::{Highest, Shared, Stage};

/// A frame that came back. Its batch's CRC is right.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecoveredFrame {
    /// Its position.
    pub seq: WalSeq,
    /// The shard that appended it.
    pub shard: ShardId,
    /// The shard's epoch at that time.
    pub epoch: Epoch,
    /// The partition.
    pub tp: TopicPartition,
    /// The batch.
    pub batch: StoredBatch,
}

impl From<Frame> for RecoveredFrame {
    fn from(frame: Frame) -> Self {
        let FrameHeader { shard, epoch, tp } = frame.header;
        Self { seq: WalSeq(frame.seq), shard, epoch, tp, batch: frame.batch }
    }
}

/// What was found at start. Frames are read as they are asked for; one block is in memory at a
/// time, beside what the caller keeps.
///
/// A file's space can be reclaimed only after its last frame was given; if this is dropped before
/// the end, the rest stays for the next start.
pub struct Recovered {
    /// The write that a crash cut off, if there was one.
    pub truncated: Option<TornTail>,
    shared: Arc<Shared>,
    files: VecDeque<FoundFile>,
    current: Option<Replay>,
}

/// One file on its way.
struct Replay {
    path: PathBuf,
    generation: u64,
    blocks: Blocks,
    /// Start of the block that `frames` are of, and of the next one.
    block_at: u64,
    next_at: u64,
    frames: Option<Frames>,
    /// Sequence that comes next, once one is known.
    next_seq: Option<u64>,
    highest: Highest,
    /// Start of damage that was met and not reported yet.
    lost_from: Option<u64>,
    damaged: bool,
    suspect: bool,
}

impl Recovered {
    pub(super) fn new(shared: Arc<Shared>, files: Vec<FoundFile>, truncated: Option<TornTail>) -> Self {
        Self { truncated, shared, files: files.into(), current: None }
    }

    /// The next frame by position; `None` at the end. Frames that were released before the crash may
    /// be among them, and frames that were appended but never reported synced.
    ///
    /// # Errors
    /// `Damaged`: frames that had been synced are lost; the next call goes on behind them. `Io`: the
    /// next call tries again. May be cancelled.
    pub async fn next(&mut self) -> Result<Option<RecoveredFrame>, WalError> {
        loop {
            if self.current.is_none() {
                let Some(file) = self.files.pop_front() else {
                    return Ok(None);
                };
                self.current = Some(Replay::new(file));
            }
            let Some(replay) = self.current.as_mut() else {
                continue;
            };
            if let Some(frame) = replay.next().await? {
                return Ok(Some(frame));
            }
            if let Some(done) = self.current.take() {
                let mut state = self.shared.state.lock();
                let stage = match (done.damaged, done.suspect) {
                    (true, _) => Stage::Damaged,
                    (false, true) => Stage::Failed,
                    (false, false) => Stage::Sealed,
                };
                state.replayed(&self.shared.options, done.generation, done.highest, stage);
                drop(state);
                self.shared.chores.notify_one();
            }
        }
    }
}

impl Replay {
    fn new(found: FoundFile) -> Self {
        Self {
            blocks: Blocks::new(found.file, found.generation, found.salt, found.end),
            path: found.path,
            generation: found.generation,
            block_at: FILE_HEADER_BYTES as u64,
            next_at: FILE_HEADER_BYTES as u64,
            frames: None,
            next_seq: None,
            highest: Highest::new(),
            lost_from: None,
            damaged: false,
            suspect: found.suspect,
        }
    }

    async fn next(&mut self) -> Result<Option<RecoveredFrame>, WalError> {
        loop {
            if let Some(lost_from) = self.lost_from {
                return Err(self.damage(lost_from).await?);
            }
            match self.frames.as_mut().and_then(Iterator::next) {
                Some(Ok(frame)) => {
                    self.highest.insert(frame.header.shard, frame.seq);
                    self.next_seq = Some(frame.seq + 1);
                    return Ok(Some(frame.into()));
                }
                Some(Err(FrameFault { at, seq })) => {
                    self.frames = None;
                    self.next_seq = Some(seq);
                    self.lost_from = Some(self.block_at + (BLOCK_HEADER_BYTES + at) as u64);
                    continue;
                }
                None => self.frames = None,
            }
            if self.next_at >= self.blocks.end() {
                return Ok(None);
            }
            self.block_at = self.next_at;
            let found = self.blocks.block(self.block_at).await.map_err(WalError::io("read", &self.path))?;
            let Some((header, body)) = found else {
                self.lost_from = Some(self.block_at);
                continue;
            };
            self.next_at += header.block_bytes();
            if header.kind == BlockKind::Frames {
                self.frames = Some(Frames::new(&header, &body));
            }
        }
    }

    /// Goes on at the next block that checks; gives the report of what lies before.
    async fn damage(&mut self, lost_from: u64) -> Result<WalError, WalError> {
        let from = self.block_at + WAL_ALIGNMENT as u64;
        let next = self.blocks.next_good(from).await.map_err(WalError::io("read", &self.path))?;
        self.lost_from = None;
        self.damaged = true;
        self.next_at = next.map_or(self.blocks.end(), |header| header.position);
        Ok(WalError::Damaged(Damage {
            file: self.path.clone(),
            bytes: lost_from..self.next_at,
            first_seq: self.next_seq.map(WalSeq),
            next_seq: next.map(|header| WalSeq(header.first_seq)),
        }))
    }
}
