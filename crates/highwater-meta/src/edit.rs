//! What one entry of `meta/log/` says: a list of edits.
//!
//! Layout: JSON, UTF-8, `{"format":1,"edits":[...]}`; each edit is an object with one key, its kind.
//! Everything random or chosen (ids, shards) was decided by whoever wrote the entry and stands in
//! it, so that [`crate::apply`] is a function of the entries alone, in every release. The format
//! number is raised by any change of meaning or addition; a release that meets a higher number stops
//! and names the object, it never guesses. Checksums are the journal's.

use std::collections::BTreeMap;

use highwater_types::TopicId;
use highwater_types::ids::Uuid;
use serde::{Deserialize, Serialize};

use crate::errors::FormatError;

/// The format that this release writes, and the highest that it reads.
pub const FORMAT: u32 = 1;

/// One change of the cluster's metadata.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Edit {
    /// The first edit of the first entry: the cluster comes to be.
    Found {
        /// Random; shown in base64-url.
        #[serde(with = "as_text")]
        cluster_id: Uuid,
        /// Number of shards, fixed from here on.
        shards: u32,
    },
    /// A topic comes to be.
    CreateTopic {
        /// Random, never used before.
        #[serde(with = "as_text")]
        id: TopicId,
        /// Legal and free at this point of the journal.
        name: String,
        /// The shard of each partition.
        partitions: Vec<u32>,
        /// Set on the topic itself.
        #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
        configs: BTreeMap<String, String>,
        /// One of the system's own.
        #[serde(default, skip_serializing_if = "is_false")]
        internal: bool,
    },
    /// A topic goes; its data follow when every broker has seen it.
    DeleteTopic {
        /// Which.
        #[serde(with = "as_text")]
        id: TopicId,
    },
    /// A topic gets more partitions.
    AddPartitions {
        /// Which.
        #[serde(with = "as_text")]
        id: TopicId,
        /// Number of partitions that it has before.
        from: u32,
        /// The shards of the new ones.
        partitions: Vec<u32>,
    },
    /// Configurations of a topic change.
    SetTopicConfigs {
        /// Which.
        #[serde(with = "as_text")]
        id: TopicId,
        /// New values; null takes the topic's own value away.
        changes: BTreeMap<String, Option<String>>,
    },
    /// Dynamic configurations of one broker, or of all, change.
    SetBrokerConfigs {
        /// Node id; absent for the default of all.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        broker: Option<i32>,
        /// New values; null takes the value away.
        changes: BTreeMap<String, Option<String>>,
    },
    /// A block of producer ids is given away, never to be given again.
    TakeProducerIds {
        /// First id of the block: the cluster's next one at this point of the journal.
        first: i64,
        /// Number of ids.
        count: i64,
    },
}

impl Edit {
    /// Partitions that it creates.
    pub fn new_partitions(&self) -> usize {
        match self {
            Self::CreateTopic { partitions, .. } | Self::AddPartitions { partitions, .. } => partitions.len(),
            _ => 0,
        }
    }
}

/// An entry as it is written.
#[derive(Serialize)]
struct EntryOut<'a> {
    format: u32,
    edits: &'a [Edit],
}

/// An entry as it is read, once its format is known.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct EntryIn {
    #[serde(rename = "format")]
    _format: u32,
    edits: Vec<Edit>,
}

/// The part of any object of ours that every release can read.
#[derive(Deserialize)]
struct AnyFormat {
    format: u32,
}

/// The bytes of an entry.
pub fn encode(edits: &[Edit]) -> Result<Vec<u8>, FormatError> {
    serde_json::to_vec(&EntryOut { format: FORMAT, edits }).map_err(|e| FormatError::unwritable(&e))
}

/// The edits of an entry. `object` names it in the error.
pub fn decode(object: &str, bytes: &[u8]) -> Result<Vec<Edit>, FormatError> {
    check_format(object, bytes, FORMAT)?;
    let entry: EntryIn = serde_json::from_slice(bytes).map_err(|e| FormatError::corrupt(object, &e))?;
    Ok(entry.edits)
}

/// Refuses bytes that a later release wrote.
pub(crate) fn check_format(object: &str, bytes: &[u8], known: u32) -> Result<(), FormatError> {
    let any: AnyFormat = serde_json::from_slice(bytes).map_err(|e| FormatError::corrupt(object, &e))?;
    if any.format == 0 || any.format > known {
        return Err(FormatError::Unknown { object: object.to_owned(), found: any.format, known });
    }
    Ok(())
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for a reference")]
fn is_false(flag: &bool) -> bool {
    !*flag
}

/// Ids as their hyphenated text.
pub(crate) mod as_text {
    use std::fmt::Display;
    use std::str::FromStr;

    use serde::{Deserialize, Deserializer, Serializer, de};

    pub fn serialize<T: Display, S: Serializer>(value: &T, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(value)
    }

    pub fn deserialize<'de, T, D>(deserializer: D) -> Result<T, D::Error>
    where
        T: FromStr,
        T::Err: Display,
        D: Deserializer<'de>,
    {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(de::Error::custom)
    }
}

#[cfg(test)]
#[path = "edit_tests.rs"]
mod tests;
