//! Round trips, golden files and damage for the manifest's bytes.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::path::Path;

use highwater_journal::TrimPoint;
use highwater_store::Etag;
use highwater_types::{Epoch, TopicId, TopicPartition};
use proptest::prelude::*;

use super::codec::{DecodeError, decode_edit, decode_snapshot, encode_edit, encode_snapshot};
use super::{
    CompactedSegment, Edit, ExtentRecord, LogStart, Manifest, Piece, ProducerDelta, Run, SegmentHead, SegmentId,
    SegmentRecord, Start,
};
use crate::shard::producers::SequencedBatch;

fn tp(topic: u8, partition: i32) -> TopicPartition {
    TopicPartition { topic: TopicId::from_bytes([topic; 16]), partition }
}

prop_compose! {
    fn extent()(
        topic in 0..3u8, partition in 0..3, first in 0..1_000_000i64, len in 0..1000i64, start in any::<u32>(),
        bytes in any::<u32>(), max_timestamp_ms in any::<i64>(), epoch in 1..9,
        producers in proptest::collection::vec((any::<i64>(), any::<i16>(), any::<i64>(), any::<i32>()), 0..3),
    ) -> ExtentRecord {
        let batch = |first_sequence| SequencedBatch {
            first_sequence, last_sequence: first_sequence, first_offset: first, last_offset: first + len,
        };
        ExtentRecord {
            tp: tp(topic, partition),
            first_offset: first,
            last_offset: first + len,
            start: u64::from(start),
            end: u64::from(start) + u64::from(bytes),
            max_timestamp_ms,
            reserved: epoch > 4,
            epochs: vec![(epoch, first)],
            producers: producers.into_iter().map(|(producer_id, epoch, last_timestamp_ms, sequence)| ProducerDelta {
                producer_id, epoch, last_timestamp_ms, batches: vec![batch(sequence)],
            }).collect(),
        }
    }
}

prop_compose! {
    fn edit()(
        number in 1..1_000u64, epoch in any::<u32>(), owner in any::<u128>(), since in any::<u32>(),
        segments in proptest::collection::vec(proptest::collection::vec(extent(), 0..4), 0..4),
        removed in proptest::collection::vec((0..9u8, 0..9), 0..3), next_offset in any::<i64>(),
        log_starts in proptest::collection::vec((0..3u8, 0..2_000_000i64), 0..3),
    ) -> Edit {
        Edit {
            trim: TrimPoint { number: number + 10, epoch: Epoch(epoch), window: 3 },
            owner,
            since: Epoch(since),
            reserve: next_offset,
            segments: (number..).zip(segments).map(|(number, extents)| SegmentRecord {
                head: SegmentHead::flushed(number, Epoch(epoch), Etag::from("\"e-tag\""), 9, 128),
                extents,
            }).collect(),
            removed: removed.into_iter().map(|(topic, partition)| tp(topic, partition)).collect(),
            starts: vec![Start { tp: tp(1, 1), next_offset }],
            log_starts: log_starts.into_iter().map(|(topic, offset)| LogStart { tp: tp(topic, 0), offset }).collect(),
            compacted: Vec::new(),
        }
    }
}

prop_compose! {
    /// What the edit lists, compacted one by one in the edit itself.
    fn compacting()(edit in edit(), ids in proptest::collection::vec(any::<u64>(), 4)) -> Edit {
        let compacted = edit.segments.iter().zip(ids).map(|(segment, id)| CompactedSegment {
            head: SegmentHead {
                id: SegmentId::Compacted { epoch: segment.head.epoch, id },
                run: Run { level: 1, ..segment.head.run },
                payload_at: 0,
                ..segment.head.clone()
            },
            pieces: segment.extents.iter().map(|extent| Piece {
                tp: extent.tp,
                first_offset: extent.first_offset,
                last_offset: extent.last_offset,
                start: extent.start,
                end: extent.end,
                max_timestamp_ms: extent.max_timestamp_ms,
            }).collect(),
        }).collect();
        Edit { compacted, ..edit }
    }
}

