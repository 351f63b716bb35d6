//! Manifest edits and snapshots in words: the only place that knows their fields, beside
//! [`crate::manifest`] itself.

use bytes::Bytes;
use highwater_format::describe::{Field, Look, Sink, Value};
use highwater_journal::TrimPoint;

use crate::manifest::codec::{self, DecodeError};
use crate::manifest::{Edit, ExtentRecord, Manifest, PartitionRecord, Piece, SegmentHead};

const EDIT: &[u8] = b"HWME";
const SNAPSHOT: &[u8] = b"HWMS";
const CRC_BYTES: usize = 4;

pub(super) fn is_manifest(bytes: &[u8]) -> bool {
    bytes.starts_with(EDIT) || bytes.starts_with(SNAPSHOT)
}

/// Describes one that lies at `at` in its object. One whose checksum does not match is described as
/// far as it can be read.
pub(super) fn describe(bytes: &Bytes, at: u64, look: &Look, sink: &mut dyn Sink) {
    let end = at + bytes.len() as u64;
    if bytes.starts_with(EDIT) {
        match read(bytes, codec::decode_edit) {
            (Some(edit), error) => {
                describe_edit(&edit, error.is_none(), look, sink);
                say(sink, at..end, "manifest edit", error);
            }
            (None, error) => say(sink, at..end, "manifest edit", error),
        }
    } else {
        match read(bytes, codec::decode_snapshot) {
            (Some(manifest), error) => {
                describe_snapshot(&manifest, error.is_none(), look, sink);
                say(sink, at..end, "manifest snapshot", error);
            }
            (None, error) => say(sink, at..end, "manifest snapshot", error),
        }
    }
}

fn say(sink: &mut dyn Sink, bytes: std::ops::Range<u64>, what: &str, error: Option<DecodeError>) {
    if let Some(error) = error {
        sink.damage(bytes, &format!("{what}: {error}"));
    }
}

/// Reads bytes as they are, or with the checksum that would be theirs.
fn read<T>(bytes: &Bytes, decode: impl Fn(&[u8]) -> Result<T, DecodeError>) -> (Option<T>, Option<DecodeError>) {
    match decode(bytes) {
        Ok(value) => (Some(value), None),
        Err(DecodeError::Checksum) => {
            let mut summed = bytes.to_vec();
            let body = summed.len().saturating_sub(CRC_BYTES);
            let crc = crc32c::crc32c(&summed[..body]).to_le_bytes();
            summed[body..].copy_from_slice(&crc);
            (decode(&summed).ok(), Some(DecodeError::Checksum))
        }
        Err(error) => (None, Some(error)),
    }
}

fn trim(trim: TrimPoint) -> [Field; 3] {
    [("trim", trim.number.into()), ("trim_epoch", trim.epoch.0.into()), ("trim_window", trim.window.into())]
}

fn checksum(right: bool) -> Field {
    ("checksum", if right { "ok" } else { "wrong" }.into())
}

fn owner(identity: u128) -> Field {
    // As the identity file of a broker's data directory shows it.
    ("owner", highwater_types::ids::Uuid::from_u128(identity).to_string().into())
}

fn describe_edit(edit: &Edit, right: bool, look: &Look, sink: &mut dyn Sink) {
    let mut said = trim(edit.trim).to_vec();
    said.extend([owner(edit.owner), ("since_epoch", edit.since.0.into()), ("reserve", edit.reserve.into())]);
    said.push(checksum(right));
    sink.item(1, "manifest_edit", &said);
    for segment in &edit.segments {
        describe_head(&segment.head, sink);
        for extent in &segment.extents {
            describe_extent(extent, look, sink);
        }
    }
    for tp in &edit.removed {
        sink.item(2, "removed", &look.partition(*tp));
    }
    for start in &edit.starts {
        let mut said = look.partition(start.tp);
        said.push(("next_offset", start.next_offset.into()));
        sink.item(2, "starts_behind_gap", &said);
    }
    for start in &edit.log_starts {
        let mut said = look.partition(start.tp);
        said.push(("log_start", start.offset.into()));
        sink.item(2, "log_start", &said);
    }
    for compacted in &edit.compacted {
        describe_head(&compacted.head, sink);
        for piece in &compacted.pieces {
            describe_piece(piece, look, sink);
        }
    }
}

