//! Entries and snapshots of the metadata in words, and the names of topics for whoever describes
//! other objects.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use highwater_env::Env;
use highwater_format::describe::{Field, Look, Sink, Value};
use highwater_store::Store;
use highwater_types::{Incarnation, TopicId};

use crate::client::MetaOptions;
use crate::edit::{self, Edit};
use crate::errors::JournalFailure;
use crate::journal::shared::SharedMetaJournal;
use crate::journal::{MetaJournal, Update};
use crate::snapshot;
use crate::state::{ClusterState, Configs, Local};

/// What damage is said of, in the decoders' errors.
const HERE: &str = "metadata";
/// Most bytes that are shown of what cannot be read.
const SHOWN_BYTES: usize = 1_024;

/// Describes metadata that lie at `at` in their object. `false`, and nothing said: these are none.
pub fn describe(bytes: &Bytes, at: u64, look: &Look, sink: &mut dyn Sink) -> bool {
    if !bytes.starts_with(b"{\"format\":") {
        return false;
    }
    let error = match edit::decode(HERE, bytes) {
        Ok(edits) => {
            sink.item(1, "metadata_entry", &[("edits", edits.len().into())]);
            for edit in &edits {
                describe_edit(edit, look, sink);
            }
            return true;
        }
        Err(error) => error,
    };
    match snapshot::decode(HERE, bytes, Arc::new(Local::default())) {
        Ok(state) => describe_state(&state, sink),
        Err(second) => {
            // Of the two the one that is about what is there.
            let error = if is_snapshot(bytes) { second } else { error };
            let shown = String::from_utf8_lossy(&bytes[..bytes.len().min(SHOWN_BYTES)]);
            sink.item(1, "unreadable", &[("begins", shown.into_owned().into())]);
            sink.damage(at..at + bytes.len() as u64, &error.to_string());
        }
    }
    true
}

fn is_snapshot(bytes: &[u8]) -> bool {
    const MARK: &[u8] = b"\"cluster_id\"";
    const BY: usize = 64;
    bytes.windows(MARK.len()).take(BY).any(|window| window == MARK) && !bytes.starts_with(b"{\"format\":1,\"edits\"")
}

fn shards(partitions: &[u32]) -> Value {
    partitions.iter().copied().collect()
}

fn configs(changes: &BTreeMap<String, Option<String>>) -> Value {
    let one = |(name, value): (&String, &Option<String>)| match value {
        Some(value) => format!("{name}={value}"),
        None => format!("{name} taken away"),
    };
    changes.iter().map(one).collect()
}

fn set(configs: &Configs) -> Value {
    configs.iter().map(|(name, value)| format!("{name}={value}")).collect()
}

fn describe_edit(edit: &Edit, look: &Look, sink: &mut dyn Sink) {
    let topic = |id: TopicId| look.topic(id);
    let (kind, said): (&'static str, Vec<Field>) = match edit {
        Edit::Found { cluster_id, shards } => {
            ("found", vec![("cluster_id", cluster_id.to_string().into()), ("shards", (*shards).into())])
        }
        Edit::CreateTopic { id, name, partitions, configs, internal } => (
            "create_topic",
            vec![
                ("topic", id.to_string().into()),
                ("name", name.as_str().into()),
                ("partitions", partitions.len().into()),
                ("shards", shards(partitions)),
                ("configs", set(configs)),
                ("internal", (*internal).into()),
            ],
        ),
        Edit::DeleteTopic { id } => ("delete_topic", topic(*id)),
        Edit::AddPartitions { id, from, partitions } => {
            let mut said = topic(*id);
            said.extend([("from", (*from).into()), ("shards", shards(partitions))]);
            ("add_partitions", said)
        }
        Edit::SetTopicConfigs { id, changes } => {
            let mut said = topic(*id);
            said.push(("configs", configs(changes)));
            ("set_topic_configs", said)
        }
        Edit::SetBrokerConfigs { broker, changes } => {
            let whose = broker.map_or_else(|| Value::from("all"), Value::from);
            ("set_broker_configs", vec![("broker", whose), ("configs", configs(changes))])
        }
        Edit::TakeProducerIds { first, count } => {
            ("take_producer_ids", vec![("first", (*first).into()), ("count", (*count).into())])
        }
    };
    sink.item(2, kind, &said);
}

