//! A wrapper that repeats what may be repeated: reads, lists, deletes and overwrites. A create is
//! passed on as it is, since only its caller can tell whose object it met.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use highwater_env::{Env, Instant};

use crate::body::Body;
use crate::error::{StoreError, StoreErrorKind};
use crate::store::{BucketTime, Etag, Listing, Put, Read, ReadRange, Store};

/// How to repeat.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RetryPolicy {
    /// Upper end of the first pause; each next one is twice as long.
    pub first_pause: Duration,
    /// Upper end of any pause.
    pub longest_pause: Duration,
    /// From the first attempt; no pause is begun that would end later, and an attempt still
    /// running then is dropped.
    pub deadline: Duration,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self {
            first_pause: Duration::from_millis(50),
            longest_pause: Duration::from_secs(2),
            deadline: Duration::from_secs(20),
        }
    }
}

/// Repeats transient failures of the store within, after pauses with full jitter.
pub struct Retrying {
    inner: Arc<dyn Store>,
    env: Env,
    policy: RetryPolicy,
}

impl Retrying {
    /// Wraps `inner`.
    #[must_use]
    pub fn new(inner: Arc<dyn Store>, env: &Env, policy: RetryPolicy) -> Self {
        Self { inner, env: env.clone(), policy }
    }

    /// `unanswered` is what it means when no answer came before the deadline.
    async fn retry<T, F>(
        &self,
        unanswered: StoreErrorKind,
        name: &str,
        mut attempt: impl FnMut() -> F,
    ) -> Result<T, StoreError>
    where
        F: Future<Output = Result<T, StoreError>>,
    {
        let end = self.env.now() + self.policy.deadline;
        let mut longest = self.policy.first_pause;
        loop {
            let left = end.since(self.env.now());
            let answer = self
                .env
                .timeout(left, attempt())
                .await
                .unwrap_or_else(|_elapsed| Err(StoreError::new(unanswered, name, "no answer before the deadline")));
            let error = match answer {
                Err(error) if error.kind.is_transient() => error,
                final_answer => return final_answer,
            };
            let Some(pause) = self.pause(&mut longest, end) else {
                return Err(error);
            };
            tracing::debug!(name, error = %error, pause_ms = pause.as_millis() as u64, "store request will be repeated");
            self.env.sleep(pause).await;
        }
    }

    /// A random pause up to `longest`, which then doubles; none if it would pass `end`.
    fn pause(&self, longest: &mut Duration, end: Instant) -> Option<Duration> {
        let bound_us = u64::try_from(longest.as_micros()).unwrap_or(u64::MAX).max(1);
        let pause = Duration::from_micros(self.env.random.below(bound_us) + 1);
        *longest = longest.saturating_mul(2).min(self.policy.longest_pause);
        (pause < end.since(self.env.now())).then_some(pause)
    }
}

#[async_trait]
impl Store for Retrying {
    async fn create(&self, name: &str, body: Body) -> Result<Put, StoreError> {
        self.inner.create(name, body).await
    }

    async fn overwrite(&self, name: &str, body: Body) -> Result<Put, StoreError> {
        self.retry(StoreErrorKind::Unknown, name, || self.inner.overwrite(name, body.clone())).await
    }

    async fn read(&self, name: &str, range: ReadRange, if_match: Option<&Etag>) -> Result<Read, StoreError> {
        self.retry(StoreErrorKind::Unavailable, name, || self.inner.read(name, range.clone(), if_match)).await
    }

    async fn list(&self, prefix: &str, after: Option<&str>, limit: usize) -> Result<Listing, StoreError> {
        self.retry(StoreErrorKind::Unavailable, prefix, || self.inner.list(prefix, after, limit)).await
    }

    async fn delete(&self, name: &str) -> Result<BucketTime, StoreError> {
        self.retry(StoreErrorKind::Unknown, name, || self.inner.delete(name)).await
    }

    fn describe(&self) -> String {
        self.inner.describe()
    }

    fn is_local(&self) -> bool {
        self.inner.is_local()
    }
}
