//! Identifiers, offsets, epochs and byte counts; no input or output, no async.
//!
//! - [`ids`]: topics, partitions, shards, brokers, incarnations, puts.
//! - [`epoch`]: a shard's leadership number.
//! - [`durability`]: what an acknowledgement of acks=all waits for.

pub mod durability;
pub mod epoch;
pub mod ids;

pub use durability::Durability;
pub use epoch::Epoch;
pub use ids::{Incarnation, NodeId, PutId, ShardId, TopicId, TopicPartition};

/// A record's position in its partition, as in Kafka: 0-based, dense but for gaps after a takeover.
pub type Offset = i64;