fn describe_state(state: &ClusterState, sink: &mut dyn Sink) {
    let said = [
        ("version", state.version.into()),
        ("cluster_id", state.cluster_id.to_string().into()),
        ("shards", state.shards.into()),
        ("next_producer_id", state.next_producer_id.into()),
        ("configs", set(&state.default_configs)),
    ];
    sink.item(1, "metadata_snapshot", &said);
    for (broker, configs) in state.broker_configs.iter() {
        sink.item(2, "broker", &[("broker", (*broker).into()), ("configs", set(configs))]);
    }
    for topic in state.topics() {
        let said = [
            ("topic", topic.id.to_string().into()),
            ("name", (&*topic.name).into()),
            ("partitions", topic.partitions.len().into()),
            ("shards", topic.partitions.iter().map(|shard| shard.0).collect()),
            ("configs", set(&topic.configs)),
            ("internal", topic.internal.into()),
        ];
        sink.item(2, "topic", &said);
    }
}

/// Names of all topics that the metadata of a bucket know, and of those deleted since their last
/// snapshot. Only reads.
///
/// # Errors
/// When they cannot be read: descriptions do without names then.
pub async fn topic_names(env: &Env, store: Arc<dyn Store>) -> Result<BTreeMap<TopicId, String>, JournalFailure> {
    let incarnation = Incarnation(env.random.next_u64());
    let mut journal = SharedMetaJournal::new(env.clone(), store, incarnation, MetaOptions::new().gc_grace);
    let mut names = BTreeMap::new();
    let corrupt = |error: crate::errors::FormatError| JournalFailure::Corrupt(error.to_string());
    for update in journal.catch_up().await? {
        match update {
            Update::Snapshot { next, bytes } => {
                let object = journal.snapshot_name(next);
                let state = snapshot::decode(&object, &bytes, Arc::new(Local::default())).map_err(corrupt)?;
                names = state.topics().map(|topic| (topic.id, topic.name.to_string())).collect();
            }
            Update::Entry { number, bytes } => {
                for edit in edit::decode(&journal.entry_name(number), &bytes).map_err(corrupt)? {
                    if let Edit::CreateTopic { id, name, .. } = edit {
                        names.insert(id, name);
                    }
                }
            }
        }
    }
    Ok(names)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic, reason = "a test says what went wrong by panicking")]

    use highwater_format::describe::Said;

    use super::*;

    fn said(bytes: &[u8]) -> Said {
        let mut said = Said::default();
        assert!(describe(&Bytes::copy_from_slice(bytes), 128, &Look::default(), &mut said));
        said
    }

    #[test]
    fn every_kind_of_edit_is_described() {
        let said = said(include_bytes!("../golden/entry-v1.json"));
        let kinds: Vec<&str> = said.items.iter().map(|(_, kind, _)| *kind).collect();
        assert_eq!(
            kinds,
            [
                "metadata_entry",
                "found",
                "create_topic",
                "create_topic",
                "add_partitions",
                "set_topic_configs",
                "set_broker_configs",
                "set_broker_configs",
                "take_producer_ids",
                "delete_topic"
            ]
        );
        assert!(said.has("create_topic", "name", "flights"), "{said:?}");
        assert_eq!(said.damage, []);
    }

    #[test]
    fn a_snapshot_is_described() {
        let said = said(include_bytes!("../golden/snapshot-v1.json"));
        assert!(said.has("metadata_snapshot", "cluster_id", "00112233-4455-4677-8899-aabbccddeeff"), "{said:?}");
        assert!(said.has("topic", "name", "flights") && said.has("broker", "broker", "3"), "{said:?}");
        assert_eq!(said.damage, []);
    }

    #[test]
    fn damage_and_later_formats_are_named_and_what_is_there_is_shown() {
        for (bytes, word) in [
            (&b"{\"format\":1,\"edits\":[{\"fly\":{}}]}"[..], "unknown variant"),
            (b"{\"format\":2,\"edits\":[]}", "format 2"),
            (b"{\"format\":2,\"version\":7,\"cluster_id\":\"x\"}", "format 2"),
            (b"{\"format\":1,\"version\":7,\"cluster_id\":\"x\"}", "invalid character"),
        ] {
            let said = said(bytes);
            assert!(said.items.iter().any(|(_, kind, _)| *kind == "unreadable"), "{said:?}");
            let [(range, what)] = &said.damage[..] else { panic!("{said:?}") };
            assert!(*range == (128..128 + bytes.len() as u64) && what.contains(word), "{said:?}");
        }
        let none = &mut Said::default();
        assert!(!describe(&Bytes::from_static(b"[1]"), 0, &Look::default(), none));
        assert_eq!(none.items.len(), 0);
    }
}
