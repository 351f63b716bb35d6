//! What appenders, writer, replay and releases share; no I/O, one short lock.

use std::collections::{BTreeMap, VecDeque};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

use highwater_env::{AlignedBuf, Env, File};
use highwater_format::wal::{BLOCK_HEADER_BYTES, CensusEntry, FileHeader, FrameHeader, frame_bytes};
use highwater_types::ShardId;
use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::wal::api::{Frame, WalFull, WalListener, WalOptions, WalSeq, WalUsage};

/// Under load one sync carries up to about so much: what a sync costs beside its bytes is then spread over
/// several blocks.
const SYNC_BYTES: usize = 4 << 20;
/// Buffers kept for reuse: those of a sync, and those that are filled meanwhile.
const IDLE_BUFFERS: usize = 8;
/// A buffer that had to grow beyond this multiple of a write is not kept.
const IDLE_BUFFER_WRITES: usize = 2;
/// Files kept for reuse beside the current and the next one.
pub(super) const SPARES: usize = 2;

/// Everything that the log's handle, its tasks and its replay share.
pub(super) struct Shared {
    pub(super) env: Env,
    pub(super) options: WalOptions,
    pub(super) listener: Arc<dyn WalListener>,
    pub(super) state: Mutex<State>,
    /// To the writer: something was appended, or closing began.
    pub(super) work: Notify,
    /// To the writer: the next file is ready, or will not be.
    pub(super) next_ready: Notify,
    /// To the one who prepares files: one was taken or released, or it is time to stop.
    pub(super) chores: Notify,
    /// To waiting appenders: bytes left the buffer.
    pub(super) space: Notify,
    pub(super) waiting: AtomicUsize,
}

/// One write to be: room for the block's header, then frames.
pub(super) struct Pending {
    pub(super) bytes: AlignedBuf,
    pub(super) first_seq: u64,
    pub(super) frames: u32,
    /// Bytes of the frames, once the block is sealed.
    pub(super) body_bytes: usize,
    highest: Highest,
}

/// The highest position of each shard.
pub(super) type Highest = BTreeMap<ShardId, u64>;

impl Pending {
    fn new(mut bytes: AlignedBuf) -> Self {
        bytes.clear();
        bytes.extend_zeros(BLOCK_HEADER_BYTES);
        Self { bytes, first_seq: 0, frames: 0, body_bytes: 0, highest: Highest::new() }
    }

    pub(super) fn last_seq(&self) -> u64 {
        self.first_seq + u64::from(self.frames).saturating_sub(1)
    }

    /// Pads it to what a write takes.
    fn seal(&mut self) {
        self.body_bytes = self.frame_bytes();
        self.bytes.pad();
    }

    /// Bytes of frames; meaningful until the block is padded.
    fn frame_bytes(&self) -> usize {
        self.bytes.len() - BLOCK_HEADER_BYTES
    }
}

/// Where a file stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// Found at start, not replayed yet.
    Unreplayed,
    /// Being written.
    Current,
    /// Complete.
    Sealed,
    /// A write or sync failed: removed, not recycled, when released.
    Failed,
    /// Replayed with damage: kept under another name, when released.
    Damaged,
}

/// A file with frames.
pub(super) struct LiveFile {
    pub(super) path: PathBuf,
    pub(super) file_bytes: u64,
    /// What can be trusted.
    pub(super) end: u64,
    pub(super) stage: Stage,
    /// Unreleased positions.
    pub(super) highest: Highest,
}

/// A file whose header is written and synced, for the writer to go on in.
pub(super) struct Prepared {
    pub(super) path: PathBuf,
    pub(super) file: Arc<dyn File>,
    pub(super) header: FileHeader,
}

/// What to do with files next.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Chore {
    /// Remove a released file.
    Remove(PathBuf, u64),
    /// Give a damaged file, now released, a name that is not read again.
    PutAway(PathBuf, u64),
    /// Prepare this spare file.
    Recycle(PathBuf),
    /// Prepare a new file.
    Create,
    /// A file is wanted and the limit does not allow one.
    Starve,
    /// Nothing.
    Wait,
    /// The writer has ended.
    Stop,
}

pub(super) struct State {
    next_seq: u64,
    gathering: Pending,
    sealed: VecDeque<Pending>,
    idle: Vec<AlignedBuf>,
    unsynced_bytes: usize,
    /// Largest frame that was refused since the last one that was taken.
    wanted_bytes: usize,
    writer_waits: bool,
    pub(super) closing: bool,
    pub(super) writer_done: bool,
    released: Highest,
    /// By generation.
    pub(super) files: BTreeMap<u64, LiveFile>,
    /// The file with the newest census that is durable. It is kept until there is a newer one: without
    /// it the next recovery would judge older files by other rules than the last, and could give back
    /// frames that the last one left out, whose offsets have been given again since.
    pub(super) census_holder: Option<u64>,
    pub(super) spares: Vec<PathBuf>,
    removals: VecDeque<Chore>,
    pub(super) next: Option<Prepared>,
    /// The next file cannot be had at present.
    pub(super) starved: bool,
    pub(super) disk_bytes: u64,
    pub(super) next_generation: u64,
    pub(super) next_name: u64,
}

