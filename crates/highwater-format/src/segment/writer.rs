//! From batches to a segment, without copying records.

use bytes::{Bytes, BytesMut};
use highwater_batch::StoredBatch;
use highwater_types::{Epoch, Offset, ShardId, TopicPartition};

use crate::segment::footer::{Footer, Reserve};
use crate::segment::summary::Summary;
use crate::segment::{AbortedTxn, Extent, MAX_FOOTER_BYTES, MAX_PRODUCER_BATCHES, ProducerDelta, SegmentError};

/// Records shorter than this are copied next to their header: cheaper than a chunk of their own in
/// every vectored write and checksum to come.
const COPY_BELOW_BYTES: usize = 1024;

/// What the writer cannot see in the batches.
#[derive(Clone, Debug)]
pub struct NewExtent {
    /// The partition.
    pub tp: TopicPartition,
    /// See [`Extent::reserve_end`].
    pub reserve_end: Offset,
    /// Aborted transactions that end here.
    pub aborted: Vec<AbortedTxn>,
    /// Producers that wrote here, with their state after it.
    pub producers: Vec<ProducerDelta>,
}

/// A finished segment.
#[derive(Clone, Debug)]
pub struct Segment {
    /// Concatenated they are the object's bytes; records are the slices that the batches held.
    pub chunks: Vec<Bytes>,
    /// Sum of the chunks.
    pub len: u64,
    /// What the bytes end with, decoded.
    pub footer: Footer,
}

/// Bytes of the segment in order: runs gathered in one buffer, and slices shared with the batches.
enum Piece {
    Gathered(usize),
    Shared(Bytes),
}

/// Builds one segment: extents in ascending order of their partitions, then [`SegmentWriter::finish`].
pub struct SegmentWriter {
    gathered: BytesMut,
    pieces: Vec<Piece>,
    footer: Footer,
}

impl SegmentWriter {
    /// A segment of this shard, sealed in this epoch; level 0 is a flush.
    pub fn new(shard: ShardId, epoch: Epoch, level: u8) -> Self {
        Self {
            gathered: BytesMut::new(),
            pieces: Vec::new(),
            footer: Footer {
                shard,
                epoch,
                level,
                segment_bytes: 0,
                payload_bytes: 0,
                extents: Vec::new(),
                reserves: Vec::new(),
            },
        }
    }

    /// Bytes of batches so far.
    pub const fn payload_bytes(&self) -> u64 {
        self.footer.payload_bytes
    }

    /// Adds a partition's batches, in order. CRCs are not looked at.
    ///
    /// # Errors
    /// `Invalid` if there is no batch, the partition does not ascend, offsets do not ascend, the
    /// batches have 4 GiB or more, or a producer has more than 5 batches. The writer is then of no
    /// further use.
    pub fn push_extent<'a>(
        &mut self,
        extent: NewExtent,
        batches: impl IntoIterator<Item = &'a StoredBatch>,
    ) -> Result<(), SegmentError> {
        if self.footer.extents.last().is_some_and(|last| last.tp >= extent.tp) {
            return Err(SegmentError::Invalid("partitions do not ascend"));
        }
        if extent.producers.iter().any(|producer| producer.batches.len() > MAX_PRODUCER_BATCHES) {
            return Err(SegmentError::Invalid("more than 5 batches of a producer"));
        }
        let mut summary = Summary::default();
        for batch in batches {
            summary.push(batch).map_err(SegmentError::Invalid)?;
            self.push_batch(batch);
        }
        if summary.index.is_empty() {
            return Err(SegmentError::Invalid("extent without a batch"));
        }
        let start = self.footer.payload_bytes;
        self.footer.payload_bytes += u64::from(summary.bytes);
        self.footer.extents.push(Extent {
            tp: extent.tp,
            first_offset: summary.first_offset,
            last_offset: summary.last_offset,
            max_timestamp: summary.max_timestamp,
            bytes: start..self.footer.payload_bytes,
            epochs: summary.epochs,
            index: summary.index,
            aborted: extent.aborted,
            producers: extent.producers,
            reserve_end: extent.reserve_end,
        });
        Ok(())
    }

    /// Names the reserve of a partition that has no batches in this segment.
    pub fn reserve(&mut self, tp: TopicPartition, reserve_end: Offset) {
        self.footer.reserves.push(Reserve { tp, reserve_end });
    }

    /// Adds footer and trailer.
    ///
    /// # Errors
    /// `Invalid` if the footer would be larger than 64 MiB.
    pub fn finish(mut self) -> Result<Segment, SegmentError> {
        self.footer.reserves.sort_unstable_by_key(|reserve| reserve.tp);
        let tail = self.footer.encode_tail();
        if tail.len() > MAX_FOOTER_BYTES {
            return Err(SegmentError::Invalid("footer larger than 64 MiB"));
        }
        self.footer.segment_bytes = self.footer.payload_bytes + tail.len() as u64;
        let mut gathered = self.gathered.freeze();
        let mut chunks = Vec::with_capacity(self.pieces.len() + 1);
        for piece in self.pieces {
            chunks.push(match piece {
                Piece::Gathered(bytes) => gathered.split_to(bytes),
                Piece::Shared(bytes) => bytes,
            });
        }
        chunks.push(tail);
        Ok(Segment { chunks, len: self.footer.segment_bytes, footer: self.footer })
    }

    fn push_batch(&mut self, batch: &StoredBatch) {
        self.gather(batch.head());
        if batch.body().len() < COPY_BELOW_BYTES {
            self.gather(batch.body());
        } else {
            self.pieces.push(Piece::Shared(batch.body().clone()));
        }
    }

    fn gather(&mut self, bytes: &[u8]) {
        self.gathered.extend_from_slice(bytes);
        match self.pieces.last_mut() {
            Some(Piece::Gathered(run)) => *run += bytes.len(),
            _ => self.pieces.push(Piece::Gathered(bytes.len())),
        }
    }
}
