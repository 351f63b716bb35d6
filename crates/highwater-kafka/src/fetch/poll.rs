//! Waiting for enough: a fetch is answered when it has `min_bytes`, when a partition fails, when
//! its time is up, or when the broker stops. It sleeps on the partitions' progress, not on a timer.

use std::sync::Arc;
use std::time::Duration;

use futures::future::select;
use highwater_log::Waiter;

use super::plan::{self, Limits, Pass, Target};
use crate::broker::Broker;

/// How long and for how much to wait.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// Bytes that are enough.
    pub min_bytes: usize,
    /// Most time.
    pub max_wait: Duration,
}

/// Reads, and reads again when something has come, until it is enough. May be cancelled.
pub async fn until_enough(broker: &Broker, targets: &[Target], limits: Limits, patience: Patience) -> Pass {
    let pass = plan::read(broker, targets, limits).await;
    if enough(&pass, targets, patience) || patience.max_wait.is_zero() || broker.draining.is_cancelled() {
        return pass;
    }
    let over = broker.env.sleep(patience.max_wait);
    let draining = broker.draining.cancelled();
    futures::pin_mut!(draining);
    let mut end = select(over, draining);
    let mut pass = pass;
    loop {
        // A new one each time: the partitions shed those that are gone, not those that were woken.
        let waiter = Arc::new(Waiter::default());
        plan::watch(targets, &pass, &waiter);
        // What was read is not held while waiting: it is read again, for the most part from memory.
        pass.let_go();
        let ended = {
            let woken = waiter.woken();
            futures::pin_mut!(woken);
            matches!(select(woken, &mut end).await, futures::future::Either::Right(_))
        };
        pass = plan::read(broker, targets, limits).await;
        if ended || enough(&pass, targets, patience) {
            return pass;
        }
    }
}

fn enough(pass: &Pass, targets: &[Target], patience: Patience) -> bool {
    // As Kafka: nothing to wait for without partitions, and an error is told at once.
    targets.is_empty() || pass.failed || pass.bytes >= patience.min_bytes
}
