//! The limit on unflushed bytes: at it, producers wait.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::Notify;

/// Counts the bytes that are in memory because the bucket does not have them yet.
///
/// A batch is admitted while the count is below the limit, so the overshoot is at most the
/// requests in flight, which have a budget of their own.
pub struct Room {
    used: AtomicUsize,
    limit: usize,
    freed: Notify,
}

/// Unflushed bytes that go off the account when this is dropped, however that comes about.
pub struct Held {
    room: Arc<Room>,
    bytes: usize,
}

impl Held {
    /// Takes charge of bytes that are on the account already.
    pub fn new(room: &Arc<Room>, bytes: usize) -> Self {
        Self { room: Arc::clone(room), bytes }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.room.release(self.bytes);
    }
}

impl Room {
    pub fn new(limit: usize) -> Self {
        Self { used: AtomicUsize::new(0), limit, freed: Notify::new() }
    }

    /// Counts `bytes`, or refuses at the limit.
    pub fn charge(&self, bytes: usize) -> bool {
        if self.used.load(Ordering::Acquire) >= self.limit {
            return false;
        }
        self.used.fetch_add(bytes, Ordering::AcqRel);
        true
    }

    /// Counts `bytes` even beyond the limit: recovery, and coordinators that must not stop.
    pub fn force(&self, bytes: usize) {
        self.used.fetch_add(bytes, Ordering::AcqRel);
    }

    /// The bucket has them now, or nobody will.
    pub fn release(&self, bytes: usize) {
        let before = self.used.fetch_sub(bytes, Ordering::AcqRel);
        debug_assert!(before >= bytes, "released more than was charged");
        if before - bytes.min(before) < self.limit {
            self.freed.notify_waiters();
        }
    }

    /// Bytes counted now.
    pub fn used(&self) -> usize {
        self.used.load(Ordering::Acquire)
    }

    /// Waits until a charge would be accepted. Another may take the room first: try again then.
    pub async fn available(&self) {
        loop {
            let freed = self.freed.notified();
            futures::pin_mut!(freed);
            freed.as_mut().enable();
            if self.used() < self.limit {
                return;
            }
            freed.await;
        }
    }
}
