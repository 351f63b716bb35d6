//! Manifest edits and snapshots as bytes.
//!
//! ```text
//! magic    u32   "HWME" (edit) or "HWMS" (snapshot)
//! version  u16   1; an edit that deletes records has 2, and their list behind the others; one with
//!                segments of compaction has 3, and both lists; so has a snapshot 2, and before each
//!                segment a byte, 0 for a flush and 1 for compaction
//! body     ...   little-endian integers; lists are a u32 count and their items; strings and
//!                e-tags a u32 length and UTF-8 bytes
//! crc      u32   CRC32C of everything before it
//! ```
//!
//! The field order is that of the structs in [`super::state`]. A newer version is refused with an
//! error that names it: the rolling upgrade writes old formats until every broker reads the new.

use bytes::{Buf, BufMut, Bytes, BytesMut};
use highwater_journal::TrimPoint;
use highwater_store::Etag;
use highwater_types::{Epoch, TopicId, TopicPartition};

use super::compacted::{CompactedSegment, Piece};
use super::segment::{Located, Run, SegmentHead, SegmentId};
use super::state::{Edit, ExtentRecord, LogStart, Manifest, PartitionRecord, ProducerDelta, SegmentRecord, Start};
use crate::shard::producers::{Producer, SequencedBatch};

const EDIT: u32 = u32::from_be_bytes(*b"HWME");
const SNAPSHOT: u32 = u32::from_be_bytes(*b"HWMS");
/// What a release that knows nothing of deleted records reads: written wherever it says all.
const FIRST_VERSION: u16 = 1;
/// Edits that delete records.
const DELETING: u16 = 2;
/// Edits with segments of compaction.
const COMPACTING: u16 = 3;
/// Snapshots that refer to such segments.
const COMPACTED: u16 = 2;

/// Why bytes are no manifest entry.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    #[error("not a manifest entry (magic {0:08x})")]
    Magic(u32),
    #[error("manifest version {version}, this release reads up to {newest}: upgrade the broker")]
    Version { version: u16, newest: u16 },
    #[error("checksum mismatch")]
    Checksum,
    #[error("cut short or malformed")]
    Malformed,
}

impl From<bytes::TryGetError> for DecodeError {
    fn from(_: bytes::TryGetError) -> Self {
        Self::Malformed
    }
}

type Decoded<T> = Result<T, DecodeError>;

/// Bytes of an edit.
pub fn encode_edit(edit: &Edit) -> Bytes {
    let version = match edit {
        edit if !edit.compacted.is_empty() => COMPACTING,
        edit if !edit.log_starts.is_empty() => DELETING,
        _ => FIRST_VERSION,
    };
    let mut out = begin(EDIT, version);
    put_trim(&mut out, edit.trim);
    out.put_u128_le(edit.owner);
    out.put_u32_le(edit.since.0);
    out.put_i64_le(edit.reserve);
    put_list(&mut out, &edit.segments, put_segment);
    put_list(&mut out, &edit.removed, |out, tp| put_tp(out, *tp));
    put_list(&mut out, &edit.starts, |out, start| {
        put_tp(out, start.tp);
        out.put_i64_le(start.next_offset);
    });
    if version >= DELETING {
        put_list(&mut out, &edit.log_starts, |out, start| {
            put_tp(out, start.tp);
            out.put_i64_le(start.offset);
        });
    }
    if version >= COMPACTING {
        put_list(&mut out, &edit.compacted, put_compacted);
    }
    finish(out)
}

/// An edit from its bytes.
pub fn decode_edit(bytes: &[u8]) -> Decoded<Edit> {
    let (version, mut body) = open(bytes, EDIT, COMPACTING)?;
    let input = &mut body;
    let edit = Edit {
        trim: get_trim(input)?,
        owner: input.try_get_u128_le()?,
        since: Epoch(input.try_get_u32_le()?),
        reserve: input.try_get_i64_le()?,
        segments: get_list(input, get_segment)?,
        removed: get_list(input, get_tp)?,
        starts: get_list(input, |input| Ok(Start { tp: get_tp(input)?, next_offset: input.try_get_i64_le()? }))?,
        log_starts: match version {
            FIRST_VERSION => Vec::new(),
            _ => get_list(input, |input| Ok(LogStart { tp: get_tp(input)?, offset: input.try_get_i64_le()? }))?,
        },
        compacted: match version {
            COMPACTING => get_list(input, get_compacted)?,
            _ => Vec::new(),
        },
    };
    closed(input, edit)
}

