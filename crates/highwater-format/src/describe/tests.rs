//! Golden files in words; for each flipped bit and each cut the bytes that it affects.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "a test fails by panicking, and golden files are files"
)]

use std::path::Path;

use bytes::Bytes;
use highwater_batch::StoredBatch;
use highwater_types::{Epoch, ShardId};
use proptest::prelude::*;

use super::*;
use crate::testing::{batch, concat, tp};
use crate::wal::{BLOCK_HEADER_BYTES, BlockHeader, BlockKind, FILE_HEADER_BYTES, FileHeader, FileState, FrameHeader};

fn golden(name: &str) -> Bytes {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("golden").join(name);
    std::fs::read(path).unwrap().into()
}

fn all() -> Look {
    Look { batches: true, records: true, names: BTreeMap::from([(tp(1, 0).topic, "flights".to_owned())]) }
}

fn segment_said(bytes: &Bytes, at: u64) -> Said {
    let mut said = Said::default();
    segment::describe(bytes, at, &all(), &mut said);
    said
}

fn wal_said(bytes: &Bytes) -> Said {
    let mut said = Said::default();
    wal::describe(bytes, &Look::default(), &mut said);
    said
}

/// Whether damage is told at a byte of the object.
fn covers(said: &Said, at: u64) -> bool {
    said.damage.iter().any(|(bytes, _)| bytes.contains(&at))
}

/// Calls `check` with each bit of `bytes` flipped, one after another, and the byte that it is in.
fn each_flip(bytes: &[u8], range: Range<usize>, mut check: impl FnMut(usize, Bytes)) {
    for at in range {
        for bit in 0..8 {
            let mut broken = bytes.to_vec();
            broken[at] ^= 1 << bit;
            check(at, broken.into());
        }
    }
}

/// Three strides of two extents, with records that can be opened.
fn long_segment() -> Bytes {
    let mut builder = highwater_batch::BatchBuilder::new(highwater_batch::Compression::None);
    builder.push(1_700_000_000_000, Some(b"key"), Some(&[b'v'; 30_000])).unwrap();
    let template = builder.finish().unwrap().to_bytes();
    let batches = |first: i64, count: i64| -> Vec<StoredBatch> {
        let stamped = |offset| {
            let mut batch = StoredBatch::from_bytes(&template).unwrap();
            batch.assign(offset, 7);
            batch
        };
        (first..first + count).map(stamped).collect()
    };
    let extent = |tp| crate::segment::NewExtent { tp, reserve_end: -1, aborted: Vec::new(), producers: Vec::new() };
    let mut writer = crate::segment::SegmentWriter::new(ShardId(2), Epoch(7), 0);
    writer.push_extent(extent(tp(1, 0)), &batches(10, 8)).unwrap();
    writer.push_extent(extent(tp(2, 0)), &batches(0, 2)).unwrap();
    concat(&writer.finish().unwrap().chunks)
}

#[test]
fn a_segment_is_described_down_to_its_records() {
    let said = segment_said(&long_segment(), 128);
    assert_eq!(said.damage, []);
    assert!(said.has("segment", "shard", "2") && said.has("segment", "level", "0"), "{said:?}");
    assert!(said.has("extent", "name", "flights") && said.has("extent", "offsets", "10..=17"), "{said:?}");
    assert!(said.has("extent", "batches", "8") && said.has("extent", "checksums", "ok"));
    let count = |kind: &str| said.items.iter().filter(|(_, of, _)| *of == kind).count();
    assert_eq!((count("batch"), count("record")), (10, 10));
    assert!(said.has("record", "key", "key") && said.has("record", "offset", "17"));
    let shown = said.items.iter().find(|(_, kind, _)| *kind == "record").unwrap().2.last().unwrap().1.to_string();
    assert!(shown.ends_with("… and 29744 more bytes"), "{shown}");
}

#[test]
fn the_golden_segment_is_described_and_each_flipped_bit_is_found_where_it_is() {
    let bytes = golden("segment-v1.bin");
    // Its records are noise, which would be damage of its own.
    let closed = |bytes: &Bytes, at: u64| {
        let mut said = Said::default();
        segment::describe(bytes, at, &Look { batches: true, ..Look::default() }, &mut said);
        said
    };
    let said = closed(&bytes, 0);
    assert_eq!(said.damage, []);
    assert!(said.has("producer", "producer", "12") && said.has("aborted", "offsets", "3..=90"), "{said:?}");
    assert!(said.has("reserve", "reserve_end", "78"), "{said:?}");
    each_flip(&bytes, 0..bytes.len(), |at, broken| {
        let said = closed(&broken, 128);
        assert!(covers(&said, 128 + at as u64), "byte {at}: {:?}", said.damage);
        assert!(!said.items.is_empty());
    });
}

