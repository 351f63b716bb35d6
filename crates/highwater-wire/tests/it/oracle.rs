//! Agreement with kafka-protocol, both ways, for every API and version that it has: it decodes what the
//! schema says and encodes it to the same bytes, and those we decode and encode to the same again.
//!
//! It is given well-formed bytes alone: it reserves memory by lengths that it reads, and aborts.

use std::collections::BTreeSet;

use bytes::{Bytes, BytesMut};
use highwater_wire::{ApiKey, Decoder};
use kafka_protocol::messages as oracle;
use kafka_protocol::protocol::{Decodable, Encodable, VersionRange};

use crate::sample::{self, Choice};
use crate::targets::{self, Codec, Target};

const SEEDS: u64 = 25;

/// What kafka-protocol makes of the bytes, if it has the message in this version.
fn reencode(target: &Target, version: i16, bytes: &Bytes) -> Option<Result<Bytes, String>> {
    let mut bytes = bytes.clone();
    let mut out = BytesMut::new();
    let known = |range: VersionRange| range.min <= version && version <= range.max;
    let done = match target.codec {
        Codec::Request(key) => {
            let key = oracle::ApiKey::try_from(key.code()).ok()?;
            known(key.valid_versions()).then_some(())?;
            oracle::RequestKind::decode(key, &mut bytes, version).and_then(|message| message.encode(&mut out, version))
        }
        Codec::Response(key) => {
            let key = oracle::ApiKey::try_from(key.code()).ok()?;
            known(key.valid_versions()).then_some(())?;
            oracle::ResponseKind::decode(key, &mut bytes, version).and_then(|message| message.encode(&mut out, version))
        }
        Codec::Other(..) => match target.message.name() {
            "RequestHeader" => {
                oracle::RequestHeader::decode(&mut bytes, version).and_then(|message| message.encode(&mut out, version))
            }
            "ResponseHeader" => oracle::ResponseHeader::decode(&mut bytes, version)
                .and_then(|message| message.encode(&mut out, version)),
            "ConsumerProtocolSubscription" => oracle::ConsumerProtocolSubscription::decode(&mut bytes, version)
                .and_then(|message| message.encode(&mut out, version)),
            "ConsumerProtocolAssignment" => oracle::ConsumerProtocolAssignment::decode(&mut bytes, version)
                .and_then(|message| message.encode(&mut out, version)),
            _ => return None,
        },
    };
    match done {
        Ok(()) => Some(Ok(out.freeze())),
        // The API has the version, the request has not.
        Err(error) if format!("{error:#}").contains("version not supported") => None,
        Err(error) => Some(Err(format!("{error:#}"))),
    }
}

#[test]
fn kafka_protocol_agrees() {
    let (mut agreed, mut lacking) = (0, BTreeSet::new());
    let mut disagreed = BTreeSet::new();
    targets::each(|target, version| {
        let name = target.message.name().to_owned();
        for seed in 0..SEEDS {
            let bytes = Bytes::from(sample::message(&target.message, version, Choice::Random(seed)));
            let Some(outcome) = reencode(target, version, &bytes) else {
                lacking.insert((name, version));
                return;
            };
            match outcome {
                Ok(theirs) if theirs == bytes => {
                    let mut d = Decoder::new(theirs.clone());
                    let ours = target.recode(&mut d, version).unwrap().unwrap();
                    assert_eq!(ours, theirs, "{name} version {version} seed {seed}");
                }
                Ok(_) => drop(disagreed.insert((name.clone(), version, "other bytes".to_owned()))),
                Err(error) => drop(disagreed.insert((name.clone(), version, error))),
            }
        }
        agreed += 1;
    });
    println!("{agreed} messages and versions agree, {SEEDS} samples of each; it lacks {lacking:?}");
    assert!(disagreed.is_empty(), "{disagreed:#?}");
    assert!(agreed > 540, "only {agreed}");
}

#[test]
fn header_versions_agree() {
    for key in ApiKey::ALL {
        let Ok(theirs) = oracle::ApiKey::try_from(key.code()) else {
            continue;
        };
        for version in key.served_versions().min..=key.served_versions().max {
            if version <= theirs.valid_versions().max {
                let ours = (key.request_header_version(version), key.response_header_version(version));
                let theirs = (theirs.request_header_version(version), theirs.response_header_version(version));
                assert_eq!(ours, theirs, "{key} version {version}");
            }
        }
    }
}