impl State {
    pub(super) fn new(options: &WalOptions, next_generation: u64, next_name: u64) -> Self {
        Self {
            // A file holds far fewer than 2^32 frames, so that no earlier process came this far.
            next_seq: next_generation << 32,
            gathering: Pending::new(AlignedBuf::with_capacity(options.write_bytes() + BLOCK_HEADER_BYTES)),
            sealed: VecDeque::new(),
            idle: Vec::new(),
            unsynced_bytes: 0,
            wanted_bytes: 0,
            writer_waits: false,
            closing: false,
            writer_done: false,
            released: Highest::new(),
            files: BTreeMap::new(),
            census_holder: None,
            spares: Vec::new(),
            removals: VecDeque::new(),
            next: None,
            starved: false,
            disk_bytes: 0,
            next_generation,
            next_name,
        }
    }

    /// Copies the frame; says also whether the writer must be woken.
    pub(super) fn append(&mut self, options: &WalOptions, frame: Frame<'_>) -> Result<(WalSeq, bool), WalFull> {
        let (bytes, limit) = (frame_bytes(frame.batch), options.frame_limit());
        if bytes > limit {
            return Err(WalFull::TooLarge { bytes, limit });
        }
        if self.closing {
            return Err(WalFull::Closed);
        }
        if self.unsynced_bytes + bytes > options.buffer_bytes {
            self.wanted_bytes = self.wanted_bytes.max(bytes);
            return Err(WalFull::Busy);
        }
        let gathered = self.gathering.frame_bytes();
        if gathered > 0 && gathered + bytes > options.write_bytes() {
            self.seal_gathering(options);
        }
        let seq = self.next_seq;
        self.next_seq += 1;
        let pending = &mut self.gathering;
        if pending.frames == 0 {
            pending.first_seq = seq;
        }
        let header = FrameHeader { shard: frame.shard, epoch: frame.epoch, tp: frame.tp };
        pending.bytes.extend_from_slice(&header.encode(seq, frame.batch));
        pending.bytes.extend_from_slice(frame.batch.head());
        pending.bytes.extend_from_slice(frame.batch.body());
        pending.frames += 1;
        pending.highest.insert(frame.shard, seq);
        self.unsynced_bytes += bytes;
        self.wanted_bytes = 0;
        Ok((WalSeq(seq), std::mem::take(&mut self.writer_waits)))
    }

    fn seal_gathering(&mut self, options: &WalOptions) {
        let fresh =
            self.idle.pop().unwrap_or_else(|| AlignedBuf::with_capacity(options.write_bytes() + BLOCK_HEADER_BYTES));
        let mut full = std::mem::replace(&mut self.gathering, Pending::new(fresh));
        full.seal();
        self.sealed.push_back(full);
    }

    /// Bytes that wait for the writer, while it writes nothing.
    pub(super) const fn waiting_bytes(&self) -> usize {
        self.unsynced_bytes
    }

    /// The blocks to write next, oldest first, about as many as one sync should carry. None makes a note
    /// that the writer waits.
    pub(super) fn take(&mut self, options: &WalOptions) -> VecDeque<Pending> {
        let mut taken = VecDeque::new();
        let mut bytes = 0;
        while bytes < SYNC_BYTES {
            if self.sealed.is_empty() && self.gathering.frames > 0 {
                self.seal_gathering(options);
            }
            let Some(pending) = self.sealed.pop_front() else { break };
            bytes += pending.bytes.len();
            taken.push_back(pending);
        }
        self.writer_waits = taken.is_empty();
        taken
    }

    /// Blocks that were taken are synced, up to `end` of the file.
    pub(super) fn wrote(&mut self, options: &WalOptions, generation: u64, end: u64, written: &VecDeque<Pending>) {
        if let Some(file) = self.files.get_mut(&generation) {
            file.end = end;
            for (shard, seq) in written.iter().flat_map(|pending| &pending.highest) {
                if self.released.get(shard).is_none_or(|released| released < seq) {
                    file.highest.insert(*shard, *seq);
                }
            }
        }
        if self.census_holder != Some(generation) {
            self.census_holder = Some(generation);
            self.reclaim(options);
        }
    }

    /// A block is done with, synced or failed.
    pub(super) fn recycle_buffer(&mut self, options: &WalOptions, block: Pending) {
        let Pending { bytes, body_bytes, .. } = block;
        self.unsynced_bytes = self.unsynced_bytes.saturating_sub(body_bytes);
        let kept = options.write_bytes() + BLOCK_HEADER_BYTES;
        if self.idle.len() < IDLE_BUFFERS && (kept..=kept * IDLE_BUFFER_WRITES).contains(&bytes.capacity()) {
            self.idle.push(bytes);
        }
    }

    /// Whether a frame of the size last refused would be taken now.
    pub(super) fn has_space(&self, options: &WalOptions) -> bool {
        self.closing || self.unsynced_bytes + self.wanted_bytes.max(1) <= options.buffer_bytes
    }

