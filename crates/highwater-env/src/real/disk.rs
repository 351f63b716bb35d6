//! The machine's file system, by path; every call hops to a blocking thread.

use std::fs;
use std::io::{self, Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use tokio::runtime::Handle;

use crate::disk::{DirEntry, Disk, DiskLock, File, FileMeta, OpenMode, Placed};
use crate::real::file::{RealFile, modified_ns, write_whole};
use crate::real::hop::hop;
use crate::real::pool::BufferPool;
use crate::whole::Pieces;

/// Longest lock note that is read back.
const NOTE_LIMIT_BYTES: u64 = 1024;

/// The machine's file system.
pub struct RealDisk {
    handle: Handle,
    pool: Arc<BufferPool>,
}

impl RealDisk {
    /// A file system whose calls run on `handle`'s blocking threads.
    #[must_use]
    pub fn new(handle: Handle) -> Self {
        Self { handle, pool: Arc::default() }
    }

    async fn run<T: Send + 'static>(
        &self,
        path: &Path,
        work: impl FnOnce(&Path) -> io::Result<T> + Send + 'static,
    ) -> io::Result<T> {
        let path = path.to_path_buf();
        hop(&self.handle, move || work(&path)).await.map_err(io::Error::other)?
    }
}

fn open_file(path: &Path, mode: OpenMode) -> io::Result<fs::File> {
    let mut options = fs::OpenOptions::new();
    options.read(true);
    match mode {
        OpenMode::Read | OpenMode::ReadDirect => {}
        OpenMode::Write | OpenMode::WriteDirect => {
            options.write(true).create(true).truncate(false);
        }
        OpenMode::Create | OpenMode::CreateDirect => {
            options.write(true).create_new(true);
        }
    }
    options.open(path)
}

fn list(path: &Path) -> io::Result<Vec<DirEntry>> {
    let mut entries = Vec::new();
    for entry in fs::read_dir(path)? {
        let entry = entry?;
        let Ok(name) = entry.file_name().into_string() else {
            continue;
        };
        // An entry may vanish between the two calls.
        let metadata = match entry.metadata() {
            Ok(metadata) => metadata,
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(error),
        };
        let is_dir = metadata.is_dir();
        let modified_ns = modified_ns(&metadata);
        entries.push(DirEntry {
            name,
            is_dir,
            len: if is_dir { 0 } else { metadata.len() },
            modified_ms: modified_ns / 1_000_000,
            modified_ns,
        });
    }
    Ok(entries)
}

fn sync_directory(path: &Path) -> io::Result<()> {
    fs::File::open(path)?.sync_all()
}

fn place(from: &Path, to: &Path, over: bool) -> Placed {
    let named = if over { fs::rename(from, to) } else { fs::hard_link(from, to) };
    if named.as_ref().is_err_and(|error| error.kind() == io::ErrorKind::NotFound) {
        return Placed { named, synced: Ok(()) };
    }
    if !over || named.is_err() {
        // The caller sweeps what stays.
        drop(fs::remove_file(from));
    }
    let synced = match to.parent() {
        Some(directory) if Placed::wants_sync(&named) => sync_directory(directory),
        _ => Ok(()),
    };
    Placed { named, synced }
}

/// Creates from the first missing ancestor down, syncing the directory that got a new name.
fn create_directories(path: &Path) -> io::Result<()> {
    if path.as_os_str().is_empty() || path.is_dir() {
        return Ok(());
    }
    let parent = path.parent().unwrap_or(Path::new("/"));
    create_directories(parent)?;
    match fs::create_dir(path) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && path.is_dir() => {}
        Err(error) => return Err(error),
    }
    sync_directory(if parent.as_os_str().is_empty() { Path::new(".") } else { parent })
}

/// Holds the flock; the operating system frees it with the descriptor.
struct RealLock {
    _file: fs::File,
}

impl DiskLock for RealLock {}

