//! Changes of configurations: what AlterConfigs (all at once) and IncrementalAlterConfigs (one by one,
//! KIP-339) ask. Pure.
//!
//! What a list becomes is decided against the state that the entry will follow, so two clients that
//! append at once lose nothing of each other.

use std::collections::BTreeMap;

use highwater_types::TopicId;

use crate::config::broker::Update;
use crate::config::definition::{self, Definition, Kind};
use crate::config::{self, InvalidConfig};
use crate::draft::Draft;
use crate::edit::Edit;
use crate::errors::{AlterConfigsError, MetaError};
use crate::operations::{Operation, check_topic_configs};
use crate::state::{ClusterState, Configs};

/// Whose configurations change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConfigTarget {
    /// A topic's.
    Topic(TopicId),
    /// One broker's dynamic ones, by node id.
    Broker(i32),
    /// The dynamic ones of all brokers.
    AllBrokers,
}

/// What becomes of one configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ConfigChange {
    /// It has this value.
    Set(String),
    /// The own value is taken away.
    Delete,
    /// These items (comma-separated) are added to a list, those that it has already left out.
    Append(String),
    /// These items (comma-separated) are taken out of a list.
    Subtract(String),
}

/// What becomes of a resource's configurations.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ConfigChanges {
    /// Those named change, the others stay.
    Each(BTreeMap<String, ConfigChange>),
    /// These are all that it has.
    Whole(Configs),
}

impl<const N: usize> From<[(&str, Option<&str>); N]> for ConfigChanges {
    /// New values; `None` takes the own value away.
    fn from(values: [(&str, Option<&str>); N]) -> Self {
        let change =
            |value: Option<&str>| value.map_or(ConfigChange::Delete, |text| ConfigChange::Set(text.to_owned()));
        Self::Each(values.into_iter().map(|(name, value)| (name.to_owned(), change(value))).collect())
    }
}

/// AlterConfigs and IncrementalAlterConfigs, for one resource.
#[derive(Clone, Debug)]
pub struct AlterConfigs {
    /// Whose.
    pub target: ConfigTarget,
    /// What.
    pub changes: ConfigChanges,
    /// Only say what would happen.
    pub validate_only: bool,
}

impl Operation for AlterConfigs {
    type Answer = Result<(), AlterConfigsError>;

    fn plan(&self, draft: &mut Draft) -> Self::Answer {
        let had = own(&draft.state, self.target)?.clone();
        let changes = self.resolve(&had)?;
        if changes.is_empty() {
            return Ok(());
        }
        let edit = match self.target {
            ConfigTarget::Topic(id) => {
                let mut configs = had;
                for (name, value) in &changes {
                    match value {
                        Some(value) => configs.insert(name.clone(), value.clone()),
                        None => configs.remove(name),
                    };
                }
                check_topic_configs(&draft.state, &configs)?;
                Edit::SetTopicConfigs { id, changes }
            }
            ConfigTarget::Broker(node) => {
                check_broker_configs(&changes, false)?;
                Edit::SetBrokerConfigs { broker: Some(node), changes }
            }
            ConfigTarget::AllBrokers => {
                check_broker_configs(&changes, true)?;
                Edit::SetBrokerConfigs { broker: None, changes }
            }
        };
        let put = if self.validate_only { draft.trial().put(edit) } else { draft.put(edit) };
        put.map_err(|_| AlterConfigsError::UnknownTopic)
    }

    fn failed(&self, error: &MetaError) -> Self::Answer {
        Err(error.clone().into())
    }
}

impl AlterConfigs {
    /// The values that change (`None`: the own value goes), seen from what the resource has.
    fn resolve(&self, had: &Configs) -> Result<BTreeMap<String, Option<String>>, AlterConfigsError> {
        let mut changes = BTreeMap::new();
        match &self.changes {
            ConfigChanges::Whole(configs) => {
                changes.extend(had.keys().map(|name| (name.clone(), None)));
                changes.extend(configs.iter().map(|(name, value)| (name.clone(), Some(value.clone()))));
            }
            ConfigChanges::Each(each) => {
                for (name, change) in each {
                    changes.insert(name.clone(), self.changed(had, name, change)?);
                }
            }
        }
        changes.retain(|name, value| had.get(name) != value.as_ref());
        let unknown = |(name, value): &(&String, &Option<String>)| value.is_some() && self.definition(name).is_none();
        if let Some((name, _)) = changes.iter().find(unknown) {
            let scope = if matches!(self.target, ConfigTarget::Topic(_)) { "topic" } else { "broker" };
            return Err(InvalidConfig::Unknown { scope, key: name.chars().take(128).collect() }.into());
        }
        Ok(changes)
    }

    fn definition(&self, name: &str) -> Option<&'static Definition> {
        match self.target {
            ConfigTarget::Topic(_) => config::topic::definition(name),
            ConfigTarget::Broker(_) | ConfigTarget::AllBrokers => config::broker::definition(name),
        }
    }

    fn changed(&self, had: &Configs, name: &str, change: &ConfigChange) -> Result<Option<String>, AlterConfigsError> {
        let (operation, given) = match change {
            ConfigChange::Set(value) => return Ok(Some(value.clone())),
            ConfigChange::Delete => return Ok(None),
            ConfigChange::Append(given) => ("APPEND", given),
            ConfigChange::Subtract(given) => ("SUBTRACT", given),
        };
        // What has no definition is told by its name, later.
        let Some(row) = self.definition(name) else { return Ok(Some(given.clone())) };
        if row.kind != Kind::List {
            return Err(AlterConfigsError::NotAList { operation, key: name.to_owned() });
        }
        let before = had.get(name).map_or(row.default.unwrap_or_default(), String::as_str);
        let mut items = definition::list(before);
        for item in definition::list(given) {
            match change {
                ConfigChange::Subtract(_) => items.retain(|one| *one != item),
                _ if items.contains(&item) => {}
                _ => items.push(item),
            }
        }
        Ok(Some(items.join(",")))
    }
}

/// What the target sets itself.
fn own(state: &ClusterState, target: ConfigTarget) -> Result<&Configs, AlterConfigsError> {
    static NONE: Configs = Configs::new();
    Ok(match target {
        ConfigTarget::Topic(id) => &state.topic_by_id(id).ok_or(AlterConfigsError::UnknownTopic)?.configs,
        ConfigTarget::Broker(node) => state.broker_configs.get(&node).unwrap_or(&NONE),
        ConfigTarget::AllBrokers => &state.default_configs,
    })
}

fn check_broker_configs(changes: &BTreeMap<String, Option<String>>, all: bool) -> Result<(), AlterConfigsError> {
    let having = |update: Update| {
        let is = |name: &&String| config::broker::find(name).is_some_and(|row| row.update == update);
        let names: Vec<&str> = changes.keys().filter(is).map(String::as_str).collect();
        (!names.is_empty()).then(|| names.join(", "))
    };
    if let Some(names) = having(Update::ReadOnly) {
        return Err(AlterConfigsError::ReadOnly(names));
    }
    if let Some(names) = having(Update::PerBroker).filter(|_| all) {
        return Err(AlterConfigsError::PerBroker(names));
    }
    for (name, value) in changes {
        if let Some(value) = value {
            config::broker::check(name, value)?;
        }
    }
    Ok(())
}
