//! The log's handle.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use highwater_env::watch;
use highwater_env::{Env, OpenMode, TaskHandle};
use highwater_format::wal::{FileHeader, FileState};
use highwater_types::{Epoch, ShardId};
use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::wal::api::{Frame, WalError, WalFull, WalListener, WalOptions, WalSeq, WalUsage};
use crate::wal::discover::{Discovery, discover};
use crate::wal::recover::{Recovered, RecoveredFrame};
use crate::wal::state::{Highest, LiveFile, Shared, Stage, State};
use crate::wal::{files, side, writer};

/// The write-ahead log of one broker. Clones are the same log. When the last clone is dropped
/// without [`Wal::close`] the log stops as if the process had died.
#[derive(Clone)]
pub struct Wal {
    owner: Arc<Owner>,
}

struct Owner {
    shared: Arc<Shared>,
    tasks: Mutex<Option<Tasks>>,
    closed: watch::Sender<bool>,
}

struct Tasks {
    writer: TaskHandle,
    files: TaskHandle,
}

impl Drop for Owner {
    fn drop(&mut self) {
        if let Some(tasks) = self.tasks.get_mut().take() {
            tasks.writer.abort();
            tasks.files.abort();
        }
    }
}

impl Wal {
    /// Opens the log in its directory, which one process at a time may do (the caller holds the data
    /// directory's lock). Appends are taken at once, and their positions are larger than all that
    /// come back; whether to replay first is the caller's affair. Reads at most two files through.
    ///
    /// # Errors
    /// `Options`, `Io`, `Version`, `Copies`. Damage shows in the replay.
    pub async fn open(
        env: Env,
        options: WalOptions,
        listener: Arc<dyn WalListener>,
    ) -> Result<(Self, Recovered), WalError> {
        options.check()?;
        let dir = &options.dir;
        env.disk.create_dir_all(dir).await.map_err(WalError::io("create", dir))?;
        let found = discover(&*env.disk, dir).await?;
        if let Some(torn) = &found.torn {
            tracing::warn!(file = %torn.file.display(), position = torn.position, frames = torn.frames,
                "write-ahead log: the last write before the crash is torn and left out");
        }
        let state = first_state(&options, &found);
        let shared = Arc::new(Shared {
            env: env.clone(),
            options,
            listener,
            state: Mutex::new(state),
            work: Notify::new(),
            next_ready: Notify::new(),
            chores: Notify::new(),
            space: Notify::new(),
            waiting: AtomicUsize::new(0),
        });
        let recovered = Recovered::new(shared.clone(), found.live, found.torn);
        let tasks = Tasks {
            writer: env.spawn_for_disk("wal-writer", writer::run(shared.clone())),
            files: env.spawn("wal-files", files::run(shared.clone())),
        };
        let owner = Owner { shared, tasks: Mutex::new(Some(tasks)), closed: watch::Sender::new(false) };
        Ok((Self { owner: Arc::new(owner) }, recovered))
    }

    /// Copies the frame into the buffer of the next write and gives its position. Never waits. What
    /// becomes of it the listener hears, in order.
    ///
    /// # Errors
    /// See [`WalFull`]; the frame is then not in the log.
    pub fn append(&self, frame: Frame<'_>) -> Result<WalSeq, WalFull> {
        let shared = &self.owner.shared;
        let (seq, wake) = shared.state.lock().append(&shared.options, frame)?;
        if wake {
            shared.work.notify_one();
        }
        Ok(seq)
    }

    /// Frames of `shard` up to and including `up_to` are in the bucket, or set aside: they need not
    /// come back, and their space is used again. Earlier positions change nothing.
    pub fn release(&self, shard: ShardId, up_to: WalSeq) {
        let shared = &self.owner.shared;
        shared.state.lock().release(&shared.options, shard, up_to.0);
        shared.chores.notify_one();
    }

    /// How full the log is.
    pub fn usage(&self) -> WalUsage {
        let shared = &self.owner.shared;
        shared.state.lock().usage(&shared.options, shared.waiting.load(Ordering::Relaxed))
    }

