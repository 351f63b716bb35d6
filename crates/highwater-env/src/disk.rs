//! Files: what the write-ahead log, the directory store and the data directory's lock need.
//!
//! All paths are absolute or relative to the process; all errors are `std::io::Error`.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;

pub use crate::aligned::AlignedBuf;
use crate::whole::{PIECE_BYTES, Pieces};

/// Alignment of offset, length and address that O_DIRECT needs everywhere we run.
pub const ALIGNMENT: usize = 4096;

/// How to open a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OpenMode {
    /// Existing file, reads only, through the page cache.
    Read,
    /// As `Read`, with O_DIRECT where the file system allows it: for large reads that nobody
    /// repeats soon. Offsets and lengths of reads are free all the same.
    ReadDirect,
    /// Create if absent, read and write, through the page cache.
    Write,
    /// As `Write`, with O_DIRECT where the file system allows it and buffered where it does not;
    /// offsets, lengths and buffers of writes must be multiples of [`ALIGNMENT`].
    WriteDirect,
    /// As `WriteDirect`, but the file must not exist yet.
    CreateDirect,
    /// As `Write`, but the file must not exist yet.
    Create,
}

/// What the file system says of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileMeta {
    /// Length in bytes.
    pub len: u64,
    /// Last modification, nanoseconds since 1970, as fine as the file system keeps it.
    pub modified_ns: i64,
}

/// An open file. Methods take `&self`; concurrent writes to disjoint ranges are allowed.
#[async_trait]
#[expect(clippy::len_without_is_empty, reason = "the length of a file is I/O, not a container's")]
pub trait File: Send + Sync + 'static {
    /// Writes the whole buffer at `offset`; gives the buffer back for reuse, also on error.
    /// With `sync`, completes only after the data (and the file size, if it grew) is durable
    /// (fdatasync; F_FULLFSYNC on macOS). An error of the sync means that nothing since the last
    /// successful sync may be trusted; every later sync of the file fails, too. One hop to a
    /// blocking thread for both. If the future is dropped the write still happens, unseen.
    async fn write_at(&self, offset: u64, buffer: AlignedBuf, sync: bool) -> (AlignedBuf, io::Result<()>);
    /// Writes buffers one behind the other, each as `write_at` does, and with `sync` makes all of them durable
    /// at once. After an error any of them may have been written.
    async fn write_run(&self, offset: u64, buffers: Vec<AlignedBuf>, sync: bool) -> (Vec<AlignedBuf>, io::Result<()>) {
        let (mut at, last) = (offset, buffers.len().saturating_sub(1));
        let (mut written, mut outcome) = (Vec::with_capacity(buffers.len()), Ok(()));
        for (index, mut buffer) in buffers.into_iter().enumerate() {
            if outcome.is_ok() {
                let len = buffer.len() as u64;
                (buffer, outcome) = self.write_at(at, buffer, sync && index == last).await;
                at += len;
            }
            written.push(buffer);
        }
        (written, outcome)
    }
    /// Makes the data and the length written so far durable (fdatasync). Errors: as `write_at`.
    async fn sync(&self) -> io::Result<()>;
    /// As `sync`, and the file's times as well (fsync).
    async fn sync_all(&self) -> io::Result<()>;
    /// Reads up to `len` bytes at `offset`; shorter only at the end of the file.
    async fn read_at(&self, offset: u64, len: usize) -> io::Result<Bytes>;
    /// Current length in bytes.
    async fn len(&self) -> io::Result<u64>;
    /// Current length and time.
    async fn metadata(&self) -> io::Result<FileMeta>;
    /// Sets the modification time, nanoseconds since 1970. Durable after `sync_all`.
    async fn set_modified(&self, modified_ns: i64) -> io::Result<()>;
    /// Asks for space for `len` bytes, without changing the length: later writes are laid out
    /// together and do not meet a full disk. No promise where the file system knows no such call.
    async fn reserve(&self, len: u64) -> io::Result<()>;
    /// Brings the file to at least `len` bytes of written, durable zeros beyond its present end,
    /// so that later writes below `len` change no metadata and cannot meet a full disk
    /// (fallocate, then zero-written and synced). For files that are written again and again.
    async fn preallocate(&self, len: u64) -> io::Result<()>;
    /// Cuts or extends the file to `len`.
    async fn set_len(&self, len: u64) -> io::Result<()>;
    /// The end of a file written once: cuts it to `len` (the padding of direct writes), stamps it
    /// with `modified_ns`, and makes all of it durable; one hop to a blocking thread.
    async fn seal(&self, len: u64, modified_ns: i64) -> io::Result<FileMeta> {
        self.set_len(len).await?;
        self.set_modified(modified_ns).await?;
        self.sync_all().await?;
        self.metadata().await
    }
}

