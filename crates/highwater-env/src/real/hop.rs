//! Where blocking calls run: on tokio's blocking threads, or at once on a thread that may block.

use std::cell::Cell;
use std::thread;

use futures::FutureExt;
use futures::future::{AbortHandle, Abortable, BoxFuture};
use tokio::runtime::Handle;
use tokio::sync::oneshot;
use tokio::task::JoinError;

use crate::tasks::TaskHandle;

thread_local! {
    /// This thread runs one task and nothing else.
    static MAY_BLOCK: Cell<bool> = const { Cell::new(false) };
}

/// Whether the task that asks is alone on its thread.
pub(super) fn may_block() -> bool {
    MAY_BLOCK.get()
}

/// Runs blocking work; on `handle`'s pool where others would wait for it.
///
/// # Errors
/// The runtime is shutting down, or the work panicked.
pub(super) async fn hop<T: Send + 'static>(
    handle: &Handle,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, JoinError> {
    if may_block() { Ok(work()) } else { handle.spawn_blocking(work).await }
}

/// Runs `future` on a thread of its own, on which [`hop`] is none. Gives it back if there is no thread.
pub(super) fn spawn_thread(
    handle: &Handle,
    name: &'static str,
    future: BoxFuture<'static, ()>,
) -> Result<TaskHandle, BoxFuture<'static, ()>> {
    // The thread gets the future when it is there: what a failed start was given is lost.
    let (give, given) = oneshot::channel::<BoxFuture<'static, ()>>();
    let (ends, ended) = oneshot::channel::<()>();
    let (abort, registration) = AbortHandle::new_pair();
    let handle = handle.clone();
    let run = move || {
        MAY_BLOCK.set(true);
        if let Ok(future) = given.blocking_recv() {
            // An abort is one of the ways to end.
            let _ = handle.block_on(Abortable::new(future, registration));
        }
        drop(ends);
    };
    match thread::Builder::new().name(name.to_owned()).spawn(run) {
        Ok(_detached) => {
            // The thread waits for it.
            drop(give.send(future));
            Ok(TaskHandle::new(Box::new(move || abort.abort()), Box::pin(ended.map(|_ended| ()))))
        }
        Err(error) => {
            tracing::warn!(task = name, %error, "no thread for a task, it goes on without");
            Err(future)
        }
    }
}
