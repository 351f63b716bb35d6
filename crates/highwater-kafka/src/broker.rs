//! What all handlers share: this broker's layers below, and its settings.

use std::sync::Arc;

use highwater_env::Env;
use highwater_groups::Groups;
use highwater_log::Log;
use highwater_meta::MetaClient;
use tokio_util::sync::CancellationToken;

use crate::brokers::Brokers;
use crate::budget::ByteBudget;
use crate::config::KafkaConfig;
use crate::fetch::session::FetchSessions;
use crate::producer_ids::ProducerIds;

/// One broker as its handlers see it.
pub struct Broker {
    /// Time, randomness, tasks.
    pub env: Env,
    /// Settings of the front door.
    pub config: KafkaConfig,
    /// Partitions.
    pub log: Log,
    /// Topics and settings of the cluster.
    pub meta: MetaClient,
    /// The group coordinator.
    pub groups: Groups,
    /// Who leads what.
    pub brokers: Arc<dyn Brokers>,
    /// Incremental fetches.
    pub sessions: FetchSessions,
    /// Memory for records on their way to consumers.
    pub fetch_memory: ByteBudget,
    /// Ids for idempotent producers.
    pub producer_ids: ProducerIds,
    /// Cancelled at shutdown: long polls end.
    pub draining: CancellationToken,
}

impl Broker {
    /// Puts the parts together.
    pub fn new(
        env: Env,
        config: KafkaConfig,
        log: Log,
        meta: MetaClient,
        groups: Groups,
        brokers: Arc<dyn Brokers>,
        draining: CancellationToken,
    ) -> Arc<Self> {
        Arc::new(Self {
            sessions: FetchSessions::new(config.fetch_session_slots),
            fetch_memory: ByteBudget::new(config.fetch_memory_bytes),
            producer_ids: ProducerIds::new(meta.clone()),
            env,
            config,
            log,
            meta,
            groups,
            brokers,
            draining,
        })
    }
}
