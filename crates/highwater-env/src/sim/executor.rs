//! A seeded executor: tasks of nodes, one poll a step, the next task drawn by the seed.
//!
//! A *node* is a process: it can be killed (its tasks are dropped where they stand) and paused (time
//! goes on, its tasks are not polled). When nothing can run, time jumps to the next deadline. The same
//! seed and the same calls give the same steps, which [`SimExecutor::trace`] sums up.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use futures::channel::oneshot;
use futures::future::BoxFuture;
use futures::task::{ArcWake, waker_ref};
use parking_lot::Mutex;
use rand::rngs::SmallRng;
use rand::{RngCore, SeedableRng};

use crate::clock::{Clock, Instant};
use crate::sim::clock::SimClock;
use crate::tasks::{TaskHandle, Tasks};

/// Steps that are remembered for a report.
const REMEMBERED: usize = 64;
/// FNV-1a's start and prime, 64 bits.
const HASH_START: u64 = 0xcbf2_9ce4_8422_2325;
const HASH_PRIME: u64 = 0x0100_0000_01b3;

/// A process of the simulation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId(usize);

/// One step of a history.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    /// Which one, from 1.
    pub number: u64,
    /// When.
    pub at: Instant,
    /// Whose task was polled.
    pub node: NodeId,
    /// Which task, in the order of their starts.
    pub task: u64,
    /// Its name.
    pub name: &'static str,
}

/// See the module. A cheap handle.
#[derive(Clone)]
pub struct SimExecutor {
    queue: Arc<Mutex<Queue>>,
    clock: Arc<SimClock>,
}

struct Queue {
    random: SmallRng,
    slots: Vec<Slot>,
    free: Vec<usize>,
    /// Slots to be polled, of nodes that run.
    ready: Vec<(usize, u64)>,
    nodes: Vec<Node>,
    tasks: u64,
    steps: u64,
    hash: u64,
    recent: VecDeque<Step>,
    observer: Option<fn(&Step)>,
}

#[derive(Default)]
struct Node {
    dead: bool,
    paused: bool,
    /// Ready while the node was paused.
    parked: Vec<(usize, u64)>,
}

/// A place for a task; empty ones are used again.
struct Slot {
    task: u64,
    node: NodeId,
    name: &'static str,
    future: Option<BoxFuture<'static, ()>>,
    waker: Option<Arc<TaskWaker>>,
    aborted: bool,
    /// Dropped at the task's end.
    ended: Option<oneshot::Sender<()>>,
}

struct TaskWaker {
    queue: Arc<Mutex<Queue>>,
    slot: usize,
    task: u64,
    node: NodeId,
    scheduled: AtomicBool,
}

impl ArcWake for TaskWaker {
    fn wake_by_ref(this: &Arc<Self>) {
        if !this.scheduled.swap(true, Ordering::AcqRel) {
            this.queue.lock().schedule(this.slot, this.task, this.node);
        }
    }
}

/// What a task leaves behind; dropped without the queue's lock, since that runs its destructors.
struct Remains {
    _future: Option<BoxFuture<'static, ()>>,
    _ended: Option<oneshot::Sender<()>>,
}

impl Queue {
    fn schedule(&mut self, slot: usize, task: u64, node: NodeId) {
        let Some(process) = self.nodes.get_mut(node.0) else { return };
        if process.dead {
            return;
        }
        let queue = if process.paused { &mut process.parked } else { &mut self.ready };
        queue.push((slot, task));
    }

    fn draw(&mut self, bound: usize) -> usize {
        let bound = bound as u128;
        usize::try_from((u128::from(self.random.next_u64()) * bound) >> 64).unwrap_or(0)
    }

    fn mix(&mut self, word: u64) {
        self.hash = (self.hash ^ word).wrapping_mul(HASH_PRIME);
        self.hash ^= self.hash >> 29;
    }

    fn clear(&mut self, slot: usize) -> Remains {
        let place = &mut self.slots[slot];
        place.task = 0;
        place.waker = None;
        self.free.push(slot);
        Remains { _future: place.future.take(), _ended: place.ended.take() }
    }
}

impl SimExecutor {
    /// An executor without nodes; time is `clock`'s, which must be a manual one.
    #[must_use]
    pub fn new(seed: u64, clock: Arc<SimClock>) -> Self {
        let queue = Queue {
            random: SmallRng::seed_from_u64(seed),
            slots: Vec::new(),
            free: Vec::new(),
            ready: Vec::new(),
            nodes: Vec::new(),
            tasks: 0,
            steps: 0,
            hash: HASH_START,
            recent: VecDeque::with_capacity(REMEMBERED),
            observer: None,
        };
        Self { queue: Arc::new(Mutex::new(queue)), clock }
    }

    /// A new process, running.
    #[must_use]
    pub fn node(&self) -> NodeId {
        let mut queue = self.queue.lock();
        queue.nodes.push(Node::default());
        NodeId(queue.nodes.len() - 1)
    }

