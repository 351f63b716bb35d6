//! Frames set aside: the unflushed tail of a leader that was deposed. Never inserted, never dropped.
//!
//! A side file has the log's own format: a file header of state "side" (generation and salt 0), then
//! blocks of frames, numbered from 0 on. It gets its name when it is complete and synced.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use highwater_env::{AlignedBuf, Env, File, OpenMode};
use highwater_format::wal::{
    BLOCK_HEADER_BYTES, BlockHeader, BlockKind, FILE_HEADER_BYTES, FileHeader, FileState, FrameHeader, Frames,
    WAL_ALIGNMENT, WalFormatError, frame_bytes,
};
use highwater_types::{Epoch, ShardId};

use crate::wal::api::{Damage, WalError, WalSeq};
use crate::wal::files::write_header;
use crate::wal::recover::RecoveredFrame;
use crate::wal::scan::Blocks;

/// Folder below the log's own.
const FOLDER: &str = "deposed";
/// Blocks are closed at this size.
const BLOCK_BYTES: usize = 1 << 20;

/// Writes `frames` to a file of their own, durably, and gives its path. The name follows from shard,
/// epoch and first position, so that doing it again after a crash gives the same file.
pub(super) async fn write(
    env: &Env,
    dir: &Path,
    shard: ShardId,
    epoch: Epoch,
    frames: &[RecoveredFrame],
) -> Result<PathBuf, WalError> {
    let first = frames.first().ok_or(WalError::Nothing)?.seq.0;
    let folder = dir.join(FOLDER);
    let path = folder.join(format!("shard-{shard}-epoch-{epoch}-{first:016x}.wal"));
    let unfinished = path.with_extension("unfinished");
    let disk = &env.disk;
    disk.create_dir_all(&folder).await.map_err(WalError::io("create", &folder))?;
    // One that a crash left; whether it is there does not matter.
    let _ = disk.remove_file(&unfinished).await;
    let file = disk.open(&unfinished, OpenMode::CreateDirect).await.map_err(WalError::io("create", &unfinished))?;
    let mut at = FILE_HEADER_BYTES as u64;
    let mut rest = frames;
    let (mut number, mut seq) = (0, 0);
    while !rest.is_empty() {
        let block = block(rest, BlockHeader { number, first_seq: seq, position: at, synced_end: at, ..BLANK });
        let taken = usize::try_from(block.1).unwrap_or(usize::MAX).min(rest.len());
        let block_bytes = block.0.len() as u64;
        file.write_at(at, block.0, false).await.1.map_err(WalError::io("write", &unfinished))?;
        at += block_bytes;
        number += 1;
        seq += u64::from(block.1);
        rest = &rest[taken..];
    }
    let written_ms = env.wall_ms();
    let header = FileHeader { state: FileState::Side, generation: 0, salt: 0, file_bytes: at, written_ms };
    write_header(&*file, &header).await.map_err(WalError::io("write", &unfinished))?;
    disk.rename(&unfinished, &path).await.map_err(WalError::io("rename", &unfinished))?;
    disk.sync_dir(&folder).await.map_err(WalError::io("sync", &folder))?;
    tracing::warn!(%shard, %epoch, frames = frames.len(), bytes = at, file = %path.display(),
        "write-ahead log: deposed tail set aside");
    Ok(path)
}

const BLANK: BlockHeader = BlockHeader {
    generation: 0,
    salt: 0,
    first_seq: 0,
    number: 0,
    kind: BlockKind::Frames,
    count: 0,
    body_bytes: 0,
    position: 0,
    synced_end: 0,
};

/// One padded block of as many frames as it takes, one at least; and how many.
fn block(frames: &[RecoveredFrame], at: BlockHeader) -> (AlignedBuf, u32) {
    let mut bytes = AlignedBuf::with_capacity(WAL_ALIGNMENT);
    bytes.extend_zeros(BLOCK_HEADER_BYTES);
    let mut count = 0;
    for frame in frames {
        if count > 0 && bytes.len() + frame_bytes(&frame.batch) > BLOCK_BYTES {
            break;
        }
        let header = FrameHeader { shard: frame.shard, epoch: frame.epoch, tp: frame.tp };
        bytes.extend_from_slice(&header.encode(at.first_seq + u64::from(count), &frame.batch));
        bytes.extend_from_slice(frame.batch.head());
        bytes.extend_from_slice(frame.batch.body());
        count += 1;
    }
    let body_bytes = u32::try_from(bytes.len() - BLOCK_HEADER_BYTES).unwrap_or(u32::MAX);
    let header = BlockHeader { count, body_bytes, ..at };
    bytes.as_mut_slice()[..BLOCK_HEADER_BYTES].copy_from_slice(&header.encode());
    bytes.pad();
    (bytes, count)
}

/// A side file being read, by tools.
pub struct SideFile {
    path: PathBuf,
    blocks: Blocks,
    at: u64,
    frames: Option<Frames>,
}

impl SideFile {
    /// Opens a file that [`crate::wal::Wal::set_aside`] wrote.
    ///
    /// # Errors
    /// `Io`, `Version`, and `Damaged` if it is no side file.
    pub async fn open(env: &Env, path: &Path) -> Result<Self, WalError> {
        let file = env.disk.open(path, OpenMode::Read).await.map_err(WalError::io("open", path))?;
        let front = file.read_at(0, FILE_HEADER_BYTES).await.map_err(WalError::io("read", path))?;
        let header = match FileHeader::decode(&front) {
            Ok(header) if header.state == FileState::Side => header,
            Err(WalFormatError::Version(version)) => {
                return Err(WalError::Version { path: path.to_path_buf(), version });
            }
            Ok(_) | Err(_) => return Err(lost(path, 0, FILE_HEADER_BYTES as u64)),
        };
        Ok(Self::blocks(path, file, &header))
    }

    fn blocks(path: &Path, file: Arc<dyn File>, header: &FileHeader) -> Self {
        let blocks = Blocks::new(file, header.generation, header.salt, header.file_bytes);
        Self { path: path.to_path_buf(), blocks, at: FILE_HEADER_BYTES as u64, frames: None }
    }

    /// The next frame; positions count from 0. `None` at the end.
    ///
    /// # Errors
    /// `Io`; `Damaged` at the first frame that does not check, where reading ends.
    pub async fn next(&mut self) -> Result<Option<RecoveredFrame>, WalError> {
        loop {
            match self.frames.as_mut().and_then(Iterator::next) {
                Some(Ok(frame)) => return Ok(Some(frame.into())),
                Some(Err(_)) => return Err(lost(&self.path, self.at, self.blocks.end())),
                None => self.frames = None,
            }
            if self.at >= self.blocks.end() {
                return Ok(None);
            }
            let found = self.blocks.block(self.at).await.map_err(WalError::io("read", &self.path))?;
            let Some((header, body)) = found else {
                return Err(lost(&self.path, self.at, self.blocks.end()));
            };
            self.at += header.block_bytes();
            self.frames = Some(Frames::new(&header, &body));
        }
    }
}

fn lost(path: &Path, from: u64, to: u64) -> WalError {
    WalError::Damaged(Damage { file: path.to_path_buf(), bytes: from..to, first_seq: None::<WalSeq>, next_seq: None })
}
