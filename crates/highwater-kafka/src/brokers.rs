//! Who leads what, as Metadata and FindCoordinator tell it.

use highwater_types::{NodeId, ShardId};

use crate::config::{Endpoint, ListenerId};

/// A broker as the clients of one listener reach it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BrokerInfo {
    /// Its number.
    pub node: NodeId,
    /// Its advertised address at that listener.
    pub endpoint: Endpoint,
    /// `broker.rack`.
    pub rack: Option<String>,
}

/// A shard's leader.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ShardLeader {
    /// The broker.
    pub node: NodeId,
    /// The shard's epoch, Kafka's leader epoch; -1 when only the leader itself knows it.
    pub leader_epoch: i32,
}

/// What this broker knows of the cluster's brokers right now. Cheap: asked for every partition of
/// every Metadata request.
///
/// Clients are told the addresses of the listener that they came in by, as with Kafka: who is inside
/// a network stays inside it. A broker without such a listener does not exist for them.
pub trait Brokers: Send + Sync + 'static {
    /// The live brokers as the clients of `listener` reach them, in order of number; this one
    /// included.
    fn live(&self, listener: ListenerId) -> Vec<BrokerInfo>;
    /// Who leads a shard; `None` while nobody does, or nobody is known to.
    fn leader(&self, shard: ShardId) -> Option<ShardLeader>;
    /// A live broker by its number, as the clients of `listener` reach it.
    fn find(&self, node: NodeId, listener: ListenerId) -> Option<BrokerInfo> {
        self.live(listener).into_iter().find(|broker| broker.node == node)
    }
}

/// One broker that leads everything (it answers for a shard that is still recovering, too: its
/// partitions say so themselves).
pub struct SingleBroker {
    node: NodeId,
    rack: Option<String>,
    endpoints: Vec<Endpoint>,
    epoch_of: Box<dyn Fn(ShardId) -> i32 + Send + Sync>,
}

impl SingleBroker {
    /// `endpoints`: what each listener advertises, in the order in which the server was given them.
    /// `epoch_of` gives a shard's leader epoch, or -1.
    pub fn new(
        node: NodeId,
        rack: Option<String>,
        endpoints: Vec<Endpoint>,
        epoch_of: impl Fn(ShardId) -> i32 + Send + Sync + 'static,
    ) -> Self {
        Self { node, rack, endpoints, epoch_of: Box::new(epoch_of) }
    }
}

impl Brokers for SingleBroker {
    fn live(&self, listener: ListenerId) -> Vec<BrokerInfo> {
        let told =
            |endpoint: &Endpoint| BrokerInfo { node: self.node, endpoint: endpoint.clone(), rack: self.rack.clone() };
        self.endpoints.get(listener.0).map(told).into_iter().collect()
    }

    fn leader(&self, shard: ShardId) -> Option<ShardLeader> {
        Some(ShardLeader { node: self.node, leader_epoch: (self.epoch_of)(shard) })
    }
}
