//! A wrapper that makes a disk behave badly, by chance from a seed.
//!
//! It does only what real disks do: dawdle over a sync, with a heavy tail; fail a sync for good, having kept
//! any part of what came with it; have no space left. For tests, and for the build of the binary that they
//! drive.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use parking_lot::Mutex;

use crate::clock::Clock;
use crate::disk::{ALIGNMENT, AlignedBuf, DirEntry, Disk, DiskLock, File, FileMeta, OpenMode, Placed};
use crate::random::Random;
use crate::sim::SimRandom;

const MOST_DOUBLINGS: u32 = 16;

/// How often what goes wrong; parts of 1,000 each.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DiskFaultRates {
    /// What the path of a file contains that is concerned; empty: all are.
    pub under: String,
    /// Syncs that fail (EIO). A file's first one is its last: every later sync through that handle fails.
    pub failed_sync: u32,
    /// Syncs that take longer, if they do not fail.
    pub slow_sync: u32,
    /// By how much at least; each doubling is half as likely.
    pub shortest_sync: Duration,
    /// By how much at most.
    pub longest_sync: Duration,
    /// Creations and growths of files that find no space (ENOSPC).
    pub full: u32,
}

/// What has gone wrong so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DiskFaultCounts {
    /// Syncs that failed, those of files given up before among them.
    pub failed_syncs: u64,
    /// Syncs that took longer.
    pub slow_syncs: u64,
    /// Creations and growths without space.
    pub refused: u64,
}

/// A disk that fails on purpose.
pub struct FaultyDisk {
    inner: Arc<dyn Disk>,
    plan: Arc<Plan>,
}

struct Plan {
    clock: Arc<dyn Clock>,
    state: Mutex<State>,
}

struct State {
    rates: DiskFaultRates,
    random: SimRandom,
    counts: DiskFaultCounts,
}

/// What becomes of one sync.
enum Verdict {
    Passes,
    Dawdles(Duration),
    Fails,
}

impl FaultyDisk {
    /// Wraps `inner`, without faults yet. Pauses pass on `clock`.
    #[must_use]
    pub fn new(inner: Arc<dyn Disk>, clock: Arc<dyn Clock>) -> Self {
        let (rates, counts) = (DiskFaultRates::default(), DiskFaultCounts::default());
        let state = Mutex::new(State { rates, random: SimRandom::new(0), counts });
        Self { inner, plan: Arc::new(Plan { clock, state }) }
    }

    /// From now on faults happen at these rates, drawn from `seed`; all zero: none, but for files that
    /// are given up already.
    pub fn set_rates(&self, rates: DiskFaultRates, seed: u64) {
        let mut state = self.plan.state.lock();
        state.rates = rates;
        state.random = SimRandom::new(seed);
    }

    /// What has gone wrong so far.
    #[must_use]
    pub fn counts(&self) -> DiskFaultCounts {
        self.plan.state.lock().counts
    }
}

impl State {
    fn happens(&self, rate: u32, path: &Path) -> bool {
        // Nothing is drawn for what is not concerned, so that a seed says the same about the rest.
        rate > 0 && path.to_string_lossy().contains(&self.rates.under) && self.random.below(1000) < u64::from(rate)
    }
}

impl Plan {
    fn sync_of(&self, path: &Path) -> Verdict {
        let mut state = self.state.lock();
        if state.happens(state.rates.failed_sync, path) {
            state.counts.failed_syncs += 1;
            return Verdict::Fails;
        }
        if state.happens(state.rates.slow_sync, path) {
            state.counts.slow_syncs += 1;
            let doublings = state.random.next_u64().trailing_ones().min(MOST_DOUBLINGS);
            let pause = state.rates.shortest_sync.saturating_mul(1 << doublings);
            return Verdict::Dawdles(pause.min(state.rates.longest_sync));
        }
        Verdict::Passes
    }

    fn check_room(&self, path: &Path) -> io::Result<()> {
        let mut state = self.state.lock();
        if state.happens(state.rates.full, path) {
            state.counts.refused += 1;
            return Err(io::Error::from_raw_os_error(libc::ENOSPC));
        }
        Ok(())
    }

    fn may_be_full(&self) -> bool {
        self.state.lock().rates.full > 0
    }

