//! One segment of compaction: its records are read, checked and put again, under a name of its own.
//!
//! Memory is that of one segment, twice where batches are small. No batch is opened; each one's checksum
//! is checked, so that damage is met here and not copied.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::{StreamExt, TryStreamExt};
use highwater_batch::StoredBatch;
use highwater_env::Env;
use highwater_format::segment::{NewExtent, SegmentError, SegmentWriter};
use highwater_store::{Body, Etag, ReadRange, Store, StoreError, StoreErrorKind};
use highwater_types::{Epoch, ShardId, TopicPartition};

use super::layout::{Output, Part};
use crate::manifest::{CompactedSegment, Located, Piece, Run, SegmentHead, SegmentId};
use crate::read::block::{Block, BlockError};

/// Reads at the same time.
const AT_ONCE: usize = 4;
/// Bytes that nobody asked for, between two ranges that one read fetches.
const LARGEST_HOLE: u64 = 64 << 10;
/// What one read fetches at most, but for a single extent.
const LARGEST_READ: u64 = 16 << 20;
/// Attempts of one put.
const ATTEMPTS: u32 = 5;
/// Between them.
const PAUSE: Duration = Duration::from_millis(500);

/// Why a segment was not written. Nothing is lost: its records are where they were.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// The bucket did not answer as needed: to be tried again.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A segment is damaged: it is left as it is.
    #[error("{name}, {tp} offsets {first}..={last}: {source}", first = .offsets.start, last = .offsets.end - 1)]
    Damaged { name: String, tp: TopicPartition, offsets: Range<i64>, source: BlockError },
    /// What was read does not make a segment.
    #[error(transparent)]
    Segment(#[from] SegmentError),
}

/// Where it is written.
pub struct Target<'a> {
    pub env: &'a Env,
    pub store: &'a dyn Store,
    pub shard: ShardId,
    pub epoch: Epoch,
    pub run: Run,
    /// A read fetches about so much.
    pub piece_bytes: u64,
    pub put_deadline: Duration,
}

