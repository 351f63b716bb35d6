//! The table against what Apache Kafka 4.3.1 answers (`LogConfig.validate`).

use super::*;

fn check_one(pairs: &[(&str, &str)]) -> Result<(), String> {
    let configs = pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
    check(&configs, |row| row.default.unwrap_or_default().to_owned()).map_err(|e| e.to_string())
}

#[test]
fn the_table_is_sorted_and_its_defaults_are_legal() {
    assert!(DEFINITIONS.windows(2).all(|pair| pair[0].name < pair[1].name));
    for row in &DEFINITIONS {
        assert_eq!(definition(row.name).map(|r| r.name), Some(row.name));
        if let Some(default) = row.default {
            assert_eq!(row.check(default), Ok(()), "{}", row.name);
        }
        assert!(row.doc.ends_with('.'), "{}", row.name);
    }
}

#[test]
fn takes_what_kafka_takes() {
    for pair in [
        ("cleanup.policy", "compact,delete"),
        ("cleanup.policy", " compact , delete "),
        ("cleanup.policy", ""),
        ("cleanup.policy", "delete,delete"),
        ("retention.ms", " 5 "),
        ("retention.ms", "-1"),
        ("retention.ms", "+7"),
        ("retention.bytes", "-5"),
        ("max.message.bytes", "0"),
        ("segment.bytes", "1048576"),
        ("internal.segment.bytes", "1000"),
        ("min.cleanable.dirty.ratio", "0.5"),
        ("min.cleanable.dirty.ratio", "1e-1"),
        ("min.cleanable.dirty.ratio", "-0.0"),
        ("compression.type", " lz4 "),
        ("compression.gzip.level", "-1"),
        ("preallocate", "TRUE"),
        ("preallocate", "  true "),
        ("message.timestamp.type", "LogAppendTime"),
        ("leader.replication.throttled.replicas", "*"),
        ("leader.replication.throttled.replicas", "0:1,1:2"),
        ("leader.replication.throttled.replicas", "0:1,0:1"),
        ("leader.replication.throttled.replicas", ""),
        ("highwater.durability", "local"),
    ] {
        assert_eq!(check_one(&[pair]), Ok(()), "{pair:?}");
    }
}

#[test]
fn refuses_what_kafka_refuses_in_its_words() {
    let replicas = "leader.replication.throttled.replicas must be the literal '*' or a list of replicas in the \
                    following format: [partitionId]:[brokerId],[partitionId]:[brokerId],...";
    let codecs = "String must be one of: uncompressed, zstd, lz4, snappy, gzip, producer";
    let level = "Value must be between 1 and 9 or equal to -1";
    for (key, got, why) in [
        ("cleanup.policy", "Delete", "String must be one of: compact, delete"),
        ("cleanup.policy", "none", "String must be one of: compact, delete"),
        ("retention.ms", "abc", "Not a number of type LONG"),
        ("retention.ms", "", "Not a number of type LONG"),
        ("retention.ms", "1.0", "Not a number of type LONG"),
        ("retention.ms", "9223372036854775808", "Not a number of type LONG"),
        ("retention.ms", "-2", "Value must be at least -1"),
        ("max.message.bytes", "-1", "Value must be at least 0"),
        ("max.message.bytes", "2147483648", "Not a number of type INT"),
        ("segment.bytes", "1000", "Value must be at least 1048576"),
        ("min.cleanable.dirty.ratio", "1.1", "Value must be no more than 1"),
        ("min.cleanable.dirty.ratio", "x", "Not a number of type DOUBLE"),
        ("min.cleanable.dirty.ratio", "NaN", "Not a number of type DOUBLE"),
        ("compression.type", "none", codecs),
        ("compression.type", "LZ4", codecs),
        ("compression.gzip.level", "0", level),
        ("compression.gzip.level", "10", level),
        ("compression.zstd.level", "23", "Value must be no more than 22"),
        ("compression.lz4.level", "0", "Value must be at least 1"),
        ("preallocate", "yes", "Expected value to be either true or false"),
        ("preallocate", "", "Expected value to be either true or false"),
        ("message.timestamp.type", "createtime", "String must be one of: CreateTime, LogAppendTime"),
        ("leader.replication.throttled.replicas", "[0:]", replicas),
        ("leader.replication.throttled.replicas", "[none]", replicas),
        ("leader.replication.throttled.replicas", "[*, 0:1]", replicas),
        ("local.retention.ms", "-3", "Value must be at least -2"),
        ("min.insync.replicas", "0", "Value must be at least 1"),
        ("flush.messages", "0", "Value must be at least 1"),
        ("highwater.durability", "quorum", "String must be one of: object, local"),
    ] {
        let given = got.trim_start_matches('[').trim_end_matches(']');
        assert_eq!(
            check_one(&[(key, given)]),
            Err(format!("Invalid value {got} for configuration {key}: {why}")),
            "{key}={got}"
        );
    }
    for (pairs, message) in [
        (vec![("unknown.key", "1")], "Unknown topic config name: unknown.key"),
        (vec![("message.format.version", "3.0")], "Unknown topic config name: message.format.version"),
        (vec![("cleanup.policy", "delete,")], "Configuration 'cleanup.policy' values must not be empty."),
        (vec![("cleanup.policy", ",")], "Configuration 'cleanup.policy' values must not be empty."),
        (
            vec![("min.compaction.lag.ms", "10"), ("max.compaction.lag.ms", "5")],
            "conflict topic config setting min.compaction.lag.ms (10) > max.compaction.lag.ms (5)",
        ),
        (
            vec![("remote.storage.enable", "true")],
            "Tiered Storage functionality is disabled in the broker. Topic cannot be configured with remote log storage.",
        ),
    ] {
        assert_eq!(check_one(&pairs), Err(message.to_owned()));
    }
    assert!(check_one(&[("retention.ms", &"1".repeat(40_000))]).is_err());
}
