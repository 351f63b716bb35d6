//! A wrapper that tells an observer of every request: what metrics are made from.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use highwater_env::Env;

use crate::body::Body;
use crate::error::{StoreError, StoreErrorKind};
use crate::store::{BucketTime, Etag, Listing, Put, Read, ReadRange, Store};

/// What a request does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RequestKind {
    /// Put-if-absent.
    Create,
    /// Plain put.
    Overwrite,
    /// Read.
    Read,
    /// List.
    List,
    /// Delete.
    Delete,
}

impl RequestKind {
    /// For a metric's label.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Overwrite => "overwrite",
            Self::Read => "read",
            Self::List => "list",
            Self::Delete => "delete",
        }
    }
}

/// One request that has ended. A request whose caller went away is not seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RequestSeen {
    /// What it did.
    pub kind: RequestKind,
    /// `Ok`, or why not.
    pub outcome: Result<(), StoreErrorKind>,
    /// Bytes of the body sent or read; 0 for lists, deletes and failed reads.
    pub bytes: u64,
    /// From call to answer.
    pub elapsed: Duration,
}

/// Is told of every request; must not block.
pub trait StoreObserver: std::fmt::Debug + Send + Sync + 'static {
    /// A request has ended.
    fn request_ended(&self, seen: RequestSeen);
}

/// Tells an observer of the requests to the store within.
pub struct Observed {
    inner: Arc<dyn Store>,
    env: Env,
    observer: Arc<dyn StoreObserver>,
}

impl Observed {
    /// Wraps `inner`.
    #[must_use]
    pub fn new(inner: Arc<dyn Store>, env: &Env, observer: Arc<dyn StoreObserver>) -> Self {
        Self { inner, env: env.clone(), observer }
    }

    async fn observe<T>(
        &self,
        kind: RequestKind,
        bytes: impl FnOnce(&Result<T, StoreError>) -> u64,
        request: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        let start = self.env.now();
        let answer = request.await;
        self.observer.request_ended(RequestSeen {
            kind,
            outcome: answer.as_ref().map(|_| ()).map_err(|error| error.kind),
            bytes: bytes(&answer),
            elapsed: self.env.now() - start,
        });
        answer
    }
}

#[async_trait]
impl Store for Observed {
    async fn create(&self, name: &str, body: Body) -> Result<Put, StoreError> {
        let len = body.len();
        self.observe(RequestKind::Create, |_| len, self.inner.create(name, body)).await
    }

    async fn overwrite(&self, name: &str, body: Body) -> Result<Put, StoreError> {
        let len = body.len();
        self.observe(RequestKind::Overwrite, |_| len, self.inner.overwrite(name, body)).await
    }

    async fn read(&self, name: &str, range: ReadRange, if_match: Option<&Etag>) -> Result<Read, StoreError> {
        let bytes = |answer: &Result<Read, StoreError>| answer.as_ref().map_or(0, |read| read.bytes.len() as u64);
        self.observe(RequestKind::Read, bytes, self.inner.read(name, range, if_match)).await
    }

    async fn list(&self, prefix: &str, after: Option<&str>, limit: usize) -> Result<Listing, StoreError> {
        self.observe(RequestKind::List, |_| 0, self.inner.list(prefix, after, limit)).await
    }

    async fn delete(&self, name: &str) -> Result<BucketTime, StoreError> {
        self.observe(RequestKind::Delete, |_| 0, self.inner.delete(name)).await
    }

    fn describe(&self) -> String {
        self.inner.describe()
    }

    fn is_local(&self) -> bool {
        self.inner.is_local()
    }
}
