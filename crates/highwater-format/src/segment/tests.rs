//! Round trips, golden files and damage for the format of a segment.
#![allow(clippy::unwrap_used, clippy::panic, clippy::expect_used, reason = "a test fails by panicking")]

use bytes::Bytes;
use highwater_batch::StoredBatch;
use highwater_types::{Epoch, ShardId, TopicPartition};
use proptest::prelude::*;

use super::*;
use crate::testing::{batch, concat, golden, tp};

fn plain(tp: TopicPartition) -> NewExtent {
    NewExtent { tp, reserve_end: -1, aborted: Vec::new(), producers: Vec::new() }
}

fn rich(tp: TopicPartition) -> NewExtent {
    NewExtent {
        tp,
        reserve_end: 1_000_000,
        aborted: vec![AbortedTxn { producer_id: 12, first_offset: 3, last_offset: 90, last_stable_offset: 3 }],
        producers: vec![ProducerDelta {
            producer_id: 12,
            producer_epoch: 4,
            coordinator_epoch: 2,
            last_timestamp_ms: 1_700_000_000_123,
            open_txn_first_offset: 91,
            batches: (0..5)
                .map(|n| ProducerBatch {
                    first_sequence: n * 10,
                    last_sequence: n * 10 + 9,
                    first_offset: i64::from(n) * 20,
                    last_offset: i64::from(n) * 20 + 9,
                })
                .collect(),
        }],
    }
}

fn sample() -> Segment {
    let mut writer = SegmentWriter::new(ShardId(2), Epoch(7), 0);
    writer.push_extent(rich(tp(1, 0)), &[batch(10, 5, 6, 100), batch(15, 2, 7, 2000)]).unwrap();
    writer.push_extent(plain(tp(1, 1)), &[batch(0, 1, 7, 0)]).unwrap();
    writer.reserve(tp(3, 0), 77);
    writer.reserve(tp(2, 0), 78);
    writer.finish().unwrap()
}

fn whole(bytes: &[u8]) -> Footer {
    match Footer::from_tail(bytes).unwrap() {
        Tail::Whole(footer) => footer,
        Tail::NeedMore { bytes } => panic!("needs {bytes}"),
    }
}

#[test]
fn golden_file() {
    let segment = sample();
    let bytes = concat(&segment.chunks);
    golden("segment-v1.bin", &bytes);
    assert_eq!(verify(&bytes).unwrap(), segment.footer);
    assert_eq!(segment.len, bytes.len() as u64);
    assert_eq!(segment.footer.reserves[0], Reserve { tp: tp(2, 0), reserve_end: 78 });
    let extent = segment.footer.extent(tp(1, 0)).unwrap();
    assert_eq!((extent.first_offset, extent.last_offset, extent.max_timestamp), (10, 16, 1_700_000_000_017));
    assert_eq!(extent.epochs, [EpochStart { epoch: 6, first_offset: 10 }, EpochStart { epoch: 7, first_offset: 15 }]);
    assert!(segment.footer.extent(tp(1, 2)).is_none());
}

#[test]
fn records_are_shared_and_small_pieces_gathered() {
    let big = batch(1, 1, 1, 5000);
    let mut writer = SegmentWriter::new(ShardId(0), Epoch(1), 0);
    writer.push_extent(plain(tp(1, 0)), [&batch(0, 1, 1, 10), &big]).unwrap();
    writer.push_extent(plain(tp(1, 1)), &[batch(0, 1, 1, 10), batch(1, 1, 1, 10)]).unwrap();
    let chunks = writer.finish().unwrap().chunks;
    // Heads and small records before it, the big one itself, what follows it, footer.
    assert_eq!(chunks.len(), 4);
    assert_eq!(chunks[1].as_ptr(), big.body().as_ptr());
}

#[test]
fn a_short_tail_says_how_much_it_needs() {
    let segment = concat(&sample().chunks);
    let Tail::NeedMore { bytes } = Footer::from_tail(&segment[segment.len() - 40..]).unwrap() else {
        panic!("the footer is larger than that");
    };
    assert_eq!(whole(&segment[segment.len() - bytes..]), whole(&segment));
    assert_eq!(Footer::from_tail(&segment[segment.len() - 31..]), Err(SegmentError::Short));
    // Other bytes in front are not the segment's affair, but to verify() they are.
    let object = concat(&[Bytes::from_static(b"entry header"), segment.clone()]);
    assert_eq!(whole(&object).segment_bytes, segment.len() as u64);
    assert!(verify(&object).is_err());
}

#[test]
fn the_writer_refuses_what_no_segment_may_hold() {
    let writer = || SegmentWriter::new(ShardId(0), Epoch(1), 0);
    assert!(writer().push_extent(plain(tp(1, 0)), &[]).is_err());
    assert!(writer().push_extent(plain(tp(1, 0)), &[batch(5, 2, 1, 1), batch(6, 1, 1, 1)]).is_err());
    assert!(writer().push_extent(plain(tp(1, 0)), &[batch(-1, 1, 1, 1)]).is_err());
    assert!(writer().push_extent(plain(tp(1, 0)), &[batch(i64::MAX, 2, 1, 1)]).is_err());
    let mut twice = writer();
    twice.push_extent(plain(tp(1, 1)), &[batch(0, 1, 1, 1)]).unwrap();
    assert!(twice.push_extent(plain(tp(1, 1)), &[batch(1, 1, 1, 1)]).is_err());
    assert!(twice.push_extent(plain(tp(1, 0)), &[batch(1, 1, 1, 1)]).is_err());
}