#[test]
fn a_stride_that_is_damaged_does_not_take_the_others_with_it() {
    let bytes = long_segment();
    // The length field of the first batch: nothing behind it in its stride can be found.
    let mut broken = bytes.to_vec();
    broken[9] ^= 0x40;
    let said = segment_said(&broken.into(), 0);
    let [(range, what)] = &said.damage[..] else { panic!("{:?}", said.damage) };
    assert!(range.start == 0 && range.end < bytes.len() as u64 / 3, "{range:?}");
    assert!(what.contains("offsets 10..=12"), "{what}");
    let count = said.items.iter().filter(|(_, kind, _)| *kind == "batch").count();
    assert_eq!(count, 7, "three batches of ten are in the damaged stride");
    assert!(said.has("extent", "offsets", "0..=1") && said.has("batch", "offsets", "13..=13"));
}

#[test]
fn without_a_footer_there_are_runs_of_batches() {
    let bytes = long_segment();
    for (at, word) in [(bytes.len() - 1, "magic"), (bytes.len() - 10, "trailer"), (bytes.len() - 40, "footer")] {
        let mut broken = bytes.to_vec();
        broken[at] ^= 1;
        let said = segment_said(&broken.into(), 0);
        let [(range, what)] = &said.damage[..] else { panic!("{:?}", said.damage) };
        assert!(range.contains(&(at as u64)) && what.contains(word), "{range:?} {what}");
        assert!(said.has("run", "offsets", "10..=17") && said.has("run", "offsets", "0..=1"), "{said:?}");
    }
}

#[test]
fn a_later_version_is_named() {
    let mut bytes = golden("segment-v1.bin").to_vec();
    let trailer = bytes.len() - 32;
    bytes[trailer + 23] = 2;
    let crc = crc32c::crc32c_append(crc32c::crc32c(&bytes[trailer..trailer + 16]), &bytes[trailer + 20..]);
    bytes[trailer + 16..trailer + 20].copy_from_slice(&crc.to_be_bytes());
    let said = segment_said(&bytes.into(), 0);
    assert!(said.damage.iter().any(|(_, what)| what.contains("version 2")), "{:?}", said.damage);

    let mut entry = golden("entry-v1-fence.bin").to_vec();
    entry[8] = 9;
    let mut said = Said::default();
    assert_eq!(super::entry::describe(&entry.into(), &mut said), None);
    assert!(said.damage.iter().any(|(_, what)| what.contains("version 9")), "{:?}", said.damage);
    assert_eq!(said.items, [], "nothing is read by the rules of another version");

    let mut file = golden("wal-v1.bin").to_vec();
    file[7] = b'3';
    let crc = crc32c::crc32c(&file[12..64]);
    file[8..12].copy_from_slice(&crc.to_be_bytes());
    assert!(wal_said(&file.into()).damage.iter().any(|(_, what)| what.contains("version 3")));
}

#[test]
fn each_flipped_bit_of_a_journals_header_is_found() {
    for name in ["entry-v1-data.bin", "entry-v1-fence.bin", "entry-v1-snapshot.bin"] {
        let bytes = golden(name);
        each_flip(&bytes, 0..bytes.len(), |at, broken| {
            assert!(super::entry::is_entry(&broken) || at < 8, "{name}: {at}");
            let mut said = Said::default();
            super::entry::describe(&broken, &mut said);
            // Attributes are the header's, too.
            assert!(!said.damage.is_empty(), "{name}: byte {at}");
            assert!(covers(&said, (at as u64).min(127)), "{name}: byte {at}: {:?}", said.damage);
        });
    }
    let mut magic = golden("entry-v1-fence.bin").to_vec();
    magic[3] ^= 4;
    assert!(super::entry::is_entry(&magic.into()), "a header whose magic alone is damaged is known by its checksum");
}

/// A file with a block for each of `batches`, each written after the ones before it were synced.
fn file(batches: &[StoredBatch]) -> Vec<u8> {
    let header =
        FileHeader { state: FileState::Live, generation: 7, salt: 99, file_bytes: 0, written_ms: 1_700_000_000_000 };
    let mut file = header.encode().to_vec();
    file.resize(FILE_HEADER_BYTES, 0);
    for (number, batch) in (0u32..).zip(batches) {
        let seq = 100 + u64::from(number);
        let frame = FrameHeader { shard: ShardId(3), epoch: Epoch(5), tp: tp(1, 0) };
        let mut body = frame.encode(seq, batch).to_vec();
        body.extend_from_slice(batch.head());
        body.extend_from_slice(batch.body());
        let position = file.len() as u64;
        let block = BlockHeader {
            generation: 7,
            salt: 99,
            first_seq: seq,
            number,
            kind: BlockKind::Frames,
            count: 1,
            body_bytes: body.len() as u32,
            position,
            synced_end: position,
        };
        file.extend_from_slice(&block.encode());
        file.extend_from_slice(&body);
        file.resize(file.len().next_multiple_of(4096), 0);
    }
    file
}