    /// The tasks of a process, for its [`crate::Env`].
    #[must_use]
    pub fn tasks(&self, node: NodeId) -> Arc<dyn Tasks> {
        Arc::new(NodeTasks { executor: self.clone(), node })
    }

    /// Ends a process: its tasks are dropped, oldest place first. Must not be called by one of them.
    pub fn kill(&self, node: NodeId) {
        let remains: Vec<Remains> = {
            let mut queue = self.queue.lock();
            if let Some(process) = queue.nodes.get_mut(node.0) {
                process.dead = true;
                process.parked.clear();
            }
            let theirs = |slot: &Slot| slot.task != 0 && slot.node == node;
            let slots: Vec<usize> =
                queue.slots.iter().enumerate().filter(|(_, slot)| theirs(slot)).map(|(at, _)| at).collect();
            slots.into_iter().map(|slot| queue.clear(slot)).collect()
        };
        drop(remains);
    }

    /// Stops polling a process's tasks (SIGSTOP).
    pub fn pause(&self, node: NodeId) {
        if let Some(process) = self.queue.lock().nodes.get_mut(node.0) {
            process.paused = true;
        }
    }

    /// Goes on with a process (SIGCONT).
    pub fn resume(&self, node: NodeId) {
        let mut queue = self.queue.lock();
        if let Some(process) = queue.nodes.get_mut(node.0) {
            process.paused = false;
            let parked = std::mem::take(&mut process.parked);
            queue.ready.extend(parked);
        }
    }

    /// Starts a task of a node; of a dead one it is dropped.
    pub fn spawn(&self, node: NodeId, name: &'static str, future: BoxFuture<'static, ()>) -> TaskHandle {
        let (sender, receiver) = oneshot::channel();
        let ended = Box::pin(async move {
            // The sender only ever goes away.
            let _ = receiver.await;
        });
        let mut queue = self.queue.lock();
        if queue.nodes.get(node.0).is_none_or(|process| process.dead) {
            drop(queue);
            drop((future, sender));
            return TaskHandle::new(Box::new(|| {}), ended);
        }
        queue.tasks += 1;
        let task = queue.tasks;
        let at = queue.free.pop().unwrap_or(queue.slots.len());
        let scheduled = AtomicBool::new(true);
        let waker = Arc::new(TaskWaker { queue: Arc::clone(&self.queue), slot: at, task, node, scheduled });
        let slot = Slot {
            task,
            node,
            name,
            future: Some(future),
            waker: Some(Arc::clone(&waker)),
            aborted: false,
            ended: Some(sender),
        };
        if at == queue.slots.len() {
            queue.slots.push(slot);
        } else {
            queue.slots[at] = slot;
        }
        queue.schedule(at, task, node);
        drop(queue);
        let shared = Arc::clone(&self.queue);
        let abort = move || {
            let known = {
                let mut queue = shared.lock();
                let slot = queue.slots.get_mut(at).filter(|slot| slot.task == task);
                slot.map(|slot| slot.aborted = true).is_some()
            };
            if known {
                TaskWaker::wake_by_ref(&waker);
            }
        };
        TaskHandle::new(Box::new(abort), ended)
    }

    /// Polls one task; `false` when none can run.
    pub fn step(&self) -> bool {
        let mut queue = self.queue.lock();
        let (at, mut future, waker) = loop {
            if queue.ready.is_empty() {
                return false;
            }
            let bound = queue.ready.len();
            let drawn = queue.draw(bound);
            let (at, task) = queue.ready.swap_remove(drawn);
            let node = queue.slots[at].node;
            if queue.slots[at].task != task {
                continue;
            }
            if queue.nodes[node.0].paused {
                queue.nodes[node.0].parked.push((at, task));
                continue;
            }
            if queue.slots[at].aborted {
                let remains = queue.clear(at);
                drop(queue);
                drop(remains);
                return true;
            }
            let slot = &mut queue.slots[at];
            if let (Some(future), Some(waker)) = (slot.future.take(), slot.waker.clone()) {
                break (at, future, waker);
            }
        };
        let (node, task, name) = (queue.slots[at].node, queue.slots[at].task, queue.slots[at].name);
        queue.steps += 1;
        let step = Step { number: queue.steps, at: self.clock.now(), node, task, name };
        queue.mix(step.at.0);
        queue.mix(task);
        if queue.recent.len() == REMEMBERED {
            queue.recent.pop_front();
        }
        queue.recent.push_back(step);
        let observer = queue.observer;
        drop(queue);
        if let Some(observer) = observer {
            observer(&step);
        }
        waker.scheduled.store(false, Ordering::Release);
        let polled = future.as_mut().poll(&mut Context::from_waker(&waker_ref(&waker)));
        let mut queue = self.queue.lock();
        match polled {
            Poll::Ready(()) => {
                let remains = queue.clear(at);
                drop(queue);
                drop((future, remains));
            }
            Poll::Pending => queue.slots[at].future = Some(future),
        }
        true
    }

