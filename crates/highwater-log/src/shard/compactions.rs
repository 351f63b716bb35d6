//! Segments of compaction that are to replace others: who asked, until the manifest's edit that says so is
//! durable.

use highwater_env::marks::{is_off, met};
use highwater_types::Epoch;
use parking_lot::Mutex;
use tokio::sync::oneshot;

use crate::manifest::state::ApplyError;
use crate::manifest::{CompactedSegment, Manifest, SegmentId};

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

    /// Takes what was asked, if the manifest of the leader in this epoch lets it; otherwise says why not.
    ///
    /// What an earlier leadership of this broker wrote, and asked for when it had ended already, is
    /// refused: whoever led between the two has left it behind, and deletes it (rule 7 of the journal).
    pub fn begin(&self, manifest: &Manifest, epoch: Epoch) -> Begun {
        let Some((segments, answer)) = self.asked.lock().take() else {
            return Begun::default();
        };
        if !segments.iter().all(|segment| is_of(segment, epoch)) && !is_off("compaction-by-its-leader") {
            met("compaction-of-an-earlier-leadership");
            // Its upkeep has ended, or is about to.
            let _ = answer.send(Err(NotCommitted::Lost));
            return Begun::default();
        }
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

fn is_of(segment: &CompactedSegment, epoch: Epoch) -> bool {
    matches!(segment.head.id, SegmentId::Compacted { epoch: wrote, .. } if wrote == epoch)
}

impl Begun {
    /// It is durable.
    pub fn done(self) {
        if let Some(answer) = self.waiting {
            let _ = answer.send(Ok(()));
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use highwater_store::Etag;

    use super::*;
    use crate::manifest::{Run, SegmentHead};

    fn written_in(epoch: u32) -> Vec<CompactedSegment> {
        let head = SegmentHead {
            id: SegmentId::Compacted { epoch: Epoch(epoch), id: 7 },
            run: Run { first: 1, last: 2, level: 1 },
            epoch: Epoch(epoch),
            etag: Etag::from("e"),
            size: 100,
            payload_at: 0,
        };
        vec![CompactedSegment { head, pieces: Vec::new() }]
    }

    #[tokio::test]
    async fn an_earlier_leaderships_segments_do_not_replace_others() {
        let compactions = Compactions::default();
        let late = compactions.ask(written_in(5));
        let begun = compactions.begin(&Manifest::default(), Epoch(7));
        assert!(begun.segments.is_empty());
        assert_eq!(late.await.unwrap(), Err(NotCommitted::Lost));
        let own = compactions.ask(written_in(7));
        let begun = compactions.begin(&Manifest::default(), Epoch(7));
        assert_eq!(begun.segments.len(), 1);
        begun.done();
        assert_eq!(own.await.unwrap(), Ok(()));
    }
}
