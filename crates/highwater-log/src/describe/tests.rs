//! Golden files of every crate in words, alone and behind a journal's header; each flipped bit is found.
#![allow(clippy::unwrap_used, clippy::panic, clippy::disallowed_methods, reason = "a test fails by panicking")]

use highwater_format::describe::Said;
use highwater_format::entry::{EntryHeader, HEADER_LEN, payload_crc};
use highwater_types::{Epoch, Incarnation, PutId};

use super::*;

fn golden(name: &str) -> Bytes {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join(name);
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display())).into()
}

fn said(bytes: &Bytes) -> Option<Said> {
    let mut said = Said::default();
    describe(bytes, &Look::default(), &mut said).then_some(said)
}

/// An object of a journal that carries `payload`.
fn object(kind: EntryKind, payload: &Bytes) -> Bytes {
    let header = EntryHeader {
        kind,
        number: 7,
        epoch: Epoch(2),
        window: 4,
        incarnation: Incarnation(11),
        put_id: PutId(12),
        payload_len: payload.len() as u64,
        payload_crc: Some(payload_crc([payload])),
        attributes: Bytes::new(),
    };
    [header.encode().unwrap().0, payload.clone()].concat().into()
}

const PAYLOADS: [(&str, EntryKind, &str); 8] = [
    ("highwater-format/golden/segment-v1.bin", EntryKind::Data, "segment"),
    ("highwater-log/golden/edit-v1.bin", EntryKind::Data, "manifest_edit"),
    ("highwater-log/golden/edit-v2.bin", EntryKind::Data, "manifest_edit"),
    ("highwater-log/golden/edit-v3.bin", EntryKind::Data, "replaces"),
    ("highwater-log/golden/snapshot-v1.bin", EntryKind::Snapshot, "manifest_snapshot"),
    ("highwater-log/golden/snapshot-v2.bin", EntryKind::Snapshot, "manifest_snapshot"),
    ("highwater-meta/golden/entry-v1.json", EntryKind::Data, "metadata_entry"),
    ("highwater-meta/golden/snapshot-v1.json", EntryKind::Snapshot, "metadata_snapshot"),
];

#[test]
fn what_an_object_is_is_told_from_its_bytes() {
    for (name, kind, word) in PAYLOADS {
        let payload = golden(name);
        for bytes in [payload.clone(), object(kind, &payload)] {
            let said = said(&bytes).unwrap_or_else(|| panic!("{name} is not known"));
            assert_eq!(said.damage, [], "{name}");
            assert!(said.items.iter().any(|(_, kind, _)| *kind == word), "{name}: {said:?}");
        }
    }
    assert!(said(&golden("highwater-format/golden/wal-v1.bin")).unwrap().has("wal", "generation", "7"));
    assert!(said(&golden("highwater-lease/golden/shard-v1.json")).is_some());
    let fence = said(&object(EntryKind::Fence, &Bytes::new())).unwrap();
    assert!(fence.has("entry", "type", "fence") && fence.damage.is_empty(), "{fence:?}");
}

#[test]
fn what_is_none_of_ours_is_said_to_be_none() {
    for other in [&b""[..], b"PAR1", b"{}", b"[1,2]", b"not ours at all", &[0; 9000]] {
        assert_eq!(said(&Bytes::copy_from_slice(other)), None, "{other:?}");
    }
}

#[test]
fn each_flipped_bit_is_found_where_it_is_and_the_rest_is_described() {
    for (name, kind, word) in PAYLOADS {
        let object = object(kind, &golden(name));
        for at in 0..object.len() {
            // One bit of each byte, another one in each: all of them are too many for a debug build.
            let mut broken = object.to_vec();
            broken[at] ^= 1 << (at % 8);
            let said = said(&broken.into()).unwrap_or_else(|| panic!("{name}: byte {at} makes it unknown"));
            let found = said.damage.iter().any(|(bytes, _)| bytes.contains(&(at as u64)));
            assert!(found, "{name}: byte {at}: {:?}", said.damage);
            // Behind a damaged header, the payload is found all the same. (A version is not looked past.)
            let version = 8..10;
            if at < HEADER_LEN && !version.contains(&at) {
                assert!(said.items.iter().any(|(_, kind, _)| *kind == word), "{name}: byte {at}: {said:?}");
            }
        }
    }
}

#[test]
fn a_cut_at_any_byte_is_found() {
    for (name, kind, _) in PAYLOADS {
        let object = object(kind, &golden(name));
        for end in 8..object.len() {
            let said = said(&object.slice(..end)).unwrap_or_else(|| panic!("{name}: cut at {end}"));
            assert!(!said.damage.is_empty(), "{name}: cut at {end}");
        }
    }
}
