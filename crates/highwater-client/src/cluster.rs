//! The brokers of a cluster, its topics, who leads what; and calls that go on when that changes.

use std::collections::BTreeMap;
use std::time::Duration;

use highwater_env::{Env, Instant};
use highwater_wire::messages::find_coordinator::FindCoordinatorRequest;
use highwater_wire::messages::metadata::{MetadataRequest, MetadataRequestTopic, MetadataResponse};
use highwater_wire::{ErrorCode, Str};

use crate::api::Request;
use crate::connection::Connection;
use crate::error::{ClientError, code_of};

/// Pause before something is tried again.
const RETRY_PAUSE: Duration = Duration::from_millis(100);
/// How long a topic that was named may take to come to be. Brokers that do not create topics say no more
/// than that there is none.
const CREATION_LIMIT: Duration = Duration::from_secs(5);

/// Where and how to connect.
#[derive(Clone, Debug)]
pub struct ClusterOptions {
    /// HOST:PORT of some brokers; the first that answers tells of the others.
    pub bootstrap: Vec<String>,
    /// How long an answer is waited for.
    pub request_timeout: Duration,
    /// How long a call is tried again while leaders and coordinators move.
    pub retry_limit: Duration,
}

impl ClusterOptions {
    /// These brokers, 30 s for an answer, 60 s of tries.
    pub fn new(bootstrap: Vec<String>) -> Self {
        Self { bootstrap, request_timeout: Duration::from_secs(30), retry_limit: Duration::from_secs(60) }
    }
}

/// A topic as the cluster tells it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicInfo {
    /// Its name.
    pub name: String,
    /// One of the system's own.
    pub internal: bool,
    /// The leader of each partition, -1 for none, by index.
    pub leaders: Vec<i32>,
    /// Copies of the first partition.
    pub replicas: usize,
}

/// A cluster.
pub struct Cluster {
    env: Env,
    options: ClusterOptions,
    addresses: BTreeMap<i32, String>,
    controller: i32,
    cluster_id: Option<String>,
    connections: BTreeMap<i32, Connection>,
}

/// The node that stands for whatever broker of the list answers.
pub const ANY: i32 = -1;

impl Cluster {
    /// Connects to one of the brokers and asks for the others.
    ///
    /// # Errors
    /// When none of them answers.
    pub async fn connect(env: &Env, options: ClusterOptions) -> Result<Self, ClientError> {
        let mut cluster = Self {
            env: env.clone(),
            options,
            addresses: BTreeMap::new(),
            controller: ANY,
            cluster_id: None,
            connections: BTreeMap::new(),
        };
        cluster.metadata(Some(&[]), false).await?;
        Ok(cluster)
    }

    /// Time.
    pub const fn env(&self) -> &Env {
        &self.env
    }

    /// The id of the cluster, if it has one.
    pub fn cluster_id(&self) -> Option<&str> {
        self.cluster_id.as_deref()
    }

    /// The brokers that are alive: number and address.
    pub const fn brokers(&self) -> &BTreeMap<i32, String> {
        &self.addresses
    }

    /// How long a call is tried again.
    pub const fn retry_limit(&self) -> Duration {
        self.options.retry_limit
    }

    /// Until when a call that begins now is tried again.
    pub fn deadline(&self) -> Instant {
        self.env.now() + self.options.retry_limit
    }

    /// A connection to a broker, or to any.
    ///
    /// # Errors
    /// When it cannot be reached.
    pub async fn connection(&mut self, node: i32) -> Result<&mut Connection, ClientError> {
        if !self.connections.contains_key(&node) {
            let connection = match self.addresses.get(&node).cloned() {
                Some(address) => Connection::open(&self.env, &address, self.options.request_timeout).await?,
                None => self.bootstrap().await?,
            };
            self.connections.insert(node, connection);
        }
        self.connections.get_mut(&node).ok_or_else(|| ClientError::Invalid("no connection".to_owned()))
    }

