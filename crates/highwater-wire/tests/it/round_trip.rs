//! What is decoded and encoded again is what it was, for every message and version.

use bytes::Bytes;
use highwater_wire::{DecodeErrorKind, Decoder};

use crate::sample::{self, Choice};
use crate::targets;

const SEEDS: u64 = 40;

#[test]
fn every_message_and_version_comes_back() {
    let mut count = 0;
    targets::each(|target, version| {
        let name = target.message.name();
        for seed in 0..SEEDS {
            let bytes = Bytes::from(sample::message(&target.message, version, Choice::Random(seed)));
            let mut d = Decoder::new(bytes.clone());
            let again = target
                .recode(&mut d, version)
                .unwrap_or_else(|error| panic!("{name} version {version} seed {seed}: {error}"))
                .unwrap_or_else(|error| panic!("{name} version {version} seed {seed}: {error}"));
            d.expect_end().unwrap_or_else(|error| panic!("{name} seed {seed}: {error}"));
            assert!(again == bytes, "{name} version {version} seed {seed}: other bytes");
        }
        count += 1;
    });
    println!("{count} messages and versions, {SEEDS} samples of each");
    assert!(count > 570, "only {count}");
}

#[test]
fn other_versions_are_refused() {
    for target in targets::all() {
        let (min, max) = (target.message.versions.min, target.message.versions.max);
        for version in [i16::MIN, min - 1, max + 1, i16::MAX] {
            let mut d = Decoder::new(Bytes::from_static(&[0; 64]));
            let error = target.decode(&mut d, version).unwrap_err();
            assert_eq!(error.kind, DecodeErrorKind::UnsupportedVersion { version, min, max });
        }
    }
}

#[test]
fn bytes_after_a_message_are_left() {
    targets::each(|target, version| {
        let mut bytes = sample::message(&target.message, version, Choice::Random(1));
        let length = bytes.len();
        bytes.extend([0x80; 9]);
        let mut d = Decoder::new(Bytes::from(bytes));
        target.decode(&mut d, version).unwrap();
        assert_eq!((d.position(), d.remaining()), (length, 9));
        assert_eq!(d.expect_end().unwrap_err().kind, DecodeErrorKind::Trailing(9));
    });
}