    /// Bytes of a write that reach the disk although its sync fails: whole blocks, none to all of them.
    fn kept_of(&self, bytes: usize) -> usize {
        let blocks = (bytes / ALIGNMENT) as u64;
        usize::try_from(self.state.lock().random.below(blocks + 1)).unwrap_or(0) * ALIGNMENT
    }

    /// The same of a file that is written whole: its chunks up to some one, which is cut.
    fn kept_chunks_of(&self, chunks: &[Bytes]) -> Arc<[Bytes]> {
        let total: usize = chunks.iter().map(Bytes::len).sum();
        let mut left = usize::try_from(self.state.lock().random.below(total as u64 + 1)).unwrap_or(0);
        let mut kept = Vec::new();
        for chunk in chunks {
            let taken = chunk.len().min(left);
            kept.push(chunk.slice(..taken));
            left -= taken;
        }
        kept.into()
    }

    async fn pause(&self, pause: Duration) {
        self.clock.sleep_until(self.clock.now() + pause).await;
    }

    /// A sync of a directory: fails, or has passed its pause.
    async fn bare_sync(&self, path: &Path) -> io::Result<()> {
        match self.sync_of(path) {
            Verdict::Passes => Ok(()),
            Verdict::Dawdles(pause) => {
                self.pause(pause).await;
                Ok(())
            }
            Verdict::Fails => Err(failed()),
        }
    }
}

fn failed() -> io::Error {
    io::Error::from_raw_os_error(libc::EIO)
}

struct FaultyFile {
    inner: Arc<dyn File>,
    path: PathBuf,
    plan: Arc<Plan>,
    sync_failed: AtomicBool,
}

impl FaultyFile {
    fn sync_verdict(&self) -> Verdict {
        if self.sync_failed.load(Ordering::Acquire) {
            self.plan.state.lock().counts.failed_syncs += 1;
            return Verdict::Fails;
        }
        let verdict = self.plan.sync_of(&self.path);
        if matches!(verdict, Verdict::Fails) {
            self.sync_failed.store(true, Ordering::Release);
        }
        verdict
    }

    /// Before a sync of what was written earlier.
    async fn before_sync(&self) -> io::Result<()> {
        match self.sync_verdict() {
            Verdict::Passes => Ok(()),
            Verdict::Dawdles(pause) => {
                self.plan.pause(pause).await;
                Ok(())
            }
            Verdict::Fails => Err(failed()),
        }
    }

    async fn check_room(&self, end: u64) -> io::Result<()> {
        if self.plan.may_be_full() && end > self.inner.len().await? {
            return self.plan.check_room(&self.path);
        }
        Ok(())
    }

    /// Writes of each buffer what a disk may have kept of it.
    async fn write_in_part(&self, offset: u64, buffers: &[AlignedBuf]) {
        let mut at = offset;
        for buffer in buffers {
            let kept = self.plan.kept_of(buffer.len());
            if kept > 0 {
                // An error here is no worse than the one that the caller hears.
                drop(self.inner.write_at(at, AlignedBuf::from_slice(&buffer.as_slice()[..kept]), false).await);
            }
            at += buffer.len() as u64;
        }
    }
}

#[async_trait]
impl File for FaultyFile {
    async fn write_at(&self, offset: u64, buffer: AlignedBuf, sync: bool) -> (AlignedBuf, io::Result<()>) {
        let (mut buffers, outcome) = self.write_run(offset, vec![buffer], sync).await;
        (buffers.pop().unwrap_or_else(|| AlignedBuf::with_capacity(0)), outcome)
    }

    async fn write_run(&self, offset: u64, buffers: Vec<AlignedBuf>, sync: bool) -> (Vec<AlignedBuf>, io::Result<()>) {
        let bytes: usize = buffers.iter().map(AlignedBuf::len).sum();
        if let Err(error) = self.check_room(offset.saturating_add(bytes as u64)).await {
            return (buffers, Err(error));
        }
        match if sync { self.sync_verdict() } else { Verdict::Passes } {
            Verdict::Passes => self.inner.write_run(offset, buffers, sync).await,
            // Of a process that is killed meanwhile nothing reaches the file: whoever relies on it too soon sees.
            Verdict::Dawdles(pause) => {
                self.plan.pause(pause).await;
                self.inner.write_run(offset, buffers, sync).await
            }
            Verdict::Fails => {
                self.write_in_part(offset, &buffers).await;
                (buffers, Err(failed()))
            }
        }
    }

