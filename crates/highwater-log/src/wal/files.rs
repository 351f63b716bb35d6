//! Preparing the next file before it is needed, recycling, removing.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use highwater_env::{AlignedBuf, File, OpenMode};
use highwater_format::wal::{FileHeader, FileState};

use crate::wal::state::{Chore, Prepared, Shared};

/// After a failure (a full disk, say) a file is tried for again this much later, or when one is
/// released.
const RETRY: Duration = Duration::from_secs(1);

const SUFFIX: &str = ".wal";

/// The name of a file; numbers say nothing but that they differ.
pub(super) fn file_name(number: u64) -> String {
    format!("{number:08}{SUFFIX}")
}

/// The number in a name, if it is one of ours.
pub(super) fn file_number(name: &str) -> Option<u64> {
    let digits = name.strip_suffix(SUFFIX)?;
    let plain = digits.len() >= 8 && digits.bytes().all(|byte| byte.is_ascii_digit());
    if plain { digits.parse().ok() } else { None }
}

/// Keeps one file prepared ahead of the writer, until the writer has ended.
pub(super) async fn run(shared: Arc<Shared>) {
    let mut complained = false;
    loop {
        let chore = shared.state.lock().next_chore(&shared.options);
        let outcome = match chore {
            Chore::Stop => return,
            Chore::Wait => {
                shared.chores.notified().await;
                continue;
            }
            Chore::Starve => {
                if !std::mem::replace(&mut complained, true) {
                    tracing::warn!("write-ahead log: limit reached, appends wait for a flush");
                }
                starve(&shared);
                shared.chores.notified().await;
                continue;
            }
            Chore::Remove(path, bytes) => {
                remove(&shared, &path, bytes).await;
                continue;
            }
            Chore::PutAway(path, bytes) => {
                put_away(&shared, &path, bytes).await;
                continue;
            }
            Chore::Recycle(path) => recycle(&shared, path).await,
            Chore::Create => create(&shared).await,
        };
        match outcome {
            Ok(prepared) => {
                if std::mem::take(&mut complained) {
                    tracing::info!("write-ahead log: there is room again");
                }
                let mut state = shared.state.lock();
                state.next = Some(prepared);
                state.starved = false;
                let filling = state.disk_bytes > shared.options.max_bytes / 2;
                drop(state);
                shared.next_ready.notify_one();
                if filling {
                    tell_who_pins(&shared);
                }
            }
            Err((path, error)) => {
                if !std::mem::replace(&mut complained, true) {
                    tracing::warn!(file = %path.display(), %error, "write-ahead log: no further file, appends wait");
                }
                starve(&shared);
                // A wake-up or the time: both mean to try again.
                let _ = shared.env.timeout(RETRY, shared.chores.notified()).await;
            }
        }
    }
}

fn starve(shared: &Shared) {
    shared.state.lock().starved = true;
    shared.next_ready.notify_one();
    tell_who_pins(shared);
}

/// Has the shards flushed that hold the oldest file, so that it can be used again.
fn tell_who_pins(shared: &Shared) {
    let by = shared.state.lock().pinning();
    if !by.is_empty() {
        shared.listener.pinned(&by);
    }
}

type Failure = (PathBuf, io::Error);

async fn create(shared: &Shared) -> Result<Prepared, Failure> {
    let (path, options) = {
        let mut state = shared.state.lock();
        state.next_name += 1;
        state.disk_bytes += shared.options.file_bytes;
        (shared.options.dir.join(file_name(state.next_name)), &shared.options)
    };
    let made = async {
        let file = shared.env.disk.open(&path, OpenMode::CreateDirect).await?;
        file.preallocate(options.file_bytes).await?;
        let prepared = head(shared, path.clone(), file).await?;
        shared.env.disk.sync_dir(&options.dir).await?;
        Ok(prepared)
    };
    match made.await {
        Ok(prepared) => Ok(prepared),
        Err(error) => {
            remove(shared, &path, options.file_bytes).await;
            Err((path, error))
        }
    }
}

async fn recycle(shared: &Shared, path: PathBuf) -> Result<Prepared, Failure> {
    let made = async {
        let file = shared.env.disk.open(&path, OpenMode::WriteDirect).await?;
        head(shared, path.clone(), file).await
    };
    match made.await {
        Ok(prepared) => Ok(prepared),
        Err(error) => {
            remove(shared, &path, shared.options.file_bytes).await;
            Err((path, error))
        }
    }
}

/// Gives the file a new generation, durably.
async fn head(shared: &Shared, path: PathBuf, file: Arc<dyn File>) -> io::Result<Prepared> {
    let generation = {
        let mut state = shared.state.lock();
        state.next_generation += 1;
        state.next_generation - 1
    };
    let header = FileHeader {
        state: FileState::Live,
        generation,
        salt: shared.env.random.next_u64(),
        file_bytes: shared.options.file_bytes,
        written_ms: shared.env.wall_ms(),
    };
    write_header(&*file, &header).await?;
    Ok(Prepared { path, file, header })
}

/// Writes and syncs a file's header.
pub(super) async fn write_header(file: &dyn File, header: &FileHeader) -> io::Result<()> {
    let mut bytes = AlignedBuf::from_slice(&header.encode());
    bytes.pad();
    file.write_at(0, bytes, true).await.1
}

/// Removes a file without content. One that stays because of an error is found again at the next
/// start; until then it counts as gone, lest an error on one file stops the log.
async fn remove(shared: &Shared, path: &Path, file_bytes: u64) {
    if let Err(error) = shared.env.disk.remove_file(path).await
        && error.kind() != io::ErrorKind::NotFound
    {
        tracing::warn!(file = %path.display(), %error, "write-ahead log: cannot remove a file");
    }
    let mut state = shared.state.lock();
    state.disk_bytes = state.disk_bytes.saturating_sub(file_bytes);
}

async fn put_away(shared: &Shared, path: &Path, file_bytes: u64) {
    let mut name = path.as_os_str().to_owned();
    name.push(".damaged");
    match shared.env.disk.rename(path, Path::new(&name)).await {
        Ok(()) => {
            tracing::warn!(file = %path.display(), "write-ahead log: damaged file kept as .damaged")
        }
        Err(error) => {
            tracing::warn!(file = %path.display(), %error, "write-ahead log: cannot rename a damaged file")
        }
    }
    let mut state = shared.state.lock();
    state.disk_bytes = state.disk_bytes.saturating_sub(file_bytes);
}
