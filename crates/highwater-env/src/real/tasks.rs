//! Real tasks: tokio's, on the runtime that the environment was made with.

use std::collections::BTreeMap;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use futures::FutureExt;
use futures::future::BoxFuture;
use parking_lot::Mutex;
use tokio::runtime::Handle;

use crate::real::hop::spawn_thread;
use crate::tasks::{TaskHandle, Tasks};

/// Tasks and blocking work on one tokio runtime.
pub struct RealTasks {
    handle: Handle,
    census: Arc<TaskCensus>,
}

/// What runs, by name, for operators.
#[derive(Debug, Default)]
pub struct TaskCensus {
    counts: Mutex<BTreeMap<&'static str, TaskCount>>,
}

/// Tasks of one name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TaskCount {
    /// Running now.
    pub running: u64,
    /// Ever started.
    pub started: u64,
}

impl TaskCensus {
    /// Counts by name, ascending.
    pub fn counts(&self) -> Vec<(&'static str, TaskCount)> {
        self.counts.lock().iter().map(|(name, count)| (*name, *count)).collect()
    }

    /// Counts a task until what it gives is dropped.
    fn started(self: &Arc<Self>, name: &'static str) -> Running {
        let mut counts = self.counts.lock();
        let count = counts.entry(name).or_default();
        count.running += 1;
        count.started += 1;
        Running { census: Arc::clone(self), name }
    }
}

/// One task that runs.
struct Running {
    census: Arc<TaskCensus>,
    name: &'static str,
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(count) = self.census.counts.lock().get_mut(self.name) {
            count.running -= 1;
        }
    }
}

impl RealTasks {
    /// Tasks that run on `handle`'s runtime.
    #[must_use]
    pub fn new(handle: Handle) -> Self {
        Self { handle, census: Arc::default() }
    }
}

/// Starts `future` on `handle`.
pub(crate) fn spawn_on(handle: &Handle, name: &'static str, future: BoxFuture<'static, ()>) -> TaskHandle {
    let task = handle.spawn(logged(name, future));
    let abort = task.abort_handle();
    TaskHandle::new(Box::new(move || abort.abort()), Box::pin(task.map(|_ended| ())))
}

/// A panic is logged with the task's name, since nobody may be waiting for its end.
async fn logged(name: &'static str, future: BoxFuture<'static, ()>) {
    if AssertUnwindSafe(future).catch_unwind().await.is_err() {
        tracing::error!(task = name, "task panicked");
    }
}

impl RealTasks {
    /// What runs.
    #[must_use]
    pub fn census(&self) -> Arc<TaskCensus> {
        Arc::clone(&self.census)
    }

    /// Counts `future` while it runs.
    fn counted(&self, name: &'static str, future: BoxFuture<'static, ()>) -> BoxFuture<'static, ()> {
        let running = self.census.started(name);
        Box::pin(async move {
            future.await;
            drop(running);
        })
    }
}

impl Tasks for RealTasks {
    fn spawn(&self, name: &'static str, future: BoxFuture<'static, ()>) -> TaskHandle {
        spawn_on(&self.handle, name, self.counted(name, future))
    }

    fn spawn_for_disk(&self, name: &'static str, future: BoxFuture<'static, ()>) -> TaskHandle {
        let task = logged(name, self.counted(name, future));
        spawn_thread(&self.handle, name, Box::pin(task)).unwrap_or_else(|task| spawn_on(&self.handle, name, task))
    }

    fn blocking(&self, name: &'static str, work: Box<dyn FnOnce() + Send>) -> BoxFuture<'static, ()> {
        let ended = self.handle.spawn_blocking(work);
        Box::pin(async move {
            if let Err(error) = ended.await {
                tracing::error!(task = name, %error, "blocking work did not end normally");
            }
        })
    }
}