#[test]
fn a_segment_without_batches_carries_reserves() {
    let mut writer = SegmentWriter::new(ShardId(0), Epoch(1), 0);
    writer.reserve(tp(1, 0), 5);
    let segment = writer.finish().unwrap();
    assert_eq!(verify(&concat(&segment.chunks)).unwrap(), segment.footer);
}

/// Batches of one partition: gaps between them, and sizes that make several strides.
fn batches() -> impl Strategy<Value = Vec<StoredBatch>> {
    proptest::collection::vec((0i64..3, 1i32..5, 0usize..40_000, 1i32..3), 1..12).prop_map(|all| {
        let (mut next, mut epoch) = (0, 1);
        let mut batches = Vec::new();
        for (gap, count, records, step) in all {
            epoch += step - 1;
            batches.push(batch(next + gap, count, epoch, records));
            next += gap + i64::from(count);
        }
        batches
    })
}

fn write(extents: &[Vec<StoredBatch>]) -> Segment {
    let mut writer = SegmentWriter::new(ShardId(1), Epoch(9), 1);
    for (partition, batches) in (0..).zip(extents) {
        writer.push_extent(rich(tp(4, partition)), batches).unwrap();
    }
    writer.finish().unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn round_trip_and_lookups(
        extents in proptest::collection::vec(batches(), 1..5), offset in 0i64..60, max_bytes in 0u64..300_000,
    ) {
        let segment = write(&extents);
        let bytes = concat(&segment.chunks);
        prop_assert_eq!(&verify(&bytes).unwrap(), &segment.footer);
        for (partition, batches) in (0..).zip(&extents) {
            let extent = segment.footer.extent(tp(4, partition)).unwrap();
            let wanted = batches.iter().find(|batch| batch.last_offset() >= offset);
            let range = extent.range_from(offset, max_bytes);
            prop_assert_eq!(range.is_some(), wanted.is_some());
            if let (Some(range), Some(wanted)) = (range, wanted) {
                let part = bytes.slice(range.start as usize..range.end as usize);
                prop_assert!(verify_range(extent, &range, &part).is_ok());
                let wanted = wanted.to_bytes();
                prop_assert!(part.windows(wanted.len()).any(|window| window == wanted));
                let strides = (0..extent.index.len())
                    .filter(|n| extent.stride_bytes(*n).is_some_and(|s| s.start >= range.start && s.end <= range.end))
                    .count();
                prop_assert!(strides == 1 || range.end - range.start <= max_bytes);
            }
            let timestamp = 1_700_000_000_000 + offset;
            let wanted = batches.iter().find(|batch| batch.header().max_timestamp >= timestamp);
            let range = extent.range_at_timestamp(timestamp);
            prop_assert_eq!(range.is_some(), wanted.is_some());
            if let (Some(range), Some(wanted)) = (range, wanted) {
                let wanted = wanted.to_bytes();
                let part = &bytes[range.start as usize..range.end as usize];
                prop_assert!(part.windows(wanted.len()).any(|window| window == wanted));
            }
        }
    }

    #[test]
    fn every_flipped_bit_and_every_cut_shows(
        extents in proptest::collection::vec(batches(), 1..3), at in any::<prop::sample::Index>(), bit in 0u8..8,
    ) {
        let bytes = concat(&write(&extents).chunks);
        let mut broken = bytes.to_vec();
        broken[at.index(bytes.len())] ^= 1 << bit;
        prop_assert!(verify(&Bytes::from(broken)).is_err());
        prop_assert!(verify(&bytes.slice(..at.index(bytes.len()))).is_err());
        prop_assert!(verify(&bytes.slice(1 + at.index(bytes.len() - 1)..)).is_err());
    }

    #[test]
    fn a_footer_with_right_checksums_and_wrong_content_never_panics(
        extents in proptest::collection::vec(batches(), 1..3), at in any::<prop::sample::Index>(), byte: u8,
    ) {
        let segment = write(&extents);
        let mut bytes = concat(&segment.chunks).to_vec();
        let (payload, len) = (segment.footer.payload_bytes as usize, bytes.len());
        bytes[payload + at.index(len - 32 - payload)] = byte;
        let crc = crc32c::crc32c(&bytes[payload..len - 32]);
        bytes[len - 20..len - 16].copy_from_slice(&crc.to_be_bytes());
        let crc = crc32c::crc32c_append(crc32c::crc32c(&bytes[len - 32..len - 16]), &bytes[len - 12..]);
        bytes[len - 16..len - 12].copy_from_slice(&crc.to_be_bytes());
        let _ = verify(&Bytes::from(bytes.clone()));
        if let Ok(Tail::Whole(footer)) = Footer::from_tail(&bytes) {
            for extent in &footer.extents {
                let _ = (extent.range_from(5, 1000), extent.range_at_timestamp(0), extent.stride_bytes(1));
                let _ = verify_range(extent, &extent.bytes.clone(), &Bytes::from(bytes.clone()));
            }
        }
    }

    #[test]
    fn anything_may_be_read(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let mut bytes = bytes;
        prop_assert!(Footer::from_tail(&bytes).is_err());
        bytes.extend_from_slice(b"HWATRSEG");
        prop_assert!(verify(&Bytes::from(bytes)).is_err());
    }
}
