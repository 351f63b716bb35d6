//! An open file of the simulated disk.

use std::io;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use parking_lot::Mutex;

use super::World;
use super::node::Node;
use crate::clock::Clock;
use crate::disk::{ALIGNMENT, AlignedBuf, File, FileMeta, OpenMode};
use crate::sim::clock::SimClock;

/// A handle; it dies with the crash of its disk.
pub(super) struct SimFile {
    world: Arc<Mutex<World>>,
    clock: Arc<SimClock>,
    node: u64,
    generation: u64,
    mode: OpenMode,
}

impl SimFile {
    pub(super) fn new(
        world: Arc<Mutex<World>>,
        clock: Arc<SimClock>,
        node: u64,
        generation: u64,
        mode: OpenMode,
    ) -> Self {
        Self { world, clock, node, generation, mode }
    }

    /// As `with`, counted as an operation.
    fn change<T>(&self, work: impl FnOnce(&mut Node) -> io::Result<T>) -> io::Result<T> {
        self.world.lock().step()?;
        self.with(work)
    }

    fn with<T>(&self, work: impl FnOnce(&mut Node) -> io::Result<T>) -> io::Result<T> {
        let mut world = self.world.lock();
        if world.generation != self.generation {
            return Err(io::Error::other("the disk has crashed since the file was opened"));
        }
        let node = world.nodes.get_mut(&self.node).ok_or(io::ErrorKind::NotFound)?;
        work(node)
    }

    fn now_ns(&self) -> i64 {
        self.clock.wall_ms().saturating_mul(1_000_000)
    }

    fn check_room(&self, end: u64) -> io::Result<()> {
        if self.world.lock().faults.full && end > self.with(|node| Ok(node.covered()))? {
            return Err(io::ErrorKind::StorageFull.into());
        }
        Ok(())
    }

    fn write(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let aligned = |number: u64| number.is_multiple_of(ALIGNMENT as u64);
        match self.mode {
            OpenMode::Read | OpenMode::ReadDirect => return Err(io::ErrorKind::PermissionDenied.into()),
            OpenMode::WriteDirect | OpenMode::CreateDirect if !(aligned(offset) && aligned(bytes.len() as u64)) => {
                return Err(io::Error::new(io::ErrorKind::InvalidInput, "a direct write must be aligned"));
            }
            _ => {}
        }
        let start = usize::try_from(offset).map_err(|_| io::ErrorKind::FileTooLarge)?;
        self.check_room(offset.saturating_add(bytes.len() as u64))?;
        let now_ns = self.now_ns();
        self.change(|node| {
            node.write(start, bytes, now_ns);
            Ok(())
        })
    }

    async fn sync_file(&self, times_too: bool) -> io::Result<()> {
        let (faults, pause) = {
            let mut world = self.world.lock();
            world.syncs += 1;
            (world.faults, world.faults.slow_sync)
        };
        tokio::task::yield_now().await;
        if let Some(pause) = pause {
            self.clock.sleep_until(self.clock.now() + pause).await;
        }
        self.change(|node| {
            if faults.fail_sync {
                node.sync_failed = true;
            }
            if node.sync_failed {
                return Err(io::Error::other("injected: a sync of this file failed"));
            }
            node.sync(times_too);
            Ok(())
        })
    }
}

#[async_trait]
impl File for SimFile {
    async fn write_at(&self, offset: u64, buffer: AlignedBuf, sync: bool) -> (AlignedBuf, io::Result<()>) {
        tokio::task::yield_now().await;
        let mut outcome = self.write(offset, buffer.as_slice());
        if sync && outcome.is_ok() {
            outcome = self.sync_file(false).await;
        }
        (buffer, outcome)
    }

    async fn sync(&self) -> io::Result<()> {
        self.sync_file(false).await
    }

    async fn sync_all(&self) -> io::Result<()> {
        self.sync_file(true).await
    }

    async fn read_at(&self, offset: u64, len: usize) -> io::Result<Bytes> {
        if self.world.lock().faults.fail_read {
            return Err(io::Error::other("injected: read failed"));
        }
        let start = usize::try_from(offset).unwrap_or(usize::MAX);
        self.with(|node| Ok(Bytes::copy_from_slice(node.read(start, len))))
    }

    async fn len(&self) -> io::Result<u64> {
        self.with(|node| Ok(node.len()))
    }

    async fn metadata(&self) -> io::Result<FileMeta> {
        self.with(|node| Ok(FileMeta { len: node.len(), modified_ns: node.modified_ns() }))
    }

    async fn set_modified(&self, modified_ns: i64) -> io::Result<()> {
        self.change(|node| {
            node.set_modified(modified_ns);
            Ok(())
        })
    }

    async fn reserve(&self, len: u64) -> io::Result<()> {
        self.check_room(len)?;
        self.change(|node| {
            node.reserve(len);
            Ok(())
        })
    }

    async fn preallocate(&self, len: u64) -> io::Result<()> {
        self.check_room(len)?;
        let now_ns = self.now_ns();
        let target =
            usize::try_from(len.next_multiple_of(ALIGNMENT as u64)).map_err(|_| io::ErrorKind::FileTooLarge)?;
        self.with(|node| {
            if node.len() < len {
                node.set_len(target, now_ns);
            }
            Ok(())
        })?;
        self.sync_file(true).await
    }

    async fn set_len(&self, len: u64) -> io::Result<()> {
        self.check_room(len)?;
        let now_ns = self.now_ns();
        let len = usize::try_from(len).map_err(|_| io::ErrorKind::FileTooLarge)?;
        self.change(|node| {
            node.set_len(len, now_ns);
            Ok(())
        })
    }
}
