//! A file system in memory, with what a crash may lose kept apart from what is durable.
//!
//! Data written and not synced survives a crash as any subset of the writes, each torn at 512-byte
//! sectors; names survive as any prefix of a directory's changes since its last `sync_dir`. That
//! is harsher than a journaling file system, and what POSIX promises.
//!
//! - [`node`]: one file's bytes. - [`file`]: an open file. - This file: names, locks, faults.

mod file;
mod node;

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use parking_lot::Mutex;
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};

use crate::clock::Clock;
use crate::disk::{DirEntry, Disk, DiskLock, File, OpenMode};
use crate::sim::clock::SimClock;

use file::SimFile;
use node::Node;

/// Size that [`Disk::space`] reports, bytes.
const TOTAL_BYTES: u64 = 1 << 40;

/// Faults, in force until changed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DiskFaults {
    /// Growing a file and creating one fail with `StorageFull`.
    pub full: bool,
    /// Syncs of files fail; a file whose sync failed never syncs again.
    pub fail_sync: bool,
    /// Each sync takes this long.
    pub slow_sync: Option<Duration>,
    /// Reads fail.
    pub fail_read: bool,
}

/// A file system in memory. Clones of the `Arc` see the same files.
pub struct SimDisk {
    world: Arc<Mutex<World>>,
    clock: Arc<SimClock>,
}

pub(super) struct World {
    nodes: BTreeMap<u64, Node>,
    directories: BTreeMap<PathBuf, Directory>,
    locks: BTreeMap<PathBuf, u64>,
    faults: DiskFaults,
    next_id: u64,
    /// Raised by each crash: handles of before are dead.
    generation: u64,
    syncs: u64,
    /// Operations that still happen before the machine stops.
    steps_left: Option<u64>,
}

#[derive(Default)]
struct Directory {
    live: BTreeMap<String, u64>,
    durable: BTreeMap<String, u64>,
    pending: Vec<NameChange>,
}

#[derive(Clone)]
enum NameChange {
    Link(String, u64),
    Unlink(String),
    Rename(String, String),
}

impl NameChange {
    fn apply(self, names: &mut BTreeMap<String, u64>) {
        match self {
            Self::Link(name, node) => {
                names.insert(name, node);
            }
            Self::Unlink(name) => {
                names.remove(&name);
            }
            Self::Rename(from, to) => {
                if let Some(node) = names.remove(&from) {
                    names.insert(to, node);
                }
            }
        }
    }
}

impl Directory {
    fn change(&mut self, change: NameChange) {
        change.clone().apply(&mut self.live);
        self.pending.push(change);
    }
}

impl SimDisk {
    /// An empty file system (with a root directory) whose slow syncs wait on `clock`.
    #[must_use]
    pub fn new(clock: Arc<SimClock>) -> Self {
        let directories = BTreeMap::from([(PathBuf::from("/"), Directory::default())]);
        let world = World {
            nodes: BTreeMap::new(),
            directories,
            locks: BTreeMap::new(),
            faults: DiskFaults::default(),
            next_id: 1,
            generation: 0,
            syncs: 0,
            steps_left: None,
        };
        Self { world: Arc::new(Mutex::new(world)), clock }
    }

    /// Switches faults on or off.
    pub fn set_faults(&self, faults: DiskFaults) {
        self.world.lock().faults = faults;
    }

    /// The machine stops after `operations` more that change something or open a file: each later
    /// one fails, until [`SimDisk::crash`] or [`SimDisk::kill`]. So a test tries every place where
    /// a crash may fall.
    pub fn stop_after(&self, operations: u64) {
        self.world.lock().steps_left = Some(operations);
    }

    /// Syncs of files so far, failed ones included.
    #[must_use]
    pub fn syncs(&self) -> u64 {
        self.world.lock().syncs
    }

    /// Power loss: what was not synced survives as `seed` decides, locks are free, and handles
    /// opened before fail from now on.
    pub fn crash(&self, seed: u64) {
        let mut random = SmallRng::seed_from_u64(seed);
        let mut world = self.world.lock();
        world.generation += 1;
        world.steps_left = None;
        world.locks.clear();
        for directory in world.directories.values_mut() {
            let kept = random.random_range(0..=directory.pending.len());
            for change in directory.pending.drain(..).take(kept) {
                change.apply(&mut directory.durable);
            }
            directory.live = directory.durable.clone();
        }
        let named: BTreeSet<u64> =
            world.directories.values().flat_map(|directory| directory.live.values().copied()).collect();
        world.nodes.retain(|id, _| named.contains(id));
        world.nodes.values_mut().for_each(|node| node.crash(&mut random));
    }

