//! Segments of compaction that are to replace others: who asked, until the manifest's edit that says so is
//! durable.

use parking_lot::Mutex;
use tokio::sync::oneshot;

use crate::manifest::state::ApplyError;
use crate::manifest::{CompactedSegment, Manifest};

/// Why segments do not come to replace others. They are left behind then.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotCommitted {
    /// They are not what the manifest holds.
    #[error(transparent)]
    Refused(#[from] ApplyError),
    /// Perhaps they do: the leader was lost before it knew.
    #[error("the shard was lost")]
    Lost,
}

type Answer = oneshot::Sender<Result<(), NotCommitted>>;

/// What was asked of one shard: by its upkeep, which asks once at a time.
#[derive(Default)]
pub struct Compactions {
    asked: Mutex<Option<(Vec<CompactedSegment>, Answer)>>,
}

/// What one edit says, and who waits for it. Dropped, it tells them that it may not have come to be.
#[derive(Default)]
pub struct Begun {
    pub segments: Vec<CompactedSegment>,
    waiting: Option<Answer>,
}

impl Compactions {
    /// Asks for the next edit; what was asked before and not begun is dropped.
    pub fn ask(&self, segments: Vec<CompactedSegment>) -> oneshot::Receiver<Result<(), NotCommitted>> {
        let (answer, answered) = oneshot::channel();
        *self.asked.lock() = Some((segments, answer));
        answered
    }

    /// Whether somebody waits for an edit.
    pub fn is_waiting(&self) -> bool {
        self.asked.lock().is_some()
    }

    /// Takes what was asked, if the manifest lets it; otherwise says why not.
    pub fn begin(&self, manifest: &Manifest) -> Begun {
        let Some((segments, answer)) = self.asked.lock().take() else {
            return Begun::default();
        };
        match manifest.check_compacted(&segments) {
            Ok(()) => Begun { segments, waiting: Some(answer) },
            Err(refused) => {
                // Who gave up waiting needs no answer.
                let _ = answer.send(Err(refused.into()));
                Begun::default()
            }
        }
    }

    /// Leadership is lost: whoever waits is told.
    pub fn forget(&self) {
        self.asked.lock().take();
    }
}

impl Begun {
    /// It is durable.
    pub fn done(self) {
        if let Some(answer) = self.waiting {
            let _ = answer.send(Ok(()));
        }
    }
}
