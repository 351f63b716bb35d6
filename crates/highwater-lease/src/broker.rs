//! Who a broker is, and what the others should know of it.

use std::fmt;
use std::str::FromStr;

use highwater_types::ids::Uuid;
use highwater_types::{Incarnation, NodeId};
use serde::{Deserialize, Serialize};

/// A broker over its restarts: random, kept in its data directory. Two brokers that were given the
/// same node id by mistake still have different identities.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BrokerIdentity(pub Uuid);

impl fmt::Display for BrokerIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.hyphenated().fmt(f)
    }
}

impl FromStr for BrokerIdentity {
    type Err = <Uuid as FromStr>::Err;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse().map(Self)
    }
}

/// What a broker says of itself in the registry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BrokerInfo {
    /// Over restarts.
    pub identity: BrokerIdentity,
    /// This run.
    pub incarnation: Incarnation,
    /// Kafka's node id.
    pub node_id: NodeId,
    /// `host:port` that Kafka clients are told.
    pub address: String,
    /// Availability zone, if it was told.
    pub zone: Option<String>,
}

/// Longest text of a field of [`BrokerInfo`], bytes.
pub const MAX_TEXT: usize = 512;

/// [`BrokerInfo`] as JSON.
#[derive(Serialize, Deserialize)]
pub(crate) struct InfoForm {
    pub(crate) identity: String,
    pub(crate) incarnation: u64,
    pub(crate) node_id: i32,
    pub(crate) address: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) zone: Option<String>,
}

impl From<&BrokerInfo> for InfoForm {
    fn from(info: &BrokerInfo) -> Self {
        Self {
            identity: info.identity.to_string(),
            incarnation: info.incarnation.0,
            node_id: info.node_id.0,
            address: info.address.clone(),
            zone: info.zone.clone(),
        }
    }
}

impl InfoForm {
    /// `None` if it is not one of ours.
    pub(crate) fn read(self) -> Option<BrokerInfo> {
        let long = |text: &String| text.len() > MAX_TEXT;
        if long(&self.address) || self.zone.as_ref().is_some_and(long) {
            return None;
        }
        Some(BrokerInfo {
            identity: self.identity.parse().ok()?,
            incarnation: Incarnation(self.incarnation),
            node_id: NodeId(self.node_id),
            address: self.address,
            zone: self.zone,
        })
    }
}
