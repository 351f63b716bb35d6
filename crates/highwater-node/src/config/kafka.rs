//! Broker settings by Kafka's names: `[kafka]` in the file, `HIGHWATER_KAFKA_*`, `--config`.
//!
//! Those that are settings of ours under Kafka's name are taken for ours; a few are written in another
//! way here, and refused with the name that takes them.

use highwater_meta::config::broker;

use super::key::{Facts, Kafka};
use super::keys::ALL;
use super::kind::Kind;
use super::nearest;

/// What a name of Kafka's stands for.
pub enum Meaning {
    /// A broker setting that goes to the cluster's metadata.
    Broker,
    /// A setting of ours.
    Ours(&'static Facts),
    /// A setting of ours that is written in another way.
    Instead(&'static Facts),
}

/// Splits `NAME=VALUE`.
pub fn pair(_: &Kind, text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or_else(String::new)?;
    Ok((name.trim().to_owned(), value.to_owned()))
}

/// What `name` stands for.
pub fn meaning(name: &str) -> Meaning {
    let found = ALL.iter().find_map(|facts| match facts.kafka {
        Kafka::Same(same) if same == name => Some(Meaning::Ours(facts)),
        Kafka::Instead(other) if other == name => Some(Meaning::Instead(facts)),
        _ => None,
    });
    found.unwrap_or(Meaning::Broker)
}

/// Whether a broker may have this value; an `Err` says why not, in Kafka's words, and what may have
/// been meant.
pub fn check(name: &str, value: &str) -> Result<(), String> {
    broker::check(name, value).map_err(|error| {
        let hint = if is_known(name) { String::new() } else { nearest::hint(name, names()) };
        format!("{error}{hint}")
    })
}

/// Whether Kafka's name is one that may be set here.
pub fn is_known(name: &str) -> bool {
    names().any(|known| known == name)
}

/// Whether a value is not for people's eyes.
pub fn is_secret(name: &str) -> bool {
    broker::definition(name).is_some_and(|row| row.kind == highwater_meta::config::Kind::Password)
}

/// Every name that may be set.
pub fn names() -> impl Iterator<Item = &'static str> {
    let brokers = broker::all().iter().map(|row| row.definition.name);
    let ours = ALL.iter().filter_map(|facts| match facts.kafka {
        Kafka::Same(name) => Some(name),
        Kafka::Unknown | Kafka::Instead(_) => None,
    });
    brokers.chain(ours)
}
