//! Credentials that are asked for before they expire, once for everybody who waits.
//!
//! ```text
//!   fresh ──► given at once
//!   due, still valid ──► given at once; one refresh runs beside
//!   expired or none ──► everybody waits for the one refresh
//! ```
//!
//! A refresh that fails costs nothing while the old credentials are valid: they go on being used and
//! it is tried again after a pause.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures::FutureExt;
use futures::future::{BoxFuture, Shared};
use highwater_env::{Env, Instant};
use highwater_store::{CredentialSource, Credentials, StoreError, StoreErrorKind};
use parking_lot::Mutex;

/// A refresh begins so long before the end, but not before three quarters of the life are over.
const REFRESH_AHEAD: Duration = Duration::from_secs(300);
/// So long before the end they are not signed with any more: a request takes its time, and clocks
/// differ. At most a tenth of their life.
const EXPIRY_MARGIN: Duration = Duration::from_secs(10);
/// A refresh gives up after this; the slowest of them signs in at a service far away.
const REFRESH_LIMIT: Duration = Duration::from_secs(20);
/// After the first failure it is tried again after this; each further failure doubles it.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// The longest of these pauses.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// Credentials fresh from where they come from.
#[derive(Clone, Debug)]
pub(crate) struct Issued {
    pub(crate) credentials: Credentials,
    /// Milliseconds since 1970; `None`: they last.
    pub(crate) expires_ms: Option<i64>,
    /// Where they are from, for a log line.
    pub(crate) from: String,
}

/// Where credentials come from: asks anew each time.
#[async_trait]
pub(crate) trait Issuer: fmt::Debug + Send + Sync + 'static {
    /// # Errors
    /// `Denied` when an operator must act, `Unavailable` when asking again may help.
    async fn issue(&self) -> Result<Issued, StoreError>;
}

type Refresh = Shared<BoxFuture<'static, Result<Credentials, StoreError>>>;

/// See the module.
pub(crate) struct CachedCredentials {
    inner: Arc<Inner>,
}

struct Inner {
    issuer: Arc<dyn Issuer>,
    env: Env,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    held: Option<Held>,
    running: Option<Refresh>,
    failed: Option<Failed>,
}

struct Held {
    credentials: Credentials,
    life: Option<Life>,
}

/// Milliseconds since 1970.
#[derive(Clone, Copy)]
struct Life {
    begins: i64,
    ends: i64,
}

impl Life {
    fn length(self) -> i64 {
        self.ends.saturating_sub(self.begins)
    }

    fn is_over(self, now: i64) -> bool {
        now >= self.ends.saturating_sub(millis(EXPIRY_MARGIN).min(self.length() / 10))
    }

    fn is_due(self, now: i64) -> bool {
        now >= self.ends.saturating_sub(millis(REFRESH_AHEAD).min(self.length() / 4))
    }
}

/// The failures since the last success.
struct Failed {
    error: StoreError,
    pause: Duration,
    again_at: Instant,
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

impl CachedCredentials {
    pub(crate) fn new(issuer: Arc<dyn Issuer>, env: &Env) -> Self {
        Self { inner: Arc::new(Inner { issuer, env: env.clone(), state: Mutex::default() }) }
    }
}

impl fmt::Debug for CachedCredentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("CachedCredentials").field(&self.inner.issuer).finish()
    }
}

#[async_trait]
impl CredentialSource for CachedCredentials {
    async fn credentials(&self) -> Result<Credentials, StoreError> {
        let refresh = {
            let mut state = self.inner.state.lock();
            let (now, now_ms) = (self.inner.env.now(), self.inner.env.wall_ms());
            let pausing = state.failed.as_ref().filter(|failed| now < failed.again_at);
            match &state.held {
                Some(held) if !held.life.is_some_and(|life| life.is_over(now_ms)) => {
                    let credentials = held.credentials.clone();
                    if held.life.is_some_and(|life| life.is_due(now_ms)) && pausing.is_none() {
                        // It runs by itself; nobody here waits for it.
                        drop(self.inner.refresh(&mut state));
                    }
                    return Ok(credentials);
                }
                _ => {}
            }
            if let Some(failed) = pausing {
                return Err(failed.error.clone());
            }
            self.inner.refresh(&mut state)
        };
        refresh.await
    }
}

impl Inner {
    /// The refresh that runs, or a new one. It is a task of its own, so it goes on when those who
    /// wait for it go away.
    fn refresh(self: &Arc<Self>, state: &mut State) -> Refresh {
        if let Some(running) = &state.running {
            return running.clone();
        }
        let inner = Arc::clone(self);
        let refresh = async move { inner.ask().await }.boxed().shared();
        state.running = Some(refresh.clone());
        self.env.spawn("credentials", refresh.clone().map(drop));
        refresh
    }

    async fn ask(&self) -> Result<Credentials, StoreError> {
        let answer = self.env.timeout(REFRESH_LIMIT, self.issuer.issue()).await.unwrap_or_else(|_elapsed| {
            let line = format!("no credentials within {} s: {:?} did not answer", REFRESH_LIMIT.as_secs(), self.issuer);
            Err(StoreError::new(StoreErrorKind::Unavailable, "", line))
        });
        let now_ms = self.env.wall_ms();
        let answer = answer.and_then(|issued| Held::new(issued, now_ms));
        let mut state = self.state.lock();
        state.running = None;
        match answer {
            Ok(held) => {
                state.failed = None;
                let credentials = held.credentials.clone();
                let replaced = state.held.replace(held);
                if replaced.is_some() {
                    tracing::info!(key = credentials.access_key_id, "the credentials of the bucket were replaced");
                }
                Ok(credentials)
            }
            Err(error) => Err(self.failed(&mut state, error, now_ms)),
        }
    }

    fn failed(&self, state: &mut State, mut error: StoreError, now_ms: i64) -> StoreError {
        let life = state.held.as_ref().and_then(|held| held.life);
        if let Some(life) = life {
            // What has worked once will again, when whoever gives them is back or set right.
            error.kind = StoreErrorKind::Unavailable;
            let valid_s = life.ends.saturating_sub(now_ms).max(0) / 1000;
            tracing::warn!(%error, valid_s, "the credentials of the bucket were not refreshed");
        }
        let pause = state.failed.as_ref().map_or(FIRST_PAUSE, |failed| (failed.pause * 2).min(LONGEST_PAUSE));
        state.failed = Some(Failed { error: error.clone(), pause, again_at: self.env.now() + pause });
        error
    }
}

impl Held {
    fn new(issued: Issued, now_ms: i64) -> Result<Self, StoreError> {
        let life = issued.expires_ms.map(|ends| Life { begins: now_ms, ends });
        if life.is_some_and(|life| life.ends <= now_ms) {
            let line = format!("the credentials from {} have expired already: refresh them there", issued.from);
            return Err(StoreError::new(StoreErrorKind::Denied, "", line));
        }
        let valid_s = life.map(|life| life.length() / 1000);
        let key = &issued.credentials.access_key_id;
        tracing::debug!(from = issued.from, key, valid_s, "credentials of the bucket");
        Ok(Self { credentials: issued.credentials, life })
    }
}

#[cfg(test)]
mod tests;