/// Bytes of a whole state.
pub fn encode_snapshot(manifest: &Manifest) -> Bytes {
    let mut heads: Vec<&SegmentHead> = Vec::new();
    let mut index = std::collections::BTreeMap::new();
    for extent in manifest.partitions.values().flat_map(|partition| &partition.extents) {
        index.entry(extent.segment.id).or_insert_with(|| {
            heads.push(&extent.segment);
            u32::try_from(heads.len() - 1).unwrap_or(u32::MAX)
        });
    }
    let flushes_only = heads.iter().all(|head| matches!(head.id, SegmentId::Flushed(_)));
    let version = if flushes_only { FIRST_VERSION } else { COMPACTED };
    let mut out = begin(SNAPSHOT, version);
    put_trim(&mut out, manifest.trim);
    out.put_u128_le(manifest.owner);
    out.put_u32_le(manifest.since.0);
    out.put_i64_le(manifest.reserve);
    out.put_u64_le(manifest.last_segment.map_or(u64::MAX, |number| number));
    put_list(&mut out, &heads, |out, head| match head.id {
        _ if version == FIRST_VERSION => put_flushed_head(out, head),
        SegmentId::Flushed(_) => {
            out.put_u8(FLUSHED_HEAD);
            put_flushed_head(out, head);
        }
        SegmentId::Compacted { .. } => {
            out.put_u8(COMPACTED_HEAD);
            put_compacted_head(out, head);
        }
    });
    out.put_u32_le(count(manifest.partitions.len()));
    for (tp, partition) in &manifest.partitions {
        put_tp(&mut out, *tp);
        out.put_i64_le(partition.log_start);
        out.put_i64_le(partition.log_end);
        out.put_u8(u8::from(partition.reserved));
        put_list(&mut out, &partition.epochs, put_epoch);
        put_list(&mut out, &partition.extents, |out, extent| {
            out.put_u32_le(index.get(&extent.segment.id).copied().unwrap_or(u32::MAX));
            out.put_i64_le(extent.first_offset);
            out.put_i64_le(extent.last_offset);
            out.put_u64_le(extent.start);
            out.put_u64_le(extent.end);
            out.put_i64_le(extent.max_timestamp_ms);
        });
        let producers: Vec<_> = partition.producers.iter().collect();
        put_list(&mut out, &producers, |out, (id, producer)| {
            out.put_i64_le(*id);
            out.put_i16_le(producer.epoch);
            out.put_i64_le(producer.last_timestamp_ms);
            put_list(out, &producer.batches, put_batch);
        });
    }
    finish(out)
}

/// A whole state from its bytes.
pub fn decode_snapshot(bytes: &[u8]) -> Decoded<Manifest> {
    let (version, mut body) = open(bytes, SNAPSHOT, COMPACTED)?;
    let input = &mut body;
    let trim = get_trim(input)?;
    let owner = input.try_get_u128_le()?;
    let since = Epoch(input.try_get_u32_le()?);
    let reserve = input.try_get_i64_le()?;
    let last_segment = Some(input.try_get_u64_le()?).filter(|number| *number != u64::MAX);
    let heads = get_list(input, |input| {
        let kind = if version == FIRST_VERSION { FLUSHED_HEAD } else { input.try_get_u8()? };
        let head = match kind {
            FLUSHED_HEAD => get_flushed_head(input),
            COMPACTED_HEAD => get_compacted_head(input),
            _ => Err(DecodeError::Malformed),
        };
        head.map(std::sync::Arc::new)
    })?;
    let partitions = get_list(input, |input| {
        let tp = get_tp(input)?;
        let mut partition = PartitionRecord {
            log_start: input.try_get_i64_le()?,
            log_end: input.try_get_i64_le()?,
            reserved: input.try_get_u8()? != 0,
            epochs: get_list(input, get_epoch)?,
            ..PartitionRecord::default()
        };
        partition.extents = get_list(input, |input| {
            let segment = usize::try_from(input.try_get_u32_le()?).map_err(|_| DecodeError::Malformed)?;
            Ok(Located {
                segment: heads.get(segment).cloned().ok_or(DecodeError::Malformed)?,
                first_offset: input.try_get_i64_le()?,
                last_offset: input.try_get_i64_le()?,
                start: input.try_get_u64_le()?,
                end: input.try_get_u64_le()?,
                max_timestamp_ms: input.try_get_i64_le()?,
            })
        })?;
        let producers = get_list(input, |input| {
            let id = input.try_get_i64_le()?;
            let producer = Producer {
                epoch: input.try_get_i16_le()?,
                last_timestamp_ms: input.try_get_i64_le()?,
                batches: get_list(input, get_batch)?,
            };
            Ok((id, producer))
        })?;
        for (id, producer) in producers {
            partition.producers.restore(id, producer);
        }
        Ok((tp, partition))
    })?;
    closed(input, Manifest { trim, owner, since, reserve, last_segment, partitions: partitions.into_iter().collect() })
}

