//! This broker's settings as Kafka's clients see them: what DescribeConfigs shows as its start-up
//! configuration.

use std::collections::BTreeMap;

use highwater_meta::config::broker::{self, Effect};
use highwater_meta::config::topic::DURABILITY;
use highwater_types::NodeId;

use super::serve::ServeConfig;

/// Kafka's names and values: what was given under `[kafka]`, and what Kafka calls our own settings.
pub fn start_up_configs(config: &ServeConfig, node: NodeId, on_directory: bool) -> BTreeMap<String, String> {
    let mut configs = config.configs.clone();
    // On a directory the bucket is the same disk as the log: waiting for it makes nothing safer.
    let durability = if on_directory { "local" } else { "object" };
    configs.entry(DURABILITY.to_owned()).or_insert_with(|| durability.to_owned());
    let mut show = |name: &str, value: String| configs.insert(name.to_owned(), value);
    show("node.id", node.0.to_string());
    show("broker.id", node.0.to_string());
    show("log.dirs", config.data.display().to_string());
    show("max.connections", config.max_connections.to_string());
    show("connections.max.idle.ms", config.connections_max_idle.as_millis().to_string());
    show("socket.request.max.bytes", config.socket_request_max_bytes.to_string());
    show("queued.max.request.bytes", config.request_memory_bytes.to_string());
    if let Some(zone) = &config.zone {
        show("broker.rack", zone.clone());
    }
    configs
}

/// Says of each configuration that was given and does nothing here why that is.
pub fn tell_of_stored_only(configs: &BTreeMap<String, String>) {
    for row in configs.keys().filter_map(|name| broker::find(name)) {
        if let Effect::Stored(reason) = row.effect {
            tracing::warn!(config = row.definition.name, "{}", reason.text());
        }
    }
}
