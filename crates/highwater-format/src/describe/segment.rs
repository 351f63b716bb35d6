//! A segment in words: what its footer says, held against its batches.
//!
//! With the footer whole, each stride of each extent is looked at by itself: what does not check
//! ends there, and the next stride begins anew. Without a footer there are only batches back to
//! back, that no longer say whose they are.

use std::ops::Range;

use bytes::Bytes;
use highwater_batch::{BatchHeader, StoredBatch};

use crate::describe::{Field, Look, Sink, Value, batch};
use crate::segment::footer::{MAGIC, TRAILER_BYTES, decode_trailer};
use crate::segment::{Extent, Footer, Reserve, SegmentError, Tail};

/// Whether these bytes end as a segment does.
#[must_use]
pub fn is_segment(bytes: &[u8]) -> bool {
    bytes.ends_with(MAGIC)
}

/// Whether these bytes may be a segment that lost its end, or its end's magic: they begin with a batch.
#[must_use]
pub fn begins_as_segment(bytes: &[u8]) -> bool {
    BatchHeader::parse_whole(bytes).is_ok()
}

/// Describes a segment that lies at `at` in its object.
pub fn describe(bytes: &Bytes, at: u64, look: &Look, sink: &mut dyn Sink) {
    match Footer::from_tail(bytes) {
        Ok(Tail::Whole(footer)) if footer.segment_bytes <= bytes.len() as u64 => {
            let front = bytes.len() as u64 - footer.segment_bytes;
            if front > 0 {
                sink.damage(at..at + front, "bytes before the segment");
            }
            let skip = usize::try_from(front).unwrap_or(bytes.len());
            whole(&bytes.slice(skip..), at + front, &footer, look, sink);
        }
        Ok(Tail::Whole(_) | Tail::NeedMore { .. }) => {
            sink.damage(at..at + bytes.len() as u64, "the segment is cut short: its beginning is missing");
        }
        Err(error) => without_footer(bytes, at, &error, look, sink),
    }
}

fn whole(segment: &Bytes, at: u64, footer: &Footer, look: &Look, sink: &mut dyn Sink) {
    let said = [
        ("shard", footer.shard.0.into()),
        ("epoch", footer.epoch.0.into()),
        ("level", footer.level.into()),
        ("records_bytes", Value::Bytes(at..at + footer.payload_bytes)),
        ("footer_bytes", Value::Bytes(at + footer.payload_bytes..at + footer.segment_bytes)),
        ("extents", footer.extents.len().into()),
        ("footer_checksum", "ok".into()),
    ];
    sink.item(1, "segment", &said);
    for extent in &footer.extents {
        OneExtent { segment, at, extent, look }.describe(sink);
    }
    for Reserve { tp, reserve_end } in &footer.reserves {
        let mut said = look.partition(*tp);
        said.push(("reserve_end", (*reserve_end).into()));
        sink.item(2, "reserve", &said);
    }
}

/// One extent, its segment and where that lies.
struct OneExtent<'a> {
    segment: &'a Bytes,
    at: u64,
    extent: &'a Extent,
    look: &'a Look,
}

/// What the batches of an extent amount to.
#[derive(Default)]
struct Counted {
    batches: u64,
    records: u64,
    damage: Vec<(Range<u64>, String)>,
}