impl Target<'_> {
    /// Writes one segment.
    pub async fn write(&self, output: &Output) -> Result<CompactedSegment, WriteError> {
        let bytes = self.fetch(&output.parts).await?;
        let mut writer = SegmentWriter::new(self.shard, self.epoch, self.run.level);
        let mut pieces = Vec::new();
        for (tp, extents) in &output.parts {
            self.push(&mut writer, *tp, extents, &bytes, &mut pieces)?;
        }
        drop(bytes);
        let segment = writer.finish()?;
        let size = segment.len;
        let id = SegmentId::Compacted { epoch: self.epoch, id: self.env.random.next_u64() };
        let etag = self.put(&id.name(self.shard), segment.chunks).await?;
        let head = SegmentHead { id, run: self.run, epoch: self.epoch, etag, size, payload_at: 0 };
        Ok(CompactedSegment { head, pieces })
    }

    /// Adds a partition's extents, one behind the other, and says where they may be read from.
    fn push(
        &self,
        writer: &mut SegmentWriter,
        tp: TopicPartition,
        extents: &[Located],
        bytes: &Fetched,
        pieces: &mut Vec<Piece>,
    ) -> Result<(), WriteError> {
        let mut batches = Vec::new();
        let mut at = writer.payload_bytes();
        let mut open: Option<Piece> = None;
        for extent in extents {
            let damaged = |source| WriteError::Damaged {
                name: extent.segment.id.name(self.shard),
                tp,
                offsets: extent.first_offset..extent.last_offset + 1,
                source,
            };
            let missing = BlockError::Malformed { at: 0, why: "cut short".to_owned() };
            let held = bytes.of(extent).ok_or_else(|| damaged(missing))?;
            let block = Block::open_checked(held, extent.first_offset, extent.last_offset).map_err(damaged)?;
            for batch in block.batches() {
                let stored = StoredBatch::from_bytes(&batch)
                    .map_err(|error| damaged(BlockError::Malformed { at: 0, why: error.to_string() }))?;
                let end = at + batch.len() as u64;
                match &mut open {
                    // A gap in the offsets ends a piece: what is in one is in the bucket, all of it.
                    Some(piece)
                        if end - piece.start <= self.piece_bytes && stored.first_offset() == piece.last_offset + 1 =>
                    {
                        piece.end = end;
                        piece.last_offset = stored.last_offset();
                        piece.max_timestamp_ms = piece.max_timestamp_ms.max(stored.header().max_timestamp);
                    }
                    full => {
                        let piece = Piece {
                            tp,
                            first_offset: stored.first_offset(),
                            last_offset: stored.last_offset(),
                            start: at,
                            end,
                            max_timestamp_ms: stored.header().max_timestamp,
                        };
                        pieces.extend(full.replace(piece));
                    }
                }
                at = end;
                batches.push(stored);
            }
        }
        pieces.extend(open);
        // The state of producers and what was aborted is in the manifest, reserves are of the last flush.
        let extent = NewExtent { tp, reserve_end: -1, aborted: Vec::new(), producers: Vec::new() };
        Ok(writer.push_extent(extent, &batches)?)
    }

    /// The bytes of all extents, in few reads: those of one segment that lie close together are one.
    async fn fetch(&self, parts: &[Part]) -> Result<Fetched, StoreError> {
        let mut wanted: BTreeMap<SegmentId, Vec<&Located>> = BTreeMap::new();
        for extent in parts.iter().flat_map(|(_, extents)| extents) {
            wanted.entry(extent.segment.id).or_default().push(extent);
        }
        let mut reads: Vec<(Arc<SegmentHead>, Range<u64>)> = Vec::new();
        for extents in wanted.values_mut() {
            extents.sort_by_key(|extent| extent.start);
            for extent in extents.iter() {
                match reads.last_mut() {
                    Some((head, range))
                        if head.id == extent.segment.id
                            && extent.start <= range.end + LARGEST_HOLE
                            && extent.end - range.start <= LARGEST_READ =>
                    {
                        range.end = range.end.max(extent.end);
                    }
                    _ => reads.push((Arc::clone(&extent.segment), extent.start..extent.end)),
                }
            }
        }
        let reads: Vec<_> = reads.into_iter().map(|(head, range)| self.read(head, range)).collect();
        Ok(Fetched(futures::stream::iter(reads).buffered(AT_ONCE).try_collect().await?))
    }

    async fn read(&self, head: Arc<SegmentHead>, range: Range<u64>) -> Result<((SegmentId, u64), Bytes), StoreError> {
        let bounds = head.payload_at + range.start..head.payload_at + range.end;
        let read = self.store.read(&head.id.name(self.shard), ReadRange::Bounded(bounds), Some(&head.etag)).await?;
        Ok(((head.id, range.start), read.bytes))
    }

    /// Put-if-absent under a name that nobody else uses: what is there already came from an attempt whose
    /// answer was lost.
    async fn put(&self, name: &str, chunks: Vec<Bytes>) -> Result<Etag, StoreError> {
        let body = Body::from(chunks);
        let mut attempts = 0;
        loop {
            attempts += 1;
            let unanswered = |_| Err(StoreError::new(StoreErrorKind::Unknown, name, "no answer before the deadline"));
            let put = self.env.timeout(self.put_deadline, self.store.create(name, body.clone())).await;
            let error = match put.unwrap_or_else(unanswered) {
                Ok(put) => return Ok(put.etag),
                Err(error) => error,
            };
            if matches!(error.kind, StoreErrorKind::AlreadyExists | StoreErrorKind::Unknown) {
                match self.store.read(name, ReadRange::Suffix(1), None).await {
                    Ok(there) if there.size == body.len() => return Ok(there.etag),
                    Ok(_) => return Err(error),
                    Err(absent) if absent.kind == StoreErrorKind::NotFound => {}
                    Err(unreadable) => return Err(unreadable),
                }
            } else if !error.kind.is_transient() {
                return Err(error);
            }
            if attempts == ATTEMPTS {
                return Err(error);
            }
            self.env.sleep(PAUSE * attempts).await;
        }
    }
}

/// What was read, by segment and position.
struct Fetched(BTreeMap<(SegmentId, u64), Bytes>);

impl Fetched {
    /// The bytes of an extent; `None` if its object has fewer.
    fn of(&self, extent: &Located) -> Option<Bytes> {
        let id = extent.segment.id;
        let ((found, start), bytes) = self.0.range(..=(id, extent.start)).next_back()?;
        let from = usize::try_from(extent.start - start).ok().filter(|_| *found == id)?;
        let to = from + usize::try_from(extent.bytes()).ok()?;
        (to <= bytes.len()).then(|| bytes.slice(from..to))
    }
}
