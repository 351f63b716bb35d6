//! What configurations resolve to: typed values that the engine and the front door use.
//!
//! A topic's own value wins over the cluster's dynamic default, that over the broker's static
//! configuration, that over Kafka's default. Values were checked when they were set; one that a
//! future release wrote and this one cannot read falls back to the default.

use std::collections::BTreeMap;
use std::str::FromStr;

use highwater_types::Durability;

use super::definition::{self, Definition};
use super::{broker, topic};

/// Where a record's timestamp comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimestampType {
    /// The producer.
    CreateTime,
    /// The broker, when it appends.
    LogAppendTime,
}

/// The codec that batches are kept in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CompressionType {
    /// As the producer sent them.
    Producer,
    /// None.
    Uncompressed,
    /// gzip at this level; -1 is the codec's own default.
    Gzip(i32),
    /// Snappy.
    Snappy,
    /// LZ4 at this level.
    Lz4(i32),
    /// Zstandard at this level.
    Zstd(i32),
}

/// What becomes of old records (`cleanup.policy`). Neither: they are kept for ever.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cleanup {
    /// They go by age and size.
    pub delete: bool,
    /// All but the newest of each key go.
    pub compact: bool,
}

/// A topic's settings. Times are milliseconds, sizes bytes; -1 means no limit where said.
#[derive(Clone, Debug, PartialEq)]
pub struct TopicSettings {
    /// What acks=all waits for.
    pub durability: Durability,
    /// Largest batch.
    pub max_message_bytes: usize,
    /// Whose timestamps.
    pub timestamp_type: TimestampType,
    /// How far behind the clock a CreateTime timestamp may lie.
    pub timestamp_before_max_ms: i64,
    /// How far ahead of the clock a CreateTime timestamp may lie.
    pub timestamp_after_max_ms: i64,
    /// The codec that batches are kept in.
    pub compression_type: CompressionType,
    /// What becomes of old records.
    pub cleanup: Cleanup,
    /// In-sync copies that acks=all needs.
    pub min_insync_replicas: i32,
    /// Age at which records go, -1 for never.
    pub retention_ms: i64,
    /// Bytes of a partition beyond which its oldest records go, negative for no limit.
    pub retention_bytes: i64,
    /// Granularity of retention, bytes.
    pub segment_bytes: i64,
    /// Granularity of retention, time.
    pub segment_ms: i64,
    /// How long a tombstone stays.
    pub delete_retention_ms: i64,
    /// Shortest time before a record is compacted.
    pub min_compaction_lag_ms: i64,
    /// Longest time before a record is compacted.
    pub max_compaction_lag_ms: i64,
    /// Share of uncompacted bytes at which a partition is compacted.
    pub min_cleanable_dirty_ratio: f64,
}

/// Settings of the cluster that are not a topic's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BrokerSettings {
    /// `num.partitions`.
    pub num_partitions: i32,
    /// `auto.create.topics.enable`.
    pub auto_create_topics: bool,
    /// `delete.topic.enable`.
    pub delete_topics: bool,
    /// `log.retention.check.interval.ms`.
    pub retention_check_ms: i64,
    /// `offsets.topic.num.partitions`.
    pub offsets_partitions: i32,
    /// `offsets.retention.minutes`, in milliseconds.
    pub offsets_retention_ms: i64,
    /// `offsets.retention.check.interval.ms`.
    pub offsets_retention_check_ms: i64,
    /// `offset.metadata.max.bytes`.
    pub offset_metadata_max_bytes: usize,
    /// `group.min.session.timeout.ms`.
    pub group_min_session_timeout_ms: i64,
    /// `group.max.session.timeout.ms`.
    pub group_max_session_timeout_ms: i64,
    /// `group.initial.rebalance.delay.ms`.
    pub group_initial_rebalance_delay_ms: i64,
    /// `group.max.size`.
    pub group_max_size: usize,
    /// `producer.id.expiration.ms`.
    pub producer_id_expiration_ms: i64,
    /// `max.request.partition.size.limit`.
    pub max_request_partitions: usize,
}

/// The value of a topic configuration where the topic sets none: the strongest of its synonyms in
/// `brokers` (maps, strongest first), or the default.
pub fn inherited(row: &Definition, brokers: &[&BTreeMap<String, String>]) -> String {
    for map in brokers {
        for synonym in row.synonyms {
            let Some(text) = map.get(synonym.name) else {
                continue;
            };
            if synonym.scale == 1 {
                return text.clone();
            }
            if let Some(value) = row.integer(text) {
                // A negative time means no limit in any unit.
                let scaled = if value < 0 { value } else { value.saturating_mul(synonym.scale) };
                return scaled.to_string();
            }
        }
    }
    row.default.unwrap_or_default().to_owned()
}

