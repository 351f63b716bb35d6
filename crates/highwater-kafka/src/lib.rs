//! The Kafka front door: connections, admission, one handler per API, error mapping.
//!
//! - [`config`]: settings. - [`listener`]: the sockets. - [`connection`]: frames in, answers out, in
//!   order. - [`budget`]: memory is charged before it is used.
//! - [`gate`]: from a frame to its handler. - [`handlers`]: one file per API, one list of them all;
//!   [`call`]: a request as a handler sees it.
//! - [`fetch`]: sessions and long polls. - [`topics`]: topics by name and id.
//! - [`offsets_topic`]: `__consumer_offsets`. - [`producer_ids`]: ids for idempotent producers.
//! - [`errors`]: every error enum of the layers below, as Kafka's codes.
//! - [`config_resources`]: what has configurations. - [`assignments`]: brokers named for partitions.
//!   - [`authorized`]: what a client may do.
//! - [`metrics`]: what operators see. - [`broker`]: what all handlers share. - [`brokers`]: who leads what.

pub mod assignments;
pub mod authorized;
pub mod broker;
pub mod brokers;
pub mod budget;
pub mod call;
pub mod config;
pub mod config_resources;
pub mod connection;
pub mod errors;
pub mod fetch;
pub mod gate;
pub mod handlers;
pub mod listener;
pub mod metrics;
pub mod offsets_topic;
pub mod producer_ids;
pub mod topics;

pub use broker::Broker;
pub use brokers::{BrokerInfo, Brokers, ShardLeader, SingleBroker};
pub use config::{Endpoint, KafkaConfig, ListenerId};
pub use gate::Gate;
pub use listener::{Server, bind};
pub use metrics::{KafkaMetrics, NamedBudget};
pub use offsets_topic::OFFSETS_TOPIC;
