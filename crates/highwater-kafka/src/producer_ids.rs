//! Ids for idempotent producers, handed out from blocks that the cluster's metadata gives.

use std::ops::Range;

use highwater_meta::{MetaClient, MetaError};
use tokio::sync::Mutex;

/// The rest of this broker's present block. What is left of it at shutdown is not used again; ids
/// last for 9 × 10¹⁸ producers.
pub struct ProducerIds {
    meta: MetaClient,
    // An async lock: those who come while a block is fetched wait for it and do not fetch their own.
    block: Mutex<Range<i64>>,
}

impl ProducerIds {
    /// Without a block yet.
    pub fn new(meta: MetaClient) -> Self {
        Self { meta, block: Mutex::new(0..0) }
    }

    /// An id that nobody ever had.
    ///
    /// # Errors
    /// When a new block is needed and the metadata cannot be written; worth another try.
    pub async fn next(&self) -> Result<i64, MetaError> {
        let mut block = self.block.lock().await;
        loop {
            if let Some(id) = block.next() {
                return Ok(id);
            }
            *block = self.meta.producer_ids().await?;
        }
    }
}
