//! Batches and golden files for this crate's tests.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a test fails by panicking, and golden files are files"
)]

use std::path::PathBuf;

use bytes::{BufMut, Bytes, BytesMut};
use highwater_batch::{Attributes, BatchHeader, HEADER_BYTES, StoredBatch};
use highwater_types::{TopicId, TopicPartition};

/// A batch whose CRC is right; its records are `records` bytes of noise, which nothing here opens.
pub(crate) fn batch(base_offset: i64, count: i32, epoch: i32, records: usize) -> StoredBatch {
    let body: Vec<u8> =
        (0..records).map(|at| (at * 31).wrapping_add(base_offset.unsigned_abs() as usize) as u8).collect();
    let mut header = BatchHeader {
        base_offset,
        length: i32::try_from(HEADER_BYTES - 12 + records).unwrap(),
        leader_epoch: epoch,
        crc: 0,
        attributes: Attributes(0),
        last_offset_delta: count - 1,
        base_timestamp: 1_700_000_000_000i64.wrapping_add(base_offset),
        max_timestamp: 1_700_000_000_000i64.wrapping_add(base_offset).wrapping_add(i64::from(count)),
        producer_id: -1,
        producer_epoch: -1,
        base_sequence: -1,
        record_count: count,
    };
    header.crc = crc32c::crc32c_append(crc32c::crc32c(&header.encode()[21..]), &body);
    StoredBatch::from_parts(header, Bytes::from(body))
}

pub(crate) fn tp(topic: u8, partition: i32) -> TopicPartition {
    TopicPartition { topic: TopicId::from_bytes([topic; 16]), partition }
}

pub(crate) fn concat(chunks: &[Bytes]) -> Bytes {
    let mut all = BytesMut::new();
    for chunk in chunks {
        all.put_slice(chunk);
    }
    all.freeze()
}

/// Holds `bytes` against a golden file. A format that changes needs a new version and a new file;
/// `HIGHWATER_BLESS=1` writes files that do not exist yet.
pub(crate) fn golden(name: &str, bytes: &[u8]) {
    let path = PathBuf::from(std::env::var_os("CARGO_MANIFEST_DIR").unwrap()).join("golden").join(name);
    if !path.exists() && std::env::var_os("HIGHWATER_BLESS").is_some() {
        std::fs::write(&path, bytes).unwrap();
    }
    let kept = std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    assert!(kept == bytes, "{name}: what is written now differs from the golden file");
}
