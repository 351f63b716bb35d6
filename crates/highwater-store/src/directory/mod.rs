//! A local directory as a bucket.
//!
//! An object is a file under its own name. It is written to a staging file (O_DIRECT, from aligned
//! buffers), made durable, and put in place by a hard link, which is put-if-absent; then the
//! directory is made durable. A name therefore never shows a half-written object, and a crash at
//! any moment leaves at most a staging file, which the next open sweeps.
//!
//! **Version of an object** (its ETag): length and modification time. The time is not the file
//! system's: each put stamps its file with microseconds that strictly grow within the process, so
//! a name that is deleted and created again always gets another version. An inode number would
//! add nothing and would break the references when a directory is copied to another disk
//! (`cp -a` and `rsync -a` keep the stamps); extended attributes do not exist everywhere; a
//! trailer would make the file differ from the object.
//!
//! - [`staging`]: files on their way in. - [`clock`]: dates and stamps. - [`walk`]: listings.

mod clock;
mod staging;
mod walk;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use highwater_env::{Env, OpenMode, Placed};
use tokio::sync::{Semaphore, oneshot};

use crate::body::Body;
use crate::error::{StoreError, StoreErrorKind};
use crate::memory::check_limit;
use crate::name::{check_name, check_prefix};
use crate::store::{BucketTime, Etag, LIST_LIMIT, Listing, Put, Read, ReadRange, Store};

use clock::DirectoryClock;
use staging::Staging;

/// Puts in flight, each with a buffer, a descriptor and a blocking thread.
const PUTS_IN_FLIGHT: usize = 8;

/// Reads from this size on go past the page cache.
const DIRECT_READ_BYTES: u64 = 256 << 10;

/// A local directory. Several processes may have one directory open at the same time.
#[derive(Clone)]
pub struct DirectoryStore {
    inner: Arc<Inner>,
}

struct Inner {
    env: Env,
    root: PathBuf,
    clock: DirectoryClock,
    staging: Staging,
    turns: Arc<Semaphore>,
}

/// The version of a file.
fn etag(len: u64, modified_ns: i64) -> Etag {
    Etag(format!("{modified_ns:x}-{len:x}").into())
}

fn date_of(modified_ns: i64) -> BucketTime {
    BucketTime(modified_ns / 1_000_000)
}

/// An error of the file system before anything took effect.
fn io_error(name: &str, doing: &str, error: io::Error) -> StoreError {
    let kind = match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::IsADirectory | io::ErrorKind::NotADirectory => {
            StoreErrorKind::NotFound
        }
        io::ErrorKind::AlreadyExists => StoreErrorKind::AlreadyExists,
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => StoreErrorKind::Denied,
        _ => StoreErrorKind::Unavailable,
    };
    StoreError::new(kind, name, format!("{doing}: {error}")).with_source(error)
}

impl DirectoryStore {
    /// Opens a directory, creating it if need be, and sweeps what dead processes left in staging.
    ///
    /// # Errors
    /// `Denied` or `Invalid`, one line for an operator, when the directory cannot be used.
    pub async fn open(env: &Env, directory: &Path) -> Result<Self, StoreError> {
        let shown = directory.display().to_string();
        let refuse = |error: io::Error| {
            let kind = match error.kind() {
                io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => StoreErrorKind::Denied,
                _ => StoreErrorKind::Invalid,
            };
            StoreError::new(kind, &shown, format!("cannot use this directory: {error}; name one that can be written"))
                .with_source(error)
        };
        env.disk.create_dir_all(directory).await.map_err(refuse)?;
        let root = env.disk.canonicalize(directory).await.map_err(refuse)?;
        let clock = DirectoryClock::start(env);
        let staging = Staging::open(env, &root).await.map_err(refuse)?;
        staging.check_stamps(&shown, &clock).await?;
        let turns = Arc::new(Semaphore::new(PUTS_IN_FLIGHT));
        Ok(Self { inner: Arc::new(Inner { env: env.clone(), root, clock, staging, turns }) })
    }