/// Reads one map over weaker ones.
struct Reader<'a> {
    own: &'a BTreeMap<String, String>,
    brokers: &'a [&'a BTreeMap<String, String>],
}

impl Reader<'_> {
    /// The first of own value, inherited value, default that `read` can make sense of.
    fn topic<T>(&self, name: &str, read: impl Fn(&Definition, &str) -> Option<T>, last: T) -> T {
        let Some(row) = topic::definition(name) else {
            return last;
        };
        self.own
            .get(name)
            .and_then(|text| read(row, text))
            .or_else(|| read(row, &inherited(row, self.brokers)))
            .or_else(|| row.default.and_then(|text| read(row, text)))
            .unwrap_or(last)
    }

    fn long(&self, name: &str) -> i64 {
        self.topic(name, |row, text| row.check(text).ok().and_then(|()| row.integer(text)), 0)
    }

    fn int(&self, name: &str) -> i32 {
        i32::try_from(self.long(name)).unwrap_or(0)
    }

    fn word(&self, name: &str) -> String {
        self.topic(name, |row, text| row.check(text).ok().map(|()| text.trim().to_owned()), String::new())
    }
}

impl TopicSettings {
    /// Resolves a topic's own configurations over the brokers' (strongest first).
    pub fn resolve(own: &BTreeMap<String, String>, brokers: &[&BTreeMap<String, String>]) -> Self {
        let reader = Reader { own, brokers };
        let cleanup = reader.word("cleanup.policy");
        let cleanup = definition::list(&cleanup);
        let internal_segment_bytes = own.get("internal.segment.bytes").and_then(|text| text.trim().parse().ok());
        Self {
            // Not through `word`: a durability that this release does not take from clients may
            // have been set by another that does.
            durability: reader.topic(
                topic::DURABILITY,
                |_, text| Durability::from_str(text.trim()).ok(),
                Durability::Object,
            ),
            max_message_bytes: usize::try_from(reader.long("max.message.bytes")).unwrap_or(0),
            timestamp_type: match reader.word("message.timestamp.type").as_str() {
                "LogAppendTime" => TimestampType::LogAppendTime,
                _ => TimestampType::CreateTime,
            },
            timestamp_before_max_ms: reader.long("message.timestamp.before.max.ms"),
            timestamp_after_max_ms: reader.long("message.timestamp.after.max.ms"),
            compression_type: match reader.word("compression.type").as_str() {
                "uncompressed" => CompressionType::Uncompressed,
                "gzip" => CompressionType::Gzip(reader.int("compression.gzip.level")),
                "snappy" => CompressionType::Snappy,
                "lz4" => CompressionType::Lz4(reader.int("compression.lz4.level")),
                "zstd" => CompressionType::Zstd(reader.int("compression.zstd.level")),
                _ => CompressionType::Producer,
            },
            cleanup: Cleanup { delete: cleanup.contains(&"delete"), compact: cleanup.contains(&"compact") },
            min_insync_replicas: reader.int("min.insync.replicas"),
            retention_ms: reader.long("retention.ms"),
            retention_bytes: reader.long("retention.bytes"),
            segment_bytes: internal_segment_bytes.unwrap_or_else(|| reader.long("segment.bytes")),
            segment_ms: reader.long("segment.ms"),
            delete_retention_ms: reader.long("delete.retention.ms"),
            min_compaction_lag_ms: reader.long("min.compaction.lag.ms"),
            max_compaction_lag_ms: reader.long("max.compaction.lag.ms"),
            min_cleanable_dirty_ratio: reader.topic(
                "min.cleanable.dirty.ratio",
                |row, text| row.check(text).ok().and_then(|()| text.trim().parse().ok()),
                0.5,
            ),
        }
    }
}

