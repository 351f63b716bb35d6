//! Round trips, golden files and damage for the format of a journal entry.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a test fails by panicking, and golden files are files"
)]

use std::path::PathBuf;

use bytes::BytesMut;
use proptest::prelude::*;

use super::*;

fn golden(name: &str, header: &EntryHeader) {
    let path = PathBuf::from(std::env::var_os("CARGO_MANIFEST_DIR").unwrap()).join("golden").join(name);
    let (bytes, _) = header.encode().unwrap();
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&path, &bytes).unwrap();
    }
    let stored = Bytes::from(std::fs::read(&path).unwrap());
    assert_eq!(stored, bytes, "{name}: the layout changed; old buckets would be unreadable");
    assert_eq!(&EntryHeader::decode(&stored).unwrap().header, header);
}

fn sample(kind: EntryKind) -> EntryHeader {
    EntryHeader {
        kind,
        number: 0x0102_0304_0506_0708,
        epoch: Epoch(0x1112_1314),
        window: 0x2122_2324,
        incarnation: Incarnation(0x3132_3334_3536_3738),
        put_id: PutId(0x4142_4344_4546_4748),
        payload_len: 0x51_5253,
        payload_crc: matches!(kind, EntryKind::Snapshot).then_some(0x6162_6364),
        attributes: if kind == EntryKind::Data { Bytes::new() } else { Bytes::from_static(b"reserve=7") },
    }
}

#[test]
fn layout_is_the_golden_one() {
    golden("entry-v1-data.bin", &sample(EntryKind::Data));
    golden("entry-v1-fence.bin", &sample(EntryKind::Fence));
    golden("entry-v1-snapshot.bin", &sample(EntryKind::Snapshot));
}

#[test]
fn later_versions_kinds_and_flags_are_refused() {
    let (bytes, _) = sample(EntryKind::Fence).encode().unwrap();
    let change = |at: usize, value: u8| {
        let mut bytes = BytesMut::from(&bytes[..]);
        bytes[at] = value;
        let crc = crc32c::crc32c(&bytes[..CRC_AT]);
        bytes[CRC_AT..HEADER_LEN].copy_from_slice(&crc.to_le_bytes());
        EntryHeader::decode(&bytes.freeze())
    };
    assert_eq!(change(8, 2), Err(EntryError::Version(2)));
    assert_eq!(change(10, 3), Err(EntryError::Kind(3)));
    assert_eq!(change(11, 2), Err(EntryError::Flags(2)));
    assert_eq!(change(0, b'X'), Err(EntryError::Magic));
    assert!(change(100, 9).is_ok(), "reserved bytes are ignored");
}

#[test]
fn too_many_attributes_are_refused() {
    let mut header = sample(EntryKind::Data);
    header.attributes = Bytes::from(vec![0; ATTRIBUTES_LIMIT + 1]);
    assert_eq!(header.encode(), Err(EntryError::Attributes(ATTRIBUTES_LIMIT + 1)));
}

prop_compose! {
    fn any_header()(
        kind in prop_oneof![Just(EntryKind::Data), Just(EntryKind::Fence), Just(EntryKind::Snapshot)],
        number: u64, epoch: u32, window: u32, incarnation: u64, put_id: u64, payload_len: u64,
        payload_crc: Option<u32>,
        attributes in proptest::collection::vec(any::<u8>(), 0..=ATTRIBUTES_LIMIT),
    ) -> EntryHeader {
        EntryHeader {
            kind, number, epoch: Epoch(epoch), window, incarnation: Incarnation(incarnation),
            put_id: PutId(put_id), payload_len, payload_crc, attributes: attributes.into(),
        }
    }
}

proptest! {
    #[test]
    fn what_is_written_is_read(header in any_header(), payload in proptest::collection::vec(any::<u8>(), 0..64)) {
        let (front, checksum) = header.encode().unwrap();
        let mut object = BytesMut::from(&front[..]);
        object.extend_from_slice(&payload);
        let read = EntryHeader::decode(&object.freeze()).unwrap();
        prop_assert_eq!(read.payload_at, front.len() as u64);
        prop_assert_eq!(read.checksum, checksum);
        prop_assert_eq!(read.header, header);
    }

    #[test]
    fn damage_is_found(header in any_header(), at: prop::sample::Index, bit in 0u8..8) {
        let (front, _) = header.encode().unwrap();
        let mut damaged = BytesMut::from(&front[..]);
        let at = at.index(damaged.len());
        damaged[at] ^= 1 << bit;
        prop_assert!(EntryHeader::decode(&damaged.freeze()).is_err());
    }

    #[test]
    fn a_cut_is_found(header in any_header(), cut: prop::sample::Index) {
        let (front, _) = header.encode().unwrap();
        prop_assert!(EntryHeader::decode(&front.slice(..cut.index(front.len()))).is_err());
    }

    #[test]
    fn anything_else_is_refused(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        prop_assert!(EntryHeader::decode(&bytes.into()).is_err());
    }
}