fn describe_head(head: &SegmentHead, sink: &mut dyn Sink) {
    let mut said = reference(head).to_vec();
    said.push(("size", head.size.into()));
    said.push(("payload_at", head.payload_at.into()));
    sink.item(2, "segment_reference", &said);
}

/// Which object a segment is, and which numbers of the chain its records come from.
fn reference(head: &SegmentHead) -> [Field; 5] {
    [
        ("segment", head.id.to_string().into()),
        ("segment_epoch", head.epoch.0.into()),
        ("segment_etag", head.etag.as_str().into()),
        ("chain", format!("{}..={}", head.run.first, head.run.last).into()),
        ("level", head.run.level.into()),
    ]
}

fn describe_piece(piece: &Piece, look: &Look, sink: &mut dyn Sink) {
    let mut said = look.partition(piece.tp);
    said.extend([
        ("offsets", Value::Offsets(piece.first_offset..=piece.last_offset)),
        ("segment_bytes", Value::Bytes(piece.start..piece.end)),
        ("max_timestamp_ms", piece.max_timestamp_ms.into()),
    ]);
    sink.item(3, "replaces", &said);
}

fn describe_extent(extent: &ExtentRecord, look: &Look, sink: &mut dyn Sink) {
    let mut said = look.partition(extent.tp);
    said.extend([
        ("offsets", Value::Offsets(extent.first_offset..=extent.last_offset)),
        ("segment_bytes", Value::Bytes(extent.start..extent.end)),
        ("max_timestamp_ms", extent.max_timestamp_ms.into()),
        ("in_wal", extent.reserved.into()),
        epochs(&extent.epochs),
        ("producers", extent.producers.len().into()),
    ]);
    sink.item(3, "extent", &said);
}

fn epochs(epochs: &[(i32, i64)]) -> Field {
    ("leader_epochs", epochs.iter().map(|(epoch, first)| format!("{epoch} from {first}")).collect())
}

fn describe_snapshot(manifest: &Manifest, right: bool, look: &Look, sink: &mut dyn Sink) {
    let mut said = trim(manifest.trim).to_vec();
    said.extend([owner(manifest.owner), ("since_epoch", manifest.since.0.into())]);
    said.push(("reserve", manifest.reserve.into()));
    if let Some(last) = manifest.last_segment {
        said.push(("last_segment", last.into()));
    }
    said.push(("partitions", manifest.partitions.len().into()));
    said.push(("segments", manifest.segments().into()));
    said.push(checksum(right));
    sink.item(1, "manifest_snapshot", &said);
    for (tp, partition) in &manifest.partitions {
        let mut said = look.partition(*tp);
        said.extend(partition_fields(partition));
        sink.item(2, "partition", &said);
        for extent in &partition.extents {
            let mut said = vec![("offsets", Value::Offsets(extent.first_offset..=extent.last_offset))];
            said.extend(reference(&extent.segment));
            said.push(("segment_bytes", Value::Bytes(extent.start..extent.end)));
            said.push(("max_timestamp_ms", extent.max_timestamp_ms.into()));
            sink.item(3, "extent", &said);
        }
    }
}

fn partition_fields(partition: &PartitionRecord) -> [Field; 6] {
    [
        ("log_start", partition.log_start.into()),
        ("log_end", partition.log_end.into()),
        ("in_wal", partition.reserved.into()),
        epochs(&partition.epochs),
        ("extents", partition.extents.len().into()),
        ("producers", partition.producers.iter().count().into()),
    ]
}
