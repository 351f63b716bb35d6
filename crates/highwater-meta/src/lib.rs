//! Cluster metadata: topics, configurations and producer ids, over the journal.
//!
//! ```text
//!   requests ─► operations ─► draft ─► one entry of meta/log ─► apply ─► ClusterState (ArcSwap)
//!                (rules)      (edits)   (put-if-absent)          (pure)
//! ```
//!
//! - [`client`]: what a broker holds. - [`state`], [`topic`]: what it reads.
//! - [`operations`], [`alter_configs`]: Kafka's rules, from requests to edits. - [`errors`]: one enum per operation.
//! - [`edit`], [`snapshot`]: the bytes. - [`apply`]: what they do to the state.
//! - [`draft`], [`driver`], [`queue`]: from many requests to one entry.
//! - [`journal`]: the seam to the journal. - [`config`]: Kafka's configurations.
//! - [`describe`]: the bytes in words. - [`names`]: topic names. - [`spread`]: partitions over shards. - [`limits`]: how much of it all.
//! - [`shared_map`]: maps whose copies share. - [`uuid_text`]: Kafka's text form of ids.

pub mod alter_configs;
pub mod apply;
pub mod client;
pub mod config;
pub mod describe;
pub mod draft;
mod driver;
pub mod edit;
pub mod errors;
pub mod journal;
pub mod limits;
pub mod names;
pub mod operations;
mod queue;
pub mod shared_map;
pub mod snapshot;
pub mod spread;
pub mod state;
pub mod topic;
pub mod uuid_text;

pub use alter_configs::{ConfigChange, ConfigChanges, ConfigTarget};
pub use client::{MetaClient, MetaOptions};
pub use config::{BrokerSettings, Cleanup, CompressionType, InvalidConfig, TimestampType, TopicSettings};
pub use errors::{
    AddPartitionsError, AlterConfigsError, CreateTopicError, DeleteTopicError, FormatError, JournalFailure, MetaError,
};
pub use state::ClusterState;
pub use topic::{NewTopic, Topic};
