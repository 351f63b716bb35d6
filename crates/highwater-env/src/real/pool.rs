//! Buffers of direct reads, and of files that are written whole, used again: a fresh one costs a page fault for
//! every 4 KiB, or the zeroing of a huge page.

use std::sync::Arc;

use parking_lot::Mutex;

use crate::aligned::HUGE_PAGE_BYTES;
use crate::disk::{ALIGNMENT, AlignedBuf};

/// Bytes of idle buffers that are kept.
const KEPT_BYTES: usize = 32 << 20;
/// Capacities are rounded up to a part of their power of two, so that reads of about the same length share
/// buffers. Pages that no read comes to take no memory.
const CLASSES_PER_POWER: usize = 4;

/// Idle buffers, shared by all files of a disk.
#[derive(Default)]
pub(super) struct BufferPool {
    idle: Mutex<Vec<AlignedBuf>>,
}

/// A buffer that goes back to its pool.
pub(super) struct Pooled {
    buffer: AlignedBuf,
    pool: Arc<BufferPool>,
}

impl BufferPool {
    /// A buffer of exactly `len` bytes, their content unspecified.
    pub(super) fn take(self: &Arc<Self>, len: usize) -> Pooled {
        let capacity = class(len);
        let mut idle = self.idle.lock();
        // The one that was used last is most likely still in a cache of the processor.
        let found = idle.iter().rposition(|buffer| buffer.capacity() == capacity).map(|at| idle.remove(at));
        drop(idle);
        let mut buffer = found.unwrap_or_else(|| AlignedBuf::with_capacity(capacity));
        debug_assert_eq!(buffer.capacity(), capacity, "found again by it");
        buffer.set_len(len);
        Pooled { buffer, pool: Arc::clone(self) }
    }

    /// Keeps a buffer for the next read, and in turn lets go of those that nobody wanted for longest.
    fn give_back(&self, buffer: AlignedBuf) {
        if buffer.capacity() > KEPT_BYTES {
            return;
        }
        let mut idle = self.idle.lock();
        idle.push(buffer);
        let mut kept: usize = idle.iter().map(AlignedBuf::capacity).sum();
        let unwanted = idle.iter().take_while(|oldest| {
            let beyond = kept > KEPT_BYTES;
            kept -= oldest.capacity();
            beyond
        });
        let unwanted = unwanted.count();
        let unwanted: Vec<_> = idle.drain(..unwanted).collect();
        drop(idle);
        drop(unwanted);
    }
}

/// The capacity of the buffers that serve reads of this length.
fn class(len: usize) -> usize {
    // As buffers are made: of pages, or of huge pages.
    let least = if len >= HUGE_PAGE_BYTES { HUGE_PAGE_BYTES } else { ALIGNMENT };
    let step = (len.next_power_of_two() / 2 / CLASSES_PER_POWER).max(least);
    len.next_multiple_of(step)
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
        self.pool.give_back(buffer);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn idle(pool: &BufferPool) -> Vec<usize> {
        pool.idle.lock().iter().map(AlignedBuf::capacity).collect()
    }

    #[test]
    fn reads_of_about_the_same_length_share_a_buffer() {
        let pool = Arc::new(BufferPool::default());
        let first = pool.take(8 << 20);
        let (address, capacity) = (first.as_ref().as_ptr().addr(), first.buffer.capacity());
        drop(first);
        for len in [8 << 20, (8 << 20) - 3 * ALIGNMENT, 7 << 20] {
            let next = pool.take(len);
            assert_eq!((next.as_ref().len(), next.as_ref().as_ptr().addr()), (len, address));
        }
        assert_ne!(pool.take((8 << 20) + 1).as_ref().as_ptr().addr(), address, "too long for it");
        assert_ne!(pool.take(6 << 20).as_ref().as_ptr().addr(), address, "would waste it");
        assert_eq!(idle(&pool), [capacity, 10 << 20, 6 << 20]);
    }

    #[test]
    fn buffers_that_are_not_wanted_any_more_make_room() {
        let pool = Arc::new(BufferPool::default());
        let short: Vec<_> = (0..8).map(|_| pool.take(4 << 20)).collect();
        drop(short);
        assert_eq!(idle(&pool), [4 << 20; 8]);
        drop(pool.take(16 << 20));
        assert_eq!(idle(&pool), [4 << 20, 4 << 20, 4 << 20, 4 << 20, 16 << 20]);
        drop(pool.take(KEPT_BYTES + 1));
        assert_eq!(idle(&pool).len(), 5, "too long for the pool");
    }
}
