//! A value that tasks can wait on.
//!
//! As tokio's channel of this name, which a simulation cannot use: it wakes its receivers in an order drawn
//! from a random number of the thread. Here they are woken in the order in which they began to wait.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use parking_lot::Mutex;

/// Every sender is gone, and the value is not what was waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("nobody changes the value any more")]
pub struct Closed;

/// Changes the value.
#[derive(Debug)]
pub struct Sender<T> {
    shared: Arc<Shared<T>>,
}

/// Sees the value; each receiver notes which version it has seen. Cheap to clone.
#[derive(Debug)]
pub struct Receiver<T> {
    shared: Arc<Shared<T>>,
    seen: u64,
}

#[derive(Debug)]
struct Shared<T> {
    state: Mutex<State<T>>,
}

#[derive(Debug)]
struct State<T> {
    value: T,
    /// Rises with each change.
    version: u64,
    closed: bool,
    waiting: Vec<(u64, Waker)>,
    next_waiter: u64,
}

/// A value and its first receiver, which has seen it.
pub fn channel<T>(value: T) -> (Sender<T>, Receiver<T>) {
    let sender = Sender::new(value);
    let receiver = sender.subscribe();
    (sender, receiver)
}

impl<T> Sender<T> {
    /// A value that nobody waits on yet.
    pub fn new(value: T) -> Self {
        let state = State { value, version: 0, closed: false, waiting: Vec::new(), next_waiter: 0 };
        Self { shared: Arc::new(Shared { state: Mutex::new(state) }) }
    }

    /// Another receiver, which has seen the present value.
    pub fn subscribe(&self) -> Receiver<T> {
        let seen = self.shared.state.lock().version;
        Receiver { shared: Arc::clone(&self.shared), seen }
    }

    /// Sets the value and wakes who waits.
    pub fn send(&self, value: T) {
        self.send_if_modified(|present| {
            *present = value;
            true
        });
    }

    /// Wakes who waits if `modify` says that it changed the value; gives what it says.
    pub fn send_if_modified(&self, modify: impl FnOnce(&mut T) -> bool) -> bool {
        let waiting = {
            let mut state = self.shared.state.lock();
            if !modify(&mut state.value) {
                return false;
            }
            state.version += 1;
            std::mem::take(&mut state.waiting)
        };
        waiting.into_iter().for_each(|(_, waker)| waker.wake());
        true
    }

    /// Looks at the value. `look` must not use the channel.
    pub fn look<R>(&self, look: impl FnOnce(&T) -> R) -> R {
        look(&self.shared.state.lock().value)
    }
}

impl<T> Drop for Sender<T> {
    fn drop(&mut self) {
        let waiting = {
            let mut state = self.shared.state.lock();
            state.closed = true;
            std::mem::take(&mut state.waiting)
        };
        waiting.into_iter().for_each(|(_, waker)| waker.wake());
    }
}

impl<T> Clone for Receiver<T> {
    fn clone(&self) -> Self {
        Self { shared: Arc::clone(&self.shared), seen: self.seen }
    }
}

impl<T> Receiver<T> {
    /// Looks at the value, which does not count as seen. `look` must not use the channel.
    pub fn look<R>(&self, look: impl FnOnce(&T) -> R) -> R {
        look(&self.shared.state.lock().value)
    }

    /// Waits for a version that this receiver has not seen, and counts it as seen. May be cancelled.
    ///
    /// # Errors
    /// [`Closed`] when no such version can come.
    pub async fn changed(&mut self) -> Result<(), Closed> {
        let seen = self.seen;
        let version =
            Wait::new(&self.shared, |state: &State<T>| (state.version != seen).then_some(state.version)).await?;
        self.seen = version;
        Ok(())
    }

    /// Waits until `holds` of the value, and gives a copy of it. May be cancelled.
    ///
    /// # Errors
    /// [`Closed`] when it can no longer come to hold.
    pub async fn wait_for(&mut self, mut holds: impl FnMut(&T) -> bool) -> Result<T, Closed>
    where
        T: Clone,
    {
        let found = |state: &State<T>| holds(&state.value).then(|| (state.value.clone(), state.version));
        let (value, version) = Wait::new(&self.shared, found).await?;
        self.seen = version;
        Ok(value)
    }
}

/// Waits until `found` gives something.
struct Wait<'a, T, F> {
    shared: &'a Shared<T>,
    found: F,
    key: Option<u64>,
}

impl<'a, T, R, F: FnMut(&State<T>) -> Option<R>> Wait<'a, T, F> {
    const fn new(shared: &'a Shared<T>, found: F) -> Self {
        Self { shared, found, key: None }
    }
}

impl<T, R, F: FnMut(&State<T>) -> Option<R> + Unpin> Future for Wait<'_, T, F> {
    type Output = Result<R, Closed>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        let mut state = this.shared.state.lock();
        if let Some(found) = (this.found)(&state) {
            return Poll::Ready(Ok(found));
        }
        if state.closed {
            return Poll::Ready(Err(Closed));
        }
        let key = *this.key.get_or_insert_with(|| {
            state.next_waiter += 1;
            state.next_waiter
        });
        match state.waiting.iter_mut().find(|(waiter, _)| *waiter == key) {
            Some((_, waker)) => waker.clone_from(context.waker()),
            None => state.waiting.push((key, context.waker().clone())),
        }
        Poll::Pending
    }
}

impl<T, F> Drop for Wait<'_, T, F> {
    fn drop(&mut self) {
        if let Some(key) = self.key {
            self.shared.state.lock().waiting.retain(|(waiter, _)| *waiter != key);
        }
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;

    #[test]
    fn each_receiver_sees_a_change_once_and_the_end() {
        let (sender, mut first) = channel(1);
        let mut second = first.clone();
        assert_eq!(first.changed().now_or_never(), None);
        sender.send(2);
        assert_eq!(first.changed().now_or_never(), Some(Ok(())));
        assert_eq!(first.changed().now_or_never(), None);
        assert_eq!(second.changed().now_or_never(), Some(Ok(())));
        assert!(!sender.send_if_modified(|_| false));
        assert_eq!(second.changed().now_or_never(), None);
        assert_eq!(second.look(|value| *value), 2);
        drop(sender);
        assert_eq!(first.changed().now_or_never(), Some(Err(Closed)));
        assert_eq!(second.wait_for(|value| *value == 2).now_or_never(), Some(Ok(2)));
    }

    #[test]
    fn who_waits_is_woken_and_who_gave_up_is_forgotten() {
        let sender = Sender::new(false);
        let mut receiver = sender.subscribe();
        let mut other = sender.subscribe();
        let mut waiting = Box::pin(receiver.wait_for(|value| *value));
        let (waker, woken) = futures_counter();
        assert!(waiting.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
        assert_eq!(other.changed().now_or_never(), None);
        assert_eq!(sender.shared.state.lock().waiting.len(), 1);
        sender.send(true);
        assert_eq!(woken.0.load(std::sync::atomic::Ordering::Relaxed), 1);
        assert_eq!(waiting.now_or_never(), Some(Ok(true)));
    }

    #[derive(Default)]
    struct Count(std::sync::atomic::AtomicUsize);

    impl futures::task::ArcWake for Count {
        fn wake_by_ref(this: &Arc<Self>) {
            this.0.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        }
    }

    fn futures_counter() -> (Waker, Arc<Count>) {
        let count = Arc::new(Count::default());
        (futures::task::waker(Arc::clone(&count)), count)
    }
}
