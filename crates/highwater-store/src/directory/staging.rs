//! Files on their way in: written whole and made durable under a name that is not an object's.
//!
//! Each open store has an id in `.staging` with a lock file `ID.lock` that it holds for its life,
//! and files `ID-N`. Whoever can take another's lock knows that its holder is dead, and sweeps.

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use highwater_env::{Disk, DiskLock, Env, FileMeta, OpenMode};

use super::clock::DirectoryClock;
use crate::body::Body;
use crate::error::{StoreError, StoreErrorKind};

const DIRECTORY: &str = ".staging";
const LOCK_SUFFIX: &str = ".lock";
/// Ids are random; a taken one means another draw.
const ID_ATTEMPTS: usize = 8;

pub(super) struct Staging {
    disk: Arc<dyn Disk>,
    directory: PathBuf,
    id: String,
    next: AtomicU64,
    _lock: Box<dyn DiskLock>,
}

/// A durable file without an object's name.
pub(super) struct Staged {
    pub(super) path: PathBuf,
    pub(super) meta: FileMeta,
}

impl Staging {
    pub(super) async fn open(env: &Env, root: &Path) -> io::Result<Self> {
        let directory = root.join(DIRECTORY);
        env.disk.create_dir_all(&directory).await?;
        sweep(&*env.disk, &directory).await?;
        for _ in 0..ID_ATTEMPTS {
            let id = format!("{:016x}", env.random.next_u64());
            match env.disk.lock(&directory.join(format!("{id}{LOCK_SUFFIX}")), "an open store").await {
                Ok(lock) => {
                    return Ok(Self { disk: env.disk.clone(), directory, id, next: AtomicU64::new(0), _lock: lock });
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(error),
            }
        }
        Err(io::Error::other("no free staging id"))
    }

    /// Writes `body` to a new staging file, durable and stamped. On an error nothing is left.
    pub(super) async fn write(&self, body: &Body, clock: &DirectoryClock) -> io::Result<Staged> {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let path = self.directory.join(format!("{}-{number}", self.id));
        match self.disk.write_new(&path, body.shared_chunks(), clock.stamp_ns()).await {
            Ok(meta) => Ok(Staged { path, meta }),
            // Somebody else's file; only ids that are not unique could lead there.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Err(error),
            Err(error) => {
                self.discard(&path).await;
                Err(error)
            }
        }
    }

    /// Removes a staging file; what cannot be removed is swept at the next open.
    pub(super) async fn discard(&self, path: &Path) {
        if let Err(error) = self.disk.remove_file(path).await {
            tracing::debug!(path = %path.display(), %error, "staging file not removed");
        }
    }

    /// Refuses a file system whose times are too coarse to tell versions apart.
    pub(super) async fn check_stamps(&self, shown: &str, clock: &DirectoryClock) -> Result<(), StoreError> {
        let refuse = |detail: String| StoreError::new(StoreErrorKind::Invalid, shown, detail);
        // An odd microsecond, which no coarser resolution keeps.
        let stamp_ns = clock.stamp_ns() / 2000 * 2000 + 1000;
        let path = self.directory.join(format!("{}-probe", self.id));
        let probe = async {
            let file = self.disk.open(&path, OpenMode::CreateDirect).await?;
            file.seal(0, stamp_ns).await
        };
        let probed = probe.await.map_err(|error| refuse(format!("cannot write to this directory: {error}")));
        self.discard(&path).await;
        if probed?.modified_ns != stamp_ns {
            return Err(refuse("its file system does not keep file times to the microsecond; use another".to_owned()));
        }
        Ok(())
    }
}

/// Removes the files of stores that are gone.
async fn sweep(disk: &dyn Disk, directory: &Path) -> io::Result<()> {
    let entries = disk.read_dir(directory).await?;
    let mut alive = BTreeSet::new();
    let mut locks = Vec::new();
    for entry in &entries {
        let Some(id) = entry.name.strip_suffix(LOCK_SUFFIX) else {
            continue;
        };
        match disk.lock(&directory.join(&entry.name), "a sweep").await {
            Ok(lock) => locks.push((lock, directory.join(&entry.name))),
            Err(_held) => {
                alive.insert(id.to_owned());
            }
        }
    }
    let mut swept = 0u64;
    for entry in entries.iter().filter(|entry| !entry.is_dir) {
        let Some((id, _number)) = entry.name.split_once('-') else {
            continue;
        };
        if !alive.contains(id) {
            remove_if_there(disk, &directory.join(&entry.name)).await?;
            swept += 1;
        }
    }
    for (_lock, path) in &locks {
        remove_if_there(disk, path).await?;
    }
    if swept > 0 {
        tracing::info!(directory = %directory.display(), swept, "removed unfinished objects of a process that is gone");
    }
    Ok(())
}

async fn remove_if_there(disk: &dyn Disk, path: &Path) -> io::Result<()> {
    match disk.remove_file(path).await {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}
