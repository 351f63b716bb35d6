//! Every topic configuration of Kafka 4.3, and the one of our own.
//!
//! Names, types, defaults and rules are Kafka's (`TopicConfig`, `LogConfig`); clients compare
//! them. What a configuration is for here, where that differs, is said in its sentence.

use std::collections::BTreeMap;

use super::definition::{Check, Definition, InvalidConfig, Kind, Synonym};

/// Name of our own configuration: what an acknowledgement of acks=all waits for.
pub const DURABILITY: &str = "highwater.durability";

/// One row of the table.
const fn row(
    name: &'static str,
    kind: Kind,
    default: &'static str,
    check: Check,
    synonyms: &'static [Synonym],
    doc: &'static str,
) -> Definition {
    Definition { name, kind, default: Some(default), check, synonyms, doc, hidden: false }
}

/// A broker configuration in the same unit.
const fn same(name: &'static str) -> Synonym {
    Synonym { name, scale: 1 }
}

/// A broker configuration in a larger unit.
const fn scaled(name: &'static str, scale: i64) -> Synonym {
    Synonym { name, scale }
}

const MAX_LONG: &str = "9223372036854775807";
const HOUR_MS: i64 = 3_600_000;

/// All of them, ascending by name.
#[rustfmt::skip] // a table reads better by rows
pub static DEFINITIONS: [Definition; 35] = [
    row("cleanup.policy", Kind::List, "delete", Check::SubsetOf(&["compact", "delete"]), &[same("log.cleanup.policy")],
        "Old records go by age and size (delete), all but the newest of each key go (compact), both, or neither (empty)."),
    row("compression.gzip.level", Kind::Int, "-1", Check::GzipLevel, &[same("compression.gzip.level")],
        "Level when compression.type is gzip."),
    row("compression.lz4.level", Kind::Int, "9", Check::Between(1, 17), &[same("compression.lz4.level")],
        "Level when compression.type is lz4."),
    row("compression.type", Kind::String, "producer",
        Check::OneOf(&["uncompressed", "zstd", "lz4", "snappy", "gzip", "producer"]), &[same("compression.type")],
        "Codec that batches are kept in; 'producer' keeps the producer's and never opens a batch."),
    row("compression.zstd.level", Kind::Int, "3", Check::Between(-131_072, 22), &[same("compression.zstd.level")],
        "Level when compression.type is zstd."),
    row("delete.retention.ms", Kind::Long, "86400000", Check::AtLeast(0), &[same("log.cleaner.delete.retention.ms")],
        "How long a compacted topic keeps the tombstone of a deleted key."),
    row("file.delete.delay.ms", Kind::Long, "60000", Check::AtLeast(0), &[same("log.segment.delete.delay.ms")],
        "Accepted for compatibility; objects are deleted after the cluster's own grace."),
    row("flush.messages", Kind::Long, MAX_LONG, Check::AtLeast(1), &[same("log.flush.interval.messages")],
        "Accepted for compatibility; highwater.durability says when a record is durable."),
    row("flush.ms", Kind::Long, MAX_LONG, Check::AtLeast(0),
        &[same("log.flush.interval.ms"), same("log.flush.scheduler.interval.ms")],
        "Accepted for compatibility; highwater.durability says when a record is durable."),
    row("follower.replication.throttled.replicas", Kind::List, "", Check::ThrottledReplicas, &[],
        "Accepted for compatibility; there is no replication between brokers to throttle."),
    // Set per broker: `local` on a directory, `object` on a bucket (see `Defaults`).
    row(DURABILITY, Kind::String, "object", Check::OneOf(&["object", "local"]), &[same(DURABILITY)],
        "What acks=all waits for: 'object' the bucket, 'local' the leader's synced write-ahead log."),
    row("index.interval.bytes", Kind::Int, "4096", Check::AtLeast(0), &[same("log.index.interval.bytes")],
        "Accepted for compatibility; segments carry an index entry every 64 KiB."),
    Definition { name: "internal.segment.bytes", kind: Kind::Int, default: None, check: Check::Any, synonyms: &[],
        doc: "Overrides segment.bytes without its lower bound; for tests only.", hidden: true },
    row("leader.replication.throttled.replicas", Kind::List, "", Check::ThrottledReplicas, &[],
        "Accepted for compatibility; there is no replication between brokers to throttle."),
    row("local.retention.bytes", Kind::Long, "-2", Check::AtLeast(-2), &[same("log.local.retention.bytes")],
        "Accepted for compatibility; every topic is in the bucket and its disk use is the cache's."),
    row("local.retention.ms", Kind::Long, "-2", Check::AtLeast(-2), &[same("log.local.retention.ms")],
        "Accepted for compatibility; every topic is in the bucket and its disk use is the cache's."),
    row("max.compaction.lag.ms", Kind::Long, MAX_LONG, Check::AtLeast(1), &[same("log.cleaner.max.compaction.lag.ms")],
        "Longest time that a record of a compacted topic may stay uncompacted."),
    row("max.message.bytes", Kind::Int, "1048588", Check::AtLeast(0), &[same("message.max.bytes")],
        "Largest record batch, as compressed by the producer."),
    row("message.timestamp.after.max.ms", Kind::Long, "3600000", Check::AtLeast(0),
        &[same("log.message.timestamp.after.max.ms")],
        "How far a record's timestamp may lie ahead of the broker's clock (CreateTime only)."),
    row("message.timestamp.before.max.ms", Kind::Long, MAX_LONG, Check::AtLeast(0),
        &[same("log.message.timestamp.before.max.ms")],
        "How far a record's timestamp may lie behind the broker's clock (CreateTime only)."),
    row("message.timestamp.type", Kind::String, "CreateTime", Check::OneOf(&["CreateTime", "LogAppendTime"]),
        &[same("log.message.timestamp.type")],
        "Whether a record's timestamp is the producer's or the broker's."),
    row("min.cleanable.dirty.ratio", Kind::Double, "0.5", Check::Ratio, &[same("log.cleaner.min.cleanable.ratio")],
        "Share of uncompacted bytes at which a compacted partition is compacted."),
    row("min.compaction.lag.ms", Kind::Long, "0", Check::AtLeast(0), &[same("log.cleaner.min.compaction.lag.ms")],
        "Shortest time that a record of a compacted topic stays uncompacted."),
    row("min.insync.replicas", Kind::Int, "1", Check::AtLeast(1), &[same("min.insync.replicas")],
        "In-sync copies, the leader included, that acks=all needs; the bucket counts for all of them."),
    row("preallocate", Kind::Boolean, "false", Check::Any, &[same("log.preallocate")],
        "Accepted for compatibility; the write-ahead log is always preallocated."),
    row("remote.log.copy.disable", Kind::Boolean, "false", Check::Any, &[],
        "Accepted for compatibility; there is no tier apart from the bucket."),
    row("remote.log.delete.on.disable", Kind::Boolean, "false", Check::Any, &[],
        "Accepted for compatibility; there is no tier apart from the bucket."),
    row("remote.storage.enable", Kind::Boolean, "false", Check::Any, &[],
        "Must be false: every topic is in the bucket, there is no second tier to enable."),
    row("retention.bytes", Kind::Long, "-1", Check::Any, &[same("log.retention.bytes")],
        "Bytes that a partition keeps at least, before its oldest records go; -1 for no limit."),
    row("retention.ms", Kind::Long, "604800000", Check::AtLeast(-1),
        &[same("log.retention.ms"), scaled("log.retention.minutes", 60_000), scaled("log.retention.hours", HOUR_MS)],
        "Age at which records go; -1 for never."),
    row("segment.bytes", Kind::Int, "1073741824", Check::AtLeast(1_048_576), &[same("log.segment.bytes")],
        "Granularity of retention and compaction, bytes."),
    row("segment.index.bytes", Kind::Int, "10485760", Check::AtLeast(4), &[same("log.index.size.max.bytes")],
        "Accepted for compatibility; the index is a part of the segment."),
    row("segment.jitter.ms", Kind::Long, "0", Check::AtLeast(0),
        &[same("log.roll.jitter.ms"), scaled("log.roll.jitter.hours", HOUR_MS)],
        "Accepted for compatibility; segments are not rolled by a timer of their own."),
    row("segment.ms", Kind::Long, "604800000", Check::AtLeast(1),
        &[same("log.roll.ms"), scaled("log.roll.hours", HOUR_MS)],
        "Granularity of retention and compaction, time."),
    row("unclean.leader.election.enable", Kind::Boolean, "false", Check::Any, &[same("unclean.leader.election.enable")],
        "Accepted for compatibility; a leader never leads without the records that were acknowledged."),
];

