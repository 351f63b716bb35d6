//! Kafka's configuration of topics and brokers: names, types, defaults, rules, and what they
//! resolve to.
//!
//! - [`definition`]: what one configuration takes. - [`topic`]: every topic configuration.
//! - [`broker`]: the broker configurations that this system knows.
//! - [`settings`]: typed values, resolved. - [`describe`]: values with their sources, for people.

pub mod broker;
pub mod definition;
pub mod describe;
pub mod settings;
pub mod topic;

pub use definition::{Check, Definition, InvalidConfig, Kind};
pub use describe::{ConfigEntry, Source};
pub use settings::{BrokerSettings, Cleanup, CompressionType, TimestampType, TopicSettings};