    /// Runs until `end`, or for `steps`; gives the steps done. Time reaches `end` unless steps ran out,
    /// or `go_on` said no.
    pub fn run_until(&self, end: Instant, steps: u64, mut go_on: impl FnMut() -> bool) -> u64 {
        let mut done = 0;
        while done < steps && go_on() {
            if self.step() {
                done += 1;
                continue;
            }
            let now = self.clock.now();
            let next = self.clock.next_deadline().unwrap_or(end).min(end);
            if now >= end {
                break;
            }
            self.clock.suspend(next.since(now).max(Duration::from_nanos(1)));
        }
        done
    }

    /// Takes something into the trace that was decided outside.
    pub fn note(&self, words: &[u64]) {
        let mut queue = self.queue.lock();
        words.iter().for_each(|word| queue.mix(*word));
    }

    /// Sum of all steps and notes so far.
    #[must_use]
    pub fn trace(&self) -> u64 {
        self.queue.lock().hash
    }

    /// Steps so far.
    #[must_use]
    pub fn steps(&self) -> u64 {
        self.queue.lock().steps
    }

    /// The last steps, oldest first.
    #[must_use]
    pub fn recent(&self) -> Vec<Step> {
        self.queue.lock().recent.iter().copied().collect()
    }

    /// Has each step told before it is done.
    pub fn observe(&self, observer: fn(&Step)) {
        self.queue.lock().observer = Some(observer);
    }

    /// Ends every process, so that nothing refers to the executor any more.
    pub fn close(&self) {
        let nodes = self.queue.lock().nodes.len();
        (0..nodes).for_each(|node| self.kill(NodeId(node)));
    }
}

struct NodeTasks {
    executor: SimExecutor,
    node: NodeId,
}

impl Tasks for NodeTasks {
    fn spawn(&self, name: &'static str, future: BoxFuture<'static, ()>) -> TaskHandle {
        self.executor.spawn(self.node, name, future)
    }

    fn blocking(&self, name: &'static str, work: Box<dyn FnOnce() + Send>) -> BoxFuture<'static, ()> {
        Box::pin(self.spawn(name, Box::pin(async move { work() })).ended())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicU64;

    use super::*;
    use crate::sim::SimClock;

    fn ticker(executor: &SimExecutor, clock: &Arc<SimClock>, node: NodeId) -> Arc<AtomicU64> {
        let ticks = Arc::new(AtomicU64::new(0));
        let (seen, clock) = (Arc::clone(&ticks), Arc::clone(clock));
        executor.spawn(
            node,
            "ticker",
            Box::pin(async move {
                loop {
                    clock.sleep_until(clock.now() + Duration::from_secs(1)).await;
                    seen.fetch_add(1, Ordering::Relaxed);
                }
            }),
        );
        ticks
    }

    #[test]
    fn a_killed_node_ends_a_paused_one_waits_and_time_goes_on() {
        let clock = Arc::new(SimClock::manual());
        let executor = SimExecutor::new(1, Arc::clone(&clock));
        let (first, second) = (executor.node(), executor.node());
        let (a, b) = (ticker(&executor, &clock, first), ticker(&executor, &clock, second));
        let run = |seconds| executor.run_until(clock.now() + Duration::from_secs(seconds), u64::MAX, || true);
        run(10);
        assert_eq!((a.load(Ordering::Relaxed), b.load(Ordering::Relaxed)), (10, 10));
        executor.pause(first);
        executor.kill(second);
        run(10);
        assert_eq!((a.load(Ordering::Relaxed), b.load(Ordering::Relaxed)), (10, 10));
        executor.resume(first);
        run(5);
        assert_eq!((a.load(Ordering::Relaxed), b.load(Ordering::Relaxed)), (16, 10));
        executor.close();
        assert_eq!(Arc::strong_count(&a), 1);
    }

    #[test]
    fn an_aborted_task_ends_and_the_trace_follows_from_the_seed() {
        let history = |seed| {
            let clock = Arc::new(SimClock::manual());
            let executor = SimExecutor::new(seed, Arc::clone(&clock));
            let node = executor.node();
            for _ in 0..10 {
                ticker(&executor, &clock, node);
            }
            let handle = executor.spawn(node, "endless", Box::pin(std::future::pending()));
            handle.abort();
            let ended = Arc::new(AtomicU64::new(0));
            let seen = Arc::clone(&ended);
            executor.spawn(
                node,
                "waits",
                Box::pin(async move {
                    handle.ended().await;
                    seen.fetch_add(1, Ordering::Relaxed);
                }),
            );
            executor.run_until(clock.now() + Duration::from_secs(5), u64::MAX, || true);
            assert_eq!(ended.load(Ordering::Relaxed), 1);
            let trace = executor.trace();
            executor.close();
            trace
        };
        assert_eq!(history(7), history(7));
        assert_ne!(history(7), history(8));
    }
}
