//! One open file: positioned reads and writes on blocking threads, O_DIRECT where it is allowed.

use std::fs;
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::FileExt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use async_trait::async_trait;
use bytes::Bytes;
use tokio::runtime::Handle;

use crate::aligned::HUGE_PAGE_BYTES;
use crate::disk::{ALIGNMENT, AlignedBuf, File, FileMeta};
use crate::real::hop::hop;
use crate::real::pool::BufferPool;
use crate::whole::{PIECE_BYTES, Pieces};

/// Zeros are written in pieces of this size: large enough to be fast, small enough to hold.
const ZERO_CHUNK: usize = 1024 * 1024;

/// A file of [`crate::real::RealDisk`].
pub(super) struct RealFile {
    handle: Handle,
    inner: Arc<Inner>,
}

struct Inner {
    file: fs::File,
    pool: Arc<BufferPool>,
    /// Opened in one of the direct modes: writes must be aligned, whether or not the file system
    /// took O_DIRECT, so that a mistake shows everywhere.
    aligned: bool,
    /// O_DIRECT is in force.
    direct: AtomicBool,
    /// A sync failed. Linux drops the dirty pages then and lets the next fsync succeed, so the
    /// failure is kept here.
    sync_failed: AtomicBool,
}

impl RealFile {
    pub(super) fn new(handle: Handle, file: fs::File, aligned: bool, pool: Arc<BufferPool>) -> Self {
        Self { handle, inner: Arc::new(Inner::new(file, aligned, pool)) }
    }

    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Inner) -> io::Result<T> + Send + 'static,
    ) -> io::Result<T> {
        let inner = self.inner.clone();
        hop(&self.handle, move || work(&inner)).await.map_err(io::Error::other)?
    }
}

/// Switches O_DIRECT by fcntl rather than at open: some file systems create the file and then
/// refuse the flag.
#[cfg(any(target_os = "linux", target_os = "android"))]
fn set_direct(file: &fs::File, on: bool) -> io::Result<()> {
    let fd = file.as_raw_fd();
    // SAFETY: plain fcntl calls on a descriptor that `file` keeps open.
    unsafe {
        let flags = libc::fcntl(fd, libc::F_GETFL);
        if flags < 0 {
            return Err(io::Error::last_os_error());
        }
        let flags = if on { flags | libc::O_DIRECT } else { flags & !libc::O_DIRECT };
        if libc::fcntl(fd, libc::F_SETFL, flags) < 0 {
            return Err(io::Error::last_os_error());
        }
    }
    Ok(())
}

/// macOS has no O_DIRECT; F_NOCACHE keeps the bytes out of the page cache.
#[cfg(target_os = "macos")]
fn set_direct(file: &fs::File, on: bool) -> io::Result<()> {
    // SAFETY: a plain fcntl call on a descriptor that `file` keeps open.
    if unsafe { libc::fcntl(file.as_raw_fd(), libc::F_NOCACHE, i32::from(on)) } < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}

#[cfg(not(any(target_os = "linux", target_os = "android", target_os = "macos")))]
fn set_direct(_file: &fs::File, _on: bool) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

