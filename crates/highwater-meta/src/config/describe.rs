//! Configurations with their values and where these come from, as DescribeConfigs and CreateTopics
//! show them (KIP-133, KIP-226).

use std::collections::BTreeMap;

use super::definition::{Definition, Kind, Synonym};
use super::{broker, settings, topic};

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

/// A place that a value could come from, and the value there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SynonymEntry {
    /// Name of the configuration there.
    pub name: &'static str,
    /// Its value; `None` where it is secret.
    pub value: Option<String>,
    /// The place.
    pub source: Source,
}

/// One configuration and its value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigEntry {
    /// Kafka's name.
    pub name: &'static str,
    /// Value in effect; `None` where there is none, or it is secret.
    pub value: Option<String>,
    /// Where it comes from.
    pub source: Source,
    /// Changes at a start only.
    pub read_only: bool,
    /// Its value is never shown.
    pub sensitive: bool,
    /// Type.
    pub kind: Kind,
    /// Wherever a value is set, strongest first.
    pub synonyms: Vec<SynonymEntry>,
    /// For people.
    pub doc: String,
}

/// Configurations with the place that they are from.
pub type Layer<'a> = (&'a BTreeMap<String, String>, Source);

/// Every topic configuration with the value that holds for a topic that sets `own`. `brokers` are
/// weaker maps, strongest first.
pub fn describe_topic(own: &BTreeMap<String, String>, brokers: &[Layer<'_>]) -> Vec<ConfigEntry> {
    let shown = topic::DEFINITIONS.iter().filter(|row| !row.hidden);
    shown.map(|row| describe_topic_config(row, own, brokers)).collect()
}

fn describe_topic_config(
    row: &'static Definition,
    own: &BTreeMap<String, String>,
    brokers: &[Layer<'_>],
) -> ConfigEntry {
    let maps: Vec<&BTreeMap<String, String>> = brokers.iter().map(|(map, _)| *map).collect();
    let value = own.get(row.name).cloned().unwrap_or_else(|| settings::inherited(row, &maps));
    let mut synonyms = Vec::new();
    if let Some(value) = own.get(row.name) {
        synonyms.push(SynonymEntry { name: row.name, value: Some(value.clone()), source: Source::Topic });
    }
    let inherited = row.synonyms.first().map(|first| set_places(first.name, row.synonyms, brokers, false));
    synonyms.extend(inherited.unwrap_or_default());
    ConfigEntry {
        name: row.name,
        value: Some(value),
        source: source_of(&synonyms, row.synonyms, brokers),
        read_only: false,
        sensitive: false,
        kind: row.kind,
        synonyms,
        doc: row.doc.to_owned(),
    }
}

/// Every broker configuration with the value that holds under `layers`, strongest first.
pub fn describe_broker(layers: &[Layer<'_>]) -> Vec<ConfigEntry> {
    let shown = broker::all().iter().filter(|row| !row.definition.hidden);
    shown.map(|row| describe_broker_config(row, layers)).collect()
}

/// The configurations that are set in one layer alone: those of all brokers, while they run.
pub fn describe_layer(layer: Layer<'_>) -> Vec<ConfigEntry> {
    let set = broker::all().iter().filter(|row| layer.0.contains_key(row.definition.name));
    let only_here = |row: &&'static broker::BrokerConfig| {
        let mut entry = describe_broker_config(row, &[layer]);
        entry.synonyms.retain(|synonym| synonym.source == layer.1);
        entry
    };
    set.map(only_here).collect()
}

fn describe_broker_config(row: &'static broker::BrokerConfig, layers: &[Layer<'_>]) -> ConfigEntry {
    let name = row.definition.name;
    let sensitive = row.definition.kind == Kind::Password;
    let own = [Synonym { name, scale: 1 }];
    let family = topic::DEFINITIONS.iter().map(|topic| topic.synonyms).find(|all| all.iter().any(|s| s.name == name));
    let family = family.unwrap_or(&own);
    let synonyms = set_places(name, family, layers, sensitive);
    let set = layers.iter().find_map(|(map, _)| map.get(name).cloned());
    let value = set.or_else(|| row.definition.default.map(str::to_owned));
    ConfigEntry {
        name,
        value: if sensitive { None } else { value },
        source: source_of(&synonyms, &own, layers),
        read_only: row.update == broker::Update::ReadOnly,
        sensitive,
        kind: row.definition.kind,
        synonyms,
        doc: row.documentation(),
    }
}

/// Where the configuration `name` and the weaker members of its family are set, strongest first, and
/// their defaults. As in Kafka, what comes before `name` itself is left out.
fn set_places(name: &str, family: &[Synonym], layers: &[Layer<'_>], sensitive: bool) -> Vec<SynonymEntry> {
    let shown = |text: &str| (!sensitive).then(|| text.to_owned());
    let mut places = Vec::new();
    for (map, source) in layers {
        for member in family {
            if let Some(value) = map.get(member.name) {
                places.push(SynonymEntry { name: member.name, value: shown(value), source: *source });
            }
        }
    }
    for member in family {
        if let Some(default) = broker::definition(member.name).and_then(|row| row.default) {
            places.push(SynonymEntry { name: member.name, value: shown(default), source: Source::Default });
        }
    }
    let first = places.iter().position(|place| place.name == name).unwrap_or(places.len());
    places.split_off(first)
}

/// The strongest place; also where only a member of the family is set that stands before the name.
fn source_of(places: &[SynonymEntry], family: &[Synonym], layers: &[Layer<'_>]) -> Source {
    if let Some(place) = places.first().filter(|place| place.source == Source::Topic) {
        return place.source;
    }
    let sets = |map: &BTreeMap<String, String>| family.iter().any(|member| map.contains_key(member.name));
    layers.iter().find(|(map, _)| sets(map)).map_or(Source::Default, |(_, source)| *source)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test says what went wrong by panicking")]
    use super::*;

    fn map(name: &str, value: &str) -> BTreeMap<String, String> {
        BTreeMap::from([(name.to_owned(), value.to_owned())])
    }

    #[test]
    fn shows_values_with_their_sources() {
        let (own, fixed) = (map("retention.ms", "5"), map("log.roll.hours", "1"));
        let entries = describe_topic(&own, &[(&fixed, Source::StaticBroker)]);
        assert_eq!(entries.len(), topic::DEFINITIONS.len() - 1);
        let get = |name: &str| entries.iter().find(|e| e.name == name).map(|e| (e.value.as_deref().unwrap(), e.source));
        assert_eq!(get("retention.ms"), Some(("5", Source::Topic)));
        assert_eq!(get("segment.ms"), Some(("3600000", Source::StaticBroker)));
        assert_eq!(get("max.message.bytes"), Some(("1048588", Source::Default)));
        assert_eq!(get("internal.segment.bytes"), None);
    }

    #[test]
    fn synonyms_are_those_of_kafka() {
        let own = map("max.message.bytes", "5");
        let (dynamic, fixed) = (map("message.max.bytes", "6"), map("message.max.bytes", "7"));
        let layers = [(&dynamic, Source::DynamicDefault), (&fixed, Source::StaticBroker)];
        let entries = describe_topic(&own, &layers);
        let of = |name: &str| {
            let entry = entries.iter().find(|entry| entry.name == name).unwrap();
            entry.synonyms.iter().map(|s| (s.name, s.value.clone().unwrap(), s.source)).collect::<Vec<_>>()
        };
        let expected = [
            ("max.message.bytes", "5", Source::Topic),
            ("message.max.bytes", "6", Source::DynamicDefault),
            ("message.max.bytes", "7", Source::StaticBroker),
            ("message.max.bytes", "1048588", Source::Default),
        ];
        let expected = expected.map(|(name, value, source)| (name, value.to_owned(), source));
        assert_eq!(of("max.message.bytes"), expected);
        assert_eq!(of("retention.ms"), [], "its default is log.retention.hours', which is no synonym that counts");
    }

    #[test]
    fn secrets_are_not_shown_and_layers_show_only_what_they_set() {
        let fixed = map("ssl.key.password", "secret");
        let entries = describe_broker(&[(&fixed, Source::StaticBroker)]);
        let entry = entries.iter().find(|entry| entry.name == "ssl.key.password").unwrap();
        assert_eq!((entry.value.clone(), entry.sensitive, entry.source), (None, true, Source::StaticBroker));
        assert!(entry.synonyms.iter().all(|synonym| synonym.value.is_none()));
        let entry = entries.iter().find(|entry| entry.name == "num.partitions").unwrap();
        assert_eq!((entry.value.as_deref(), entry.read_only), (Some("1"), true));
        let dynamic = map("log.retention.ms", "7");
        let entries = describe_layer((&dynamic, Source::DynamicDefault));
        assert_eq!(entries.len(), 1);
        assert_eq!(entries[0].synonyms.len(), 1);
    }
}
