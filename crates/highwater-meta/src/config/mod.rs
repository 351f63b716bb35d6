//! Kafka's configuration of topics and brokers: names, types, defaults, rules, and what they
//! resolve to.
//!
//! - [`definition`]: what one configuration takes. - [`topic`]: every topic configuration.
//! - [`broker`]: every broker configuration, and what it does here.
//! - [`settings`]: typed values, resolved. - [`describe`]: values with their sources, for people.

pub mod broker;
pub mod definition;
pub mod describe;
pub mod settings;
pub mod topic;

pub use definition::{Check, Definition, InvalidConfig, Kind};
pub use describe::{ConfigEntry, Source, SynonymEntry};
pub use settings::{BrokerSettings, Cleanup, CompressionType, TimestampType, TopicSettings};
