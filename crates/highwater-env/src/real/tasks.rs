//! Real tasks: tokio's, on the runtime that the environment was made with.

use std::panic::AssertUnwindSafe;

use futures::FutureExt;
use futures::future::BoxFuture;
use tokio::runtime::Handle;

use crate::tasks::{TaskHandle, Tasks};

/// Tasks and blocking work on one tokio runtime.
pub struct RealTasks {
    handle: Handle,
}

impl RealTasks {
    /// Tasks that run on `handle`'s runtime.
    #[must_use]
    pub fn new(handle: Handle) -> Self {
        Self { handle }
    }
}

/// Starts `future` on `handle`; a panic is logged with the task's name, since nobody may be
/// waiting for its end.
pub(crate) fn spawn_on(handle: &Handle, name: &'static str, future: BoxFuture<'static, ()>) -> TaskHandle {
    let task = handle.spawn(async move {
        if AssertUnwindSafe(future).catch_unwind().await.is_err() {
            tracing::error!(task = name, "task panicked");
        }
    });
    let abort = task.abort_handle();
    TaskHandle::new(Box::new(move || abort.abort()), Box::pin(task.map(|_ended| ())))
}

impl Tasks for RealTasks {
    fn spawn(&self, name: &'static str, future: BoxFuture<'static, ()>) -> TaskHandle {
        spawn_on(&self.handle, name, future)
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
