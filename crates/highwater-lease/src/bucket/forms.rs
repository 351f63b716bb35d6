//! Bodies of the lease objects: JSON, UTF-8, each with a format number. They are hints: a body that
//! cannot be read, of a later format or damaged, counts as no lease, and the fence decides.

use std::time::Duration;

use highwater_types::NodeId;
use serde::{Deserialize, Serialize};

use crate::broker::{BrokerIdentity, BrokerInfo, InfoForm, MAX_TEXT};
use crate::store::LeaseError;

/// The format that this release writes, and the highest that it reads.
const FORMAT: u32 = 1;

/// Body of `leases/live/*`: only its time of modification says something.
pub(crate) const LIVE: &str = "{\"format\":1}";

/// `leases/brokers/*`, understood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct BrokerLease {
    pub(crate) info: BrokerInfo,
    pub(crate) ttl: Duration,
}

/// `leases/shards/*`, understood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ShardLease {
    pub(crate) holder: BrokerIdentity,
    pub(crate) node_id: NodeId,
    pub(crate) address: String,
}

#[derive(Serialize, Deserialize)]
struct BrokerForm {
    format: u32,
    ttl_ms: u64,
    broker: InfoForm,
}

#[derive(Serialize, Deserialize)]
struct ShardForm {
    format: u32,
    holder: String,
    node_id: i32,
    address: String,
}

/// Longest time to live that is believed.
const MAX_TTL_MS: u64 = 3_600_000;

pub(crate) fn write_broker(info: &BrokerInfo, ttl: Duration) -> Result<Vec<u8>, LeaseError> {
    let ttl_ms = u64::try_from(ttl.as_millis()).unwrap_or(MAX_TTL_MS).min(MAX_TTL_MS);
    encode(&BrokerForm { format: FORMAT, ttl_ms, broker: info.into() })
}

pub(crate) fn read_broker(bytes: &[u8]) -> Option<BrokerLease> {
    let form: BrokerForm = serde_json::from_slice(bytes).ok()?;
    let info = (form.format == FORMAT).then(|| form.broker.read())??;
    Some(BrokerLease { info, ttl: Duration::from_millis(form.ttl_ms.min(MAX_TTL_MS)) })
}

pub(crate) fn write_shard(holder: &BrokerInfo) -> Result<Vec<u8>, LeaseError> {
    encode(&ShardForm {
        format: FORMAT,
        holder: holder.identity.to_string(),
        node_id: holder.node_id.0,
        address: holder.address.clone(),
    })
}

pub(crate) fn read_shard(bytes: &[u8]) -> Option<ShardLease> {
    let form: ShardForm = serde_json::from_slice(bytes).ok()?;
    if form.format != FORMAT || form.address.len() > MAX_TEXT {
        return None;
    }
    Some(ShardLease { holder: form.holder.parse().ok()?, node_id: NodeId(form.node_id), address: form.address })
}

fn encode<T: Serialize>(form: &T) -> Result<Vec<u8>, LeaseError> {
    serde_json::to_vec(form).map_err(|e| LeaseError::Encode(e.to_string()))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test says what went wrong by panicking")]

    use highwater_types::Incarnation;
    use highwater_types::ids::Uuid;

    use super::*;

    fn info() -> BrokerInfo {
        BrokerInfo {
            identity: BrokerIdentity(Uuid::from_u128(0x0011_2233_4455_4677_8899_aabb_ccdd_eeff)),
            incarnation: Incarnation(17),
            node_id: NodeId(3),
            address: "broker-3.example:9092".to_owned(),
            zone: Some("eu-1a".to_owned()),
        }
    }

    #[test]
    fn golden() {
        let broker = include_str!("../../golden/broker-v1.json").trim_end();
        let lease = BrokerLease { info: info(), ttl: Duration::from_secs(15) };
        assert_eq!(read_broker(broker.as_bytes()), Some(lease));
        assert_eq!(String::from_utf8(write_broker(&info(), Duration::from_secs(15)).unwrap()).unwrap(), broker);
        let shard = include_str!("../../golden/shard-v1.json").trim_end();
        let lease = ShardLease { holder: info().identity, node_id: NodeId(3), address: info().address };
        assert_eq!(read_shard(shard.as_bytes()), Some(lease));
        assert_eq!(String::from_utf8(write_shard(&info()).unwrap()).unwrap(), shard);
    }

    #[test]
    fn what_cannot_be_read_is_no_lease() {
        let shard = include_str!("../../golden/shard-v1.json");
        for bad in ["", "{}", "[1", &shard.replace("\"format\":1", "\"format\":2"), &shard.replace("0011", "zzzz")] {
            assert_eq!(read_shard(bad.as_bytes()), None, "{bad}");
            assert_eq!(read_broker(bad.as_bytes()), None, "{bad}");
        }
    }
}
