//! Records that are to be deleted: who asked, until the manifest's edit that says so is durable.

use highwater_types::{Offset, TopicPartition};
use parking_lot::Mutex;
use tokio::sync::{Notify, oneshot};

use crate::manifest::{LogStart, Manifest};

/// Somebody waits until the records below an offset are deleted for good.
pub struct Ask {
    start: LogStart,
    done: oneshot::Sender<()>,
}

/// What was asked of one shard and is not begun.
#[derive(Default)]
pub struct LogStarts {
    asks: Mutex<Vec<Ask>>,
    /// Something was asked, here or of [`super::compactions`], or deleted topics are due to be said.
    pub asked: Notify,
}

/// What one edit deletes, and who waits for it. Dropped, it tells them that it did not come to be.
#[derive(Default)]
pub struct Begun {
    pub starts: Vec<LogStart>,
    waiting: Vec<oneshot::Sender<()>>,
}

impl LogStarts {
    /// Asks to delete what lies below `offset`. The answer comes when that is durable, or an error
    /// when it will not be by this leader; none at all if the topic is deleted first, so bound the wait.
    pub fn ask(&self, tp: TopicPartition, offset: Offset) -> oneshot::Receiver<()> {
        let (done, answer) = oneshot::channel();
        self.asks.lock().push(Ask { start: LogStart { tp, offset }, done });
        self.asked.notify_one();
        answer
    }

    /// Takes what can be said now: the bucket has what lies below. Who no longer waits is dropped,
    /// and so is who asks of a partition that is not there any more.
    pub fn begin(&self, manifest: &Manifest) -> Begun {
        let mut begun = Begun::default();
        let mut asks = self.asks.lock();
        for ask in std::mem::take(&mut *asks) {
            match manifest.partitions.get(&ask.start.tp) {
                _ if ask.done.is_closed() => {}
                Some(partition) if partition.log_end < ask.start.offset => asks.push(ask),
                Some(_) => {
                    begun.starts.push(ask.start);
                    begun.waiting.push(ask.done);
                }
                // Nothing of it was flushed yet, or it was deleted: its handle finds out.
                None => asks.push(ask),
            }
        }
        drop(asks);
        begun
    }

    /// Whether [`LogStarts::begin`] would find something.
    pub fn is_ready(&self, manifest: &Manifest) -> bool {
        let flushed = |ask: &Ask| {
            let partition = manifest.partitions.get(&ask.start.tp);
            partition.is_some_and(|partition| partition.log_end >= ask.start.offset)
        };
        self.asks.lock().iter().any(flushed)
    }

    /// Leadership is lost: whoever waits is told.
    pub fn forget(&self) {
        self.asks.lock().clear();
    }
}

impl Begun {
    /// It is durable.
    pub fn done(self) {
        for waiting in self.waiting {
            // Who gave up waiting needs no answer.
            let _ = waiting.send(());
        }
    }
}
