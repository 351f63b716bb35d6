//! Batches and records, as segments and write-ahead log files hold them.

use bytes::Bytes;
use highwater_batch::{BatchHeader, Expansion, Record, Records, StoredBatch, TimestampType};

use crate::describe::{Field, Look, Sink, Value};

/// Most bytes of a key or value that are shown.
const SHOWN_BYTES: usize = 256;

/// All that a batch's header says.
pub(super) fn fields(header: &BatchHeader) -> Vec<Field> {
    let attributes = header.attributes;
    let codec = attributes.compression().map_or("unknown", |codec| codec.name());
    let mut fields = vec![
        ("offsets", Value::Offsets(header.base_offset..=header.last_offset())),
        ("records", header.record_count.into()),
        ("leader_epoch", header.leader_epoch.into()),
        ("codec", codec.into()),
        ("base_timestamp_ms", header.base_timestamp.into()),
        ("max_timestamp_ms", header.max_timestamp.into()),
    ];
    if attributes.timestamp_type() == TimestampType::LogAppendTime {
        fields.push(("timestamps", "LogAppendTime".into()));
    }
    if header.has_producer() {
        fields.push(("producer", header.producer_id.into()));
        fields.push(("producer_epoch", header.producer_epoch.into()));
        fields.push(("base_sequence", header.base_sequence.into()));
    }
    for (name, set) in [("transactional", attributes.is_transactional()), ("control", attributes.is_control())] {
        if set {
            fields.push((name, true.into()));
        }
    }
    fields
}

/// One batch that lies at `at` in the object, and its records if they are asked for.
pub(super) fn describe(batch: &StoredBatch, at: u64, depth: usize, look: &Look, sink: &mut dyn Sink) {
    let header = batch.header();
    let right = batch.crc_is_right();
    let end = at + batch.len() as u64;
    let mut said = vec![("bytes", Value::Bytes(at..end))];
    said.extend(fields(&header));
    said.push(("checksum", checksum(right)));
    sink.item(depth, "batch", &said);
    // What a damaged batch says of its records is noise.
    if look.records && right {
        records(batch, at..end, depth + 1, sink);
    }
}

pub(super) fn checksum(right: bool) -> Value {
    if right { "ok" } else { "wrong" }.into()
}

pub(super) fn records(batch: &StoredBatch, bytes: std::ops::Range<u64>, depth: usize, sink: &mut dyn Sink) {
    let wrong = |sink: &mut dyn Sink, error: &dyn std::fmt::Display| {
        let header = batch.header();
        let what = format!("records of offsets {}..={}: {error}", header.base_offset, header.last_offset());
        sink.damage(bytes.clone(), &what);
    };
    match Records::open(batch, Expansion::default()) {
        Err(error) => wrong(sink, &error),
        Ok(records) => {
            for record in records {
                match record {
                    Ok(record) => sink.item(depth, "record", &record_fields(&record)),
                    Err(error) => wrong(sink, &error),
                }
            }
        }
    }
}

fn record_fields(record: &Record) -> Vec<Field> {
    let mut fields = vec![("offset", record.offset.into()), ("timestamp_ms", record.timestamp.into())];
    for (name, value) in [("key", &record.key), ("value", &record.value)] {
        if let Some(value) = value {
            fields.push((name, shown(value)));
        }
    }
    if !record.headers.is_empty() {
        fields.push(("headers", record.headers.iter().map(|header| shown(&header.name)).collect()));
    }
    fields
}

/// Text as it stands; what is none, with a mark for each byte that is not.
fn shown(bytes: &Bytes) -> Value {
    let text = String::from_utf8_lossy(&bytes[..bytes.len().min(SHOWN_BYTES)]);
    match bytes.len().checked_sub(SHOWN_BYTES) {
        None | Some(0) => text.into_owned().into(),
        Some(more) => format!("{text}… and {more} more bytes").into(),
    }
}
