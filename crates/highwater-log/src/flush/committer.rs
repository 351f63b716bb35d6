//! Takes the answers of a shard's puts in the order of the chain: moves the marks, lets go of the
//! write-ahead log, and keeps the manifest.

use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;
use futures::future::{Either, select};
use highwater_env::Env;
use highwater_env::marks::{Underway, underway};
use highwater_journal::{Committed, Pending, SnapshotJournal, WriteError, Writer};
use highwater_store::Body;
use highwater_types::Epoch;
use tokio::sync::mpsc;

use super::flusher::{InFlight, Progress};
use super::seal;
use crate::manifest::{Edit, SegmentHead, SegmentRecord, codec};
use crate::options::EngineOptions;
use crate::shard::Shard;
use crate::shard::{compactions, gaps, log_starts};
use crate::shared::OFFSET_RESERVE;
use crate::wal::Wal;

/// Why a committer ended.
#[derive(Debug)]
pub enum Ended {
    /// Everything is in the bucket and the manifest says so.
    Drained,
    /// Leadership or the chain is lost.
    Lost(WriteError),
    /// The chain holds what may not be there; the shard stops until a person has looked.
    Broken(String),
}

/// What the committer works with.
pub struct Committer {
    pub env: Env,
    pub options: Arc<EngineOptions>,
    pub shard: Arc<Shard>,
    pub wal: Wal,
    /// The writer of the shard's data.
    pub segments: Writer,
    /// The writer of its manifest.
    pub manifest: Writer,
    pub snapshots: SnapshotJournal,
    pub owner: u128,
    pub since: Epoch,
    pub in_flight: mpsc::Receiver<Progress>,
}

/// An edit whose put is in flight, the snapshot that belongs behind it, and who waits for it.
struct EditInFlight {
    pending: Pin<Box<Pending>>,
    underway: Underway,
    /// The tenure's run before the put began.
    run: Option<u64>,
    snapshot: Option<Bytes>,
    deletions: log_starts::Begun,
    compacted: compactions::Begun,
    gaps: gaps::Begun,
}

/// An edit is started when its segments' records are about this large, however few they are.
const LIST_AT_BYTES: usize = 2 << 20;

/// Segments that are committed and not yet in the manifest.
#[derive(Default)]
struct Unlisted {
    records: Vec<SegmentRecord>,
    /// About their size in an edit.
    bytes: usize,
    edits_since_snapshot: u64,
}

impl Unlisted {
    fn push(&mut self, record: SegmentRecord) {
        self.bytes += record.encoded_bytes();
        self.records.push(record);
    }
}

impl Committer {
    /// Runs until the flusher has drained and all is committed, or leadership is lost.
    pub async fn run(mut self) -> Ended {
        let mut unlisted = Unlisted::default();
        let mut edit: Option<EditInFlight> = None;
        let ended = loop {
            let mut wanted = false;
            let outcome = match self.next(&mut edit).await {
                Next::Progress(Some(Progress::Segment(flight))) => self.take(*flight, &mut unlisted, &mut edit).await,
                Next::Progress(Some(Progress::Drained)) => break self.finish(unlisted, edit).await,
                // The flusher ended without having been asked to.
                Next::Progress(None) => {
                    break match self.lost() {
                        Some(reason) => Ended::Lost(reason),
                        None => Ended::Broken("the flusher ended".into()),
                    };
                }
                Next::Edit(Ok(committed)) => self.edit_committed(committed, edit.take()).await,
                Next::Edit(Err(error)) => Err(Ended::Lost(error)),
                Next::Asked => {
                    wanted = !self.shard.removed.lock().is_empty();
                    Ok(())
                }
            };
            let listed = match outcome {
                Ok(()) => self.list(&mut unlisted, &mut edit, wanted).await,
                Err(ended) => Err(ended),
            };
            if let Err(ended) = listed {
                break ended;
            }
        };
        self.shard.log_starts.forget();
        self.shard.compactions.forget();
        self.shard.gaps.forget();
        ended
    }

    /// Whatever comes first: something from the flusher, the answer of an edit, a request to delete.
    async fn next(&mut self, edit: &mut Option<EditInFlight>) -> Next {
        let asked = self.shard.log_starts.asked.notified();
        let progress = self.in_flight.recv();
        futures::pin_mut!(asked, progress);
        let either = select(progress, asked);
        let either = match edit {
            Some(edit) => match select(edit.pending.as_mut(), either).await {
                Either::Left((outcome, _)) => return Next::Edit(outcome),
                Either::Right((either, _)) => either,
            },
            None => either.await,
        };
        match either {
            Either::Left((progress, _)) => Next::Progress(progress),
            Either::Right(_) => Next::Asked,
        }
    }

