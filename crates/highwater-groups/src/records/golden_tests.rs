//! Bytes that Kafka 4.3.1's own classes wrote, and property tests of the codecs.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeSet;
use std::sync::Arc;

use bytes::Bytes;
use highwater_types::TopicId;
use proptest::prelude::*;

use super::group::{GroupMetadata, MemberMetadata, encode_group_key};
use super::offset::{OffsetKey, decode_offset_value, encode_offset_value};
use super::subscription::subscribed_topics;
use super::{Entry, RecordError};
use crate::api::CommittedOffset;

fn hex(text: &str) -> Vec<u8> {
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
}

fn committed(leader_epoch: i32, expire: Option<i64>, id: bool) -> CommittedOffset {
    let topic_id = if id { "01234567-89ab-cdef-7edc-ba9876543210".parse().unwrap() } else { TopicId::ZERO };
    CommittedOffset {
        offset: 336_776,
        leader_epoch,
        metadata: Arc::from("meta"),
        commit_timestamp_ms: 1_700_000_000_123,
        expire_timestamp_ms: expire,
        topic_id,
    }
}

const OFFSET_KEY: &str = "000100076772c3bc7070650007666c696768747300000007";
const OFFSET_V1: &str = "0001000000000005238800046d6574610000018bcfe5687b0000018bcfee903b";
const OFFSET_V4: &str = "0004000000000005238800000005056d6574610000018bcfe5687b0100100123456789abcdef7edcba9876543210";

#[test]
fn offset_keys() {
    let expected = OffsetKey { group: Arc::from("grüppe"), topic: Arc::from("flights"), partition: 7 };
    for key in [OFFSET_KEY, "000000076772c3bc7070650007666c696768747300000007"] {
        assert_eq!(Entry::decode(&hex(key), None).unwrap(), Entry::Offset(expected.clone(), None));
    }
    assert_eq!(OffsetKey::encode("grüppe", "flights", 7).unwrap(), hex(OFFSET_KEY));
}

#[test]
fn offset_values() {
    for (bytes, expected) in [
        ("0000000000000005238800046d6574610000018bcfe5687b", committed(-1, None, false)),
        (OFFSET_V1, committed(-1, Some(1_700_000_600_123), false)),
        ("0002000000000005238800046d6574610000018bcfe5687b", committed(-1, None, false)),
        ("000300000000000523880000000500046d6574610000018bcfe5687b", committed(5, None, false)),
        (OFFSET_V4, committed(5, None, true)),
    ] {
        assert_eq!(decode_offset_value(&hex(bytes)).unwrap(), expected, "{bytes}");
    }
    assert_eq!(encode_offset_value(&committed(5, Some(1_700_000_600_123), true)).unwrap(), hex(OFFSET_V1));
    assert_eq!(encode_offset_value(&committed(5, None, true)).unwrap(), hex(OFFSET_V4));
    let plain = CommittedOffset {
        offset: 1,
        leader_epoch: -1,
        metadata: Arc::from(""),
        commit_timestamp_ms: 2,
        expire_timestamp_ms: None,
        topic_id: TopicId::ZERO,
    };
    let bytes = hex("00040000000000000001ffffffff01000000000000000200");
    assert_eq!(encode_offset_value(&plain).unwrap(), bytes);
    assert_eq!(decode_offset_value(&bytes).unwrap(), plain);
    assert_eq!(decode_offset_value(&hex("0005")), Err(RecordError::UnknownVersion(5)));
}

fn group(version: i16) -> GroupMetadata {
    let member = |id: &str, instance: Option<&str>, client: &str, host: &str, rebalance, session, bytes: [&[u8]; 2]| {
        MemberMetadata {
            member_id: Arc::from(id),
            instance_id: instance.filter(|_| version >= 3).map(Arc::from),
            client_id: Arc::from(client),
            client_host: Arc::from(host),
            rebalance_timeout_ms: if version >= 1 { rebalance } else { session },
            session_timeout_ms: session,
            subscription: Bytes::copy_from_slice(bytes[0]),
            assignment: Bytes::copy_from_slice(bytes[1]),
        }
    };
    GroupMetadata {
        protocol_type: Arc::from("consumer"),
        generation: 3,
        protocol: Some(Arc::from("range")),
        leader: Some(Arc::from("m-1")),
        state_timestamp_ms: (version >= 2).then_some(1_700_000_000_456),
        members: vec![
            member("m-1", Some("i-1"), "c", "/127.0.0.1", 300_000, 45_000, [&[0, 1], &[2, 3, 4]]),
            member("m-2", None, "d", "/127.0.0.2", 60_000, 10_000, [&[], &[]]),
        ],
    }
}

const GROUP_V3: &str = "00030008636f6e73756d657200000003000572616e676500036d2d310000018bcfe569c80000000200036d2d310003692d31000163000a2f3132372e302e302e31000493e00000afc80000000200010000000302030400036d2d32ffff000164000a2f3132372e302e302e320000ea60000027100000000000000000";
const EMPTY_V3: &str = "00030008636f6e73756d657200000004ffffffff0000018bcfe569c800000000";

