//! A wrapper that limits how many requests are in flight; the rest wait their turn, in order.

use std::sync::Arc;

use async_trait::async_trait;
use tokio::sync::{Semaphore, SemaphorePermit};

use crate::body::Body;
use crate::error::{StoreError, StoreErrorKind};
use crate::store::{BucketTime, Etag, Listing, Put, Read, ReadRange, Store};

/// Limits, requests in flight. Puts have their own, so that a scan of old data cannot hold up a
/// flush.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RequestLimits {
    /// Creates and overwrites.
    pub puts: usize,
    /// Reads, lists and deletes.
    pub others: usize,
}

impl Default for RequestLimits {
    fn default() -> Self {
        Self { puts: 16, others: 32 }
    }
}

/// Limits the requests to the store within.
pub struct Limited {
    inner: Arc<dyn Store>,
    puts: Semaphore,
    others: Semaphore,
}

impl Limited {
    /// Wraps `inner`. A limit of 0 counts as 1.
    #[must_use]
    pub fn new(inner: Arc<dyn Store>, limits: RequestLimits) -> Self {
        Self {
            inner,
            puts: Semaphore::new(limits.puts.clamp(1, Semaphore::MAX_PERMITS)),
            others: Semaphore::new(limits.others.clamp(1, Semaphore::MAX_PERMITS)),
        }
    }
}

async fn turn<'a>(semaphore: &'a Semaphore, name: &str) -> Result<SemaphorePermit<'a>, StoreError> {
    // Nobody closes the semaphores; an error would mean that the store is going away.
    let closed = |_| StoreError::new(StoreErrorKind::Unavailable, name, "the store is closed");
    semaphore.acquire().await.map_err(closed)
}

#[async_trait]
impl Store for Limited {
    async fn create(&self, name: &str, body: Body) -> Result<Put, StoreError> {
        let _turn = turn(&self.puts, name).await?;
        self.inner.create(name, body).await
    }

    async fn overwrite(&self, name: &str, body: Body) -> Result<Put, StoreError> {
        let _turn = turn(&self.puts, name).await?;
        self.inner.overwrite(name, body).await
    }

    async fn read(&self, name: &str, range: ReadRange, if_match: Option<&Etag>) -> Result<Read, StoreError> {
        let _turn = turn(&self.others, name).await?;
        self.inner.read(name, range, if_match).await
    }

    async fn list(&self, prefix: &str, after: Option<&str>, limit: usize) -> Result<Listing, StoreError> {
        let _turn = turn(&self.others, prefix).await?;
        self.inner.list(prefix, after, limit).await
    }

    async fn delete(&self, name: &str) -> Result<BucketTime, StoreError> {
        let _turn = turn(&self.others, name).await?;
        self.inner.delete(name).await
    }

    fn describe(&self) -> String {
        self.inner.describe()
    }

    fn is_local(&self) -> bool {
        self.inner.is_local()
    }
}