    /// Waits for a segment's answer and takes it in.
    async fn take(
        &self,
        mut flight: InFlight,
        unlisted: &mut Unlisted,
        edit: &mut Option<EditInFlight>,
    ) -> Result<(), Ended> {
        let committed = self.next_commit(&mut flight.pending, edit).await?;
        unlisted.push(self.keep(committed, &flight)?);
        flight.underway.done();
        Ok(())
    }

    /// Starts an edit when there is enough to list, or somebody waits for one, or it is wanted; waits for the one in flight
    /// when there is far too much, so that no edit outgrows what one entry may hold.
    async fn list(
        &mut self,
        unlisted: &mut Unlisted,
        edit: &mut Option<EditInFlight>,
        wanted: bool,
    ) -> Result<(), Ended> {
        let enough = unlisted.records.len() >= self.options.manifest_every || unlisted.bytes >= LIST_AT_BYTES;
        let asked = self.is_unproven()
            || self.shard.gaps.is_waiting()
            || self.shard.compactions.is_waiting()
            || self.shard.log_starts.is_ready(&self.shard.committed.read());
        if !enough && !wanted && !asked {
            return Ok(());
        }
        if let Some(in_flight) = edit {
            if unlisted.bytes < 2 * LIST_AT_BYTES {
                return Ok(());
            }
            let committed = in_flight.pending.as_mut().await.map_err(Ended::Lost)?;
            self.edit_committed(committed, edit.take()).await?;
        }
        *edit = Some(self.start_edit(unlisted, false).await?);
        Ok(())
    }

    /// Whether another broker may have led since the last proof, and does not now: an edit tells.
    fn is_unproven(&self) -> bool {
        let run = self.options.tenure.run();
        run.is_some() && self.shard.live.lock().proven != run
    }

    /// Waits for the segment's answer; takes an edit's on the way.
    async fn next_commit(&self, segment: &mut Pending, edit: &mut Option<EditInFlight>) -> Result<Committed, Ended> {
        loop {
            match self.step(segment, edit).await {
                Step::Segment(outcome) => return outcome.map_err(Ended::Lost),
                Step::Edit(Ok(committed)) => self.edit_committed(committed, edit.take()).await?,
                Step::Edit(Err(error)) => return Err(Ended::Lost(error)),
            }
        }
    }

    /// The bucket has a segment: moves the marks, wakes who waits, lets go of the log.
    fn keep(&self, committed: Committed, flight: &InFlight) -> Result<SegmentRecord, Ended> {
        // No e-tag: we know of this commit by another's fence only, so we are deposed.
        let deposed = Ended::Lost(WriteError::Deposed { by: None });
        let record = record_of(committed, &flight.footer).ok_or(deposed)?;
        let applied = self.shard.committed.write().apply_segment(&record);
        applied.map_err(|error| Ended::Broken(error.to_string()))?;
        let (effects, gone) = {
            let mut live = self.shard.live.lock();
            live.prove(flight.run);
            (live.flushed(&flight.sealed), live.deleted_of(&flight.sealed))
        };
        effects.run();
        let elapsed = self.env.now().since(flight.sealed_at);
        self.options.metrics.flush_committed(flight.sealed.bytes, elapsed);
        // Taking the segment in has brought their records back.
        self.shard.removed.lock().extend(gone);
        if let Some(seq) = flight.sealed.wal_seq {
            self.wal.release(self.shard.id, seq);
        }
        Ok(record)
    }

    /// The flusher ended: because it was drained, or because the writer did?
    fn lost(&self) -> Option<WriteError> {
        futures::FutureExt::now_or_never(self.segments.ended())
    }

    /// The next answer, of a segment or of an edit.
    async fn step(&self, segment: &mut Pending, edit: &mut Option<EditInFlight>) -> Step {
        match edit {
            Some(edit) => match select(Pin::new(segment), edit.pending.as_mut()).await {
                Either::Left((outcome, _)) => Step::Segment(outcome),
                Either::Right((outcome, _)) => Step::Edit(outcome),
            },
            None => Step::Segment(segment.await),
        }
    }