fn take_lock(path: &Path, note: &str) -> io::Result<Box<dyn DiskLock>> {
    let mut file = fs::OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)?;
    file.try_lock().map_err(|error| match error {
        fs::TryLockError::WouldBlock => io::ErrorKind::WouldBlock.into(),
        fs::TryLockError::Error(error) => error,
    })?;
    file.set_len(0)?;
    file.write_all(note.as_bytes())?;
    file.write_all(b"\n")?;
    Ok(Box::new(RealLock { _file: file }))
}

#[allow(clippy::unnecessary_cast, reason = "the fields' widths differ between systems")]
fn space_of(path: &Path) -> io::Result<(u64, u64)> {
    let path = std::ffi::CString::new(path.as_os_str().as_bytes())?;
    let mut figures = std::mem::MaybeUninit::<libc::statvfs>::uninit();
    // SAFETY: `path` ends with a NUL, `figures` is large enough and is read only after success.
    let figures = unsafe {
        if libc::statvfs(path.as_ptr(), figures.as_mut_ptr()) != 0 {
            return Err(io::Error::last_os_error());
        }
        figures.assume_init()
    };
    let unit = figures.f_frsize as u64;
    Ok((unit.saturating_mul(figures.f_bavail as u64), unit.saturating_mul(figures.f_blocks as u64)))
}

#[async_trait]
impl Disk for RealDisk {
    async fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Arc<dyn File>> {
        let file = self.run(path, move |path| open_file(path, mode)).await?;
        let direct = matches!(mode, OpenMode::ReadDirect | OpenMode::WriteDirect | OpenMode::CreateDirect);
        Ok(Arc::new(RealFile::new(self.handle.clone(), file, direct, Arc::clone(&self.pool))))
    }

    async fn read_dir(&self, path: &Path) -> io::Result<Vec<DirEntry>> {
        self.run(path, list).await
    }

    async fn create_dir_all(&self, path: &Path) -> io::Result<()> {
        self.run(path, create_directories).await
    }

    async fn remove_file(&self, path: &Path) -> io::Result<()> {
        self.run(path, |path| fs::remove_file(path)).await
    }

    async fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let to = to.to_path_buf();
        self.run(from, move |from| fs::rename(from, to)).await
    }

    async fn hard_link(&self, from: &Path, to: &Path) -> io::Result<()> {
        let to = to.to_path_buf();
        self.run(from, move |from| fs::hard_link(from, to)).await
    }

    async fn sync_dir(&self, path: &Path) -> io::Result<()> {
        self.run(path, sync_directory).await
    }

    async fn lock(&self, path: &Path, note: &str) -> io::Result<Box<dyn DiskLock>> {
        let note = note.to_owned();
        self.run(path, move |path| take_lock(path, &note)).await
    }

    async fn space(&self, path: &Path) -> io::Result<(u64, u64)> {
        self.run(path, space_of).await
    }

    async fn lock_note(&self, path: &Path) -> io::Result<String> {
        self.run(path, |path| {
            let mut note = Vec::new();
            fs::File::open(path)?.take(NOTE_LIMIT_BYTES).read_to_end(&mut note)?;
            Ok(String::from_utf8_lossy(&note).lines().next().unwrap_or_default().to_owned())
        })
        .await
    }

    async fn canonicalize(&self, path: &Path) -> io::Result<PathBuf> {
        self.run(path, |path| fs::canonicalize(path)).await
    }

    async fn write_new(&self, path: &Path, chunks: Arc<[Bytes]>, modified_ns: i64) -> io::Result<FileMeta> {
        let pool = Arc::clone(&self.pool);
        let work = move |path: &Path| {
            let file = open_file(path, OpenMode::CreateDirect)?;
            write_whole(file, pool, Pieces::new(chunks), modified_ns)
        };
        self.run(path, work).await
    }

    async fn place(&self, from: &Path, to: &Path, over: bool) -> Placed {
        let to = to.to_path_buf();
        let placed = self.run(from, move |from| Ok(place(from, &to, over))).await;
        placed.unwrap_or_else(|error| Placed { named: Err(error), synced: Ok(()) })
    }
}
