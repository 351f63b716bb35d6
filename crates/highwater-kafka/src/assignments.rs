//! Manual assignments of replicas: brokers may be named for new partitions, the system places them all the
//! same. What could not be meant is refused as in Kafka.

use std::collections::BTreeSet;

use crate::call::Call;

/// Why the brokers of one partition cannot be meant.
pub fn check(call: &Call, brokers: &[i32]) -> Result<(), String> {
    let distinct: BTreeSet<i32> = brokers.iter().copied().collect();
    if distinct.is_empty() {
        return Err("The manual partition assignment includes an empty replica list.".to_owned());
    }
    if distinct.len() != brokers.len() {
        return Err("The manual partition assignment includes a broker twice.".to_owned());
    }
    let live: BTreeSet<i32> = call.broker.brokers.live(call.peer.listener).iter().map(|one| one.node.0).collect();
    match distinct.difference(&live).next() {
        Some(strange) => {
            Err(format!("The manual partition assignment includes broker {strange}, but no such broker is registered."))
        }
        None => Ok(()),
    }
}
