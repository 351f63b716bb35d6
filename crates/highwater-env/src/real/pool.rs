//! Buffers of large direct reads, used again: a fresh one costs a page fault for every 4 KiB.

use std::sync::Arc;

use parking_lot::Mutex;

use crate::disk::{ALIGNMENT, AlignedBuf};

/// Bytes of idle buffers that are kept.
const KEPT_BYTES: usize = 32 << 20;
/// Lengths are rounded up to a part of their power of two: reads of about the same length share buffers,
/// and no buffer is much longer than its bytes.
const CLASSES_PER_POWER: usize = 32;

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
        let capacity = class(len);
        let mut idle = self.idle.lock();
        // The one that was used last is most likely still in a cache of the processor.
        let found = idle.iter().rposition(|buffer| buffer.capacity() == capacity).map(|at| idle.remove(at));
        drop(idle);
        let mut buffer = found.unwrap_or_else(|| AlignedBuf::with_capacity(capacity));
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
    let step = (len.next_power_of_two() / 2 / CLASSES_PER_POWER).max(ALIGNMENT);
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

    fn idle(pool: &ReadPool) -> Vec<usize> {
        pool.idle.lock().iter().map(AlignedBuf::capacity).collect()
    }

    #[test]
    fn reads_of_about_the_same_length_share_a_buffer() {
        let pool = Arc::new(ReadPool::default());
        let first = pool.take((8 << 20) + ALIGNMENT);
        let (address, capacity) = (first.as_ref().as_ptr().addr(), first.buffer.capacity());
        drop(first);
        for len in [(8 << 20) + ALIGNMENT, (8 << 20) + 3 * ALIGNMENT, (8 << 20) + (256 << 10)] {
            let next = pool.take(len);
            assert_eq!((next.as_ref().len(), next.as_ref().as_ptr().addr()), (len, address));
        }
        assert_ne!(pool.take(8 << 20).as_ref().as_ptr().addr(), address, "a shorter class");
        assert_eq!(idle(&pool), [capacity, 8 << 20]);
    }

    #[test]
    fn buffers_that_are_not_wanted_any_more_make_room() {
        let pool = Arc::new(ReadPool::default());
        let short: Vec<_> = (0..8).map(|_| pool.take(4 << 20)).collect();
        drop(short);
        assert_eq!(idle(&pool), [4 << 20; 8]);
        drop(pool.take(16 << 20));
        assert_eq!(idle(&pool), [4 << 20, 4 << 20, 4 << 20, 4 << 20, 16 << 20]);
        drop(pool.take(KEPT_BYTES + 1));
        assert_eq!(idle(&pool).len(), 5, "too long for the pool");
    }

    #[test]
    fn classes_waste_a_thirty_second_at_most() {
        for len in [1, ALIGNMENT, 100_000, 1 << 20, (1 << 20) + 1, 5_000_000, (8 << 20) + 8_192] {
            let capacity = class(len);
            assert!(capacity >= len && capacity.is_multiple_of(ALIGNMENT), "{len}: {capacity}");
            assert!(capacity <= len + (len / CLASSES_PER_POWER).max(ALIGNMENT), "{len}: {capacity}");
        }
    }
}
