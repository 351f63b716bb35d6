//! Offsets that a damaged write-ahead log leaves out: asked by the replay, until the manifest's edit that says
//! so is durable. Before that no record may be put behind them.

use parking_lot::Mutex;
use tokio::sync::oneshot;

use crate::manifest::Start;

/// What was asked of one shard: by its replay, which asks once at a time.
#[derive(Default)]
pub struct Gaps {
    asked: Mutex<Option<(Vec<Start>, oneshot::Sender<()>)>>,
}

/// What one edit says, and who waits for it. Dropped, it tells them that it may not have come to be.
#[derive(Default)]
pub struct Begun {
    pub starts: Vec<Start>,
    waiting: Option<oneshot::Sender<()>>,
}

impl Gaps {
    /// Asks for the next edit. The bucket has everything below these offsets that there is.
    pub fn ask(&self, starts: Vec<Start>) -> oneshot::Receiver<()> {
        let (done, answer) = oneshot::channel();
        *self.asked.lock() = Some((starts, done));
        answer
    }

    /// Whether somebody waits for an edit.
    pub fn is_waiting(&self) -> bool {
        self.asked.lock().is_some()
    }

    /// Takes what was asked.
    pub fn begin(&self) -> Begun {
        let asked = self.asked.lock().take();
        asked.map_or_else(Begun::default, |(starts, done)| Begun { starts, waiting: Some(done) })
    }

    /// Leadership is lost: whoever waits is told.
    pub fn forget(&self) {
        self.asked.lock().take();
    }
}

impl Begun {
    /// It is durable.
    pub fn done(self) {
        if let Some(done) = self.waiting {
            // Who gave up waiting needs no answer.
            let _ = done.send(());
        }
    }
}
