//! Bytes that are no message: every one gives an error or a message, within the allowance.

use bytes::Bytes;
use highwater_wire::frame::{CHARGE_BASE, CHARGE_PER_BYTE};
use highwater_wire::{ApiKey, DecodeErrorKind, Decoder, Request, frame_charge};
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};

use crate::sample::{self, Choice};
use crate::{allocations, any_frame, targets};

/// What the first slice of a frame costs inside `Bytes`, once for each frame.
const SLICE_COST: usize = 64;

#[test]
fn every_cut_is_an_error() {
    targets::each(|target, version| {
        let bytes = Bytes::from(sample::message(&target.message, version, Choice::Random(7)));
        for cut in 0..bytes.len() {
            let mut d = Decoder::new(bytes.slice(..cut));
            let outcome = target.decode(&mut d, version);
            let error = outcome.expect_err("a cut message is no message");
            assert!(error.at <= cut);
            assert_eq!(error.message, Some((target.message.name(), version)));
        }
    });
}

#[test]
fn changed_bytes_stay_within_the_allowance() {
    let mut rng = SmallRng::seed_from_u64(11);
    let (mut frames, mut accepted) = (0, 0);
    targets::each(|target, version| {
        for seed in 0..60 {
            let mut bytes = sample::message(&target.message, version, Choice::Random(seed));
            change(&mut bytes, &mut rng);
            let bound = frame_charge(bytes.len());
            let mut d = Decoder::new(Bytes::from(bytes));
            let (asked, outcome) = allocations::during(|| target.decode(&mut d, version));
            assert!(d.charged() <= bound);
            assert!(
                asked <= d.charged() + SLICE_COST,
                "{} version {version} seed {seed}: {asked} bytes, {} charged",
                target.message.name(),
                d.charged()
            );
            frames += 1;
            accepted += u32::from(outcome.is_ok());
        }
    });
    println!("{frames} changed frames, {accepted} still messages");
}

/// Flips, overwrites, cuts and repeats a few bytes; lengths above all become huge.
fn change(bytes: &mut Vec<u8>, rng: &mut SmallRng) {
    for _ in 0..rng.random_range(1..4) {
        if bytes.is_empty() {
            return;
        }
        let at = rng.random_range(0..bytes.len());
        match rng.random_range(0..5) {
            0 => bytes[at] ^= 1 << rng.random_range(0..8),
            1 => bytes[at] = 0xff,
            2 => {
                let huge = [0x7f, 0xff, 0xff, 0xff];
                let end = bytes.len().min(at + huge.len());
                bytes[at..end].copy_from_slice(&huge[..end - at]);
            }
            3 => bytes.truncate(at),
            _ => bytes.insert(at, rng.random()),
        }
    }
}

#[test]
fn any_bytes_hold_what_is_promised() {
    let mut rng = SmallRng::seed_from_u64(12);
    for _ in 0..30_000 {
        let length = rng.random_range(0..200);
        // Small numbers make short lengths, so that more of the bytes are taken for a message.
        let most = [1, 4, 255][rng.random_range(0..3)];
        let bytes: Vec<u8> =
            (0..length).map(|at| if at < 2 { rng.random() } else { rng.random_range(0..=most) }).collect();
        any_frame::check(&bytes);
    }
}

/// No message that a client could mean is refused for its memory, however many of its smallest parts it
/// has.
#[test]
fn dense_messages_fit_the_allowance() {
    let mut densest = (0, String::new());
    targets::each(|target, version| {
        for depth in 0..4 {
            let choice = Choice::Dense { depth, elements: 400 };
            let bytes = sample::message(&target.message, version, choice);
            let length = bytes.len();
            let mut d = Decoder::new(Bytes::from(bytes));
            let name = target.message.name();
            let outcome = target.decode(&mut d, version);
            assert!(outcome.is_ok(), "{name} version {version} depth {depth}: {outcome:?}");
            // The small ones are covered by the base.
            if d.charged() > CHARGE_BASE && d.charged() > densest.0 * length {
                densest = (d.charged().div_ceil(length), format!("{name} version {version}"));
            }
        }
    });
    println!("densest: {} bytes of memory per byte of {}", densest.0, densest.1);
    assert!(densest.0 <= CHARGE_PER_BYTE * 3 / 4, "{densest:?}");
}

#[test]
fn a_produce_request_of_small_batches_fits_its_own_allowance() {
    for (version, name) in [(3, true), (12, true), (13, false)] {
        let frame = produce_of_small_batches(version, name);
        let charge = ApiKey::Produce.frame_charge(frame.len());
        let mut d = Decoder::with_allowance(frame, charge);
        Request::decode(ApiKey::Produce, &mut d, version).unwrap();
        assert!(d.charged() > CHARGE_BASE, "the test says something");
    }
}

fn produce_of_small_batches(version: i16, name: bool) -> Bytes {
    use highwater_wire::messages::produce as p;
    let topic = p::TopicProduceData {
        name: if name { "t".into() } else { highwater_wire::Str::EMPTY },
        partition_data: vec![p::PartitionProduceData {
            records: Some(Bytes::from(vec![0; 61]).into()),
            ..Default::default()
        }],
        ..Default::default()
    };
    let request = p::ProduceRequest { topic_data: vec![topic; 5000], ..Default::default() };
    let mut e = highwater_wire::Encoder::new();
    request.encode(&mut e, version).unwrap();
    e.finish_joined()
}

#[test]
fn what_is_wrong_is_told() {
    let decode = |bytes: &'static [u8], version| {
        let mut d = Decoder::new(Bytes::from_static(bytes));
        Request::decode(ApiKey::Metadata, &mut d, version).unwrap_err()
    };
    // Version 0: an array of names.
    let cases: [(&'static [u8], DecodeErrorKind); 6] = [
        (&[0, 0], DecodeErrorKind::Truncated { needed: 4, left: 2 }),
        (&[0xff, 0xff, 0xff, 0xfe], DecodeErrorKind::NegativeLength(-2)),
        (&[0xff; 4], DecodeErrorKind::Null),
        (&[0x7f, 0xff, 0xff, 0xff], DecodeErrorKind::CountTooLarge { count: 0x7fff_ffff, left: 0 }),
        (&[0, 0, 0, 1, 0, 1, 0xff], DecodeErrorKind::NotUtf8),
        (&[0, 0, 0, 1, 0xff, 0xff], DecodeErrorKind::Null),
    ];
    for (bytes, kind) in cases {
        let error = decode(bytes, 0);
        assert_eq!(error.kind, kind);
        assert_eq!(error.message, Some(("MetadataRequest", 0)));
    }
    // Version 12: compact lengths.
    let error = decode(&[0xff, 0xff, 0xff, 0xff, 0x10], 12);
    assert_eq!((error.kind, error.at), (DecodeErrorKind::VarintTooLong, 0));
    // Two flags, then one tagged field of two bytes that nobody knows, of which one is there.
    let error = decode(&[1, 1, 0, 1, 9, 2, 0], 12);
    assert_eq!(error.kind, DecodeErrorKind::Truncated { needed: 2, left: 1 });
    assert_eq!(error.to_string(), "MetadataRequest version 12 at byte 6: 2 bytes needed, 1 left");
}

#[test]
fn an_allowance_is_kept() {
    let frame = produce_of_small_batches(3, true);
    let mut d = Decoder::with_allowance(frame, 1000);
    let error = Request::decode(ApiKey::Produce, &mut d, 3).unwrap_err();
    assert!(matches!(error.kind, DecodeErrorKind::AllowanceExceeded { left: 1000, .. }), "{error}");
}
