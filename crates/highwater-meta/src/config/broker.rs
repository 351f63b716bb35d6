//! The broker configurations that this system knows: those that give topics their defaults, and
//! those with a meaning here. Names, defaults and rules are Apache Kafka 4.3's.

use super::definition::{Check, Definition, InvalidConfig, Kind};
use super::topic;

/// One row of the table.
const fn row(name: &'static str, kind: Kind, default: &'static str, check: Check, doc: &'static str) -> Definition {
    Definition { name, kind, default: Some(default), check, synonyms: &[], doc, hidden: false }
}

/// Those that are not a topic configuration's default, ascending by name.
#[rustfmt::skip] // a table reads better by rows
pub static DEFINITIONS: [Definition; 14] = [
    row("auto.create.topics.enable", Kind::Boolean, "true", Check::Any,
        "Whether Metadata creates a topic that a client names and nobody has created."),
    row("default.replication.factor", Kind::Int, "1", Check::AtLeast(1),
        "Accepted for compatibility; the bucket replicates."),
    row("delete.topic.enable", Kind::Boolean, "true", Check::Any,
        "Whether topics may be deleted."),
    row("group.initial.rebalance.delay.ms", Kind::Int, "3000", Check::AtLeast(0),
        "How long a new group waits for more members before its first rebalance."),
    row("group.max.session.timeout.ms", Kind::Int, "1800000", Check::AtLeast(0),
        "Longest session timeout that a group member may ask for."),
    row("group.max.size", Kind::Int, "2147483647", Check::AtLeast(1),
        "Most members of one group."),
    row("group.min.session.timeout.ms", Kind::Int, "6000", Check::AtLeast(0),
        "Shortest session timeout that a group member may ask for."),
    row("num.partitions", Kind::Int, "1", Check::AtLeast(1),
        "Partitions of a topic whose creator names no number."),
    row("offset.metadata.max.bytes", Kind::Int, "4096", Check::AtLeast(0),
        "Longest text that a client may store beside a committed offset."),
    row("offsets.retention.check.interval.ms", Kind::Long, "600000", Check::AtLeast(1),
        "How often committed offsets are looked at for expiry."),
    row("offsets.retention.minutes", Kind::Int, "10080", Check::AtLeast(1),
        "How long the offsets of an empty group are kept."),
    row("offsets.topic.num.partitions", Kind::Int, "50", Check::AtLeast(1),
        "Partitions of __consumer_offsets, when it is created."),
    row("producer.id.expiration.ms", Kind::Int, "86400000", Check::AtLeast(1),
        "How long the state of an idle producer is kept."),
    row("transactional.id.expiration.ms", Kind::Int, "604800000", Check::AtLeast(1),
        "How long an idle transactional id is kept."),
];

/// The definition of a configuration of this table by name.
pub fn definition(name: &str) -> Option<&'static Definition> {
    let at = DEFINITIONS.binary_search_by(|row| row.name.cmp(name)).ok()?;
    DEFINITIONS.get(at)
}

/// Whether a broker may have this value of this configuration: one of this table, or one that
/// gives a topic configuration its default.
pub fn check(name: &str, value: &str) -> Result<(), InvalidConfig> {
    if let Some(row) = definition(name) {
        return row.check(value);
    }
    for row in &topic::DEFINITIONS {
        if let Some(synonym) = row.synonyms.iter().find(|synonym| synonym.name == name) {
            if synonym.scale == 1 {
                return row.check(value);
            }
            let whole = Definition { name: synonym.name, check: Check::Any, ..*row };
            return whole.check(value);
        }
    }
    Err(InvalidConfig::Unknown { scope: "broker", key: name.chars().take(128).collect() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_sorted_and_its_defaults_are_legal() {
        assert!(DEFINITIONS.windows(2).all(|pair| pair[0].name < pair[1].name));
        for row in &DEFINITIONS {
            assert_eq!(check(row.name, row.default.unwrap_or_default()), Ok(()));
        }
    }

    #[test]
    fn a_topics_default_is_checked_by_the_topics_rule() {
        assert_eq!(check("log.retention.hours", "1"), Ok(()));
        assert_eq!(check("message.max.bytes", "5000000"), Ok(()));
        assert!(check("message.max.bytes", "-1").is_err());
        assert!(check("log.cleanup.policy", "none").is_err());
        assert!(check("no.such", "1").is_err_and(|e| e.to_string() == "Unknown broker config name: no.such"));
    }
}