    /// Lists what is not listed yet. The snapshot is taken at the same moment, so that it is the
    /// state after exactly this edit.
    async fn start_edit(&mut self, unlisted: &mut Unlisted, at_end: bool) -> Result<EditInFlight, Ended> {
        let removed = std::mem::take(&mut *self.shard.removed.lock());
        let deletions = self.shard.log_starts.begin(&self.shard.committed.read());
        let compacted = self.shard.compactions.begin(&self.shard.committed.read(), self.manifest.epoch());
        let gaps = self.shard.gaps.begin();
        // Behind the last segment listed, not behind the last one committed: answers come in one
        // by one, and what is committed already but not listed yet must still be walked to.
        let last = unlisted.records.last().and_then(|record| self.segments.point_after(record.head.run.last));
        unlisted.bytes = 0;
        let edit = Edit {
            trim: last.unwrap_or_else(|| self.shard.committed.read().trim),
            reserve: OFFSET_RESERVE,
            owner: self.owner,
            since: self.since,
            segments: std::mem::take(&mut unlisted.records),
            removed,
            starts: gaps.starts.clone(),
            log_starts: deletions.starts.clone(),
            compacted: compacted.segments.clone(),
        };
        self.shard.edits.lock().begin();
        // Readers stop at it before the manifest forgets what lies below.
        self.shard.live.lock().delete_below(&deletions.starts);
        if let Err(error) = self.shard.committed.write().apply_marks(&edit) {
            return Err(Ended::Broken(error.to_string()));
        }
        unlisted.edits_since_snapshot += 1;
        let snapshot = (at_end || unlisted.edits_since_snapshot >= self.options.snapshot_every).then(|| {
            unlisted.edits_since_snapshot = 0;
            codec::encode_snapshot(&self.shard.committed.read())
        });
        let bytes = codec::encode_edit(&edit);
        let crc = crc32c::crc32c(&bytes);
        let run = self.options.tenure.run();
        match self.manifest.append(Body::from(bytes), Some(crc), Bytes::new()).await {
            Ok(pending) => Ok(EditInFlight {
                pending: Box::pin(pending),
                underway: underway("cut-off-in-edit"),
                run,
                snapshot,
                deletions,
                compacted,
                gaps,
            }),
            Err(error) => Err(Ended::Lost(error)),
        }
    }

    /// An edit is committed: it proves that we lead, and its snapshot may be written.
    async fn edit_committed(&self, committed: Committed, edit: Option<EditInFlight>) -> Result<(), Ended> {
        self.segments.prove(committed.date);
        self.shard.edits.lock().committed(committed.date);
        let snapshot = edit.and_then(|edit| {
            self.shard.live.lock().prove(edit.run);
            edit.underway.done();
            edit.deletions.done();
            edit.compacted.done();
            edit.gaps.done();
            edit.snapshot
        });
        let point = self.manifest.point_after(committed.number);
        if let (Some(snapshot), Some(point)) = (snapshot, point) {
            // A snapshot only shortens the next start: without it the edits are read.
            let underway = underway("cut-off-in-snapshot");
            let written = self.snapshots.write_snapshot(point, Body::from(snapshot)).await;
            underway.done();
            if let Err(error) = written {
                tracing::warn!(shard = %self.shard.id, %error, "manifest snapshot not written; the next one will be");
            }
        }
        Ok(())
    }

    /// The last edit and snapshot of an orderly end.
    async fn finish(&mut self, mut unlisted: Unlisted, edit: Option<EditInFlight>) -> Ended {
        if let Some(mut edit) = edit {
            match edit.pending.as_mut().await {
                Ok(committed) => {
                    if let Err(ended) = self.edit_committed(committed, Some(edit)).await {
                        return ended;
                    }
                }
                Err(error) => return Ended::Lost(error),
            }
        }
        let last = match self.start_edit(&mut unlisted, true).await {
            Ok(mut last) => match last.pending.as_mut().await {
                Ok(committed) => self.edit_committed(committed, Some(last)).await,
                Err(error) => Err(Ended::Lost(error)),
            },
            Err(ended) => Err(ended),
        };
        self.segments.close().await;
        self.manifest.close().await;
        match last {
            Ok(()) => Ended::Drained,
            Err(ended) => ended,
        }
    }
}

enum Next {
    Progress(Option<Progress>),
    Edit(Result<Committed, WriteError>),
    Asked,
}

enum Step {
    Segment(Result<Committed, WriteError>),
    Edit(Result<Committed, WriteError>),
}

fn record_of(committed: Committed, footer: &highwater_format::segment::Footer) -> Option<SegmentRecord> {
    let Committed { number, epoch, etag, size, payload_at, .. } = committed;
    let head = SegmentHead::flushed(number, epoch, etag?, size, payload_at);
    Some(seal::record(head, footer))
}