    async fn sync(&self) -> io::Result<()> {
        self.before_sync().await?;
        self.inner.sync().await
    }

    async fn sync_all(&self) -> io::Result<()> {
        self.before_sync().await?;
        self.inner.sync_all().await
    }

    async fn read_at(&self, offset: u64, len: usize) -> io::Result<Bytes> {
        self.inner.read_at(offset, len).await
    }

    async fn len(&self) -> io::Result<u64> {
        self.inner.len().await
    }

    async fn metadata(&self) -> io::Result<FileMeta> {
        self.inner.metadata().await
    }

    async fn set_modified(&self, modified_ns: i64) -> io::Result<()> {
        self.inner.set_modified(modified_ns).await
    }

    async fn reserve(&self, len: u64) -> io::Result<()> {
        self.check_room(len).await?;
        self.inner.reserve(len).await
    }

    async fn preallocate(&self, len: u64) -> io::Result<()> {
        self.check_room(len).await?;
        self.before_sync().await?;
        self.inner.preallocate(len).await
    }

    async fn set_len(&self, len: u64) -> io::Result<()> {
        self.check_room(len).await?;
        self.inner.set_len(len).await
    }

    async fn seal(&self, len: u64, modified_ns: i64) -> io::Result<FileMeta> {
        self.before_sync().await?;
        self.inner.seal(len, modified_ns).await
    }
}

#[async_trait]
impl Disk for FaultyDisk {
    async fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Arc<dyn File>> {
        let may_create = !matches!(mode, OpenMode::Read | OpenMode::ReadDirect);
        if may_create && self.plan.may_be_full() {
            let there = self.inner.open(path, OpenMode::Read).await.map(drop);
            if there.is_err_and(|error| error.kind() == io::ErrorKind::NotFound) {
                self.plan.check_room(path)?;
            }
        }
        let inner = self.inner.open(path, mode).await?;
        let (plan, sync_failed) = (Arc::clone(&self.plan), AtomicBool::new(false));
        Ok(Arc::new(FaultyFile { inner, path: path.to_path_buf(), plan, sync_failed }))
    }

    async fn read_dir(&self, path: &Path) -> io::Result<Vec<DirEntry>> {
        self.inner.read_dir(path).await
    }

    async fn create_dir_all(&self, path: &Path) -> io::Result<()> {
        self.inner.create_dir_all(path).await
    }

    async fn remove_file(&self, path: &Path) -> io::Result<()> {
        self.inner.remove_file(path).await
    }