/// The definition of this name.
pub fn definition(name: &str) -> Option<&'static Definition> {
    let at = DEFINITIONS.binary_search_by(|row| row.name.cmp(name)).ok()?;
    DEFINITIONS.get(at)
}

/// Whether a topic may have these configurations: each known, legal, and legal together.
///
/// `effective` gives the value that holds where the topic sets none.
pub fn check(
    configs: &BTreeMap<String, String>,
    effective: impl Fn(&'static Definition) -> String,
) -> Result<(), InvalidConfig> {
    for (name, value) in configs {
        let row = definition(name).ok_or_else(|| InvalidConfig::Unknown { scope: "topic", key: shown(name) })?;
        row.check(value)?;
    }
    let get = |name: &str| -> Option<String> {
        let row = definition(name)?;
        Some(configs.get(name).cloned().unwrap_or_else(|| effective(row)))
    };
    let long = |name: &str| definition(name).zip(get(name)).and_then(|(row, text)| row.integer(&text));
    if let (Some(min), Some(max)) = (long("min.compaction.lag.ms"), long("max.compaction.lag.ms"))
        && min > max
    {
        return Err(InvalidConfig::Conflict(format!(
            "conflict topic config setting min.compaction.lag.ms ({min}) > max.compaction.lag.ms ({max})"
        )));
    }
    if configs.get("remote.storage.enable").is_some_and(|text| text.trim().eq_ignore_ascii_case("true")) {
        return Err(InvalidConfig::Conflict(
            "Tiered Storage functionality is disabled in the broker. \
             Topic cannot be configured with remote log storage."
                .to_owned(),
        ));
    }
    Ok(())
}

/// The beginning of a name that may be as large as a frame.
fn shown(name: &str) -> String {
    name.chars().take(128).collect()
}

#[cfg(test)]
#[path = "topic_tests.rs"]
mod tests;
