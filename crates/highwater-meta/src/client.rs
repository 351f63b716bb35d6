//! What a broker holds of the metadata: the state to read, and requests to change it.

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use highwater_env::{Env, TaskHandle, watch};
use highwater_store::Store;
use highwater_types::{Incarnation, TopicId};
use parking_lot::Mutex;
use tokio::sync::mpsc;

use crate::alter_configs::{AlterConfigs, ConfigChanges, ConfigTarget};
use crate::driver::{Driver, Shared};
use crate::errors::{AddPartitionsError, AlterConfigsError, CreateTopicError, DeleteTopicError, MetaError};
use crate::journal::MetaJournal;
use crate::journal::shared::SharedMetaJournal;
use crate::operations::{AddPartitions, CreateTopics, DeleteTopics, Operation, TakeProducerIds};
use crate::queue::{Request, Waiting};
use crate::state::{ClusterState, Configs, Local};
use crate::topic::{NewTopic, Topic};

/// Requests that may wait; beyond it they are answered with [`MetaError::Overloaded`].
const QUEUE: usize = 4_096;

/// Settings of one broker's client.
#[derive(Clone, Debug)]
pub struct MetaOptions {
    /// This broker's node id.
    pub node_id: i32,
    /// Number of shards, should this broker found the cluster; else the cluster keeps its own.
    pub shards: u32,
    /// This broker's start-up configuration, by Kafka's broker configuration names
    /// (`num.partitions`, `log.retention.ms`, `highwater.durability`). Unknown names do nothing.
    pub configs: Configs,
    /// How often to look for entries of other brokers; `None` where there can be none (a local
    /// directory, which one broker locks).
    pub poll_interval: Option<Duration>,
    /// How long an entry or a snapshot outlives the one that replaced it, by the bucket's clock. All
    /// brokers of a cluster must agree on it.
    pub gc_grace: Duration,
}

/// `gc.grace.ms`, by default.
const GC_GRACE: Duration = Duration::from_secs(20 * 60);

impl MetaOptions {
    /// Defaults: node 0, one shard, no configuration, no polling, a grace of 20 min.
    pub fn new() -> Self {
        Self { node_id: 0, shards: 1, configs: Configs::new(), poll_interval: None, gc_grace: GC_GRACE }
    }
}

impl Default for MetaOptions {
    fn default() -> Self {
        Self::new()
    }
}

/// The metadata of a cluster. Cheap to clone; all clones share one task, which ends when the last
/// of them is dropped or one is closed.
#[derive(Clone)]
pub struct MetaClient {
    shared: Arc<Shared>,
    requests: mpsc::Sender<Request>,
    task: Arc<Mutex<Option<TaskHandle>>>,
}

impl MetaClient {
    /// Reads the metadata under `meta/` of a store, founding the cluster if there is none.
    ///
    /// # Errors
    /// The store's (wrong bucket, credentials: see [`crate::JournalFailure::Store`]), or an object
    /// that this release cannot read.
    pub async fn open(
        env: &Env,
        store: Arc<dyn Store>,
        incarnation: Incarnation,
        options: MetaOptions,
    ) -> Result<Self, MetaError> {
        let journal = SharedMetaJournal::new(env.clone(), store, incarnation, options.gc_grace);
        Self::over(env, Box::new(journal), options).await
    }

    /// As [`MetaClient::open`], over any journal.
    pub async fn over(env: &Env, journal: Box<dyn MetaJournal>, options: MetaOptions) -> Result<Self, MetaError> {
        let local = Arc::new(Local { node_id: options.node_id, configs: options.configs });
        let (driver, shared) = Driver::open(env.clone(), journal, local, options.shards, options.poll_interval).await?;
        let (requests, receiver) = mpsc::channel(QUEUE);
        let task = env.spawn("meta", driver.run(receiver));
        Ok(Self { shared, requests, task: Arc::new(Mutex::new(Some(task))) })
    }

    /// The metadata as this broker knows it now. Cheap; hold it for a request, not for longer.
    pub fn state(&self) -> Arc<ClusterState> {
        self.shared.state.load_full()
    }

    /// Tells the version after each change.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.shared.version.subscribe()
    }

    /// Reads what other brokers wrote before this call. Calls that wait together share one read.
    pub async fn refresh(&self) -> Result<(), MetaError> {
        let (reply, answer) = tokio::sync::oneshot::channel();
        self.requests.try_send(Request::Refresh(reply)).map_err(|e| refused(&e))?;
        answer.await.unwrap_or(Err(MetaError::Closed))
    }

    /// Creates topics, each for itself; answers in the order given, when they are durable. With
    /// `validate_only` nothing is created.
    pub async fn create_topics(
        &self,
        topics: Vec<NewTopic>,
        validate_only: bool,
    ) -> Vec<Result<Arc<Topic>, CreateTopicError>> {
        self.change(CreateTopics { topics, validate_only }).await
    }

    /// Deletes topics, each for itself; answers in the order given, when that is durable.
    pub async fn delete_topics(&self, ids: Vec<TopicId>) -> Vec<Result<(), DeleteTopicError>> {
        self.change(DeleteTopics { ids }).await
    }

    /// Gives a topic more partitions, `total` in all.
    pub async fn add_partitions(&self, id: TopicId, total: i32, validate_only: bool) -> Result<(), AddPartitionsError> {
        self.change(AddPartitions { id, total, validate_only }).await
    }

    /// Changes the configurations of a topic, a broker, or all brokers.
    pub async fn alter_configs(
        &self,
        target: ConfigTarget,
        changes: ConfigChanges,
        validate_only: bool,
    ) -> Result<(), AlterConfigsError> {
        self.change(AlterConfigs { target, changes, validate_only }).await
    }

    /// A block of [`crate::limits::PRODUCER_ID_BLOCK`] producer ids that nobody ever had or gets.
    pub async fn producer_ids(&self) -> Result<Range<i64>, MetaError> {
        self.change(TakeProducerIds).await
    }

    /// Finishes what was asked, then ends the task; later requests fail with [`MetaError::Closed`].
    pub async fn close(&self) {
        let task = self.task.lock().take();
        // A failed send means that the task has ended already.
        let _ = self.requests.send(Request::Close).await;
        if let Some(task) = task {
            task.ended().await;
        }
    }

    async fn change<O: Operation + Clone>(&self, operation: O) -> O::Answer {
        let fallback = operation.clone();
        let (waiting, answer) = Waiting::new(operation);
        if let Err(error) = self.requests.try_send(Request::Change(waiting)) {
            return fallback.failed(&refused(&error));
        }
        match answer.await {
            Ok(answer) => answer,
            Err(_) => fallback.failed(&MetaError::Closed),
        }
    }
}

fn refused(error: &mpsc::error::TrySendError<Request>) -> MetaError {
    match error {
        mpsc::error::TrySendError::Full(_) => MetaError::Overloaded,
        mpsc::error::TrySendError::Closed(_) => MetaError::Closed,
    }
}
