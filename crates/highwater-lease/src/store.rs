//! The lease store: which brokers live, and who holds which shard.
//!
//! ```text
//!   own lease   renewed by the broker, lives `ttl` longer  ─┐
//!                                                           ├─► a shard's lease is valid
//!   shard lease names its holder, written when it changes  ─┘   while its holder's own lease is
//! ```
//!
//! So the renewals do not grow with the shards. Nothing here is a fence: two brokers may believe
//! that they hold one shard, for a moment or after a pause of one of them. Whoever takes a shard
//! fences its journal, and whoever is fenced steps down and asks here again.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use highwater_store::StoreError;
use highwater_types::{NodeId, ShardId};

use crate::broker::{BrokerIdentity, BrokerInfo};

/// Who holds a shard, for a log line and a retry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holder {
    /// Over its restarts.
    pub identity: BrokerIdentity,
    /// Its node id.
    pub node_id: NodeId,
    /// Where Kafka clients reach it.
    pub address: String,
    /// When its own lease ends if it is not renewed.
    pub remaining: Duration,
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "broker {} at {} ({})", self.node_id, self.address, self.identity)
    }
}

/// What became of an attempt to take a shard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Claim {
    /// The lease names this broker.
    Held,
    /// It names another, which is live. Wait, at least until its lease could have ended.
    HeldBy(Holder),
}

/// A broker whose own lease is valid.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LiveBroker {
    /// What it says of itself.
    pub info: BrokerInfo,
    /// When its lease ends if it is not renewed.
    pub remaining: Duration,
}

/// The registry at one moment, by the store's own clock.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Registry {
    /// Those that are live, by identity.
    pub brokers: BTreeMap<BrokerIdentity, LiveBroker>,
    /// The shards whose lease names a live broker.
    pub shards: BTreeMap<ShardId, BrokerIdentity>,
}

/// Why the lease store gave nothing. Nothing is decided then; try again.
#[derive(Clone, Debug, thiserror::Error)]
pub enum LeaseError {
    /// The bucket failed.
    #[error("leases are out of reach: {0}")]
    Store(#[from] StoreError),
    /// There are more leases than a cluster can have.
    #[error("more than {0} objects under leases/")]
    TooMany(usize),
    /// A lease could not be written as bytes.
    #[error("cannot encode a lease: {0}")]
    Encode(String),
}

/// See the module. One value belongs to one broker, [`LeaseStore::me`]. Every method may be
/// cancelled by dropping its future; what it asked for may then have happened.
#[async_trait]
pub trait LeaseStore: Send + Sync + 'static {
    /// The broker that this belongs to.
    fn me(&self) -> &BrokerInfo;

    /// How long a broker lives after a renewal.
    fn ttl(&self) -> Duration;

    /// Makes this broker live for [`LeaseStore::ttl`] from a moment after this call began. The
    /// first call also publishes what it says of itself.
    async fn renew(&self) -> Result<(), LeaseError>;

    /// Who lives and who holds what. A store may answer from one read of everything.
    async fn registry(&self) -> Result<Registry, LeaseError>;

    /// Takes those of these shards that nobody holds, or that this broker's identity holds already
    /// (also from before a restart: at once), and says who holds the others. Answers in the order
    /// asked. The broker must be live: call [`LeaseStore::renew`] first.
    async fn acquire(&self, shards: &[ShardId]) -> Result<Vec<Claim>, LeaseError>;

    /// Gives up those of these shards that this broker holds. With a successor the lease names it
    /// at once, without a moment in which nobody holds the shard.
    async fn release(&self, shards: &[ShardId], successor: Option<BrokerIdentity>) -> Result<(), LeaseError>;

    /// Gives up everything and leaves the registry: for a shutdown, so that nobody has to wait.
    async fn resign(&self) -> Result<(), LeaseError>;
}
