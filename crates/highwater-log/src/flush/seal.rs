//! A sealed buffer as a segment: its bytes, and what the manifest will say of it.

use bytes::Bytes;
use highwater_batch::StoredBatch;
use highwater_format::segment::{
    Extent, Footer, NewExtent, ProducerBatch, ProducerDelta as FooterDelta, SegmentError, SegmentWriter,
};
use highwater_types::{Epoch, Offset, ShardId};

use crate::manifest::{ExtentRecord, ProducerDelta, SegmentHead, SegmentRecord};
use crate::shard::live::{Sealed, SealedRun};
use crate::shard::producers::{Producers, SequencedBatch};

/// Level of a segment that a flush writes.
const LEVEL_0: u8 = 0;

/// A segment before its put.
pub struct Draft {
    pub chunks: Vec<Bytes>,
    pub footer: Footer,
}

/// Lays the sealed batches out as one segment, grouped by partition. No batch is copied.
pub fn build(shard: ShardId, epoch: Epoch, reserve: i64, sealed: &mut Sealed) -> Result<Draft, SegmentError> {
    sealed.runs.sort_by_key(|run| run.tp);
    let mut writer = SegmentWriter::new(shard, epoch, LEVEL_0);
    for run in &sealed.runs {
        let Some(last) = run.batches.last() else {
            continue;
        };
        let extent = NewExtent {
            tp: run.tp,
            reserve_end: if last.wal_seq.is_some() { reserved_from(last.last_offset + 1, reserve) } else { -1 },
            aborted: Vec::new(),
            producers: producer_deltas(run),
        };
        let batches: Vec<StoredBatch> = run.batches.iter().map(|batch| batch.stored.clone()).collect();
        writer.push_extent(extent, &batches)?;
    }
    let segment = writer.finish()?;
    Ok(Draft { chunks: segment.chunks, footer: segment.footer })
}

/// First offset that a leader may not have given before the next segment names another.
pub const fn reserved_from(end: Offset, reserve: i64) -> Offset {
    end.saturating_add(reserve)
}

fn producer_deltas(run: &SealedRun) -> Vec<FooterDelta> {
    let mut touched = Producers::default();
    for batch in &run.batches {
        if let Some(sequence) = batch.sequence {
            touched.appended(sequence, batch.first_offset, batch.last_offset, batch.max_timestamp_ms);
        }
    }
    let delta = |(producer_id, producer): (i64, &crate::shard::producers::Producer)| FooterDelta {
        producer_id,
        producer_epoch: producer.epoch,
        coordinator_epoch: -1,
        last_timestamp_ms: producer.last_timestamp_ms,
        open_txn_first_offset: -1,
        batches: producer
            .batches
            .iter()
            .map(|batch| ProducerBatch {
                first_sequence: batch.first_sequence,
                last_sequence: batch.last_sequence,
                first_offset: batch.first_offset,
                last_offset: batch.last_offset,
            })
            .collect(),
    };
    touched.iter().map(delta).collect()
}

/// What the manifest says of a committed segment.
pub fn record(head: SegmentHead, footer: &Footer) -> SegmentRecord {
    SegmentRecord { head, extents: footer.extents.iter().map(extent_record).collect() }
}

fn extent_record(extent: &Extent) -> ExtentRecord {
    ExtentRecord {
        tp: extent.tp,
        first_offset: extent.first_offset,
        last_offset: extent.last_offset,
        start: extent.bytes.start,
        end: extent.bytes.end,
        max_timestamp_ms: extent.max_timestamp,
        reserved: extent.reserve_end >= 0,
        epochs: extent.epochs.iter().map(|start| (start.epoch, start.first_offset)).collect(),
        producers: extent.producers.iter().map(producer_delta).collect(),
    }
}

fn producer_delta(delta: &FooterDelta) -> ProducerDelta {
    let batch = |batch: &ProducerBatch| SequencedBatch {
        first_sequence: batch.first_sequence,
        last_sequence: batch.last_sequence,
        first_offset: batch.first_offset,
        last_offset: batch.last_offset,
    };
    ProducerDelta {
        producer_id: delta.producer_id,
        epoch: delta.producer_epoch,
        last_timestamp_ms: delta.last_timestamp_ms,
        batches: delta.batches.iter().map(batch).collect(),
    }
}