/// fallocate without a change of length; `Ok` where there is no such call.
#[cfg(any(target_os = "linux", target_os = "android"))]
fn reserve_space(file: &fs::File, len: u64) -> io::Result<()> {
    let len = i64::try_from(len).map_err(|_| io::Error::from(io::ErrorKind::InvalidInput))?;
    if len == 0 {
        return Ok(());
    }
    // SAFETY: a plain call on a descriptor that `file` keeps open.
    if unsafe { libc::fallocate64(file.as_raw_fd(), libc::FALLOC_FL_KEEP_SIZE, 0, len) } == 0 {
        return Ok(());
    }
    let error = io::Error::last_os_error();
    match error.raw_os_error() {
        Some(libc::EOPNOTSUPP | libc::ENOSYS) => Ok(()),
        _ => Err(error),
    }
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn reserve_space(_file: &fs::File, _len: u64) -> io::Result<()> {
    Ok(())
}

fn is_aligned(number: u64) -> bool {
    number.is_multiple_of(ALIGNMENT as u64)
}

/// Fills a new file with all that `pieces` give, stamps it, and makes it durable.
pub(super) fn write_whole(
    file: fs::File,
    pool: Arc<BufferPool>,
    mut pieces: Pieces,
    modified_ns: i64,
) -> io::Result<FileMeta> {
    let inner = Inner::new(file, true, Arc::clone(&pool));
    let total = pieces.total();
    if total > PIECE_BYTES as u64 {
        reserve_space(&inner.file, total)?;
    }
    let piece_bytes = usize::try_from(total).unwrap_or(PIECE_BYTES).min(PIECE_BYTES);
    let padded_bytes = piece_bytes.next_multiple_of(ALIGNMENT);
    // A piece does not fill a huge page, and is in one all the same.
    let mut buffer = pool.take(if total > PIECE_BYTES as u64 { HUGE_PAGE_BYTES } else { padded_bytes });
    let mut at = 0;
    while at < total {
        let piece = &mut buffer.as_mut_slice()[..padded_bytes];
        let filled = pieces.fill(piece);
        let padded = filled.next_multiple_of(ALIGNMENT);
        piece[filled..padded].fill(0);
        inner.write_all(at, &piece[..padded])?;
        at += padded as u64;
    }
    inner.seal(total, modified_ns)
}

impl Inner {
    fn new(file: fs::File, aligned: bool, pool: Arc<BufferPool>) -> Self {
        let direct = AtomicBool::new(aligned && set_direct(&file, true).is_ok());
        Self { file, pool, aligned, direct, sync_failed: AtomicBool::new(false) }
    }

    fn seal(&self, len: u64, modified_ns: i64) -> io::Result<FileMeta> {
        self.file.set_len(len)?;
        self.set_modified(modified_ns)?;
        self.sync(true)?;
        self.metadata()
    }

    fn write_all(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        if self.aligned && !(is_aligned(offset) && is_aligned(bytes.len() as u64)) {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "a direct write must be aligned"));
        }
        match self.file.write_all_at(bytes, offset) {
            // Some file systems take the flag and refuse the write.
            Err(error) if error.raw_os_error() == Some(libc::EINVAL) && self.direct.swap(false, Ordering::AcqRel) => {
                set_direct(&self.file, false)?;
                self.file.write_all_at(bytes, offset)
            }
            outcome => outcome,
        }
    }

    fn sync(&self, times_too: bool) -> io::Result<()> {
        if self.sync_failed.load(Ordering::Acquire) {
            return Err(io::Error::other("an earlier sync of this file failed"));
        }
        // On macOS the standard library uses F_FULLFSYNC for both.
        let outcome = if times_too { self.file.sync_all() } else { self.file.sync_data() };
        if outcome.is_err() {
            self.sync_failed.store(true, Ordering::Release);
        }
        outcome
    }

    fn read(&self, offset: u64, len: usize) -> io::Result<Bytes> {
        let end = self.file.metadata()?.len();
        let len = len.min(usize::try_from(end.saturating_sub(offset)).unwrap_or(usize::MAX));
        if len == 0 {
            return Ok(Bytes::new());
        }
        if !self.direct.load(Ordering::Acquire) {
            let mut bytes = vec![0; len];
            let read = self.fill(offset, &mut bytes, len)?;
            bytes.truncate(read);
            return Ok(bytes.into());
        }
        let start = offset - offset % ALIGNMENT as u64;
        let skip = (offset % ALIGNMENT as u64) as usize;
        let mut buffer = self.pool.take((skip + len).next_multiple_of(ALIGNMENT));
        let read = self.fill(start, buffer.as_mut_slice(), skip + len)?;
        buffer.truncate(read.min(skip + len));
        let bytes = Bytes::from_owner(buffer);
        Ok(bytes.slice(skip.min(bytes.len())..))
    }

    /// Reads until `into` has at least `wanted` bytes or the file ends.
    fn fill(&self, offset: u64, into: &mut [u8], wanted: usize) -> io::Result<usize> {
        let mut filled = 0;
        while filled < wanted {
            match self.file.read_at(&mut into[filled..], offset + filled as u64) {
                Ok(0) => break,
                Ok(read) => filled += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                // Some file systems take the flag and refuse the read.
                Err(error)
                    if error.raw_os_error() == Some(libc::EINVAL) && self.direct.swap(false, Ordering::AcqRel) =>
                {
                    set_direct(&self.file, false)?;
                }
                Err(error) => return Err(error),
            }
        }
        Ok(filled)
    }

    fn preallocate(&self, len: u64) -> io::Result<()> {
        let mut at = self.file.metadata()?.len();
        if at >= len {
            return Ok(());
        }
        // The length grows only with the zeros, so a crash in between leaves no unwritten extents
        // below the length.
        reserve_space(&self.file, len)?;
        at -= at % ALIGNMENT as u64;
        let mut zeros = AlignedBuf::with_capacity(ZERO_CHUNK);
        zeros.extend_zeros(ZERO_CHUNK);
        // The block that holds the present end keeps its bytes.
        let kept = self.read(at, ALIGNMENT)?;
        if !kept.is_empty() {
            let mut block = AlignedBuf::from_slice(&kept);
            block.pad();
            self.write_all(at, block.as_slice())?;
            at += ALIGNMENT as u64;
        }
        let end = len.next_multiple_of(ALIGNMENT as u64);
        while at < end {
            let piece = usize::try_from(end - at).unwrap_or(usize::MAX).min(ZERO_CHUNK);
            self.write_all(at, &zeros.as_slice()[..piece])?;
            at += piece as u64;
        }
        self.sync(true)
    }

    fn metadata(&self) -> io::Result<FileMeta> {
        let metadata = self.file.metadata()?;
        Ok(FileMeta { len: metadata.len(), modified_ns: modified_ns(&metadata) })
    }

    fn set_modified(&self, modified_ns: i64) -> io::Result<()> {
        let since = Duration::from_nanos(u64::try_from(modified_ns).unwrap_or(0));
        let time = UNIX_EPOCH.checked_add(since).ok_or(io::ErrorKind::InvalidInput)?;
        self.file.set_modified(time)
    }
}

