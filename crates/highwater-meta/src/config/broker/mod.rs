//! Every broker configuration of Kafka 4.3, and the one of our own. Names, types, defaults, rules
//! and update modes are Apache Kafka's (`AbstractKafkaConfig`, `DynamicBrokerConfig`).
//!
//! - [`row`]: what one of them is. - `log`, `groups`, `server`, `security`, `quorum`, `tiering`: the
//!   tables.

mod groups;
mod log;
mod quorum;
pub mod row;
mod security;
mod server;
mod tiering;

use std::sync::LazyLock;

pub use row::{BrokerConfig, Effect, Reason, Update};

use super::definition::{Definition, InvalidConfig};
use super::topic;

static BY_NAME: LazyLock<Vec<&'static BrokerConfig>> = LazyLock::new(|| {
    let tables: [&'static [BrokerConfig]; 6] =
        [&groups::ROWS, &log::ROWS, &quorum::ROWS, &security::ROWS, &server::ROWS, &tiering::ROWS];
    let mut rows: Vec<_> = tables.into_iter().flatten().collect();
    rows.sort_by_key(|row| row.definition.name);
    rows
});

/// All of them, ascending by name.
pub fn all() -> &'static [&'static BrokerConfig] {
    &BY_NAME
}

/// The configuration of this name.
pub fn find(name: &str) -> Option<&'static BrokerConfig> {
    let at = BY_NAME.binary_search_by(|row| row.definition.name.cmp(name)).ok()?;
    BY_NAME.get(at).copied()
}

/// What the configuration of this name takes.
pub fn definition(name: &str) -> Option<&'static Definition> {
    find(name).map(|row| &row.definition)
}

/// Whether a broker may have this value of this configuration.
///
/// # Errors
/// An unknown name, or a value that it does not take. What gives a topic configuration its default
/// keeps that one's rule, in the same unit.
pub fn check(name: &str, value: &str) -> Result<(), InvalidConfig> {
    let row = definition(name)
        .ok_or_else(|| InvalidConfig::Unknown { scope: "broker", key: name.chars().take(128).collect() })?;
    row.check(value)?;
    let same = |topic: &&Definition| topic.synonyms.iter().any(|synonym| synonym.name == name && synonym.scale == 1);
    match topic::DEFINITIONS.iter().find(same) {
        Some(topic) => topic.check(value).map_err(|error| error.of(row.name)),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test says what went wrong by panicking")]
    use super::*;

    #[test]
    fn names_are_distinct_and_defaults_are_legal() {
        assert!(all().windows(2).all(|pair| pair[0].definition.name < pair[1].definition.name));
        for row in all() {
            if let Some(default) = row.definition.default {
                assert_eq!(check(row.definition.name, default), Ok(()));
            }
            assert!(row.definition.doc.ends_with('.'), "{}", row.definition.name);
        }
    }

    #[test]
    fn whatever_gives_a_topic_its_default_is_here() {
        for topic in &topic::DEFINITIONS {
            for synonym in topic.synonyms {
                assert_eq!(find(synonym.name).unwrap().effect, Effect::TopicDefault, "{}", synonym.name);
            }
        }
        let defaults = all().iter().filter(|row| row.effect == Effect::TopicDefault);
        for row in defaults {
            let named = |topic: &Definition| topic.synonyms.iter().any(|synonym| synonym.name == row.definition.name);
            assert!(topic::DEFINITIONS.iter().any(named), "{}", row.definition.name);
        }
    }

    #[test]
    fn a_topics_default_is_checked_by_the_topics_rule() {
        assert_eq!(check("log.retention.hours", "1"), Ok(()));
        assert_eq!(check("message.max.bytes", "5000000"), Ok(()));
        assert!(check("message.max.bytes", "-1").is_err());
        let refused = check("log.retention.ms", "-2").unwrap_err().to_string();
        assert!(refused.starts_with("Invalid value -2 for configuration log.retention.ms"), "{refused}");
        assert!(check("log.cleanup.policy", "none").is_err());
        assert!(check("no.such", "1").is_err_and(|e| e.to_string() == "Unknown broker config name: no.such"));
    }

    #[test]
    fn kafkas_update_modes() {
        let update = |name| find(name).map(|row| row.update);
        assert_eq!(update("num.partitions"), Some(Update::ReadOnly));
        assert_eq!(update("log.retention.ms"), Some(Update::ClusterWide));
        assert_eq!(update("ssl.keystore.location"), Some(Update::PerBroker));
    }
}
