//! Who leads what, as Metadata and FindCoordinator tell it.

use highwater_types::{NodeId, ShardId};

use crate::config::Endpoint;

/// A broker that clients can reach.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BrokerInfo {
    /// Its number.
    pub node: NodeId,
    /// Its address.
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
pub trait Brokers: Send + Sync + 'static {
    /// The live brokers, in order of number; this one included.
    fn live(&self) -> Vec<BrokerInfo>;
    /// Who leads a shard; `None` while nobody does, or nobody is known to.
    fn leader(&self, shard: ShardId) -> Option<ShardLeader>;
    /// A live broker by its number.
    fn find(&self, node: NodeId) -> Option<BrokerInfo> {
        self.live().into_iter().find(|broker| broker.node == node)
    }
}

/// One broker that leads everything (it answers for a shard that is still recovering, too: its
/// partitions say so themselves).
pub struct SingleBroker {
    info: BrokerInfo,
    epoch_of: Box<dyn Fn(ShardId) -> i32 + Send + Sync>,
}

impl SingleBroker {
    /// `epoch_of` gives a shard's leader epoch, or -1.
    pub fn new(info: BrokerInfo, epoch_of: impl Fn(ShardId) -> i32 + Send + Sync + 'static) -> Self {
        Self { info, epoch_of: Box::new(epoch_of) }
    }
}

impl Brokers for SingleBroker {
    fn live(&self) -> Vec<BrokerInfo> {
        vec![self.info.clone()]
    }

    fn leader(&self, shard: ShardId) -> Option<ShardLeader> {
        Some(ShardLeader { node: self.info.node, leader_epoch: (self.epoch_of)(shard) })
    }
}