/// What a directory listing says of an entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DirEntry {
    /// File name without its directory.
    pub name: String,
    /// Whether it is a directory.
    pub is_dir: bool,
    /// Length in bytes (0 for a directory).
    pub len: u64,
    /// Last modification, milliseconds since 1970.
    pub modified_ms: i64,
    /// Last modification, nanoseconds since 1970, as fine as the file system keeps it.
    pub modified_ns: i64,
}

/// An exclusive lock on a file, free at the latest when the process dies, kill -9 included.
pub trait DiskLock: Send + Sync + 'static {}

/// What [`Disk::place`] came to.
#[derive(Debug)]
pub struct Placed {
    /// Whether the file has the name. `AlreadyExists`: another one has it. `NotFound`: there is no such
    /// directory (or no such file).
    pub named: io::Result<()>,
    /// Whether the directory's names are durable; an error leaves open what a crash would leave.
    pub synced: io::Result<()>,
}

impl Placed {
    /// Whether the directory has to be made durable: whoever is told that a name is taken may build on it.
    pub(crate) fn wants_sync(named: &io::Result<()>) -> bool {
        named.as_ref().map_or_else(|error| error.kind() == io::ErrorKind::AlreadyExists, |()| true)
    }
}

/// A file system.
#[async_trait]
pub trait Disk: Send + Sync + 'static {
    /// Opens a file.
    async fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Arc<dyn File>>;
    /// Entries of a directory, in no order; names that are not UTF-8 are left out. `NotFound` if
    /// it does not exist.
    async fn read_dir(&self, path: &Path) -> io::Result<Vec<DirEntry>>;
    /// Creates the directory and its parents, durably; fine if it exists.
    async fn create_dir_all(&self, path: &Path) -> io::Result<()>;
    /// Removes a file. Durable after `sync_dir` of its directory.
    async fn remove_file(&self, path: &Path) -> io::Result<()>;
    /// Renames a file over another, atomically. Durable after `sync_dir` of both directories.
    async fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// A second name for a file; `AlreadyExists` if `to` exists: put-if-absent. Durable after
    /// `sync_dir` of `to`'s directory.
    async fn hard_link(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Makes the names in a directory durable.
    async fn sync_dir(&self, path: &Path) -> io::Result<()>;
    /// Takes an exclusive lock at once, or `WouldBlock` if another process (or another holder in
    /// this one) has it. The file then holds `note` (one line: who has it) for people to read.
    async fn lock(&self, path: &Path, note: &str) -> io::Result<Box<dyn DiskLock>>;
    /// Free and total bytes of the file system that holds `path`.
    async fn space(&self, path: &Path) -> io::Result<(u64, u64)>;
    /// The note of a lock file held by another, for an error message.
    async fn lock_note(&self, path: &Path) -> io::Result<String>;
    /// `path` made absolute, links resolved.
    async fn canonicalize(&self, path: &Path) -> io::Result<PathBuf>;

    /// Writes a new file, chunk behind chunk and as `CreateDirect` does, stamps it with `modified_ns`, and
    /// makes all of it durable but for its name. `AlreadyExists` if there is one; after any other error
    /// there may be a file with anything in it. If the future is dropped it may go on, unseen. A real disk
    /// does it in one hop to a blocking thread.
    async fn write_new(&self, path: &Path, chunks: Arc<[Bytes]>, modified_ns: i64) -> io::Result<FileMeta> {
        let file = self.open(path, OpenMode::CreateDirect).await?;
        let mut pieces = Pieces::new(chunks);
        let (total, mut at) = (pieces.total(), 0);
        file.reserve(total).await?;
        let mut buffer = AlignedBuf::with_capacity(0);
        while at < total {
            buffer.set_len(usize::try_from(total - at).unwrap_or(PIECE_BYTES).min(PIECE_BYTES));
            pieces.fill(buffer.as_mut_slice());
            buffer.pad();
            let outcome;
            (buffer, outcome) = file.write_at(at, buffer, false).await;
            outcome?;
            at += buffer.len() as u64;
        }
        file.seal(total, modified_ns).await
    }

    /// Gives a durable file the name `to` instead of the one it has, and makes the names of that directory
    /// durable: by a hard link, which is put-if-absent, or with `over` by a rename. The former name is gone
    /// afterwards, but for a `NotFound`. In one hop, too.
    async fn place(&self, from: &Path, to: &Path, over: bool) -> Placed {
        let named = if over { self.rename(from, to).await } else { self.hard_link(from, to).await };
        if named.as_ref().is_err_and(|error| error.kind() == io::ErrorKind::NotFound) {
            return Placed { named, synced: Ok(()) };
        }
        if !over || named.is_err() {
            // The caller sweeps what stays.
            drop(self.remove_file(from).await);
        }
        let synced = match to.parent() {
            Some(directory) if Placed::wants_sync(&named) => self.sync_dir(directory).await,
            _ => Ok(()),
        };
        Placed { named, synced }
    }
}