fn put_segment(out: &mut BytesMut, segment: &SegmentRecord) {
    put_flushed_head(out, &segment.head);
    put_list(out, &segment.extents, |out, extent| {
        put_tp(out, extent.tp);
        out.put_i64_le(extent.first_offset);
        out.put_i64_le(extent.last_offset);
        out.put_u64_le(extent.start);
        out.put_u64_le(extent.end);
        out.put_i64_le(extent.max_timestamp_ms);
        out.put_u8(u8::from(extent.reserved));
        put_list(out, &extent.epochs, put_epoch);
        put_list(out, &extent.producers, |out, delta| {
            out.put_i64_le(delta.producer_id);
            out.put_i16_le(delta.epoch);
            out.put_i64_le(delta.last_timestamp_ms);
            put_list(out, &delta.batches, put_batch);
        });
    });
}

fn get_segment(input: &mut &[u8]) -> Decoded<SegmentRecord> {
    Ok(SegmentRecord {
        head: get_flushed_head(input)?,
        extents: get_list(input, |input| {
            Ok(ExtentRecord {
                tp: get_tp(input)?,
                first_offset: input.try_get_i64_le()?,
                last_offset: input.try_get_i64_le()?,
                start: input.try_get_u64_le()?,
                end: input.try_get_u64_le()?,
                max_timestamp_ms: input.try_get_i64_le()?,
                reserved: input.try_get_u8()? != 0,
                epochs: get_list(input, get_epoch)?,
                producers: get_list(input, |input| {
                    Ok(ProducerDelta {
                        producer_id: input.try_get_i64_le()?,
                        epoch: input.try_get_i16_le()?,
                        last_timestamp_ms: input.try_get_i64_le()?,
                        batches: get_list(input, get_batch)?,
                    })
                })?,
            })
        })?,
    })
}

fn put_compacted(out: &mut BytesMut, segment: &CompactedSegment) {
    put_compacted_head(out, &segment.head);
    put_list(out, &segment.pieces, |out, piece| {
        put_tp(out, piece.tp);
        out.put_i64_le(piece.first_offset);
        out.put_i64_le(piece.last_offset);
        out.put_u64_le(piece.start);
        out.put_u64_le(piece.end);
        out.put_i64_le(piece.max_timestamp_ms);
    });
}

fn get_compacted(input: &mut &[u8]) -> Decoded<CompactedSegment> {
    Ok(CompactedSegment {
        head: get_compacted_head(input)?,
        pieces: get_list(input, |input| {
            Ok(Piece {
                tp: get_tp(input)?,
                first_offset: input.try_get_i64_le()?,
                last_offset: input.try_get_i64_le()?,
                start: input.try_get_u64_le()?,
                end: input.try_get_u64_le()?,
                max_timestamp_ms: input.try_get_i64_le()?,
            })
        })?,
    })
}

/// What a segment of a snapshot is.
const FLUSHED_HEAD: u8 = 0;
const COMPACTED_HEAD: u8 = 1;

fn put_flushed_head(out: &mut BytesMut, head: &SegmentHead) {
    out.put_u64_le(head.run.last);
    put_object(out, head);
}

fn get_flushed_head(input: &mut &[u8]) -> Decoded<SegmentHead> {
    let number = input.try_get_u64_le()?;
    get_object(input, SegmentId::Flushed(number), Run::flushed(number))
}

fn put_compacted_head(out: &mut BytesMut, head: &SegmentHead) {
    let id = match head.id {
        SegmentId::Compacted { id, .. } => id,
        SegmentId::Flushed(number) => number,
    };
    out.put_u64_le(id);
    out.put_u64_le(head.run.first);
    out.put_u64_le(head.run.last);
    out.put_u8(head.run.level);
    put_object(out, head);
}

fn get_compacted_head(input: &mut &[u8]) -> Decoded<SegmentHead> {
    let id = input.try_get_u64_le()?;
    let run = Run { first: input.try_get_u64_le()?, last: input.try_get_u64_le()?, level: input.try_get_u8()? };
    let head = get_object(input, SegmentId::Flushed(0), run)?;
    Ok(SegmentHead { id: SegmentId::Compacted { epoch: head.epoch, id }, ..head })
}

fn put_object(out: &mut BytesMut, head: &SegmentHead) {
    out.put_u32_le(head.epoch.0);
    put_text(out, head.etag.as_str());
    out.put_u64_le(head.size);
    out.put_u64_le(head.payload_at);
}

fn get_object(input: &mut &[u8], id: SegmentId, run: Run) -> Decoded<SegmentHead> {
    Ok(SegmentHead {
        id,
        run,
        epoch: Epoch(input.try_get_u32_le()?),
        etag: Etag::from(get_text(input)?.as_str()),
        size: input.try_get_u64_le()?,
        payload_at: input.try_get_u64_le()?,
    })
}

