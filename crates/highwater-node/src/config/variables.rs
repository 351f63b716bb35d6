//! `HIGHWATER_*` variables. One that is not a setting is warned of, not refused: Kubernetes gives
//! every container variables for each service, and one may be called highwater.

use std::ffi::OsString;

use super::kafka::{self, Meaning};
use super::key::{Facts, Shape, VARIABLE_PREFIX};
use super::keys::ALL;
use super::nearest;
use super::settings::{Given, Layer, Origin};
use crate::errors::StartError;

/// What the environment says.
#[derive(Debug, Default)]
pub struct Variables {
    /// Ours.
    pub ours: Layer,
    /// Those of other programs that mean the same.
    pub others: Layer,
    /// Ours by their prefix, and no settings: one line each.
    pub warnings: Vec<String>,
}

/// Reads an environment. An empty variable is one that is not set.
///
/// # Errors
/// One line: a value that is not UTF-8.
pub fn read(environment: impl Iterator<Item = (OsString, OsString)>) -> Result<Variables, StartError> {
    let mut found = Variables::default();
    let mut pairs: Vec<(String, OsString)> = environment
        .filter_map(|(name, value)| name.into_string().ok().map(|name| (name, value)))
        .filter(|(_, value)| !value.is_empty())
        .collect();
    pairs.sort();
    for facts in ALL {
        // The strongest name comes last.
        for also in facts.also.iter().rev() {
            if let Some((_, value)) = pairs.iter().find(|(name, _)| name == also) {
                let given = Given { text: utf8(also, value)?, origin: Origin::Variable((*also).to_owned()) };
                found.others.ours.retain(|(other, _)| other.name != facts.name);
                found.others.ours.push((facts, given));
            }
        }
    }
    for (name, value) in pairs.into_iter().filter(|(name, _)| name.starts_with(VARIABLE_PREFIX)) {
        take(&name, &value, &mut found)?;
    }
    Ok(found)
}

fn take(name: &str, value: &OsString, found: &mut Variables) -> Result<(), StartError> {
    let given = |text: String| Given { text, origin: Origin::Variable(name.to_owned()) };
    if let Some(facts) = ALL.iter().find(|facts| facts.shape != Shape::Table && facts.variable() == name) {
        let text = utf8(name, value)?;
        match facts.shape {
            Shape::Many => {
                let items = text.split(',').map(str::trim).filter(|item| !item.is_empty());
                found.ours.ours.extend(items.map(|item| (*facts, given(item.to_owned()))));
            }
            Shape::One | Shape::Table => found.ours.ours.push((facts, given(text))),
        }
        return Ok(());
    }
    if is_of_kubernetes(name, value) {
        return Ok(());
    }
    let ours = |name: &String| matches!(kafka::meaning(name), Meaning::Instead(_)) || kafka::is_known(name);
    if let Some(setting) = kafka_name(name).filter(ours) {
        found.ours.kafka.push((setting, given(utf8(name, value)?)));
        return Ok(());
    }
    let known = known();
    let hint = nearest::hint(name, known.iter().map(String::as_str));
    found.warnings.push(format!("{name} is not a setting and means nothing here{hint}"));
    Ok(())
}

/// Every variable of ours.
fn known() -> Vec<String> {
    let of = |facts: &&'static Facts| match facts.shape {
        Shape::Table => {
            let prefix = facts.variable();
            kafka::names().map(|name| prefix.clone() + &name.replace('.', "_").to_ascii_uppercase()).collect()
        }
        Shape::One | Shape::Many => vec![facts.variable()],
    };
    ALL.iter().flat_map(of).collect()
}

/// Kafka's name of what a variable sets: `HIGHWATER_KAFKA_NUM_PARTITIONS` sets `num.partitions`.
fn kafka_name(variable: &str) -> Option<String> {
    let table = ALL.iter().find(|facts| facts.shape == Shape::Table)?;
    let name = variable.strip_prefix(&table.variable())?;
    Some(name.to_ascii_lowercase().replace('_', "."))
}

/// Whether a variable has the form of those that Kubernetes (and Docker's links) make of a service.
fn is_of_kubernetes(name: &str, value: &OsString) -> bool {
    let is_url = || value.to_str().is_some_and(|value| value.contains("://"));
    name.ends_with("_SERVICE_HOST")
        || name.contains("_SERVICE_PORT")
        || name.contains("_PORT_")
        || (name.ends_with("_PORT") && is_url())
}

fn utf8(name: &str, value: &OsString) -> Result<String, StartError> {
    let text = value.to_str().map(str::to_owned);
    text.ok_or_else(|| StartError::Config(format!("{name} takes text in UTF-8; got '{}'", value.to_string_lossy())))
}