#[test]
fn a_flipped_bit_in_the_middle_of_the_log_is_found_and_names_the_sequences() {
    let file = file(&[batch(0, 3, 5, 300), batch(3, 1, 5, 200), batch(4, 2, 5, 100)]);
    let whole = wal_said(&file.clone().into());
    assert_eq!(whole.damage, []);
    assert!(whole.has("frame", "seq", "101") && whole.has("frame", "offsets", "4..=5"), "{whole:?}");
    assert!(whole.has("end", "valid_bytes", &file.len().to_string()));
    let second = FILE_HEADER_BYTES + 4096;
    let used = BLOCK_HEADER_BYTES + crate::wal::FRAME_HEADER_BYTES + 61 + 200;
    each_flip(&file, second..second + used, |at, broken| {
        let said = wal_said(&broken);
        assert!(covers(&said, at as u64), "byte {at}: {:?}", said.damage);
        assert!(said.damage[0].1.contains("sequences 101..=101"), "{:?}", said.damage);
        assert!(said.has("frame", "seq", "100") && said.has("frame", "seq", "102"), "{said:?}");
    });
}

#[test]
fn where_the_log_ends_is_told_with_the_reason() {
    let file = file(&[batch(0, 1, 5, 300), batch(1, 1, 5, 200)]);
    let end = |bytes: Vec<u8>| -> (Vec<(Range<u64>, String)>, String) {
        let said = wal_said(&bytes.into());
        let (.., fields) = said.items.last().unwrap();
        (said.damage.clone(), fields.iter().map(|(_, value)| value.to_string()).collect::<Vec<_>>().join(" "))
    };
    let mut zeros = file.clone();
    zeros.resize(file.len() + 8192, 0);
    assert_eq!(end(zeros).1, format!("{} nothing was written behind it", file.len()));
    // The last write was torn: no damage.
    let mut torn = file.clone();
    let last = file.len() - 4096;
    torn[last + 200] ^= 1;
    assert_eq!(end(torn), (vec![], format!("{last} a write of 1 frames was cut off")));
    // What an earlier life of the file left.
    let mut earlier = file.clone();
    let old = BlockHeader { generation: 6, ..BlockHeader::decode(&file[last..]).unwrap() };
    earlier[last..last + BLOCK_HEADER_BYTES].copy_from_slice(&old.encode());
    assert_eq!(end(earlier).1, format!("{last} behind it lies an earlier life of the file, generation 6"));
    // A header that has rotted: the blocks say whose they are.
    let mut headless = file;
    headless[3] ^= 1;
    assert!(wal::is_wal(&headless));
    let said = wal_said(&headless.into());
    assert!(covers(&said, 3) && said.has("frame", "seq", "101"), "{said:?}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn anything_may_be_described(
        bytes in proptest::collection::vec(any::<u8>(), 0..600), kind in 0..4u8,
        source in 0..3usize, cut in any::<prop::sample::Index>(), flips in proptest::collection::vec(any::<(prop::sample::Index, u8)>(), 0..20),
    ) {
        let sources = [long_segment().to_vec(), golden("segment-v1.bin").to_vec(), file(&[batch(0, 1, 1, 40), batch(1, 1, 1, 40)])];
        let mut mutated = sources[source].clone();
        for (at, byte) in flips {
            let at = at.index(mutated.len());
            mutated[at] = byte;
        }
        mutated.truncate(cut.index(mutated.len()) + 1);
        for bytes in [Bytes::from(bytes), Bytes::from(mutated)] {
            let mut said = Said::default();
            match kind {
                0 => { super::entry::describe(&bytes, &mut said); }
                1 => segment::describe(&bytes, 0, &all(), &mut said),
                _ => wal::describe(&bytes, &all(), &mut said),
            }
            // Each byte is described a fixed number of times: a frame, a batch or a record takes
            // several bytes, a block 4,096.
            prop_assert!(said.items.len() + said.damage.len() <= bytes.len() + 10);
            for (range, _) in said.damage {
                prop_assert!(range.start <= range.end);
            }
        }
    }
}
