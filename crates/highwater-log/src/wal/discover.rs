//! What is in the directory: which files count, up to where, and which are spare.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use highwater_env::{Disk, File, OpenMode};
use highwater_format::wal::{
    BLOCK_HEADER_BYTES, BlockHeader, CensusEntry, FILE_HEADER_BYTES, FileHeader, FileState, WAL_ALIGNMENT,
    WalFormatError, decode_census,
};

use crate::wal::api::{TornTail, WalError};
use crate::wal::files::file_number;
use crate::wal::scan::Blocks;

/// A file to be replayed.
pub(super) struct FoundFile {
    pub(super) path: PathBuf,
    pub(super) file: Arc<dyn File>,
    pub(super) file_bytes: u64,
    pub(super) generation: u64,
    pub(super) salt: u64,
    /// Everything below is synced.
    pub(super) end: u64,
    /// The disk refused to sync it: its frames are worth bringing to the bucket, the file is not
    /// worth using again.
    pub(super) suspect: bool,
}

/// All that is there.
#[derive(Default)]
pub(super) struct Discovery {
    /// By ascending generation.
    pub(super) live: Vec<FoundFile>,
    /// Files without content that counts, with their lengths.
    pub(super) spare: Vec<(PathBuf, u64)>,
    /// Generation of the file with the newest census.
    pub(super) census_holder: Option<u64>,
    /// That file, if nothing else in it counts; it is not among the others then.
    pub(super) released_holder: Option<(PathBuf, u64)>,
    pub(super) torn: Option<TornTail>,
    pub(super) last_generation: u64,
    pub(super) last_name: u64,
}

/// A file and what its first blocks say.
struct Candidate {
    path: PathBuf,
    file: Arc<dyn File>,
    file_bytes: u64,
    salt: u64,
    released: bool,
    census: Option<Vec<CensusEntry>>,
}

/// Reads the directory; changes nothing but that it makes durable what it sees and relies on.
pub(super) async fn discover(disk: &dyn Disk, dir: &Path) -> Result<Discovery, WalError> {
    let mut found = Discovery::default();
    let mut candidates: BTreeMap<u64, Candidate> = BTreeMap::new();
    // A file that an earlier process removed must not come back with the next crash: its generation
    // may be given again.
    disk.sync_dir(dir).await.map_err(WalError::io("sync", dir))?;
    let mut entries = disk.read_dir(dir).await.map_err(WalError::io("list", dir))?;
    entries.sort_by(|left, right| left.name.cmp(&right.name));
    for entry in entries {
        let Some(number) = file_number(&entry.name).filter(|_| !entry.is_dir) else {
            continue;
        };
        found.last_name = found.last_name.max(number);
        let path = dir.join(&entry.name);
        let file = disk.open(&path, OpenMode::Read).await.map_err(WalError::io("open", &path))?;
        let Some((generation, candidate)) = look(path.clone(), file, entry.len).await? else {
            found.spare.push((path, entry.len));
            continue;
        };
        found.last_generation = found.last_generation.max(generation);
        if let Some(other) = candidates.insert(generation, candidate) {
            return Err(WalError::Copies { first: other.path, second: path });
        }
    }
    sort_out(disk, candidates, &mut found).await?;
    Ok(found)
}

/// Reads header and first block. `None`: nothing in the file says what it is.
async fn look(path: PathBuf, file: Arc<dyn File>, file_bytes: u64) -> Result<Option<(u64, Candidate)>, WalError> {
    let front_bytes = FILE_HEADER_BYTES + WAL_ALIGNMENT;
    let mut front = file.read_at(0, front_bytes).await.map_err(WalError::io("read", &path))?;
    let block_at = FILE_HEADER_BYTES.min(front.len());
    let first = BlockHeader::decode(&front[block_at..]).ok().filter(|block| block.position == FILE_HEADER_BYTES as u64);
    let header = match FileHeader::decode(&front) {
        Ok(header) => Some(header),
        Err(WalFormatError::Version(version)) => return Err(WalError::Version { path, version }),
        Err(_) => None,
    };
    let mut census = None;
    if let Some(first) = first
        && header.is_none_or(|header| header.generation == first.generation && header.salt == first.salt)
    {
        let need = usize::try_from(first.block_bytes()).unwrap_or(usize::MAX).saturating_add(FILE_HEADER_BYTES);
        if need > front.len() && need as u64 <= file_bytes {
            front = file.read_at(0, need).await.map_err(WalError::io("read", &path))?;
        }
        let body = front.get(FILE_HEADER_BYTES + BLOCK_HEADER_BYTES..).unwrap_or_default();
        census = decode_census(&first, body).ok();
        if header.is_none() && census.is_some() {
            tracing::warn!(file = %path.display(), "write-ahead log: file header is unreadable, its blocks are not");
            let candidate = Candidate { path, file, file_bytes, salt: first.salt, released: false, census };
            return Ok(Some((first.generation, candidate)));
        }
    }
    Ok(header.map(|header| {
        let released = header.state != FileState::Live;
        (header.generation, Candidate { path, file, file_bytes, salt: header.salt, released, census })
    }))
}

/// Applies the newest census.
async fn sort_out(
    disk: &dyn Disk,
    candidates: BTreeMap<u64, Candidate>,
    found: &mut Discovery,
) -> Result<(), WalError> {
    let newest = candidates.iter().rev().find_map(|(generation, candidate)| {
        let census = candidate.census.as_ref()?;
        let ends = census.iter().map(|entry| (entry.generation, entry.trusted_end)).collect::<BTreeMap<_, _>>();
        Some((*generation, ends))
    });
    found.census_holder = newest.as_ref().map(|(generation, _)| *generation);
    for (generation, candidate) in candidates {
        let Candidate { path, file, file_bytes, salt, released, .. } = candidate;
        let older = newest.as_ref().filter(|(newest, _)| generation < *newest);
        let mut suspect = false;
        let end = match older {
            _ if released => None,
            Some((_, ends)) => ends.get(&generation).copied(),
            None => {
                let ending = Blocks::new(file.clone(), generation, salt, file_bytes)
                    .find_end()
                    .await
                    .map_err(WalError::io("read", &path))?;
                if let Some(frames) = ending.torn_frames {
                    found.torn = Some(TornTail { file: path.clone(), position: ending.end, frames });
                }
                if ending.end > FILE_HEADER_BYTES as u64 {
                    suspect = !sync(disk, &path).await;
                    Some(ending.end)
                } else {
                    None
                }
            }
        };
        match end {
            Some(end) => found.live.push(FoundFile { path, file, file_bytes, generation, salt, end, suspect }),
            None if found.census_holder == Some(generation) => found.released_holder = Some((path, file_bytes)),
            None => found.spare.push((path, file_bytes)),
        }
    }
    Ok(())
}

/// Makes durable what was read: it may be in the page cache only, and is going to be relied on.
async fn sync(disk: &dyn Disk, path: &Path) -> bool {
    let synced = match disk.open(path, OpenMode::WriteDirect).await {
        Ok(file) => file.sync().await,
        Err(error) => Err(error),
    };
    if let Err(error) = &synced {
        tracing::error!(file = %path.display(), %error, "write-ahead log: cannot sync what a crash left");
    }
    synced.is_ok()
}