    async fn bootstrap(&self) -> Result<Connection, ClientError> {
        let mut last = "the list is empty".to_owned();
        let known = self.addresses.values();
        for address in self.options.bootstrap.iter().chain(known) {
            match Connection::open(&self.env, address, self.options.request_timeout).await {
                Ok(connection) => return Ok(connection),
                Err(ClientError::Connection { source, .. }) => last = source.to_string(),
                Err(error) => last = error.to_string(),
            }
        }
        Err(ClientError::NoBroker { addresses: self.options.bootstrap.join(", "), last })
    }

    /// Forgets a connection that is of no use any more.
    pub fn forget(&mut self, node: i32) {
        self.connections.remove(&node);
    }

    /// A call to a broker, once.
    ///
    /// # Errors
    /// See [`Connection::call`].
    pub async fn call<R: Request>(&mut self, node: i32, request: &R) -> Result<R::Response, ClientError> {
        self.call_within(node, request, self.options.request_timeout).await
    }

    /// A call that may wait at the broker, once.
    ///
    /// # Errors
    /// See [`Connection::call`].
    pub async fn call_within<R: Request>(
        &mut self,
        node: i32,
        request: &R,
        limit: Duration,
    ) -> Result<R::Response, ClientError> {
        // A call that was given up half-way has left its answer behind.
        if self.connections.get(&node).is_some_and(|connection| connection.due() > 0) {
            self.forget(node);
        }
        let outcome = self.connection(node).await?.call_within(request, limit).await;
        if outcome.is_err() {
            self.forget(node);
        }
        outcome
    }

