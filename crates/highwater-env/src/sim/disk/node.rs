//! One file's bytes: what readers see, what is durable, and the writes in between.

use rand::Rng;
use rand::rngs::SmallRng;

/// What a disk writes as a whole or not at all, bytes.
const SECTOR: usize = 512;

/// A file's content.
pub(super) struct Node {
    live: Vec<u8>,
    durable: Vec<u8>,
    pending: Vec<Change>,
    modified_ns: i64,
    durable_modified_ns: i64,
    /// Growth up to here does not need new space.
    reserved: u64,
    pub(super) sync_failed: bool,
}

enum Change {
    Write(usize, Vec<u8>),
    SetLen(usize),
}

fn put(into: &mut Vec<u8>, offset: usize, bytes: &[u8]) {
    let end = offset + bytes.len();
    if into.len() < end {
        into.resize(end, 0);
    }
    into[offset..end].copy_from_slice(bytes);
}

impl Node {
    pub(super) fn new(now_ns: i64) -> Self {
        Self {
            live: Vec::new(),
            durable: Vec::new(),
            pending: Vec::new(),
            modified_ns: now_ns,
            durable_modified_ns: now_ns,
            reserved: 0,
            sync_failed: false,
        }
    }

    pub(super) fn len(&self) -> u64 {
        self.live.len() as u64
    }

    pub(super) fn modified_ns(&self) -> i64 {
        self.modified_ns
    }

    pub(super) fn set_modified(&mut self, modified_ns: i64) {
        self.modified_ns = modified_ns;
    }

    /// Bytes that need no new space.
    pub(super) fn covered(&self) -> u64 {
        self.len().max(self.reserved)
    }

    pub(super) fn reserve(&mut self, len: u64) {
        self.reserved = self.reserved.max(len);
    }

    pub(super) fn read(&self, offset: usize, len: usize) -> &[u8] {
        let start = offset.min(self.live.len());
        let end = start.saturating_add(len).min(self.live.len());
        &self.live[start..end]
    }

    pub(super) fn write(&mut self, offset: usize, bytes: &[u8], now_ns: i64) {
        put(&mut self.live, offset, bytes);
        self.pending.push(Change::Write(offset, bytes.to_vec()));
        self.modified_ns = now_ns;
    }

    pub(super) fn set_len(&mut self, len: usize, now_ns: i64) {
        self.live.resize(len, 0);
        self.pending.push(Change::SetLen(len));
        self.modified_ns = now_ns;
    }

    pub(super) fn sync(&mut self, times_too: bool) {
        for change in self.pending.drain(..) {
            match change {
                Change::Write(offset, bytes) => put(&mut self.durable, offset, &bytes),
                Change::SetLen(len) => self.durable.resize(len, 0),
            }
        }
        if times_too {
            self.durable_modified_ns = self.modified_ns;
        }
    }

    /// Keeps any subset of what is pending, each write torn at sectors.
    pub(super) fn crash(&mut self, random: &mut SmallRng) {
        for change in self.pending.drain(..) {
            match change {
                Change::SetLen(len) => {
                    if random.random() {
                        self.durable.resize(len, 0);
                    }
                }
                Change::Write(offset, bytes) => match random.random_range(0..3) {
                    0 => {}
                    1 => put(&mut self.durable, offset, &bytes),
                    _ => put_torn(&mut self.durable, offset, &bytes, random),
                },
            }
        }
        self.live.clone_from(&self.durable);
        if random.random() {
            self.durable_modified_ns = self.modified_ns;
        }
        self.modified_ns = self.durable_modified_ns;
        self.reserved = 0;
        self.sync_failed = false;
    }
}

fn put_torn(into: &mut Vec<u8>, offset: usize, bytes: &[u8], random: &mut SmallRng) {
    let mut at = 0;
    while at < bytes.len() {
        let to_boundary = SECTOR - (offset + at) % SECTOR;
        let piece = to_boundary.min(bytes.len() - at);
        if random.random() {
            put(into, offset + at, &bytes[at..at + piece]);
        }
        at += piece;
    }
}
