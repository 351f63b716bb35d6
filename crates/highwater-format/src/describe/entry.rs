//! The header of a journal's object in words.

use bytes::Bytes;

use crate::describe::batch::checksum;
use crate::describe::{Field, Sink, Value};
use crate::entry::{EntryError, EntryHeader, EntryKind, HEADER_LEN, ReadEntry, payload_crc};

/// What lies behind the header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Payload {
    /// What the header says that the object is; `None` if it cannot be believed.
    pub kind: Option<EntryKind>,
    /// Where the payload begins in the object.
    pub at: u64,
    /// The payload.
    pub bytes: Bytes,
}

/// Whether an object begins with a header of ours, or with one that had its magic changed.
#[must_use]
pub fn is_entry(bytes: &Bytes) -> bool {
    EntryHeader::has_magic(bytes) || EntryHeader::is_entry_without_magic(bytes)
}

/// Describes the header; a payload is given wherever there can be one.
pub fn describe(object: &Bytes, sink: &mut dyn Sink) -> Option<Payload> {
    let header_end = object.len().min(HEADER_LEN) as u64;
    let damaged = match EntryHeader::decode(object) {
        Ok(entry) => {
            sink.item(0, "entry", &fields(&entry, true));
            return Some(payload(object, &entry, sink));
        }
        Err(error) => error,
    };
    sink.damage(0..header_end, &damaged.to_string());
    if let EntryError::Version(_) = damaged {
        // Another layout: whatever was read of it would be invented.
        return None;
    }
    // Where the payload is found all the same: right behind a header without attributes, as all are
    // that are written now.
    let entry = EntryHeader::decode_unchecked(object)?;
    sink.item(0, "entry", &fields(&entry, false));
    let at = HEADER_LEN.min(object.len());
    Some(Payload { kind: None, at: at as u64, bytes: object.slice(at..) })
}

fn fields(entry: &ReadEntry, whole: bool) -> [Field; 9] {
    let header = &entry.header;
    let kind = match header.kind {
        EntryKind::Data => "data",
        EntryKind::Fence => "fence",
        EntryKind::Snapshot => "snapshot",
    };
    [
        ("type", kind.into()),
        ("number", header.number.into()),
        ("epoch", header.epoch.0.into()),
        ("window", header.window.into()),
        ("incarnation", Value::Id(header.incarnation.0)),
        ("put_id", Value::Id(header.put_id.0)),
        ("payload", Value::Bytes(entry.payload_at..entry.payload_at.saturating_add(header.payload_len))),
        ("attributes_bytes", header.attributes.len().into()),
        ("header_checksum", checksum(whole)),
    ]
}

fn payload(object: &Bytes, entry: &ReadEntry, sink: &mut dyn Sink) -> Payload {
    let header = &entry.header;
    let at = usize::try_from(entry.payload_at).unwrap_or(usize::MAX).min(object.len());
    let bytes = object.slice(at..);
    let range = at as u64..object.len() as u64;
    if header.payload_len != bytes.len() as u64 {
        let what = format!("{} bytes of payload instead of {}", bytes.len(), header.payload_len);
        sink.damage(range, &what);
    } else if header.payload_crc.is_some_and(|crc| crc != payload_crc([&bytes])) {
        sink.damage(range, "the payload's checksum does not match");
    }
    Payload { kind: Some(header.kind), at: at as u64, bytes }
}
