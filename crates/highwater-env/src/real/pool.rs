//! Buffers of large direct reads, used again: a fresh one costs a page fault for every 4 KiB.

use std::sync::Arc;

use parking_lot::Mutex;

use crate::disk::AlignedBuf;

/// Bytes of idle buffers that are kept.
const KEPT_BYTES: usize = 32 << 20;
/// A buffer serves a read of at least this part of it, so that small reads do not pin large ones.
const LEAST_SHARE: usize = 2;

/// Idle buffers, shared by all files of a disk.
#[derive(Default)]
pub(super) struct ReadPool {
    idle: Mutex<Vec<AlignedBuf>>,
}

/// A buffer that goes back to its pool.
pub(super) struct Pooled {
    buffer: AlignedBuf,
    pool: Arc<ReadPool>,
}

impl ReadPool {
    /// A buffer of exactly `len` bytes, their content unspecified.
    pub(super) fn take(self: &Arc<Self>, len: usize) -> Pooled {
        let fits = |buffer: &AlignedBuf| buffer.capacity() >= len && buffer.capacity() / LEAST_SHARE <= len;
        let mut idle = self.idle.lock();
        let found = idle.iter().position(fits).map(|at| idle.swap_remove(at));
        drop(idle);
        let mut buffer = found.unwrap_or_else(|| AlignedBuf::with_capacity(len));
        buffer.set_len(len);
        Pooled { buffer, pool: Arc::clone(self) }
    }
}

impl Pooled {
    pub(super) fn as_mut_slice(&mut self) -> &mut [u8] {
        self.buffer.as_mut_slice()
    }

    pub(super) fn truncate(&mut self, len: usize) {
        self.buffer.truncate(len);
    }
}

impl AsRef<[u8]> for Pooled {
    fn as_ref(&self) -> &[u8] {
        self.buffer.as_slice()
    }
}

impl Drop for Pooled {
    fn drop(&mut self) {
        let buffer = std::mem::replace(&mut self.buffer, AlignedBuf::with_capacity(0));
        let mut idle = self.pool.idle.lock();
        let kept: usize = idle.iter().map(AlignedBuf::capacity).sum();
        if kept + buffer.capacity() <= KEPT_BYTES {
            idle.push(buffer);
        }
    }
}
