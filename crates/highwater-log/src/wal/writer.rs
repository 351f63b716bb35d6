//! The one task that writes: a block, its sync, the report; again.

use std::sync::Arc;

use highwater_env::marks::{is_off, met};
use highwater_env::{AlignedBuf, File};
use highwater_format::wal::{BLOCK_HEADER_BYTES, BlockHeader, BlockKind, FILE_HEADER_BYTES, FileHeader, census_block};

use crate::wal::api::WalSeq;
use crate::wal::state::{Pending, Shared, Stage};

/// The file being written.
struct Current {
    file: Arc<dyn File>,
    header: FileHeader,
    /// Where the next block goes.
    at: u64,
    /// Everything below is synced; `at`, but for the time between census and first frames.
    synced_end: u64,
    /// Number of the next block.
    number: u32,
}

/// Writes until the log is closed and nothing is left.
pub(super) async fn run(shared: Arc<Shared>) {
    let mut current = None;
    loop {
        let (taken, closing) = {
            let mut state = shared.state.lock();
            (state.take(&shared.options), state.closing)
        };
        match taken {
            Some(pending) => commit(&shared, &mut current, pending).await,
            None if closing => break,
            None => shared.work.notified().await,
        }
    }
    let mut state = shared.state.lock();
    if let Some(current) = current {
        state.leave(&shared.options, current.header.generation, Stage::Sealed);
    }
    state.writer_done = true;
    drop(state);
    shared.chores.notify_one();
}

/// Writes and syncs one block and reports what became of it.
async fn commit(shared: &Shared, current: &mut Option<Current>, mut pending: Pending) {
    let body_bytes = pending.bytes.len() - BLOCK_HEADER_BYTES;
    pending.bytes.pad();
    let block_bytes = pending.bytes.len() as u64;
    if current.as_ref().is_some_and(|file| file.at + block_bytes > file.header.file_bytes)
        && let Some(full) = current.take()
    {
        shared.state.lock().leave(&shared.options, full.header.generation, Stage::Sealed);
        shared.chores.notify_one();
    }
    if current.is_none() {
        *current = start_file(shared, pending.first_seq).await;
    }
    let synced = match current {
        Some(file) if file.at + block_bytes <= file.header.file_bytes => {
            let began = shared.env.now();
            let synced = write_block(file, &mut pending, body_bytes).await;
            if synced {
                shared.options.metrics.wal_synced(pending.bytes.len(), shared.env.now().since(began));
            }
            synced
        }
        // Closing without a file, or a census that left no room.
        _ => false,
    };
    let (first, last) = (WalSeq(pending.first_seq), WalSeq(pending.last_seq()));
    {
        let mut state = shared.state.lock();
        match current {
            Some(file) if synced => state.wrote(&shared.options, file.header.generation, file.at, &pending),
            Some(file) => state.leave(&shared.options, file.header.generation, Stage::Failed),
            None => {}
        }
        state.recycle_buffer(&shared.options, pending.bytes, body_bytes);
    }
    shared.chores.notify_one();
    if !synced {
        met("failed-sync");
    }
    if synced || is_off("failed-sync-is-final") {
        shared.listener.synced(last);
    } else {
        // Nothing is written behind a failure: the file is left, frames to come go to another one.
        *current = None;
        shared.options.metrics.wal_failed();
        shared.listener.failed(first, last);
    }
    shared.space.notify_waiters();
}

async fn write_block(file: &mut Current, pending: &mut Pending, body_bytes: usize) -> bool {
    let header = BlockHeader {
        kind: BlockKind::Frames,
        count: pending.frames,
        body_bytes: u32::try_from(body_bytes).unwrap_or(u32::MAX),
        ..file.block(pending.first_seq)
    };
    pending.bytes.as_mut_slice()[..BLOCK_HEADER_BYTES].copy_from_slice(&header.encode());
    let bytes = std::mem::replace(&mut pending.bytes, AlignedBuf::with_capacity(0));
    let (bytes, outcome) = file.file.write_at(file.at, bytes, true).await;
    pending.bytes = bytes;
    match outcome {
        Ok(()) => {
            file.at += header.block_bytes();
            file.synced_end = file.at;
            file.number += 1;
            true
        }
        Err(error) => {
            tracing::error!(generation = header.generation, position = header.position, frames = header.count,
                %error, "write-ahead log: write failed, its file is given up");
            false
        }
    }
}

/// Takes the next file, when there is one, and writes its census. The census is synced with the
/// first frames: until then there is nothing in the file that it could speak for.
async fn start_file(shared: &Shared, next_seq: u64) -> Option<Current> {
    let (prepared, census) = loop {
        {
            let mut state = shared.state.lock();
            if let Some(prepared) = state.next.take() {
                let census = state.activate(&prepared, FILE_HEADER_BYTES as u64);
                break (prepared, census);
            }
            if state.closing && state.starved {
                return None;
            }
        }
        shared.next_ready.notified().await;
    };
    shared.chores.notify_one();
    let start = FILE_HEADER_BYTES as u64;
    let mut current = Current { file: prepared.file, header: prepared.header, at: start, synced_end: start, number: 0 };
    let mut bytes = AlignedBuf::from_slice(&census_block(current.block(next_seq), &census));
    bytes.pad();
    let census_bytes = bytes.len() as u64;
    let (_, outcome) = current.file.write_at(start, bytes, false).await;
    if let Err(error) = outcome {
        tracing::error!(generation = current.header.generation, %error,
            "write-ahead log: census not written, the file is given up");
        shared.state.lock().leave(&shared.options, current.header.generation, Stage::Failed);
        return None;
    }
    current.at += census_bytes;
    current.number = 1;
    Some(current)
}

impl Current {
    /// The header of the next block, but for what depends on its body.
    const fn block(&self, first_seq: u64) -> BlockHeader {
        BlockHeader {
            generation: self.header.generation,
            salt: self.header.salt,
            first_seq,
            number: self.number,
            kind: BlockKind::Frames,
            count: 0,
            body_bytes: 0,
            position: self.at,
            synced_end: self.synced_end,
        }
    }
}