proptest! {
    #[test]
    fn edits_read_back(edit in prop_oneof![edit(), compacting()]) {
        prop_assert_eq!(decode_edit(&encode_edit(&edit)).unwrap(), edit);
    }

    #[test]
    fn a_state_read_back_is_the_state(edits in proptest::collection::vec(prop_oneof![edit(), compacting()], 1..4)) {
        let mut manifest = Manifest::default();
        for edit in &edits {
            // Random edits contradict each other now and then; what is refused changes nothing.
            let _ = manifest.apply(edit);
        }
        prop_assert_eq!(decode_snapshot(&encode_snapshot(&manifest)).unwrap(), manifest);
    }

    #[test]
    fn damage_is_found(edit in prop_oneof![edit(), compacting()], at in any::<prop::sample::Index>(), bit in 0..8u8, cut in any::<prop::sample::Index>()) {
        let bytes = encode_edit(&edit);
        let mut flipped = bytes.to_vec();
        let at = at.index(flipped.len());
        flipped[at] ^= 1 << bit;
        prop_assert!(decode_edit(&flipped).is_err());
        prop_assert!(decode_edit(&bytes[..cut.index(bytes.len())]).is_err());
    }

    #[test]
    fn nothing_panics(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = decode_edit(&bytes);
        let _ = decode_snapshot(&bytes);
    }
}

fn example() -> Edit {
    let batch = SequencedBatch { first_sequence: 0, last_sequence: 9, first_offset: 0, last_offset: 9 };
    Edit {
        trim: TrimPoint { number: 5, epoch: Epoch(2), window: 4 },
        owner: 0x0123_4567_89ab_cdef,
        since: Epoch(1),
        reserve: 1 << 20,
        segments: vec![SegmentRecord {
            head: SegmentHead::flushed(4, Epoch(2), Etag::from("\"1b2m\""), 4096, 128),
            extents: vec![ExtentRecord {
                tp: tp(7, 3),
                first_offset: 0,
                last_offset: 9,
                start: 0,
                end: 700,
                max_timestamp_ms: 1_767_225_600_000,
                reserved: true,
                epochs: vec![(2, 0)],
                producers: vec![ProducerDelta {
                    producer_id: 1000,
                    epoch: 0,
                    last_timestamp_ms: 1_767_225_600_000,
                    batches: vec![batch],
                }],
            }],
        }],
        removed: vec![tp(9, 0)],
        starts: vec![Start { tp: tp(8, 0), next_offset: 1 << 20 }],
        log_starts: Vec::new(),
        compacted: Vec::new(),
    }
}

fn compacted() -> Edit {
    let run = Run { first: 4, last: 4, level: 1 };
    let id = SegmentId::Compacted { epoch: Epoch(2), id: 0xfeed };
    let piece = Piece { tp: tp(7, 3), first_offset: 0, last_offset: 9, start: 0, end: 700, max_timestamp_ms: 5 };
    let head = SegmentHead { id, run, epoch: Epoch(2), etag: Etag::from("\"c\""), size: 800, payload_at: 0 };
    Edit { compacted: vec![CompactedSegment { head, pieces: vec![piece] }], ..example() }
}

fn deleting() -> Edit {
    Edit { log_starts: vec![LogStart { tp: tp(7, 3), offset: 5 }], ..example() }
}

/// Old buckets stay readable: these files are never changed, a new version adds new ones. With
/// `HIGHWATER_BLESS=1` those are written that are absent.
#[test]
fn golden_files_read_as_ever() {
    let golden = |name: &str, bytes: &[u8]| {
        let path = Path::new(&std::env::var_os("CARGO_MANIFEST_DIR").unwrap()).join("golden").join(name);
        if std::env::var_os("HIGHWATER_BLESS").is_some() && !path.exists() {
            std::fs::write(&path, bytes).unwrap();
        }
        let stored = std::fs::read(&path).unwrap();
        assert_eq!(stored, bytes, "{name} is written as ever");
        stored
    };
    let mut manifest = Manifest::default();
    manifest.apply(&example()).unwrap();
    assert_eq!(decode_edit(&golden("edit-v1.bin", &encode_edit(&example()))).unwrap(), example());
    assert_eq!(decode_edit(&golden("edit-v2.bin", &encode_edit(&deleting()))).unwrap(), deleting());
    assert_eq!(decode_edit(&golden("edit-v3.bin", &encode_edit(&compacted()))).unwrap(), compacted());
    assert_eq!(decode_snapshot(&golden("snapshot-v1.bin", &encode_snapshot(&manifest))).unwrap(), manifest);
    let mut manifest = Manifest::default();
    manifest.apply(&compacted()).unwrap();
    assert_eq!(decode_snapshot(&golden("snapshot-v2.bin", &encode_snapshot(&manifest))).unwrap(), manifest);
}

#[test]
fn newer_versions_and_foreign_bytes_are_named() {
    let mut newer = encode_edit(&example()).to_vec();
    newer[4] = 4;
    assert_eq!(decode_edit(&newer), Err(DecodeError::Version { version: 4, newest: 3 }));
    assert!(matches!(decode_edit(b"not a manifest entry"), Err(DecodeError::Magic(_))));
    assert!(matches!(decode_snapshot(&encode_edit(&example())), Err(DecodeError::Magic(_))));
}