    /// Starts a file; gives the census to write at its front.
    pub(super) fn activate(&mut self, prepared: &Prepared, census_at: u64) -> Vec<CensusEntry> {
        let census = self
            .files
            .iter()
            .filter(|(_, file)| file.stage == Stage::Unreplayed || !file.highest.is_empty())
            .map(|(generation, file)| CensusEntry { generation: *generation, trusted_end: file.end })
            .collect();
        self.files.insert(
            prepared.header.generation,
            LiveFile {
                path: prepared.path.clone(),
                file_bytes: prepared.header.file_bytes,
                end: census_at,
                stage: Stage::Current,
                highest: Highest::new(),
            },
        );
        census
    }

    /// The file gets no further block.
    pub(super) fn leave(&mut self, options: &WalOptions, generation: u64, stage: Stage) {
        if let Some(file) = self.files.get_mut(&generation) {
            file.stage = stage;
        }
        self.reclaim(options);
    }

    /// The file was replayed; these are the positions found in it.
    pub(super) fn replayed(&mut self, options: &WalOptions, generation: u64, mut highest: Highest, stage: Stage) {
        highest.retain(|shard, seq| self.released.get(shard).is_none_or(|released| released < seq));
        if let Some(file) = self.files.get_mut(&generation) {
            file.highest = highest;
            file.stage = stage;
        }
        self.reclaim(options);
    }

    pub(super) fn release(&mut self, options: &WalOptions, shard: ShardId, up_to: u64) {
        let released = self.released.entry(shard).or_insert(up_to);
        *released = (*released).max(up_to);
        let released = *released;
        for file in self.files.values_mut() {
            if file.highest.get(&shard).is_some_and(|highest| *highest <= released) {
                file.highest.remove(&shard);
            }
        }
        self.reclaim(options);
    }

    /// Lets go of files that hold nothing unreleased.
    fn reclaim(&mut self, options: &WalOptions) {
        let holder = self.census_holder;
        let done = |(generation, file): &(&u64, &LiveFile)| {
            let complete = !matches!(file.stage, Stage::Current | Stage::Unreplayed);
            complete && file.highest.is_empty() && holder != Some(**generation)
        };
        let free: Vec<u64> = self.files.iter().filter(done).map(|(generation, _)| *generation).collect();
        for generation in free {
            let Some(file) = self.files.remove(&generation) else {
                continue;
            };
            match file.stage {
                Stage::Damaged => self.removals.push_back(Chore::PutAway(file.path, file.file_bytes)),
                Stage::Failed => self.removals.push_back(Chore::Remove(file.path, file.file_bytes)),
                _ => self.add_spare(options, file.path, file.file_bytes),
            }
        }
    }

    /// Keeps a file without content, or has it removed.
    pub(super) fn add_spare(&mut self, options: &WalOptions, path: PathBuf, file_bytes: u64) {
        if file_bytes == options.file_bytes && self.spares.len() < SPARES {
            self.spares.push(path);
        } else {
            self.removals.push_back(Chore::Remove(path, file_bytes));
        }
    }

    pub(super) fn next_chore(&mut self, options: &WalOptions) -> Chore {
        if self.writer_done {
            return Chore::Stop;
        }
        // Removals of what is too much give room to what is wanted, so they come first.
        if let Some(removal) = self.removals.pop_front() {
            return removal;
        }
        if self.next.is_some() {
            return Chore::Wait;
        }
        if let Some(spare) = self.spares.pop() {
            return Chore::Recycle(spare);
        }
        if self.disk_bytes + options.file_bytes <= options.max_bytes { Chore::Create } else { Chore::Starve }
    }

    /// Paths of files without content that counts, when the log is closed; the next file, too.
    pub(super) fn empty_files(&mut self) -> Vec<PathBuf> {
        let holder = self.census_holder.and_then(|generation| self.files.get(&generation));
        let holder = holder.filter(|file| file.stage == Stage::Sealed && file.highest.is_empty());
        let holder = holder.map(|file| file.path.clone());
        let next = self.next.take().map(|next| next.path);
        self.spares.drain(..).chain(next).chain(holder).collect()
    }

    pub(super) fn usage(&self, options: &WalOptions, waiting: usize) -> WalUsage {
        WalUsage {
            disk_bytes: self.disk_bytes,
            pinned_bytes: self
                .files
                .values()
                .filter(|file| file.stage == Stage::Unreplayed || !file.highest.is_empty())
                .map(|file| file.file_bytes)
                .sum(),
            max_bytes: options.max_bytes,
            unsynced_bytes: self.unsynced_bytes,
            waiting,
        }
    }

    /// Shards that hold the oldest file that is not being written.
    pub(super) fn pinning(&self) -> Vec<ShardId> {
        let oldest = self.files.values().find(|file| file.stage != Stage::Current && !file.highest.is_empty());
        oldest.map_or_else(Vec::new, |file| file.highest.keys().copied().collect())
    }
}
