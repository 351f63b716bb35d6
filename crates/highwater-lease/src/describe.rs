//! Leases in words.

use std::ops::Range;

use highwater_format::describe::{Field, Sink};

use crate::bucket::forms::{LIVE, read_broker, read_shard};

/// Describes a lease that lies at `at` in its file. `false`, and nothing said: it is none.
pub fn describe(bytes: &[u8], at: u64, sink: &mut dyn Sink) -> bool {
    let range: Range<u64> = at..at + bytes.len() as u64;
    let text = bytes.trim_ascii();
    if text == LIVE.as_bytes() {
        // Its time of modification is all that it says.
        sink.item(1, "lease_renewal", &[]);
    } else if let Some(lease) = read_broker(bytes) {
        let info = lease.info;
        let mut said: Vec<Field> = vec![
            ("identity", info.identity.to_string().into()),
            ("incarnation", highwater_format::describe::Value::Id(info.incarnation.0)),
            ("node_id", info.node_id.0.into()),
            ("address", info.address.into()),
        ];
        if let Some(zone) = info.zone {
            said.push(("zone", zone.into()));
        }
        said.push(("ttl_ms", u64::try_from(lease.ttl.as_millis()).unwrap_or(u64::MAX).into()));
        sink.item(1, "lease_of_broker", &said);
    } else if let Some(lease) = read_shard(bytes) {
        let said = [
            ("holder", lease.holder.to_string().into()),
            ("node_id", lease.node_id.0.into()),
            ("address", lease.address.into()),
        ];
        sink.item(1, "lease_of_shard", &said);
    } else if is_lease(text) {
        sink.damage(range, "a lease of a later format, or damaged: brokers take it for none, and the fence decides");
    } else {
        return false;
    }
    true
}

/// Whether these bytes begin as the body of a lease does, of any format.
fn is_lease(text: &[u8]) -> bool {
    let Some(rest) = text.strip_prefix(b"{\"format\":") else { return false };
    let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let rest = &rest[digits..];
    rest == b"}" || [&b",\"ttl_ms\""[..], b",\"holder\""].iter().any(|field| rest.starts_with(field))
}

#[cfg(test)]
mod tests {
    use highwater_format::describe::Said;

    use super::*;

    fn said(text: &str) -> Option<Said> {
        let mut said = Said::default();
        describe(text.as_bytes(), 0, &mut said).then_some(said)
    }

    #[test]
    fn each_lease_is_described() {
        let broker = said(include_str!("../golden/broker-v1.json")).unwrap_or_default();
        assert!(broker.has("lease_of_broker", "address", "broker-3.example:9092"), "{broker:?}");
        let shard = said(include_str!("../golden/shard-v1.json")).unwrap_or_default();
        assert!(shard.has("lease_of_shard", "holder", "00112233-4455-4677-8899-aabbccddeeff"), "{shard:?}");
        assert_eq!(said(LIVE).map(|said| said.items.len()), Some(1));
    }

    #[test]
    fn later_and_damaged_ones_are_told_and_others_are_none() {
        for bad in [
            "{\"format\":2}",
            &include_str!("../golden/shard-v1.json").replace("0011", "zzzz"),
            &include_str!("../golden/broker-v1.json").replace("\"format\":1", "\"format\":2"),
        ] {
            let said = said(bad).unwrap_or_default();
            assert_eq!((said.items.len(), said.damage.len()), (0, 1), "{bad}");
        }
        for other in ["", "{}", "{\"format\":1,\"edits\":[]}", "hello"] {
            assert_eq!(said(other).map(|said| said.items), None, "{other}");
        }
    }
}