    /// A call to the broker that changes topics and configurations; again when it is another one by now,
    /// or not ready. `check` says what an answer refuses.
    ///
    /// # Errors
    /// See [`Connection::call`]; what `check` gives.
    pub async fn call_controller<R: Request>(
        &mut self,
        request: &R,
        check: impl Fn(&R::Response) -> Result<(), ClientError>,
    ) -> Result<R::Response, ClientError> {
        let deadline = self.deadline();
        loop {
            let controller = if self.addresses.contains_key(&self.controller) { self.controller } else { ANY };
            let response = self.call(controller, request).await?;
            match check(&response) {
                Ok(()) => return Ok(response),
                Err(error) if error.is_retriable() && self.pause(deadline).await => {
                    self.metadata(Some(&[]), false).await?;
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// A call to the coordinator of a group; again when it is another one by now, or still loading.
    /// `check` says what an answer refuses.
    ///
    /// # Errors
    /// See [`Connection::call`]; what `check` gives.
    pub async fn call_coordinator<R: Request>(
        &mut self,
        group: &str,
        request: &R,
        check: impl Fn(&R::Response) -> Result<(), ClientError>,
    ) -> Result<R::Response, ClientError> {
        let deadline = self.deadline();
        loop {
            let node = self.coordinator(group).await?;
            let response = self.call(node, request).await?;
            match check(&response) {
                Ok(()) => return Ok(response),
                Err(error) if error.is_retriable() && self.pause(deadline).await => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Waits a little before something is tried again. `false` when `deadline` is over.
    pub async fn pause(&self, deadline: Instant) -> bool {
        if self.env.now() >= deadline {
            return false;
        }
        self.env.sleep(RETRY_PAUSE).await;
        true
    }

    /// What the cluster says of topics (`None`: all); learns of brokers on the way.
    ///
    /// # Errors
    /// When no broker answers.
    pub async fn metadata(&mut self, topics: Option<&[&str]>, create: bool) -> Result<MetadataResponse, ClientError> {
        let named = |name: &&str| MetadataRequestTopic { name: Some(Str::from(*name)), ..Default::default() };
        let request = MetadataRequest {
            topics: topics.map(|topics| topics.iter().map(named).collect()),
            allow_auto_topic_creation: create,
            ..Default::default()
        };
        let deadline = self.deadline();
        let response = loop {
            match self.call(ANY, &request).await {
                Ok(response) => break response,
                // The broker that was asked may be gone, and another one there.
                Err(error @ (ClientError::Connection { .. } | ClientError::NoBroker { .. })) => {
                    if self.addresses.is_empty() || !self.pause(deadline).await {
                        return Err(error);
                    }
                }
                Err(error) => return Err(error),
            }
        };
        self.addresses =
            response.brokers.iter().map(|broker| (broker.node_id, address(&broker.host, broker.port))).collect();
        self.controller = response.controller_id;
        self.cluster_id = response.cluster_id.as_ref().map(ToString::to_string);
        Ok(response)
    }

    /// Every topic, ascending by name.
    ///
    /// # Errors
    /// When no broker answers.
    pub async fn topics(&mut self) -> Result<Vec<TopicInfo>, ClientError> {
        let response = self.metadata(None, false).await?;
        let mut topics: Vec<TopicInfo> = response.topics.iter().map(info).collect();
        topics.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(topics)
    }

    /// One topic, with a leader for each partition. `create`: it may come to be by being named, as the
    /// brokers are set.
    ///
    /// # Errors
    /// [`ClientError::UnknownTopic`]; a refusal, when leaders do not come to be in time.
    pub async fn topic(&mut self, name: &str, create: bool) -> Result<TopicInfo, ClientError> {
        let (begun, deadline) = (self.env.now(), self.deadline());
        loop {
            let response = self.metadata(Some(&[name]), create).await?;
            let topic = response.topics.first();
            let code = topic.map_or(ErrorCode::UnknownTopicOrPartition, |topic| code_of(topic.error_code));
            match (topic, code) {
                (Some(topic), ErrorCode::None) if topic.partitions.iter().all(|one| one.leader_id >= 0) => {
                    return Ok(info(topic));
                }
                (_, ErrorCode::UnknownTopicOrPartition) if !create || self.env.now() > begun + CREATION_LIMIT => {
                    return Err(ClientError::UnknownTopic(name.to_owned()));
                }
                (_, ErrorCode::None | ErrorCode::LeaderNotAvailable | ErrorCode::UnknownTopicOrPartition) => {}
                (_, other) => ClientError::check(other.code(), None, || format!("topic '{name}'"))?,
            }
            if !self.pause(deadline).await {
                let code = if code == ErrorCode::None { ErrorCode::LeaderNotAvailable } else { code };
                ClientError::check(code.code(), None, || format!("topic '{name}'"))?;
            }
        }
    }

    /// One topic as it is now; partitions without a leader are no error.
    ///
    /// # Errors
    /// [`ClientError::UnknownTopic`].
    pub async fn describe(&mut self, name: &str) -> Result<TopicInfo, ClientError> {
        let response = self.metadata(Some(&[name]), false).await?;
        match response.topics.first().map(|topic| (topic, code_of(topic.error_code))) {
            None | Some((_, ErrorCode::UnknownTopicOrPartition)) => Err(ClientError::UnknownTopic(name.to_owned())),
            Some((topic, ErrorCode::None | ErrorCode::LeaderNotAvailable)) => Ok(info(topic)),
            Some((_, other)) => Err(ClientError::refused(other, || format!("topic '{name}'"))),
        }
    }

    /// The broker that coordinates a group.
    ///
    /// # Errors
    /// When none does in time.
    pub async fn coordinator(&mut self, group: &str) -> Result<i32, ClientError> {
        let deadline = self.deadline();
        let request = FindCoordinatorRequest { key: Str::from(group), ..Default::default() };
        loop {
            let found = self.call(ANY, &request).await?;
            let message = found.error_message.as_deref();
            match ClientError::check(found.error_code, message, || format!("coordinator of group '{group}'")) {
                Ok(()) => {
                    self.addresses.insert(found.node_id, address(&found.host, found.port));
                    return Ok(found.node_id);
                }
                Err(error) if error.is_retriable() && self.pause(deadline).await => {}
                Err(error) => return Err(error),
            }
        }
    }
}

fn info(topic: &highwater_wire::messages::metadata::MetadataResponseTopic) -> TopicInfo {
    let mut partitions: Vec<_> = topic.partitions.iter().collect();
    partitions.sort_by_key(|partition| partition.partition_index);
    TopicInfo {
        name: topic.name.as_ref().map(ToString::to_string).unwrap_or_default(),
        internal: topic.is_internal,
        leaders: partitions.iter().map(|partition| partition.leader_id).collect(),
        replicas: partitions.first().map_or(0, |partition| partition.replica_nodes.len()),
    }
}

/// HOST:PORT, IPv6 in brackets.
fn address(host: &str, port: i32) -> String {
    if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
}
