//! Tasks: spawning, and blocking work.

use futures::future::BoxFuture;

/// Stops a task on demand and waits for its end. Dropping it detaches the task.
pub struct TaskHandle {
    pub(crate) abort: Box<dyn Fn() + Send + Sync>,
    pub(crate) ended: BoxFuture<'static, ()>,
}

impl TaskHandle {
    /// A handle from its two parts, for implementations of [`Tasks`].
    pub fn new(abort: Box<dyn Fn() + Send + Sync>, ended: BoxFuture<'static, ()>) -> Self {
        Self { abort, ended }
    }

    /// Asks the task to stop at its next await. Idempotent.
    pub fn abort(&self) {
        (self.abort)();
    }

    /// Waits until the task has ended, normally, by abort or by panic.
    pub async fn ended(self) {
        self.ended.await;
    }
}

/// Starts tasks.
pub trait Tasks: Send + Sync + 'static {
    /// Runs `future` concurrently. `name` shows in logs and in simulation traces.
    fn spawn(&self, name: &'static str, future: BoxFuture<'static, ()>) -> TaskHandle;
    /// As [`Tasks::spawn`], for a task that waits for the disk and little else: where there are threads
    /// it gets one of its own, on which the disk's calls block instead of going to another thread
    /// and back.
    fn spawn_for_disk(&self, name: &'static str, future: BoxFuture<'static, ()>) -> TaskHandle {
        self.spawn(name, future)
    }
    /// Runs `work` where blocking is allowed; completes with it. If the returned future is dropped
    /// the work still runs to its end.
    fn blocking(&self, name: &'static str, work: Box<dyn FnOnce() + Send>) -> BoxFuture<'static, ()>;
}