fn put_epoch(out: &mut BytesMut, (epoch, offset): &(i32, i64)) {
    out.put_i32_le(*epoch);
    out.put_i64_le(*offset);
}

fn get_epoch(input: &mut &[u8]) -> Decoded<(i32, i64)> {
    Ok((input.try_get_i32_le()?, input.try_get_i64_le()?))
}

fn put_batch(out: &mut BytesMut, batch: &SequencedBatch) {
    out.put_i32_le(batch.first_sequence);
    out.put_i32_le(batch.last_sequence);
    out.put_i64_le(batch.first_offset);
    out.put_i64_le(batch.last_offset);
}

fn get_batch(input: &mut &[u8]) -> Decoded<SequencedBatch> {
    Ok(SequencedBatch {
        first_sequence: input.try_get_i32_le()?,
        last_sequence: input.try_get_i32_le()?,
        first_offset: input.try_get_i64_le()?,
        last_offset: input.try_get_i64_le()?,
    })
}

fn begin(magic: u32, version: u16) -> BytesMut {
    let mut out = BytesMut::with_capacity(1024);
    out.put_u32(magic);
    out.put_u16_le(version);
    out
}

fn finish(mut out: BytesMut) -> Bytes {
    let crc = crc32c::crc32c(&out);
    out.put_u32_le(crc);
    out.freeze()
}

/// Version and body of what has this magic and at most this version.
fn open(bytes: &[u8], expected: u32, newest: u16) -> Decoded<(u16, &[u8])> {
    let Some((mut body, mut crc)) = bytes.len().checked_sub(4).map(|at| bytes.split_at(at)) else {
        return Err(DecodeError::Malformed);
    };
    let whole = body;
    let magic = body.try_get_u32()?;
    if magic != expected {
        return Err(DecodeError::Magic(magic));
    }
    let version = body.try_get_u16_le()?;
    if !(FIRST_VERSION..=newest).contains(&version) {
        return Err(DecodeError::Version { version, newest });
    }
    if crc.try_get_u32_le()? != crc32c::crc32c(whole) {
        return Err(DecodeError::Checksum);
    }
    Ok((version, body))
}

fn closed<T>(rest: &[u8], value: T) -> Decoded<T> {
    if rest.is_empty() { Ok(value) } else { Err(DecodeError::Malformed) }
}

fn count(len: usize) -> u32 {
    // Lists are bounded far below this by the memory that holds them.
    u32::try_from(len).unwrap_or(u32::MAX)
}

fn put_list<T>(out: &mut BytesMut, items: &[T], mut put: impl FnMut(&mut BytesMut, &T)) {
    out.put_u32_le(count(items.len()));
    for item in items {
        put(out, item);
    }
}

/// The reservation never exceeds what the bytes at hand could hold at one byte an item.
fn get_list<T>(input: &mut &[u8], mut get: impl FnMut(&mut &[u8]) -> Decoded<T>) -> Decoded<Vec<T>> {
    let len = usize::try_from(input.try_get_u32_le()?).map_err(|_| DecodeError::Malformed)?;
    if len > input.len() {
        return Err(DecodeError::Malformed);
    }
    let mut items = Vec::with_capacity(len.min(1024));
    for _ in 0..len {
        items.push(get(input)?);
    }
    Ok(items)
}

fn put_text(out: &mut BytesMut, text: &str) {
    out.put_u32_le(count(text.len()));
    out.put_slice(text.as_bytes());
}

fn get_text(input: &mut &[u8]) -> Decoded<String> {
    let len = usize::try_from(input.try_get_u32_le()?).map_err(|_| DecodeError::Malformed)?;
    let (text, rest) = input.split_at_checked(len).ok_or(DecodeError::Malformed)?;
    *input = rest;
    String::from_utf8(text.to_vec()).map_err(|_| DecodeError::Malformed)
}

fn put_tp(out: &mut BytesMut, tp: TopicPartition) {
    out.put_slice(tp.topic.as_bytes());
    out.put_i32_le(tp.partition);
}

fn get_tp(input: &mut &[u8]) -> Decoded<TopicPartition> {
    let mut id = [0; 16];
    input.try_copy_to_slice(&mut id)?;
    Ok(TopicPartition { topic: TopicId::from_bytes(id), partition: input.try_get_i32_le()? })
}

fn put_trim(out: &mut BytesMut, trim: TrimPoint) {
    out.put_u64_le(trim.number);
    out.put_u32_le(trim.epoch.0);
    out.put_u32_le(trim.window);
}

fn get_trim(input: &mut &[u8]) -> Decoded<TrimPoint> {
    Ok(TrimPoint {
        number: input.try_get_u64_le()?,
        epoch: Epoch(input.try_get_u32_le()?),
        window: input.try_get_u32_le()?,
    })
}
