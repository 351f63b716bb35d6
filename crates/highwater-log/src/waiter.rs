//! Long polls: one waiter per waiting request, woken by any of the partitions that it watches.

use std::sync::atomic::{AtomicBool, Ordering};

use futures::task::AtomicWaker;

/// Wakes one task when anything that it watches moves. It may wake early; the task looks again.
///
/// Partitions hold weak references, so a request that ended leaves nothing behind but a dead entry
/// that the next progress removes.
#[derive(Default)]
pub struct Waiter {
    fired: AtomicBool,
    waker: AtomicWaker,
}

impl Waiter {
    /// Marks progress and wakes the task. Idempotent.
    pub fn wake(&self) {
        if !self.fired.swap(true, Ordering::AcqRel) {
            self.waker.wake();
        }
    }

    /// Waits for progress since creation. One task at a time; for the next wait make another.
    pub async fn woken(&self) {
        std::future::poll_fn(|context| {
            if self.fired.load(Ordering::Acquire) {
                return std::task::Poll::Ready(());
            }
            self.waker.register(context.waker());
            if self.fired.load(Ordering::Acquire) { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
        })
        .await;
    }
}