impl BrokerSettings {
    /// Resolves the brokers' configurations (strongest first).
    pub fn resolve(brokers: &[&BTreeMap<String, String>]) -> Self {
        let text = |row: &Definition| brokers.iter().find_map(|map| map.get(row.name).filter(|v| row.check(v).is_ok()));
        let long = |name: &str| -> i64 {
            broker::definition(name)
                .and_then(|row| row.integer(text(row).map_or(row.default.unwrap_or_default(), String::as_str)))
                .unwrap_or(0)
        };
        let boolean = |name: &str| -> bool {
            broker::definition(name)
                .and_then(|row| row.boolean(text(row).map_or(row.default.unwrap_or_default(), String::as_str)))
                .unwrap_or(false)
        };
        let int = |name: &str| i32::try_from(long(name)).unwrap_or(i32::MAX);
        let size = |name: &str| usize::try_from(long(name)).unwrap_or(0);
        Self {
            num_partitions: int("num.partitions"),
            auto_create_topics: boolean("auto.create.topics.enable"),
            delete_topics: boolean("delete.topic.enable"),
            retention_check_ms: long("log.retention.check.interval.ms"),
            offsets_partitions: int("offsets.topic.num.partitions"),
            offsets_retention_ms: long("offsets.retention.minutes").saturating_mul(60_000),
            offsets_retention_check_ms: long("offsets.retention.check.interval.ms"),
            offset_metadata_max_bytes: size("offset.metadata.max.bytes"),
            group_min_session_timeout_ms: long("group.min.session.timeout.ms"),
            group_max_session_timeout_ms: long("group.max.session.timeout.ms"),
            group_initial_rebalance_delay_ms: long("group.initial.rebalance.delay.ms"),
            group_max_size: size("group.max.size"),
            producer_id_expiration_ms: long("producer.id.expiration.ms"),
            max_request_partitions: size("max.request.partition.size.limit"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect()
    }

    #[test]
    fn kafkas_defaults() {
        let settings = TopicSettings::resolve(&map(&[]), &[]);
        assert_eq!(settings.durability, Durability::Object);
        assert_eq!(settings.max_message_bytes, 1_048_588);
        assert_eq!(settings.timestamp_type, TimestampType::CreateTime);
        assert_eq!(settings.timestamp_before_max_ms, i64::MAX);
        assert_eq!(settings.timestamp_after_max_ms, 3_600_000);
        assert_eq!(settings.compression_type, CompressionType::Producer);
        assert_eq!(settings.cleanup, Cleanup { delete: true, compact: false });
        assert_eq!(settings.retention_ms, 604_800_000);
        assert_eq!(settings.retention_bytes, -1);
        assert_eq!(settings.segment_bytes, 1 << 30);
        let brokers = BrokerSettings::resolve(&[]);
        assert_eq!((brokers.num_partitions, brokers.auto_create_topics, brokers.offsets_partitions), (1, true, 50));
        assert_eq!(brokers.offsets_retention_ms, 7 * 86_400_000);
    }

    #[test]
    fn the_strongest_wins() {
        let own = map(&[("retention.ms", " 5 "), ("cleanup.policy", "compact"), ("compression.type", "zstd")]);
        let dynamic =
            map(&[("log.retention.hours", "2"), ("compression.zstd.level", "7"), ("message.max.bytes", "10")]);
        let fixed = map(&[
            ("message.max.bytes", "20"),
            ("highwater.durability", "local"),
            ("log.roll.hours", "3"),
            ("num.partitions", "6"),
        ]);
        let settings = TopicSettings::resolve(&own, &[&dynamic, &fixed]);
        assert_eq!(settings.retention_ms, 5);
        assert_eq!(settings.cleanup, Cleanup { delete: false, compact: true });
        assert_eq!(settings.compression_type, CompressionType::Zstd(7));
        assert_eq!(settings.max_message_bytes, 10);
        assert_eq!(settings.durability, Durability::Local);
        assert_eq!(settings.segment_ms, 3 * 3_600_000);
        assert_eq!(TopicSettings::resolve(&map(&[]), &[&dynamic]).retention_ms, 2 * 3_600_000);
        assert_eq!(TopicSettings::resolve(&map(&[]), &[&map(&[("log.retention.minutes", "-1")])]).retention_ms, -1);
        assert_eq!(BrokerSettings::resolve(&[&dynamic, &fixed]).num_partitions, 6);
    }

    #[test]
    fn what_cannot_be_read_falls_back() {
        let own = map(&[("retention.ms", "soon"), ("highwater.durability", "moon")]);
        let fixed = map(&[("num.partitions", "many")]);
        let settings = TopicSettings::resolve(&own, &[&fixed]);
        assert_eq!(settings.retention_ms, 604_800_000);
        assert_eq!(settings.durability, Durability::Object);
        assert_eq!(BrokerSettings::resolve(&[&fixed]).num_partitions, 1);
    }
}