/// Nanoseconds since 1970; 0 for older times and where there are none.
pub(super) fn modified_ns(metadata: &fs::Metadata) -> i64 {
    let modified = metadata.modified().unwrap_or(SystemTime::UNIX_EPOCH);
    modified.duration_since(UNIX_EPOCH).map_or(0, |since| i64::try_from(since.as_nanos()).unwrap_or(i64::MAX))
}

#[async_trait]
impl File for RealFile {
    async fn write_at(&self, offset: u64, buffer: AlignedBuf, sync: bool) -> (AlignedBuf, io::Result<()>) {
        let inner = self.inner.clone();
        let work = move || {
            let mut outcome = inner.write_all(offset, buffer.as_slice());
            if sync && outcome.is_ok() {
                outcome = inner.sync(false);
            }
            (buffer, outcome)
        };
        match hop(&self.handle, work).await {
            Ok(done) => done,
            // The runtime is shutting down; the buffer went with it.
            Err(error) => (AlignedBuf::with_capacity(0), Err(io::Error::other(error))),
        }
    }

    async fn write_run(&self, offset: u64, buffers: Vec<AlignedBuf>, sync: bool) -> (Vec<AlignedBuf>, io::Result<()>) {
        let inner = self.inner.clone();
        let work = move || {
            let mut at = offset;
            let mut outcome = buffers.iter().try_for_each(|buffer| {
                let place = at;
                at += buffer.len() as u64;
                inner.write_all(place, buffer.as_slice())
            });
            if sync && outcome.is_ok() {
                outcome = inner.sync(false);
            }
            (buffers, outcome)
        };
        match hop(&self.handle, work).await {
            Ok(done) => done,
            // The runtime is shutting down; the buffers went with it.
            Err(error) => (Vec::new(), Err(io::Error::other(error))),
        }
    }

    async fn sync(&self) -> io::Result<()> {
        self.run(|inner| inner.sync(false)).await
    }

    async fn sync_all(&self) -> io::Result<()> {
        self.run(|inner| inner.sync(true)).await
    }

    async fn read_at(&self, offset: u64, len: usize) -> io::Result<Bytes> {
        self.run(move |inner| inner.read(offset, len)).await
    }

    async fn len(&self) -> io::Result<u64> {
        Ok(self.metadata().await?.len)
    }

    // fstat answers from memory: not worth a hop.
    async fn metadata(&self) -> io::Result<FileMeta> {
        self.inner.metadata()
    }

    async fn set_modified(&self, modified_ns: i64) -> io::Result<()> {
        self.run(move |inner| inner.set_modified(modified_ns)).await
    }

    async fn reserve(&self, len: u64) -> io::Result<()> {
        self.run(move |inner| reserve_space(&inner.file, len)).await
    }

    async fn preallocate(&self, len: u64) -> io::Result<()> {
        self.run(move |inner| inner.preallocate(len)).await
    }

    async fn set_len(&self, len: u64) -> io::Result<()> {
        self.run(move |inner| inner.file.set_len(len)).await
    }

    async fn seal(&self, len: u64, modified_ns: i64) -> io::Result<FileMeta> {
        self.run(move |inner| inner.seal(len, modified_ns)).await
    }
}
