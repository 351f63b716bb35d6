//! The one task that writes: the blocks that wait, one sync for them, the report; again.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use highwater_env::marks::{is_off, met};
use highwater_env::{AlignedBuf, File};
use highwater_format::wal::{BLOCK_HEADER_BYTES, BlockHeader, BlockKind, FILE_HEADER_BYTES, FileHeader, census_block};

use crate::wal::api::WalSeq;
use crate::wal::pace::Pace;
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
    let mut pace = Pace::new(shared.options.pace_from_bytes);
    loop {
        gather(&shared, &mut pace).await;
        let (mut taken, closing) = {
            let mut state = shared.state.lock();
            (state.take(&shared.options), state.closing)
        };
        if taken.is_empty() {
            if closing {
                break;
            }
            shared.work.notified().await;
            continue;
        }
        pace.begins(shared.env.now());
        while !taken.is_empty() {
            commit(&shared, &mut current, &mut taken).await;
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

/// Waits for more to write, if that pays and nobody waits for room.
async fn gather(shared: &Shared, pace: &mut Pace) {
    let waiting = || {
        let state = shared.state.lock();
        (!state.closing && shared.waiting.load(Ordering::Relaxed) == 0).then(|| state.waiting_bytes())
    };
    let Some(before) = waiting() else { return };
    if let Some(pause) = pace.pause(shared.env.now(), before) {
        met("sync-waited-for-company");
        shared.env.sleep(pause).await;
        pace.paused(waiting() != Some(before));
    }
}

/// Writes and syncs blocks, as many of `waiting` as one file takes, and reports what became of them.
async fn commit(shared: &Shared, current: &mut Option<Current>, waiting: &mut VecDeque<Pending>) {
    let Some(first) = waiting.front() else { return };
    let (first_seq, first_bytes) = (first.first_seq, first.bytes.len() as u64);
    if current.as_ref().is_some_and(|file| !file.has_room(first_bytes))
        && let Some(full) = current.take()
    {
        shared.state.lock().leave(&shared.options, full.header.generation, Stage::Sealed);
        shared.chores.notify_one();
    }
    if current.is_none() {
        *current = start_file(shared, first_seq).await;
    }
    let mut run = VecDeque::new();
    let synced = match current {
        Some(file) if file.has_room(first_bytes) => {
            let mut bytes = 0;
            while let Some(next) = waiting.pop_front_if(|next| file.has_room(bytes + next.bytes.len() as u64)) {
                bytes += next.bytes.len() as u64;
                run.push_back(next);
            }
            let began = shared.env.now();
            let synced = write_run(file, &mut run).await;
            if synced {
                shared.options.metrics.wal_synced(bytes, shared.env.now().since(began));
            }
            synced
        }
        // Closing without a file, or a census that left no room.
        _ => {
            run.extend(waiting.pop_front());
            false
        }
    };
    let first = WalSeq(first_seq);
    let last = run.back().map_or(first, |block| WalSeq(block.last_seq()));
    {
        let mut state = shared.state.lock();
        match current {
            Some(file) if synced => state.wrote(&shared.options, file.header.generation, file.at, &run),
            Some(file) => state.leave(&shared.options, file.header.generation, Stage::Failed),
            None => {}
        }
        run.into_iter().for_each(|block| state.recycle_buffer(&shared.options, block));
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

/// Writes blocks that fit, one behind the other, and syncs them together: none of them speaks for another, a
/// crash may keep any.
async fn write_run(file: &mut Current, run: &mut VecDeque<Pending>) -> bool {
    let (mut position, mut number) = (file.at, file.number);
    let mut frames = 0;
    let mut buffers = Vec::with_capacity(run.len());
    for block in run.iter_mut() {
        let header = BlockHeader {
            kind: BlockKind::Frames,
            count: block.frames,
            body_bytes: u32::try_from(block.body_bytes).unwrap_or(u32::MAX),
            position,
            number,
            ..file.block(block.first_seq)
        };
        position += header.block_bytes();
        number += 1;
        frames += block.frames;
        block.bytes.as_mut_slice()[..BLOCK_HEADER_BYTES].copy_from_slice(&header.encode());
        buffers.push(std::mem::replace(&mut block.bytes, AlignedBuf::with_capacity(0)));
    }
    let (buffers, outcome) = file.file.write_run(file.at, buffers, true).await;
    for (block, bytes) in run.iter_mut().zip(buffers) {
        block.bytes = bytes;
    }
    match outcome {
        Ok(()) => {
            file.at = position;
            file.synced_end = position;
            file.number = number;
            true
        }
        Err(error) => {
            tracing::error!(generation = file.header.generation, position = file.at, frames,
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
    /// Whether so many bytes of blocks fit behind what is there.
    const fn has_room(&self, bytes: u64) -> bool {
        self.at + bytes <= self.header.file_bytes
    }

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
