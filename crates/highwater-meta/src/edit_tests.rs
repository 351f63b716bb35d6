//! Golden bytes of entries: a bucket written by any release stays readable.

#![allow(clippy::unwrap_used, reason = "a test says what went wrong by panicking")]

use super::*;

/// One of each kind, as the golden file holds them.
fn one_of_each() -> Vec<Edit> {
    let id: TopicId = "01234567-89ab-4def-8123-456789abcdef".parse().unwrap();
    let change = |name: &str, value: Option<&str>| BTreeMap::from([(name.to_owned(), value.map(str::to_owned))]);
    vec![
        Edit::Found { cluster_id: Uuid::from_u128(0x0011_2233_4455_4677_8899_aabb_ccdd_eeff), shards: 4 },
        Edit::CreateTopic {
            id,
            name: "flights".to_owned(),
            partitions: vec![0, 1, 2, 3],
            configs: BTreeMap::from([("retention.ms".to_owned(), "-1".to_owned())]),
            internal: false,
        },
        Edit::CreateTopic {
            id: TopicId(Uuid::from_u128(7)),
            name: "__consumer_offsets".to_owned(),
            partitions: vec![0],
            configs: BTreeMap::new(),
            internal: true,
        },
        Edit::AddPartitions { id, from: 4, partitions: vec![0] },
        Edit::SetTopicConfigs { id, changes: change("retention.ms", None) },
        Edit::SetBrokerConfigs { broker: None, changes: change("log.retention.ms", Some("5")) },
        Edit::SetBrokerConfigs { broker: Some(3), changes: change("num.partitions", Some("2")) },
        Edit::TakeProducerIds { first: 0, count: 1_000 },
        Edit::DeleteTopic { id },
    ]
}

#[test]
fn golden_entry() {
    let golden = include_str!("../golden/entry-v1.json").trim_end();
    assert_eq!(decode("meta/log/0", golden.as_bytes()).unwrap(), one_of_each());
    assert_eq!(String::from_utf8(encode(&one_of_each()).unwrap()).unwrap(), golden);
}

#[test]
fn a_later_format_is_refused_by_name() {
    let error = decode("meta/log/00000000000000000007", br#"{"format":2,"edits":[{"fly":{}}]}"#).unwrap_err();
    assert_eq!(
        error.to_string(),
        "meta/log/00000000000000000007 has format 2, and this release knows up to 1: \
         use the release that wrote it, or a later one"
    );
}

#[test]
fn damage_is_refused_by_name() {
    for bad in [
        &b""[..],
        b"{}",
        b"null",
        br#"{"format":0,"edits":[]}"#,
        br#"{"format":1}"#,
        br#"{"format":1,"edits":[{"fly":{}}]}"#,
        br#"{"format":1,"edits":[{"delete_topic":{"id":"x"}}]}"#,
        br#"{"format":1,"edits":[],"more":1}"#,
        br#"{"format":1,"edits":[{"delete_topic":{"id":"01234567-89ab-4def-8123-456789abcdef","why":1}}]}"#,
        b"\xff\xfe",
    ] {
        let error = decode("meta/log/5", bad).unwrap_err().to_string();
        assert!(error.starts_with("meta/log/5 "), "{error}");
    }
}
