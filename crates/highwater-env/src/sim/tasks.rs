//! Tasks on the current tokio runtime; blocking work runs as a task, not on a thread, so that on a
//! current-thread runtime the order of everything follows from the seed.

use futures::future::BoxFuture;
use tokio::runtime::Handle;

use crate::real::tasks::spawn_on;
use crate::tasks::{TaskHandle, Tasks};

/// Tasks without threads. Must be used inside a tokio runtime.
pub struct SimTasks;

impl Tasks for SimTasks {
    fn spawn(&self, name: &'static str, future: BoxFuture<'static, ()>) -> TaskHandle {
        spawn_on(&Handle::current(), name, future)
    }

    fn blocking(&self, name: &'static str, work: Box<dyn FnOnce() + Send>) -> BoxFuture<'static, ()> {
        let handle = self.spawn(name, Box::pin(async move { work() }));
        Box::pin(handle.ended())
    }
}