    /// The process dies and the machine does not (kill -9): everything written stays, synced or
    /// not; locks are free, and handles opened before fail from now on.
    pub fn kill(&self) {
        let mut world = self.world.lock();
        world.generation += 1;
        world.steps_left = None;
        world.locks.clear();
    }
}

fn not_found() -> io::Error {
    io::ErrorKind::NotFound.into()
}

fn split(path: &Path) -> io::Result<(PathBuf, String)> {
    let name = path.file_name().and_then(|name| name.to_str()).ok_or(io::ErrorKind::InvalidInput)?;
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("/"));
    Ok((parent.to_path_buf(), name.to_owned()))
}

impl World {
    /// Counts an operation; fails if the machine has stopped.
    fn step(&mut self) -> io::Result<()> {
        match &mut self.steps_left {
            None => Ok(()),
            Some(0) => Err(io::Error::other("injected: the machine has stopped")),
            Some(left) => {
                *left -= 1;
                Ok(())
            }
        }
    }

    fn directory(&mut self, path: &Path) -> io::Result<&mut Directory> {
        self.directories.get_mut(path).ok_or_else(not_found)
    }

    fn lookup(&mut self, path: &Path) -> io::Result<u64> {
        let (parent, name) = split(path)?;
        self.directory(&parent)?.live.get(&name).copied().ok_or_else(not_found)
    }

    fn open(&mut self, path: &Path, mode: OpenMode, now_ns: i64) -> io::Result<u64> {
        let must_be_new = matches!(mode, OpenMode::Create | OpenMode::CreateDirect);
        match self.lookup(path) {
            Ok(_) if must_be_new => Err(io::ErrorKind::AlreadyExists.into()),
            Ok(node) => Ok(node),
            Err(error)
                if error.kind() == io::ErrorKind::NotFound
                    && !matches!(mode, OpenMode::Read | OpenMode::ReadDirect) =>
            {
                let (parent, name) = split(path)?;
                if self.directories.contains_key(path) {
                    return Err(io::ErrorKind::IsADirectory.into());
                }
                self.directory(&parent)?;
                if self.faults.full {
                    return Err(io::ErrorKind::StorageFull.into());
                }
                let id = self.next_id;
                self.next_id += 1;
                self.nodes.insert(id, Node::new(now_ns));
                self.directory(&parent)?.change(NameChange::Link(name, id));
                Ok(id)
            }
            Err(error) => Err(error),
        }
    }

    fn list(&mut self, path: &Path) -> io::Result<Vec<DirEntry>> {
        let names = self.directory(path)?.live.clone();
        let files = names.into_iter().filter_map(|(name, id)| {
            let node = self.nodes.get(&id)?;
            Some(DirEntry {
                name,
                is_dir: false,
                len: node.len(),
                modified_ms: node.modified_ns() / 1_000_000,
                modified_ns: node.modified_ns(),
            })
        });
        let mut entries: Vec<_> = files.collect();
        for directory in self.directories.keys().filter(|directory| directory.parent() == Some(path)) {
            if let Some(name) = directory.file_name().and_then(|name| name.to_str()) {
                entries.push(DirEntry { name: name.to_owned(), is_dir: true, len: 0, modified_ms: 0, modified_ns: 0 });
            }
        }
        Ok(entries)
    }

    fn rename(&mut self, from: &Path, to: &Path) -> io::Result<()> {
        let node = self.lookup(from)?;
        let (from_parent, from_name) = split(from)?;
        let (to_parent, to_name) = split(to)?;
        self.directory(&to_parent)?;
        if from_parent == to_parent {
            self.directory(&from_parent)?.change(NameChange::Rename(from_name, to_name));
        } else {
            self.directory(&to_parent)?.change(NameChange::Link(to_name, node));
            self.directory(&from_parent)?.change(NameChange::Unlink(from_name));
        }
        Ok(())
    }

    fn hard_link(&mut self, from: &Path, to: &Path) -> io::Result<()> {
        let node = self.lookup(from)?;
        let (parent, name) = split(to)?;
        if self.lookup(to).is_ok() || self.directories.contains_key(to) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        self.directory(&parent)?.change(NameChange::Link(name, node));
        Ok(())
    }
}