#[test]
fn group_metadata() {
    for (version, bytes) in [
        (
            0,
            "00000008636f6e73756d657200000003000572616e676500036d2d310000000200036d2d31000163000a2f3132372e302e302e310000afc80000000200010000000302030400036d2d32000164000a2f3132372e302e302e32000027100000000000000000",
        ),
        (
            1,
            "00010008636f6e73756d657200000003000572616e676500036d2d310000000200036d2d31000163000a2f3132372e302e302e31000493e00000afc80000000200010000000302030400036d2d32000164000a2f3132372e302e302e320000ea60000027100000000000000000",
        ),
        (
            2,
            "00020008636f6e73756d657200000003000572616e676500036d2d310000018bcfe569c80000000200036d2d31000163000a2f3132372e302e302e31000493e00000afc80000000200010000000302030400036d2d32000164000a2f3132372e302e302e320000ea60000027100000000000000000",
        ),
        (3, GROUP_V3),
        (
            4,
            "000409636f6e73756d6572000000030672616e6765046d2d310000018bcfe569c803046d2d3104692d3102630b2f3132372e302e302e31000493e00000afc80300010402030400046d2d320002640b2f3132372e302e302e320000ea600000271001010000",
        ),
    ] {
        assert_eq!(GroupMetadata::decode(&hex(bytes)).unwrap(), group(version), "version {version}");
    }
    assert_eq!(group(3).encode().unwrap(), hex(GROUP_V3));
    let key = "000200076772c3bc707065";
    assert_eq!(encode_group_key("grüppe").unwrap(), hex(key));
    assert_eq!(Entry::decode(&hex(key), None).unwrap(), Entry::Group(Arc::from("grüppe"), None));
}

#[test]
fn empty_group_metadata() {
    let empty = |version: i16| GroupMetadata {
        protocol_type: Arc::from("consumer"),
        generation: 4,
        protocol: None,
        leader: None,
        state_timestamp_ms: (version >= 2).then_some(1_700_000_000_456),
        members: Vec::new(),
    };
    for (version, bytes) in [
        (0, "00000008636f6e73756d657200000004ffffffff00000000"),
        (1, "00010008636f6e73756d657200000004ffffffff00000000"),
        (2, "00020008636f6e73756d657200000004ffffffff0000018bcfe569c800000000"),
        (3, EMPTY_V3),
        (4, "000409636f6e73756d65720000000400000000018bcfe569c80100"),
    ] {
        assert_eq!(GroupMetadata::decode(&hex(bytes)).unwrap(), empty(version), "version {version}");
    }
    assert_eq!(empty(3).encode().unwrap(), hex(EMPTY_V3));
}

#[test]
fn newer_types_are_told_apart() {
    assert_eq!(Entry::decode(&hex("0003000161"), Some(&hex("000000000001"))).unwrap(), Entry::Other(3));
}

/// Serialized by Kafka's ConsumerProtocol: version 3 with owned partitions, generation and rack.
#[test]
fn topics_of_a_subscription() {
    let bytes = hex(
        "0003000000020007666c69676874730006706c616e6573ffffffff000000010007666c696768747300000001000000010000000300047261636b",
    );
    let expected: BTreeSet<Arc<str>> = ["flights", "planes"].map(Arc::from).into();
    assert_eq!(subscribed_topics(&bytes).unwrap(), expected);
    assert!(subscribed_topics(b"").is_err());
    assert!(subscribed_topics(&hex("00007fffffff")).is_err());
}

fn text() -> impl Strategy<Value = Arc<str>> {
    "[a-zü0-9.-]{0,12}".prop_map(Arc::from)
}

fn bytes() -> impl Strategy<Value = Bytes> {
    proptest::collection::vec(any::<u8>(), 0..20).prop_map(Bytes::from)
}

prop_compose! {
    fn any_member()(
        member_id in text(), instance_id in proptest::option::of(text()), client_id in text(),
        client_host in text(), rebalance_timeout_ms in 0..i32::MAX, session_timeout_ms in any::<i32>(),
        subscription in bytes(), assignment in bytes(),
    ) -> MemberMetadata {
        MemberMetadata {
            member_id, instance_id, client_id, client_host, rebalance_timeout_ms, session_timeout_ms,
            subscription, assignment,
        }
    }
}

proptest! {
    #[test]
    fn groups_round_trip(
        protocol_type in text(), generation in any::<i32>(), protocol in proptest::option::of(text()),
        leader in proptest::option::of(text()), at in proptest::option::of(0..i64::MAX),
        members in proptest::collection::vec(any_member(), 0..4),
    ) {
        let group = GroupMetadata { protocol_type, generation, protocol, leader, state_timestamp_ms: at, members };
        prop_assert_eq!(GroupMetadata::decode(&group.encode().unwrap()).unwrap(), group);
    }

    #[test]
    fn offsets_round_trip(
        offset in any::<i64>(), leader_epoch in any::<i32>(), metadata in text(), at in any::<i64>(),
        expire in proptest::option::of(0..i64::MAX), id in any::<[u8; 16]>(),
    ) {
        let value = CommittedOffset {
            offset,
            // Version 1, which carries an expiry, has neither.
            leader_epoch: if expire.is_some() { -1 } else { leader_epoch },
            metadata,
            commit_timestamp_ms: at,
            expire_timestamp_ms: expire,
            topic_id: if expire.is_some() { TopicId::ZERO } else { TopicId::from_bytes(id) },
        };
        prop_assert_eq!(decode_offset_value(&encode_offset_value(&value).unwrap()).unwrap(), value);
    }

    #[test]
    fn nothing_panics(key in proptest::collection::vec(any::<u8>(), 0..64), kind in 0_u8..4, rest in bytes()) {
        let _ = Entry::decode(&key, Some(&rest));
        let typed = [&[0, kind][..], &key].concat();
        let _ = Entry::decode(&typed, Some(&[&[0, kind][..], &rest].concat()));
        let _ = subscribed_topics(&key);
    }
}
