//! A small Kafka client over `highwater-wire` and `highwater-batch`, for the command line, tests and
//! benchmarks. It speaks to any Kafka broker.
//!
//! One value does one thing at a time; what is pipelined is pipelined within it. No tasks, no locks.
//!
//! - [`api`]: requests with their answers and the newest version that is used. - [`connection`]: one
//!   socket. - [`cluster`]: brokers, topics, who leads what. - [`error`]: what can go wrong.
//! - [`admin`]: topics and configurations. - [`groups`]: groups and their offsets.
//! - [`partitioner`]: which partition a key goes to. - [`producer`], [`consumer`]: records in and out.
//! - [`member`]: a consumer that is one of a group.

pub mod admin;
pub mod api;
pub mod cluster;
pub mod connection;
pub mod consumer;
pub mod error;
pub mod groups;
pub mod member;
pub mod partitioner;
pub mod producer;

pub use cluster::{Cluster, ClusterOptions, TopicInfo};
pub use consumer::{Consumer, Fetched, StartAt};
pub use error::ClientError;
pub use member::GroupMember;
pub use producer::{Producer, ProducerOptions, Record};