/// Free when dropped, unless a crash freed it before.
struct SimLock {
    world: Arc<Mutex<World>>,
    path: PathBuf,
    generation: u64,
}

impl DiskLock for SimLock {}

impl Drop for SimLock {
    fn drop(&mut self) {
        let mut world = self.world.lock();
        if world.locks.get(&self.path) == Some(&self.generation) {
            world.locks.remove(&self.path);
        }
    }
}

#[async_trait]
impl Disk for SimDisk {
    async fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Arc<dyn File>> {
        tokio::task::yield_now().await;
        let now_ns = self.clock.wall_ms().saturating_mul(1_000_000);
        let mut world = self.world.lock();
        world.step()?;
        let node = world.open(path, mode, now_ns)?;
        let generation = world.generation;
        drop(world);
        Ok(Arc::new(SimFile::new(self.world.clone(), self.clock.clone(), node, generation, mode)))
    }

    async fn read_dir(&self, path: &Path) -> io::Result<Vec<DirEntry>> {
        self.world.lock().list(path)
    }

    async fn create_dir_all(&self, path: &Path) -> io::Result<()> {
        let mut world = self.world.lock();
        world.step()?;
        if world.lookup(path).is_ok() {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        for ancestor in path.ancestors().filter(|ancestor| !ancestor.as_os_str().is_empty()) {
            world.directories.entry(ancestor.to_path_buf()).or_default();
        }
        Ok(())
    }

    async fn remove_file(&self, path: &Path) -> io::Result<()> {
        tokio::task::yield_now().await;
        let mut world = self.world.lock();
        world.step()?;
        world.lookup(path)?;
        let (parent, name) = split(path)?;
        world.directory(&parent)?.change(NameChange::Unlink(name));
        Ok(())
    }

    async fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        tokio::task::yield_now().await;
        let mut world = self.world.lock();
        world.step()?;
        world.rename(from, to)
    }

    async fn hard_link(&self, from: &Path, to: &Path) -> io::Result<()> {
        tokio::task::yield_now().await;
        let mut world = self.world.lock();
        world.step()?;
        world.hard_link(from, to)
    }

    async fn sync_dir(&self, path: &Path) -> io::Result<()> {
        tokio::task::yield_now().await;
        let mut world = self.world.lock();
        world.step()?;
        if world.faults.fail_sync {
            return Err(io::Error::other("injected: sync of a directory failed"));
        }
        let directory = world.directory(path)?;
        directory.pending.clear();
        directory.durable = directory.live.clone();
        Ok(())
    }

    async fn lock(&self, path: &Path, note: &str) -> io::Result<Box<dyn DiskLock>> {
        let now_ns = self.clock.wall_ms().saturating_mul(1_000_000);
        let mut world = self.world.lock();
        world.step()?;
        if world.locks.contains_key(path) {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let id = world.open(path, OpenMode::Write, now_ns)?;
        if let Some(node) = world.nodes.get_mut(&id) {
            node.set_len(0, now_ns);
            node.write(0, note.as_bytes(), now_ns);
        }
        let holder = world.next_id;
        world.next_id += 1;
        world.locks.insert(path.to_path_buf(), holder);
        drop(world);
        Ok(Box::new(SimLock { world: self.world.clone(), path: path.to_path_buf(), generation: holder }))
    }

    async fn space(&self, _path: &Path) -> io::Result<(u64, u64)> {
        let world = self.world.lock();
        let used: u64 = world.nodes.values().map(Node::len).sum();
        Ok((if world.faults.full { 0 } else { TOTAL_BYTES.saturating_sub(used) }, TOTAL_BYTES))
    }

    async fn lock_note(&self, path: &Path) -> io::Result<String> {
        let mut world = self.world.lock();
        let id = world.lookup(path)?;
        let node = world.nodes.get(&id).ok_or_else(not_found)?;
        Ok(String::from_utf8_lossy(node.read(0, 1024)).lines().next().unwrap_or_default().to_owned())
    }

    async fn canonicalize(&self, path: &Path) -> io::Result<PathBuf> {
        let mut world = self.world.lock();
        if !world.directories.contains_key(path) {
            world.lookup(path)?;
        }
        Ok(path.to_path_buf())
    }
}
