//! A broker's way to the bucket: requests take their time, and while it is cut everything waits on it.
//!
//! What is on its way goes on when the broker that sent it stands still, has given up, or was killed: a put may
//! arrive long after, as from a socket's buffer, and an answer shows the bucket as it was.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures::channel::oneshot;
use highwater_env::sim::SimRandom;
use highwater_env::{Env, Instant, Random};
use highwater_store::{Body, BucketTime, Etag, Listing, Put, Read, ReadRange, Store, StoreError, StoreErrorKind};
use parking_lot::Mutex;

/// What waited goes on within this time of the repair, in any order.
const AFTER_REPAIR_US: u64 = 200_000;

/// See the module.
pub(crate) struct Link {
    /// Of the network: what is on its way outlives the broker.
    env: Env,
    random: SimRandom,
    /// Slowest way of a request or an answer, microseconds; 0: no time passes.
    slowest_us: u64,
    cut_until: Mutex<Instant>,
}

impl Link {
    pub fn new(env: &Env, seed: u64, slowest: Duration) -> Self {
        Self {
            env: env.clone(),
            random: SimRandom::new(seed),
            slowest_us: u64::try_from(slowest.as_micros()).unwrap_or(u64::MAX),
            cut_until: Mutex::new(Instant(0)),
        }
    }

    /// Nothing passes, in either direction, before `until`.
    pub fn cut(&self, until: Instant) {
        *self.cut_until.lock() = until;
    }

    /// What comes from now on passes.
    pub fn repair(&self) {
        self.cut(Instant(0));
    }

    /// Whether nothing passes at present.
    pub fn is_cut(&self) -> bool {
        *self.cut_until.lock() > self.env.now()
    }

    /// One way.
    async fn pass(&self) {
        if self.slowest_us > 0 {
            self.env.sleep(Duration::from_micros(self.random.below(self.slowest_us))).await;
        }
        while self.is_cut() {
            let until = *self.cut_until.lock() + Duration::from_micros(self.random.below(AFTER_REPAIR_US));
            self.env.sleep(until.since(self.env.now())).await;
        }
    }
}

/// The bucket at the end of a link.
pub(crate) struct Linked {
    link: Arc<Link>,
    bucket: Arc<dyn Store>,
}

impl Linked {
    pub fn new(link: Arc<Link>, bucket: Arc<dyn Store>) -> Self {
        Self { link, bucket }
    }

    /// A request: once sent it is out of its sender's hands.
    async fn carry<T, F>(&self, name: &str, request: impl FnOnce(Arc<dyn Store>) -> F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, StoreError>> + Send + 'static,
    {
        let request = request(Arc::clone(&self.bucket));
        if self.link.slowest_us == 0 && !self.link.is_cut() {
            let answer = request.await;
            self.link.pass().await;
            return answer;
        }
        let (sender, receiver) = oneshot::channel();
        let link = Arc::clone(&self.link);
        let _on_its_way = self.link.env.spawn("request to the bucket", async move {
            link.pass().await;
            let answer = request.await;
            link.pass().await;
            // Whoever asked may have gone.
            let _ = sender.send(answer);
        });
        let over = |_| Err(StoreError::new(StoreErrorKind::Unknown, name, "the history is over"));
        receiver.await.unwrap_or_else(over)
    }
}

#[async_trait]
impl Store for Linked {
    async fn create(&self, name: &str, body: Body) -> Result<Put, StoreError> {
        let of = name.to_owned();
        self.carry(name, |bucket| async move { bucket.create(&of, body).await }).await
    }

    async fn overwrite(&self, name: &str, body: Body) -> Result<Put, StoreError> {
        let of = name.to_owned();
        self.carry(name, |bucket| async move { bucket.overwrite(&of, body).await }).await
    }

    async fn read(&self, name: &str, range: ReadRange, if_match: Option<&Etag>) -> Result<Read, StoreError> {
        let (of, if_match) = (name.to_owned(), if_match.cloned());
        self.carry(name, |bucket| async move { bucket.read(&of, range, if_match.as_ref()).await }).await
    }

    async fn list(&self, prefix: &str, after: Option<&str>, limit: usize) -> Result<Listing, StoreError> {
        let (of, after) = (prefix.to_owned(), after.map(str::to_owned));
        self.carry(prefix, |bucket| async move { bucket.list(&of, after.as_deref(), limit).await }).await
    }

    async fn delete(&self, name: &str) -> Result<BucketTime, StoreError> {
        let of = name.to_owned();
        self.carry(name, |bucket| async move { bucket.delete(&of).await }).await
    }

    fn describe(&self) -> String {
        self.bucket.describe()
    }

    fn is_local(&self) -> bool {
        self.bucket.is_local()
    }
}