    /// The directory, absolute.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.inner.root
    }

    /// Runs a change as a task of its own: once begun it ends, whether or not the caller waits, so
    /// that a caller who goes away leaves nothing half done in staging.
    async fn change<T: Send + 'static, F>(
        &self,
        name: &str,
        work: impl FnOnce(Arc<Inner>) -> F,
    ) -> Result<T, StoreError>
    where
        F: Future<Output = Result<T, StoreError>> + Send + 'static,
    {
        let gone = || StoreError::new(StoreErrorKind::Unknown, name, "the store was closed meanwhile");
        let turn = self.inner.turns.clone().acquire_owned().await.map_err(|_closed| gone())?;
        let (answer, answered) = oneshot::channel();
        let work = work(self.inner.clone());
        self.inner.env.spawn("directory store change", async move {
            let outcome = work.await;
            drop(turn);
            // The caller may have gone away.
            drop(answer.send(outcome));
        });
        answered.await.map_err(|_gone| gone())?
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Placing {
    IfAbsent,
    OverWhatIsThere,
}

impl Inner {
    fn path(&self, name: &str) -> PathBuf {
        self.root.join(name)
    }

    fn directory_of(&self, name: &str) -> PathBuf {
        let parent = name.rfind('/').map_or("", |at| &name[..at]);
        self.root.join(parent)
    }

    async fn put(&self, name: &str, body: Body, placing: Placing) -> Result<Put, StoreError> {
        let staged = self
            .staging
            .write(&body, &self.clock)
            .await
            .map_err(|error| io_error(name, "cannot write the object", error))
            .map_err(nothing_was_there)?;
        // Read before the name is taken: the answer then proves nothing that came later.
        let date = self.clock.now();
        let placed = self.place(name, &staged.path, placing).await?;
        let lost = match placed.named {
            Ok(()) => None,
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                Some(StoreError::new(StoreErrorKind::AlreadyExists, name, "the name is taken"))
            }
            Err(error) => return Err(nothing_was_there(io_error(name, "cannot name the object", error))),
        };
        placed.synced.map_err(|error| unsure(name, error))?;
        match lost {
            Some(error) => Err(error),
            None => Ok(Put { etag: etag(staged.meta.len, staged.meta.modified_ns), date }),
        }
    }

    /// Gives the staged file its name, creating the directory at its first use. The staging name is gone
    /// afterwards.
    async fn place(&self, name: &str, staged: &Path, placing: Placing) -> Result<Placed, StoreError> {
        let (path, over) = (self.path(name), placing == Placing::OverWhatIsThere);
        let is_missing = |placed: &Placed| placed.named.as_ref().is_err_and(|e| e.kind() == io::ErrorKind::NotFound);
        let placed = self.env.disk.place(staged, &path, over).await;
        if !is_missing(&placed) {
            return Ok(placed);
        }
        if let Err(error) = self.env.disk.create_dir_all(&self.directory_of(name)).await {
            self.staging.discard(staged).await;
            return Err(nothing_was_there(io_error(name, "cannot create its directory", error)));
        }
        let placed = self.env.disk.place(staged, &path, over).await;
        if is_missing(&placed) {
            self.staging.discard(staged).await;
        }
        Ok(placed)
    }

    async fn delete(&self, name: &str) -> Result<BucketTime, StoreError> {
        let date = self.clock.now();
        match self.env.disk.remove_file(&self.path(name)).await {
            Ok(()) => {}
            Err(error) => match io_error(name, "cannot delete", error) {
                error if error.kind == StoreErrorKind::NotFound => return Ok(date),
                error => return Err(error),
            },
        }
        self.env.disk.sync_dir(&self.directory_of(name)).await.map_err(|error| unsure(name, error))?;
        Ok(date)
    }
}

/// The name has changed, but perhaps not durably.
fn unsure(name: &str, error: io::Error) -> StoreError {
    StoreError::new(StoreErrorKind::Unknown, name, format!("cannot sync its directory: {error}")).with_source(error)
}

/// A put has no object to miss: what is not found is its directory, which another process removed.
fn nothing_was_there(error: StoreError) -> StoreError {
    match error.kind {
        StoreErrorKind::NotFound | StoreErrorKind::AlreadyExists => {
            StoreError::new(StoreErrorKind::Unavailable, error.name, error.detail)
        }
        _ => error,
    }
}

#[async_trait]
impl Store for DirectoryStore {
    async fn create(&self, name: &str, body: Body) -> Result<Put, StoreError> {
        check_name(name)?;
        let owned = name.to_owned();
        self.change(name, |inner| async move { inner.put(&owned, body, Placing::IfAbsent).await }).await
    }

    async fn overwrite(&self, name: &str, body: Body) -> Result<Put, StoreError> {
        check_name(name)?;
        let owned = name.to_owned();
        self.change(name, |inner| async move { inner.put(&owned, body, Placing::OverWhatIsThere).await }).await
    }

    async fn read(&self, name: &str, range: ReadRange, if_match: Option<&Etag>) -> Result<Read, StoreError> {
        check_name(name)?;
        range.check(name)?;
        let date = self.inner.clock.now();
        let failed = |error| io_error(name, "cannot read", error);
        // Large ranges are segments on their way to a cache of their own: the page cache would only
        // cost a copy.
        let mode = match &range {
            ReadRange::Bounded(range) if range.end - range.start >= DIRECT_READ_BYTES => OpenMode::ReadDirect,
            _ => OpenMode::Read,
        };
        let file = self.inner.env.disk.open(&self.inner.path(name), mode).await.map_err(failed)?;
        let meta = file.metadata().await.map_err(failed)?;
        let etag = etag(meta.len, meta.modified_ns);
        if if_match.is_some_and(|wanted| *wanted != etag) {
            return Err(StoreError::new(StoreErrorKind::PreconditionFailed, name, "another version"));
        }
        let range = range.resolve(name, meta.len)?;
        let len = usize::try_from(range.end - range.start)
            .map_err(|_| StoreError::new(StoreErrorKind::TooLarge, name, "more than memory can hold"))?;
        let bytes = file.read_at(range.start, len).await.map_err(failed)?;
        if bytes.len() != len {
            return Err(StoreError::new(StoreErrorKind::Unavailable, name, "the file was cut while it was read"));
        }
        Ok(Read { bytes, range, size: meta.len, etag, date, modified: date_of(meta.modified_ns) })
    }

    async fn list(&self, prefix: &str, after: Option<&str>, limit: usize) -> Result<Listing, StoreError> {
        check_prefix(prefix)?;
        check_limit(prefix, limit)?;
        // Read before the walk: what is created while it goes on may be missed.
        let date = self.inner.clock.now();
        let limit = limit.min(LIST_LIMIT);
        let mut objects = walk::list(&*self.inner.env.disk, &self.inner.root, prefix, after.unwrap_or(""), limit + 1)
            .await
            .map_err(|error| io_error(prefix, "cannot list", error))?;
        let more = objects.len() > limit;
        objects.truncate(limit);
        Ok(Listing { objects, more, date })
    }

    async fn delete(&self, name: &str) -> Result<BucketTime, StoreError> {
        check_name(name)?;
        let owned = name.to_owned();
        self.change(name, |inner| async move { inner.delete(&owned).await }).await
    }

    fn describe(&self) -> String {
        format!("file://{}", self.inner.root.display())
    }

    fn is_local(&self) -> bool {
        true
    }
}
