//! Whole-crate tests: golden batches made by Apache Kafka, round trips, and bytes that lie.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::disallowed_methods, reason = "tests")]

use bytes::{Bytes, BytesMut};
use proptest::prelude::*;

use crate::compression::{Compression, Expansion};
use crate::header::{Attributes, BatchHeader, HEADER_BYTES, HeaderError, TimestampType, advance_sequence};
use crate::records::{Record, RecordError, RecordHeader, Records};
use crate::stored::{StoredBatch, push_chunks};
use crate::validate::{BatchLimits, InvalidBatch, Source, TimestampBounds, validate};
use crate::{BatchBuilder, Batches, checksum, recompress::recompress, single_batch, varint};

const LIMITS: BatchLimits = BatchLimits { max_bytes: 1 << 20, timestamps: TimestampBounds::NONE };

fn golden() -> [(Compression, &'static [u8]); 5] {
    [
        (Compression::None, include_bytes!("../golden/none.batch")),
        (Compression::Gzip, include_bytes!("../golden/gzip.batch")),
        (Compression::Snappy, include_bytes!("../golden/snappy.batch")),
        (Compression::Lz4, include_bytes!("../golden/lz4.batch")),
        (Compression::Zstd, include_bytes!("../golden/zstd.batch")),
    ]
}

/// The records of `golden/GoldenBatches.java`.
fn golden_records() -> Vec<Record> {
    let text = |text: &'static str| Some(Bytes::from_static(text.as_bytes()));
    let header = |name: &'static str, value| RecordHeader { name: Bytes::from_static(name.as_bytes()), value };
    let large: Vec<u8> = (0..70_000u32).map(|index| (index / 7) as u8).collect();
    vec![
        Record { offset: 0, timestamp: 1_700_000_000_000, key: None, value: text("v0"), headers: vec![] },
        Record {
            offset: 1,
            timestamp: 1_700_000_000_005,
            key: text("k"),
            value: None,
            headers: vec![header("a", text("1")), header("a", None), header("b", text(""))],
        },
        Record { offset: 2, timestamp: 1_699_999_999_990, key: text(""), value: Some(large.into()), headers: vec![] },
    ]
}

fn build(codec: Compression, records: &[Record]) -> StoredBatch {
    let mut builder = BatchBuilder::new(codec).producer(4711, 3, 17);
    for record in records {
        builder
            .push_with_headers(record.timestamp, record.key.as_deref(), record.value.as_deref(), &record.headers)
            .unwrap();
    }
    builder.finish().unwrap()
}

fn read(batch: &StoredBatch) -> Result<Vec<Record>, RecordError> {
    Records::open(batch, Expansion::DEFAULT)?.collect()
}

#[test]
fn kafkas_own_batches_are_read_in_every_codec() {
    for (codec, bytes) in golden() {
        let bytes = Bytes::from_static(bytes);
        let (header, batch) = single_batch(&bytes).unwrap();
        validate(&header, &batch, Source::Client, &LIMITS).unwrap();
        assert_eq!(header.attributes.compression(), Some(codec));
        assert_eq!((header.producer_id, header.producer_epoch, header.base_sequence), (4711, 3, 17));
        assert_eq!((header.record_count, header.last_offset(), header.last_sequence()), (3, 2, 19));
        assert_eq!((header.base_timestamp, header.max_timestamp), (1_700_000_000_000, 1_700_000_000_005));
        let stored = StoredBatch::from_bytes(&batch).unwrap();
        assert_eq!(read(&stored).unwrap(), golden_records(), "{}", codec.name());
        for other in Compression::ALL {
            let again = recompress(&stored, other, None, Expansion::DEFAULT).unwrap();
            assert!(again.crc_is_right());
            assert_eq!(read(&again).unwrap(), golden_records());
        }
    }
}

#[test]
fn the_builder_writes_the_bytes_that_kafka_writes() {
    let ours = build(Compression::None, &golden_records());
    assert_eq!(&ours.to_bytes()[..], golden()[0].1);
}

/// Writes batches for `GoldenBatches read`, by hand: `BATCH_DIR=/tmp/x cargo test -- --ignored`.
#[test]
#[ignore = "writes files for the Java reader in golden/"]
fn write_batches_for_kafka_to_read() {
    let directory = std::path::PathBuf::from(std::env::var_os("BATCH_DIR").unwrap());
    for codec in Compression::ALL {
        let batch = build(codec, &golden_records());
        std::fs::write(directory.join(format!("{}.batch", codec.name())), batch.to_bytes()).unwrap();
    }
}

#[test]
fn raw_snappy_is_read_too() {
    let plain = build(Compression::None, &golden_records());
    let raw = snap::raw::Encoder::new().compress_vec(plain.body()).unwrap();
    let header =
        BatchHeader { attributes: plain.header().attributes.with_compression(Compression::Snappy), ..plain.header() };
    let batch = StoredBatch::from_parts(header, raw.into());
    assert_eq!(read(&batch).unwrap(), golden_records());
}

#[test]
fn expansion_is_bounded_in_every_codec() {
    let zeros = vec![0u8; 20 << 20];
    for codec in Compression::ALL {
        let packed = Bytes::from(codec.compress(&zeros).unwrap());
        let tight = Expansion { max_bytes: 1 << 20, max_ratio: 1 << 20 };
        assert_eq!(codec.decompress(&packed, tight), Err(RecordError::TooLarge { limit: 1 << 20 }), "{}", codec.name());
        let wide = Expansion { max_bytes: 32 << 20, max_ratio: 1 << 20 };
        assert_eq!(codec.decompress(&packed, wide).unwrap().len(), zeros.len());
    }
    let packed = Bytes::from(Compression::Zstd.compress(&zeros).unwrap());
    let limit = Expansion::FREE_BYTES;
    assert_eq!(Compression::Zstd.decompress(&packed, Expansion::DEFAULT), Err(RecordError::TooLarge { limit }));
    // A raw snappy block that claims 4 GiB and has nothing.
    let lie = Bytes::from_static(&[0xff, 0xff, 0xff, 0xff, 0x0f]);
    assert!(matches!(Compression::Snappy.decompress(&lie, Expansion::DEFAULT), Err(RecordError::Codec { .. })));
}

#[test]
fn a_stored_batch_is_patched_without_touching_the_records() {
    let frame = Bytes::from_static(golden()[0].1);
    let mut batch = StoredBatch::from_bytes(&frame).unwrap();
    batch.assign(1_000_000, 7);
    assert!(batch.crc_is_right());
    assert_eq!((batch.first_offset(), batch.last_offset(), batch.header().leader_epoch), (1_000_000, 1_000_002, 7));
    assert_eq!(batch.body().as_ptr(), frame[HEADER_BYTES..].as_ptr());
    let joined = batch.chunks().concat();
    assert_eq!(joined, batch.to_bytes());
    assert_eq!(read(&batch).unwrap()[2].offset, 1_000_002);

    let mut chunks = Vec::new();
    push_chunks([&batch, &batch].into_iter(), &mut chunks);
    assert_eq!(chunks.concat(), [joined.clone(), joined].concat());
    assert_eq!(chunks[1].as_ptr(), batch.body().as_ptr());
}

#[test]
fn a_small_batch_lets_go_of_a_large_frame() {
    let frame = Bytes::from_static(golden()[1].1);
    let mut batch = StoredBatch::from_bytes(&frame).unwrap();
    assert!(!batch.release_frame(frame.len() + 20, 0));
    assert!(!batch.release_frame(1 << 20, 1 << 19), "other batches of the frame are kept anyway");
    assert!(batch.release_frame(1 << 20, batch.len()));
    assert_ne!(batch.body().as_ptr(), frame[HEADER_BYTES..].as_ptr());
    assert!(batch.crc_is_right());
}

#[test]
fn log_append_time_adjusts_the_crc_and_keeps_damage_visible() {
    for (_, bytes) in golden() {
        let mut batch = StoredBatch::from_bytes(&Bytes::from_static(bytes)).unwrap();
        batch.set_log_append_time(1_800_000_000_000);
        assert!(batch.crc_is_right());
        assert_eq!(batch.header().attributes.timestamp_type(), TimestampType::LogAppendTime);
        assert!(read(&batch).unwrap().iter().all(|record| record.timestamp == 1_800_000_000_000));

        let mut damaged = BytesMut::from(bytes);
        let last = damaged.len() - 1;
        damaged[last] ^= 1;
        let mut damaged = StoredBatch::from_bytes(&damaged.freeze()).unwrap();
        damaged.set_log_append_time(1_800_000_000_000);
        assert!(!damaged.crc_is_right());
    }
}

#[test]
fn a_records_field_holds_exactly_one_batch_of_magic_two() {
    let one = golden()[1].1;
    let bytes = |parts: &[&[u8]]| Bytes::from(parts.concat());
    assert!(matches!(single_batch(&Bytes::new()), Err(InvalidBatch::Record(_))));
    assert!(matches!(single_batch(&bytes(&[one, one])), Err(InvalidBatch::Record(_))));
    assert!(matches!(single_batch(&bytes(&[one, &one[..30]])), Err(InvalidBatch::Record(_))));
    assert!(matches!(single_batch(&bytes(&[&one[..one.len() - 1]])), Err(InvalidBatch::Record(_))));
    for magic in [0u8, 1, 3, 0xff] {
        let mut old = BytesMut::from(one);
        old[16] = magic;
        assert_eq!(single_batch(&old.freeze()), Err(InvalidBatch::Magic(magic.cast_signed())));
    }
    for length in [-1, 0, 48, i32::MAX, i32::MIN] {
        let mut wrong = BytesMut::from(one);
        wrong[8..12].copy_from_slice(&length.to_be_bytes());
        let error = single_batch(&wrong.freeze()).unwrap_err();
        assert_eq!(error.kafka_code(), 2, "{length}: {error}");
    }
    let all: Vec<_> = Batches::new(bytes(&[one, one, one])).map(|batch| batch.unwrap().1).collect();
    assert_eq!(all, vec![Bytes::from_static(one); 3]);
    let mut cut = Batches::new(bytes(&[one, &one[..70]]));
    assert!(cut.next().unwrap().is_ok());
    assert!(matches!(cut.next(), Some(Err(HeaderError::Truncated { have: 70, .. }))));
    assert!(cut.next().is_none());
}

#[test]
fn each_rule_of_a_produced_batch_has_its_code() {
    let base = build(Compression::None, &golden_records()[..2]);
    let check = |change: &dyn Fn(&mut BatchHeader), source, limits: &BatchLimits| {
        let mut header = base.header();
        change(&mut header);
        let mut batch = StoredBatch::from_parts(header, base.body().clone());
        batch.seal();
        validate(&batch.header(), &batch.to_bytes(), source, limits).map_err(|error| error.kafka_code())
    };
    let client = |change: &dyn Fn(&mut BatchHeader)| check(change, Source::Client, &LIMITS);
    assert_eq!(client(&|_| ()), Ok(()));
    assert_eq!(client(&|header| header.base_offset = 1), Err(87));
    assert_eq!(client(&|header| header.last_offset_delta = -1), Err(87));
    assert_eq!(client(&|header| header.last_offset_delta = 2), Err(87));
    assert_eq!(client(&|header| header.record_count = 0), Err(87));
    assert_eq!(client(&|header| header.record_count = 1), Err(87));
    assert_eq!(client(&|header| header.base_sequence = -1), Err(87));
    assert_eq!(client(&|header| header.producer_epoch = -1), Err(87));
    assert_eq!(client(&|header| (header.record_count, header.last_offset_delta) = (1000, 999)), Err(87));
    assert_eq!(client(&|header| header.attributes = header.attributes.with_control(true)), Err(87));
    assert_eq!(client(&|header| header.attributes = header.attributes.with_delete_horizon(true)), Err(87));
    assert_eq!(client(&|header| header.attributes = Attributes(5)), Err(76));
    let transactional = |header: &mut BatchHeader| {
        header.attributes = header.attributes.with_transactional(true);
        header.producer_id = -1;
    };
    assert_eq!(client(&transactional), Err(87));
    assert_eq!(check(&|header| header.base_offset = 9, Source::Coordinator, &LIMITS), Ok(()));
    let small = BatchLimits { max_bytes: 100, ..LIMITS };
    assert_eq!(check(&|_| (), Source::Client, &BatchLimits { max_bytes: 60, ..small }), Err(10));
    let timestamps = TimestampBounds::around(1_700_000_000_004, 100, 0);
    assert_eq!(check(&|_| (), Source::Client, &BatchLimits { timestamps, ..LIMITS }), Err(32));
    let none = |header: &mut BatchHeader| (header.base_timestamp, header.max_timestamp) = (-1, -1);
    assert_eq!(check(&none, Source::Client, &BatchLimits { timestamps, ..LIMITS }), Ok(()));

    let mut damaged = base.clone();
    damaged.head[60] ^= 1;
    let error = validate(&damaged.header(), &damaged.to_bytes(), Source::Client, &LIMITS).unwrap_err();
    assert_eq!(error.kafka_code(), 2);
}

#[test]
fn sequences_wrap_to_zero() {
    assert_eq!(advance_sequence(i32::MAX, 0), i32::MAX);
    assert_eq!(advance_sequence(i32::MAX, 1), 0);
    assert_eq!(advance_sequence(i32::MAX - 1, 5), 3);
}

fn field() -> impl Strategy<Value = Option<Bytes>> {
    proptest::option::of(proptest::collection::vec(any::<u8>(), 0..200).prop_map(Bytes::from))
}

fn some_records() -> impl Strategy<Value = Vec<Record>> {
    let header = ("[ab]{0,3}", field()).prop_map(|(name, value)| RecordHeader { name: name.into(), value });
    let one = (any::<i32>(), field(), field(), proptest::collection::vec(header, 0..4));
    proptest::collection::vec(one, 1..20).prop_map(|records| {
        let record = |(offset, (timestamp, key, value, headers)): (usize, (i32, _, _, _))| Record {
            offset: offset as i64,
            timestamp: i64::from(timestamp),
            key,
            value,
            headers,
        };
        records.into_iter().enumerate().map(record).collect()
    })
}

fn codec() -> impl Strategy<Value = Compression> {
    (0..5usize).prop_map(|index| Compression::ALL[index])
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn records_come_back_as_they_went_in(records in some_records(), codec in codec()) {
        let batch = build(codec, &records);
        let bytes = batch.to_bytes();
        let (header, whole) = single_batch(&bytes).unwrap();
        prop_assert_eq!(validate(&header, &whole, Source::Client, &LIMITS), Ok(()));
        prop_assert_eq!(header.encode(), *batch.head());
        prop_assert_eq!(header.max_timestamp, records.iter().map(|record| record.timestamp).max().unwrap());
        prop_assert_eq!(read(&StoredBatch::from_bytes(&bytes).unwrap()).unwrap(), records);
    }

    /// Whatever is changed, cut or added: an error or a result, in bounded memory, never a panic.
    #[test]
    fn damaged_batches_never_panic(
        records in some_records(),
        codec in codec(),
        changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..6),
        cut in any::<prop::sample::Index>(),
        whole in any::<bool>(),
    ) {
        let mut bytes = BytesMut::from(&build(codec, &records).to_bytes()[..]);
        if !whole {
            bytes.truncate(cut.index(bytes.len() + 1));
        }
        for (at, value) in changes {
            if !bytes.is_empty() {
                let at = at.index(bytes.len());
                bytes[at] = value;
            }
        }
        let bytes = bytes.freeze();
        for batch in Batches::new(bytes.clone()).flatten() {
            let _ = validate(&batch.0, &batch.1, Source::Client, &LIMITS);
            let mut stored = StoredBatch::from_bytes(&batch.1).unwrap();
            let _ = read(&stored);
            let right = stored.crc_is_right();
            stored.set_log_append_time(5);
            prop_assert_eq!(stored.crc_is_right(), right);
        }
        if let Ok((header, batch)) = single_batch(&bytes) {
            let _ = validate(&header, &batch, Source::Coordinator, &LIMITS);
        }
    }

    #[test]
    fn random_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300), codec in codec()) {
        let bytes = Bytes::from(bytes);
        let _ = single_batch(&bytes);
        let _ = codec.decompress(&bytes, Expansion { max_bytes: 1 << 16, max_ratio: 64 });
        let _ = codec.decompress(&Bytes::from([&[0x82, b'S', b'N', b'A', b'P', b'P', b'Y', 0], &bytes[..]].concat()), Expansion::DEFAULT);
        let mut header = build(Compression::None, &golden_records()[..1]).header();
        (header.record_count, header.last_offset_delta) = (i32::MAX, i32::MAX);
        let _ = read(&StoredBatch::from_parts(header, bytes));
    }

    #[test]
    fn the_crc_of_chunks_is_the_crc_of_the_whole(bytes in proptest::collection::vec(any::<u8>(), 0..300), at in any::<prop::sample::Index>()) {
        let at = at.index(bytes.len() + 1);
        prop_assert_eq!(checksum::crc32c_of_chunks([&bytes[..at], &bytes[at..]]), checksum::crc32c(&bytes));
    }

    #[test]
    fn integers_round_trip(small in any::<i32>(), large in any::<i64>()) {
        let mut buffer = BytesMut::new();
        varint::put_i32(&mut buffer, small);
        prop_assert_eq!(buffer.len(), varint::len_i32(small));
        varint::put_i64(&mut buffer, large);
        prop_assert_eq!(buffer.len(), varint::len_i32(small) + varint::len_i64(large));
        prop_assert_eq!(varint::get_i32(&mut buffer), Ok(small));
        prop_assert_eq!(varint::get_i64(&mut buffer), Ok(large));
        prop_assert!(varint::get_i32(&mut buffer).is_err());
    }
}

#[test]
fn integers_too_long_are_refused() {
    for bytes in [&[0xff; 5][..], &[0xff, 0xff, 0xff, 0xff, 0x1f]] {
        assert!(varint::get_i32(&mut &bytes[..]).is_err());
    }
    for bytes in [&[0xff; 10][..], &[0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x02]] {
        assert!(varint::get_i64(&mut &bytes[..]).is_err());
    }
}