    /// Waits until a frame of the size that was last refused as `Busy` would be taken (another
    /// appender may be quicker), or the log is closed. May be cancelled.
    pub async fn wait_for_space(&self) {
        let shared = &self.owner.shared;
        let _waiting = Waiting::enter(&shared.waiting);
        loop {
            let mut space = std::pin::pin!(shared.space.notified());
            space.as_mut().enable();
            if shared.state.lock().has_space(&shared.options) {
                return;
            }
            space.await;
        }
    }

    /// Moves the frames of a deposed leader to a side file below the log's directory, durably. The
    /// caller releases them afterwards. The same frames give the same file. [`side::SideFile`] reads it.
    ///
    /// # Errors
    /// `Nothing` without frames, `Io`.
    pub async fn set_aside(
        &self,
        shard: ShardId,
        epoch: Epoch,
        frames: &[RecoveredFrame],
    ) -> Result<PathBuf, WalError> {
        let shared = &self.owner.shared;
        side::write(&shared.env, &shared.options.dir, shard, epoch, frames).await
    }

    /// Takes no more frames, writes and syncs those it has (or reports them failed, if there is no
    /// room on disk), and stops. Files whose frames are all released are marked, so that the next
    /// start need not read them. The second of two callers waits for the first.
    pub async fn close(self) {
        let shared = &self.owner.shared;
        shared.state.lock().closing = true;
        for notify in [&shared.work, &shared.next_ready, &shared.chores] {
            notify.notify_one();
        }
        shared.space.notify_waiters();
        let tasks = self.owner.tasks.lock().take();
        let Some(tasks) = tasks else {
            let mut closed = self.owner.closed.subscribe();
            // An error says that the first caller was cancelled; nothing is left to wait for.
            let _ = closed.wait_for(|closed| *closed).await;
            return;
        };
        tasks.writer.ended().await;
        tasks.files.ended().await;
        mark_released(shared).await;
        self.owner.closed.send(true);
    }
}

/// Counts a waiter for as long as it lives.
struct Waiting<'a>(&'a AtomicUsize);

impl<'a> Waiting<'a> {
    fn enter(count: &'a AtomicUsize) -> Self {
        count.fetch_add(1, Ordering::Relaxed);
        Self(count)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

fn first_state(options: &WalOptions, found: &Discovery) -> State {
    let mut state = State::new(options, found.last_generation + 1, found.last_name);
    for file in &found.live {
        state.disk_bytes += file.file_bytes;
        let live = LiveFile {
            path: file.path.clone(),
            file_bytes: file.file_bytes,
            end: file.end,
            stage: Stage::Unreplayed,
            highest: Highest::new(),
        };
        state.files.insert(file.generation, live);
    }
    state.census_holder = found.census_holder;
    if let Some((path, file_bytes)) = &found.released_holder
        && let Some(generation) = found.census_holder
    {
        state.disk_bytes += file_bytes;
        let live = LiveFile {
            path: path.clone(),
            file_bytes: *file_bytes,
            end: 0,
            stage: Stage::Sealed,
            highest: Highest::new(),
        };
        state.files.insert(generation, live);
    }
    for (path, file_bytes) in &found.spare {
        state.disk_bytes += file_bytes;
        state.add_spare(options, path.clone(), *file_bytes);
    }
    state
}

/// Marks the headers of files without content, best effort: unmarked ones are read through once
/// more, that is all.
async fn mark_released(shared: &Shared) {
    let paths = shared.state.lock().empty_files();
    for path in paths {
        let marked = async {
            let file = shared.env.disk.open(&path, OpenMode::WriteDirect).await?;
            let Ok(header) = FileHeader::decode(&file.read_at(0, highwater_format::wal::FILE_HEADER_BYTES).await?)
            else {
                return Ok(());
            };
            files::write_header(&*file, &FileHeader { state: FileState::Released, ..header }).await
        };
        if let Err(error) = marked.await {
            tracing::debug!(file = %path.display(), %error, "write-ahead log: not marked as released");
        }
    }
}
