//! One broker on a local directory: an operating system lock, free the moment its holder dies.
//!
//! The lock is on `DIR/LOCK`, which holds one line that says who has it. Whoever has the lock is
//! the only broker there, so [`DirectoryLeases`] has nothing to ask and nothing to renew.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use async_trait::async_trait;
use highwater_env::Disk;
use highwater_env::disk::DiskLock;
use highwater_types::ShardId;
use parking_lot::Mutex;

use crate::broker::{BrokerIdentity, BrokerInfo};
use crate::store::{Claim, LeaseError, LeaseStore, LiveBroker, Registry};

/// Name of the lock file in the directory.
pub const LOCK_FILE: &str = "LOCK";

/// Longest part of a foreign note that is shown.
const NOTE_LIMIT: usize = 200;

/// Why a directory was not locked. Displays as one line.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// A live process has it.
    #[error("{} is in use by {holder}", dir.display())]
    Held {
        /// The directory.
        dir: PathBuf,
        /// The holder's own note.
        holder: String,
    },
    /// The directory cannot be made or written.
    #[error("cannot use {}: {source}", dir.display())]
    Io {
        /// The directory.
        dir: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// A directory that this process alone may use, until this is dropped or the process dies.
pub struct DirectoryLock {
    dir: PathBuf,
    _lock: Box<dyn DiskLock>,
}

impl DirectoryLock {
    /// Makes the directory if need be and locks it at once, or says who has it. `note` is one line
    /// for the next one who tries: program, process id.
    pub async fn take(disk: &dyn Disk, dir: &Path, note: &str) -> Result<Self, LockError> {
        let failed = |source| LockError::Io { dir: dir.to_owned(), source };
        disk.create_dir_all(dir).await.map_err(failed)?;
        let path = dir.join(LOCK_FILE);
        match disk.lock(&path, note).await {
            Ok(lock) => Ok(Self { dir: dir.to_owned(), _lock: lock }),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                let holder = match disk.lock_note(&path).await {
                    Ok(note) if !note.trim().is_empty() => first_line(&note),
                    _ => "another process".to_owned(),
                };
                Err(LockError::Held { dir: dir.to_owned(), holder })
            }
            Err(error) => Err(failed(error)),
        }
    }

    /// The directory.
    pub fn dir(&self) -> &Path {
        &self.dir
    }
}

fn first_line(note: &str) -> String {
    note.trim().lines().next().unwrap_or_default().chars().filter(|c| !c.is_control()).take(NOTE_LIMIT).collect()
}

/// The leases of a directory: all are those of the one broker that has locked it.
pub struct DirectoryLeases {
    _lock: DirectoryLock,
    me: BrokerInfo,
    held: Mutex<Held>,
}

#[derive(Default)]
struct Held {
    live: bool,
    shards: BTreeMap<ShardId, BrokerIdentity>,
}

/// Nothing ends while the lock is held, however long the machine sleeps: a hundred years.
const FOREVER: Duration = Duration::from_secs(100 * 365 * 86_400);

impl DirectoryLeases {
    /// For the broker that holds the lock; it is given up with this value.
    pub fn new(lock: DirectoryLock, me: BrokerInfo) -> Self {
        Self { _lock: lock, me, held: Mutex::default() }
    }
}

#[async_trait]
impl LeaseStore for DirectoryLeases {
    fn me(&self) -> &BrokerInfo {
        &self.me
    }

    fn ttl(&self) -> Duration {
        FOREVER
    }

    async fn renew(&self) -> Result<(), LeaseError> {
        self.held.lock().live = true;
        Ok(())
    }

    async fn registry(&self) -> Result<Registry, LeaseError> {
        let held = self.held.lock();
        let mut registry = Registry::default();
        if held.live {
            let me = LiveBroker { info: self.me.clone(), remaining: FOREVER };
            registry.brokers.insert(self.me.identity, me);
            registry.shards.clone_from(&held.shards);
        }
        Ok(registry)
    }

    async fn acquire(&self, shards: &[ShardId]) -> Result<Vec<Claim>, LeaseError> {
        let mut held = self.held.lock();
        held.shards.extend(shards.iter().map(|shard| (*shard, self.me.identity)));
        Ok(vec![Claim::Held; shards.len()])
    }

    /// There is nobody to hand over to: a successor is not looked at.
    async fn release(&self, shards: &[ShardId], _successor: Option<BrokerIdentity>) -> Result<(), LeaseError> {
        let mut held = self.held.lock();
        for shard in shards {
            held.shards.remove(shard);
        }
        Ok(())
    }

    async fn resign(&self) -> Result<(), LeaseError> {
        *self.held.lock() = Held::default();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test says what went wrong by panicking")]
    #![allow(clippy::disallowed_methods, reason = "these tests are about the real disk")]

    use highwater_env::real::RealEnv;

    use super::*;
    use crate::conformance::info;

    #[tokio::test(flavor = "multi_thread", worker_threads = 1)]
    async fn a_directory_has_one_owner_who_is_named() {
        let env = RealEnv::new(tokio::runtime::Handle::current());
        let base = tempfile::tempdir().unwrap();
        let dir = base.path().join("a/b");
        let lock = DirectoryLock::take(&*env.disk, &dir, "highwater, process 17").await.unwrap();
        assert_eq!(lock.dir(), dir);
        let refused = DirectoryLock::take(&*env.disk, &dir, "another").await.err().unwrap();
        assert_eq!(refused.to_string(), format!("{} is in use by highwater, process 17", dir.display()));
        drop(lock);
        DirectoryLock::take(&*env.disk, &dir, "another").await.unwrap();
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 1)]
    async fn a_directory_that_cannot_be_made_is_named() {
        let env = RealEnv::new(tokio::runtime::Handle::current());
        let base = tempfile::tempdir().unwrap();
        let file = base.path().join("file");
        std::fs::write(&file, "x").unwrap();
        let refused = DirectoryLock::take(&*env.disk, &file.join("dir"), "x").await.err().unwrap();
        assert!(refused.to_string().starts_with(&format!("cannot use {}", file.join("dir").display())));
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 1)]
    async fn the_owner_holds_what_it_takes() {
        let env = RealEnv::new(tokio::runtime::Handle::current());
        let base = tempfile::tempdir().unwrap();
        let lock = DirectoryLock::take(&*env.disk, base.path(), "x").await.unwrap();
        let leases = DirectoryLeases::new(lock, info(1));
        assert!(leases.registry().await.unwrap().brokers.is_empty());
        leases.renew().await.unwrap();
        assert_eq!(leases.acquire(&[ShardId(1), ShardId(2)]).await.unwrap(), [Claim::Held, Claim::Held]);
        leases.release(&[ShardId(1)], None).await.unwrap();
        let registry = leases.registry().await.unwrap();
        assert_eq!(registry.shards.into_iter().collect::<Vec<_>>(), [(ShardId(2), info(1).identity)]);
        assert_eq!(registry.brokers[&info(1).identity].info, info(1));
        leases.resign().await.unwrap();
        assert_eq!(leases.registry().await.unwrap(), Registry::default());
    }
}