impl OneExtent<'_> {
    fn describe(&self, sink: &mut dyn Sink) {
        let extent = self.extent;
        let mut counted = Counted::default();
        for stride in 0..extent.index.len() {
            self.check_stride(stride, &mut counted);
        }
        let mut said = self.look.partition(extent.tp);
        said.push(("offsets", Value::Offsets(extent.first_offset..=extent.last_offset)));
        said.push(("bytes", Value::Bytes(self.at + extent.bytes.start..self.at + extent.bytes.end)));
        said.push(("batches", counted.batches.into()));
        said.push(("records", counted.records.into()));
        said.push(("max_timestamp_ms", extent.max_timestamp.into()));
        let epochs = extent.epochs.iter().map(|epoch| format!("{} from {}", epoch.epoch, epoch.first_offset));
        said.push(("leader_epochs", epochs.collect()));
        said.push(("strides", extent.index.len().into()));
        said.push(("producers", extent.producers.len().into()));
        said.push(("aborted", extent.aborted.len().into()));
        said.push(("reserve_end", extent.reserve_end.into()));
        said.push(("checksums", batch::checksum(counted.damage.is_empty())));
        sink.item(2, "extent", &said);
        self.describe_producers(sink);
        if self.look.batches || self.look.records {
            for stride in 0..extent.index.len() {
                self.describe_stride(stride, sink);
            }
        }
        for (bytes, what) in counted.damage {
            sink.damage(bytes, &what);
        }
    }

    fn describe_producers(&self, sink: &mut dyn Sink) {
        for producer in &self.extent.producers {
            let mut said: Vec<Field> = vec![
                ("producer", producer.producer_id.into()),
                ("producer_epoch", producer.producer_epoch.into()),
                ("coordinator_epoch", producer.coordinator_epoch.into()),
                ("last_timestamp_ms", producer.last_timestamp_ms.into()),
                ("open_transaction_from", producer.open_txn_first_offset.into()),
            ];
            let batches = producer.batches.iter().map(|batch| {
                let (first, last) = (batch.first_sequence, batch.last_sequence);
                format!("sequences {first}..={last} at offsets {}..={}", batch.first_offset, batch.last_offset)
            });
            said.push(("last_batches", batches.collect()));
            sink.item(3, "producer", &said);
        }
        for aborted in &self.extent.aborted {
            let said = [
                ("producer", aborted.producer_id.into()),
                ("offsets", Value::Offsets(aborted.first_offset..=aborted.last_offset)),
                ("last_stable_offset", aborted.last_stable_offset.into()),
            ];
            sink.item(3, "aborted", &said);
        }
    }

    /// The bytes of a stride in the segment, as far as they are there.
    fn bytes_of(&self, stride: usize) -> Range<usize> {
        let bytes = self.extent.stride_bytes(stride).unwrap_or_default();
        let bound = |at: u64| usize::try_from(at).unwrap_or(usize::MAX).min(self.segment.len());
        bound(bytes.start)..bound(bytes.end).max(bound(bytes.start))
    }

    /// Partition and offsets that a stride answers for.
    fn answers_for(&self, stride: usize) -> String {
        let first = self.extent.index.get(stride).map_or(self.extent.first_offset, |stride| stride.first_offset);
        let last = self.extent.index.get(stride + 1).map_or(self.extent.last_offset, |next| next.first_offset - 1);
        format!("{} offsets {first}..={last}", self.extent.tp)
    }

    fn check_stride(&self, stride: usize, counted: &mut Counted) {
        let Range { start, end } = self.bytes_of(stride);
        let before = counted.damage.len();
        let in_object = |at: usize| self.at + at as u64;
        let mut heads = 0;
        let mut next = start;
        while next < end {
            match batch_at(self.segment, next, end) {
                Ok(batch) => {
                    counted.batches += 1;
                    counted.records += u64::from(batch.header().record_count.max(0).cast_unsigned());
                    heads = crc32c::crc32c_append(heads, batch.head());
                    let range = next..next + batch.len();
                    if !batch.crc_is_right() {
                        let (first, last) = (batch.first_offset(), batch.last_offset());
                        let what = format!("{} offsets {first}..={last}: wrong checksum", self.extent.tp);
                        counted.damage.push((in_object(range.start)..in_object(range.end), what));
                    }
                    next = range.end;
                }
                Err(why) => {
                    let what = format!("{}: {why}", self.answers_for(stride));
                    counted.damage.push((in_object(next)..in_object(end), what));
                    next = end;
                }
            }
        }
        let known = self.extent.index.get(stride).map_or(0, |stride| stride.heads_crc);
        if counted.damage.len() == before && heads != known {
            let what = format!("{}: a batch's header is not the one that was written", self.answers_for(stride));
            counted.damage.push((in_object(start)..in_object(end), what));
        }
    }

    fn describe_stride(&self, stride: usize, sink: &mut dyn Sink) {
        let Range { start: mut next, end } = self.bytes_of(stride);
        while let Some(batch) = (next < end).then(|| batch_at(self.segment, next, end).ok()).flatten() {
            batch::describe(&batch, self.at + next as u64, 3, self.look, sink);
            next += batch.len();
        }
    }
}