    async fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.inner.rename(from, to).await
    }

    async fn hard_link(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.inner.hard_link(from, to).await
    }

    async fn sync_dir(&self, path: &Path) -> io::Result<()> {
        self.plan.bare_sync(path).await?;
        self.inner.sync_dir(path).await
    }

    async fn lock(&self, path: &Path, note: &str) -> io::Result<Box<dyn DiskLock>> {
        self.inner.lock(path, note).await
    }

    async fn space(&self, path: &Path) -> io::Result<(u64, u64)> {
        self.inner.space(path).await
    }

    async fn lock_note(&self, path: &Path) -> io::Result<String> {
        self.inner.lock_note(path).await
    }

    async fn canonicalize(&self, path: &Path) -> io::Result<PathBuf> {
        self.inner.canonicalize(path).await
    }

    async fn write_new(&self, path: &Path, chunks: Arc<[Bytes]>, modified_ns: i64) -> io::Result<FileMeta> {
        self.plan.check_room(path)?;
        match self.plan.sync_of(path) {
            Verdict::Passes => {}
            Verdict::Dawdles(pause) => self.plan.pause(pause).await,
            Verdict::Fails => {
                let kept = self.plan.kept_chunks_of(&chunks);
                self.inner.write_new(path, kept, modified_ns).await?;
                return Err(failed());
            }
        }
        self.inner.write_new(path, chunks, modified_ns).await
    }

    async fn place(&self, from: &Path, to: &Path, over: bool) -> Placed {
        let verdict = self.plan.sync_of(to);
        if let Verdict::Dawdles(pause) = verdict {
            self.plan.pause(pause).await;
        }
        let placed = self.inner.place(from, to, over).await;
        match verdict {
            Verdict::Fails if Placed::wants_sync(&placed.named) => Placed { synced: Err(failed()), ..placed },
            _ => placed,
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;
    use crate::sim::SimEnv;

    async fn on_disk() -> (FaultyDisk, Arc<dyn File>) {
        let sim = SimEnv::new(1);
        let disk = FaultyDisk::new(sim.env.disk, sim.env.clock);
        let file = disk.open(Path::new("/log.wal"), OpenMode::CreateDirect).await.unwrap();
        (disk, file)
    }

    fn blocks(count: usize) -> AlignedBuf {
        AlignedBuf::from_slice(&vec![7; count * ALIGNMENT])
    }

    #[tokio::test]
    async fn a_failed_sync_is_final_and_what_came_with_it_is_kept_in_part() {
        let mut kept = Vec::new();
        for seed in 0..64 {
            let (disk, file) = on_disk().await;
            disk.set_rates(DiskFaultRates { failed_sync: 1000, ..DiskFaultRates::default() }, seed);
            let (buffer, outcome) = file.write_at(0, blocks(3), true).await;
            assert_eq!((buffer.len(), outcome.unwrap_err().raw_os_error()), (3 * ALIGNMENT, Some(libc::EIO)));
            kept.push(usize::try_from(file.len().await.unwrap()).unwrap() / ALIGNMENT);
            disk.set_rates(DiskFaultRates::default(), seed);
            assert!(file.sync().await.is_err() && file.seal(0, 0).await.is_err(), "final for this file");
            assert!(file.write_at(0, blocks(1), true).await.1.is_err());
            assert!(file.write_at(0, blocks(1), false).await.1.is_ok());
            let other = disk.open(Path::new("/other.wal"), OpenMode::CreateDirect).await.unwrap();
            other.write_at(0, blocks(1), true).await.1.unwrap();
            assert_eq!(disk.counts().failed_syncs, 4);
        }
        assert!((0..=3).all(|count| kept.contains(&count)), "{kept:?}");
    }

    #[tokio::test]
    async fn only_what_is_named_is_concerned() {
        let (disk, file) = on_disk().await;
        let rates = DiskFaultRates { under: "else".into(), failed_sync: 1000, full: 1000, ..DiskFaultRates::default() };
        disk.set_rates(rates, 1);
        file.write_at(0, blocks(1), true).await.1.unwrap();
        disk.write_new(Path::new("/new"), Arc::new([Bytes::from_static(b"x")]), 0).await.unwrap();
        assert_eq!(disk.counts(), DiskFaultCounts::default());
        assert!(disk.open(Path::new("/else"), OpenMode::Write).await.is_err());
    }

    #[tokio::test]
    async fn a_full_disk_refuses_what_is_new_and_takes_what_is_laid_out() {
        let (disk, file) = on_disk().await;
        file.preallocate(2 * ALIGNMENT as u64).await.unwrap();
        disk.set_rates(DiskFaultRates { full: 1000, ..DiskFaultRates::default() }, 1);
        file.write_at(0, blocks(2), true).await.1.unwrap();
        let refused = file.write_at(ALIGNMENT as u64, blocks(2), true).await.1.unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::StorageFull);
        assert!(disk.open(Path::new("/new"), OpenMode::CreateDirect).await.is_err());
        assert!(disk.open(Path::new("/log.wal"), OpenMode::WriteDirect).await.is_ok());
        assert_eq!(disk.counts().refused, 2);
    }

    #[tokio::test]
    async fn slow_syncs_have_a_heavy_tail_with_an_end() {
        let (disk, _) = on_disk().await;
        let (shortest_sync, longest_sync) = (Duration::from_millis(10), Duration::from_secs(1));
        disk.set_rates(DiskFaultRates { slow_sync: 500, shortest_sync, longest_sync, ..DiskFaultRates::default() }, 9);
        let mut pauses = Vec::new();
        for _ in 0..10_000 {
            if let Verdict::Dawdles(pause) = disk.plan.sync_of(Path::new("/log.wal")) {
                pauses.push(pause);
            }
        }
        assert!((4_700..5_300).contains(&pauses.len()), "{}", pauses.len());
        let share = |from: Duration| pauses.iter().filter(|pause| **pause >= from).count() * 100 / pauses.len();
        assert!((47..53).contains(&share(shortest_sync * 2)) && pauses.iter().all(|pause| *pause <= longest_sync));
        assert!(pauses.contains(&longest_sync), "the tail is met");
    }
}
