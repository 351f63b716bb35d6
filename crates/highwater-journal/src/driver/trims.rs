//! Where the trim point comes from.

use std::sync::Arc;

use async_trait::async_trait;
use highwater_store::{BucketTime, Store, StoreError};

use crate::machine::TrimPoint;

/// Tells the newest trim point of a journal: the manifest, read from the bucket.
#[async_trait]
pub trait TrimSource: Send + Sync + 'static {
    /// Reads the newest trim point, with a date of the bucket at which nothing newer had been
    /// committed: that of the LIST that the reading began with. Never answered from memory: it is
    /// the proof that numbers were not deleted.
    ///
    /// # Errors
    /// The store's. A manifest that cannot be understood is `Invalid`.
    async fn newest(&self) -> Result<(TrimPoint, BucketTime), StoreError>;
}

/// The trim point of a journal that is never trimmed: its start. The date is still the bucket's.
pub struct Genesis {
    store: Arc<dyn Store>,
    prefix: String,
}

impl Genesis {
    /// For the journal under `prefix`.
    pub fn new(store: Arc<dyn Store>, prefix: impl Into<String>) -> Self {
        Self { store, prefix: prefix.into() }
    }
}

#[async_trait]
impl TrimSource for Genesis {
    async fn newest(&self) -> Result<(TrimPoint, BucketTime), StoreError> {
        let page = self.store.list(&format!("{}/", self.prefix), None, 1).await?;
        Ok((TrimPoint::GENESIS, page.date))
    }
}