/// The batch that begins at `at` and ends by `end`.
fn batch_at(segment: &Bytes, at: usize, end: usize) -> Result<StoredBatch, String> {
    let header = BatchHeader::parse_whole(&segment[at..end]).map_err(|error| error.to_string())?;
    StoredBatch::from_bytes(&segment.slice(at..at + header.total_bytes())).map_err(|error| error.to_string())
}

/// Batches back to back, as far as they can be told.
fn without_footer(bytes: &Bytes, at: u64, error: &SegmentError, look: &Look, sink: &mut dyn Sink) {
    let trailer_at = bytes.len().saturating_sub(TRAILER_BYTES);
    let trailer = bytes.last_chunk::<TRAILER_BYTES>().and_then(|trailer| decode_trailer(trailer).ok());
    let payload_bytes = trailer.and_then(|(payload, ..)| usize::try_from(payload).ok());
    // A whole trailer says where the footer is; without one everything may be batches.
    let footer_at = payload_bytes.filter(|at| *at <= trailer_at);
    let damaged = footer_at.unwrap_or(trailer_at)..footer_at.map_or(bytes.len(), |_| trailer_at);
    let in_object = |position: usize| at + position as u64;
    sink.item(1, "segment", &[("footer", error.to_string().into())]);
    let end = footer_at.unwrap_or(bytes.len());
    let mut next = 0;
    let mut run: Option<Run> = None;
    while let Some(batch) = (next < end).then(|| batch_at(bytes, next, end).ok()).flatten() {
        let position = in_object(next);
        if !batch.crc_is_right() {
            let (first, last) = (batch.first_offset(), batch.last_offset());
            let what = format!("offsets {first}..={last} of a partition: wrong checksum");
            sink.damage(position..position + batch.len() as u64, &what);
        }
        if !run.as_mut().is_some_and(|run| run.follows(&batch)) {
            if let Some(done) = run.take() {
                done.say(sink);
            }
            run = Some(Run::of(&batch, position));
        }
        if look.batches || look.records {
            batch::describe(&batch, position, 2, look, sink);
        }
        next += batch.len();
    }
    if let Some(done) = run.take() {
        done.say(sink);
    }
    if next < end && footer_at.is_some() {
        sink.damage(in_object(next)..in_object(end), "no batch begins here, and no index says where the next one does");
    }
    let what = format!("{error}; no reader needs it, but a takeover that has not listed the segment yet does");
    sink.damage(in_object(damaged.start)..in_object(damaged.end), &what);
}

/// Batches that may be of one partition: their offsets ascend.
struct Run {
    bytes: Range<u64>,
    offsets: std::ops::RangeInclusive<i64>,
    batches: u64,
}

impl Run {
    fn of(batch: &StoredBatch, at: u64) -> Self {
        Self { bytes: at..at + batch.len() as u64, offsets: batch.first_offset()..=batch.last_offset(), batches: 1 }
    }

    fn follows(&mut self, batch: &StoredBatch) -> bool {
        let follows = batch.first_offset() > *self.offsets.end();
        if follows {
            self.bytes.end += batch.len() as u64;
            self.offsets = *self.offsets.start()..=batch.last_offset();
            self.batches += 1;
        }
        follows
    }

    fn say(self, sink: &mut dyn Sink) {
        let said = [
            ("offsets", Value::Offsets(self.offsets)),
            ("bytes", Value::Bytes(self.bytes)),
            ("batches", self.batches.into()),
        ];
        sink.item(2, "run", &said);
    }
}
