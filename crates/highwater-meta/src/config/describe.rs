//! Configurations with their values and where these come from, as DescribeConfigs and CreateTopics
//! show them.

use std::collections::BTreeMap;

use super::definition::{Definition, Kind};
use super::{settings, topic};

/// Where a value comes from; the discriminant is its number in DescribeConfigs (KIP-226).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// The topic's own.
    Topic = 1,
    /// Set for this broker while it runs.
    DynamicBroker = 2,
    /// Set for all brokers while they run.
    DynamicDefault = 3,
    /// The broker's start-up configuration.
    StaticBroker = 4,
    /// Kafka's default.
    Default = 5,
}

/// One configuration and its value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigEntry {
    /// Kafka's name.
    pub name: &'static str,
    /// Value in effect.
    pub value: String,
    /// Where it comes from.
    pub source: Source,
    /// Type.
    pub kind: Kind,
    /// One sentence for people.
    pub doc: &'static str,
}

/// Every topic configuration with the value that holds for a topic that sets `own`. `brokers` are
/// weaker maps with their sources, strongest first.
pub fn describe_topic(
    own: &BTreeMap<String, String>,
    brokers: &[(&BTreeMap<String, String>, Source)],
) -> Vec<ConfigEntry> {
    topic::DEFINITIONS.iter().filter(|row| !row.hidden).map(|row| describe_one(row, own, brokers)).collect()
}

fn describe_one(
    row: &'static Definition,
    own: &BTreeMap<String, String>,
    brokers: &[(&BTreeMap<String, String>, Source)],
) -> ConfigEntry {
    let (value, source) = if let Some(value) = own.get(row.name) {
        (value.clone(), Source::Topic)
    } else {
        let sets = |map: &BTreeMap<String, String>| row.synonyms.iter().any(|synonym| map.contains_key(synonym.name));
        match brokers.iter().find(|(map, _)| sets(map)) {
            Some((map, source)) => (settings::inherited(row, &[map]), *source),
            None => (row.default.unwrap_or_default().to_owned(), Source::Default),
        }
    };
    ConfigEntry { name: row.name, value, source, kind: row.kind, doc: row.doc }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shows_values_with_their_sources() {
        let own = BTreeMap::from([("retention.ms".to_owned(), "5".to_owned())]);
        let fixed = BTreeMap::from([("log.roll.hours".to_owned(), "1".to_owned())]);
        let entries = describe_topic(&own, &[(&fixed, Source::StaticBroker)]);
        assert_eq!(entries.len(), topic::DEFINITIONS.len() - 1);
        let get = |name: &str| entries.iter().find(|e| e.name == name).map(|e| (e.value.as_str(), e.source));
        assert_eq!(get("retention.ms"), Some(("5", Source::Topic)));
        assert_eq!(get("segment.ms"), Some(("3600000", Source::StaticBroker)));
        assert_eq!(get("max.message.bytes"), Some(("1048588", Source::Default)));
        assert_eq!(get("internal.segment.bytes"), None);
    }
}
