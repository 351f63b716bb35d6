//! What all parts of one engine share.

use std::sync::Arc;

use highwater_env::Env;
use highwater_meta::{MetaClient, TopicSettings};
use highwater_store::Store;
use highwater_types::{Incarnation, ShardId, TopicPartition};
use tokio::sync::Semaphore;

use crate::flush::pace::Pacer;
use crate::options::EngineOptions;
use crate::read::cache::BlockCache;
use crate::shard::Shard;
use crate::shard::room::Room;
use crate::wal::Wal;

/// Offsets that a leader may give beyond a partition's committed end while only its own disk has
/// them. A takeover without that disk goes on behind them, so that no offset is given twice. The
/// manifest names the value of the one who leads, so that a changed one takes effect with a new leader.
pub const OFFSET_RESERVE: i64 = 1 << 20;

/// What all parts of an engine share.
pub struct Shared {
    pub(crate) env: Env,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) meta: MetaClient,
    pub(crate) incarnation: Incarnation,
    pub(crate) options: Arc<EngineOptions>,
    pub(crate) shards: Arc<Vec<Arc<Shard>>>,
    pub(crate) room: Arc<Room>,
    pub(crate) wal: Wal,
    pub(crate) pacer: Arc<Pacer>,
    pub(crate) blocks: BlockCache,
    /// Turns to read blocks ahead.
    pub(crate) read_ahead: Arc<Semaphore>,
    /// The turn to compact.
    pub(crate) compaction: Arc<Semaphore>,
}

impl Shared {
    /// Partitions that the metadata gives to a shard, with their topics' settings.
    pub(crate) fn partitions_of(&self, shard: ShardId) -> Vec<(TopicPartition, Arc<TopicSettings>)> {
        let state = self.meta.state();
        state.partitions_of(shard).map(|(tp, topic)| (tp, Arc::clone(&topic.settings))).collect()
    }
}

/// Prefix of a shard's manifest.
pub fn manifest_prefix(shard: ShardId) -> String {
    format!("shards/{shard}/manifest")
}
