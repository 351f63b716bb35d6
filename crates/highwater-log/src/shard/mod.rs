//! One leader's state, and the order of things in it.
//!
//! - [`live`]: what is in memory, all under one short lock. - [`partition`]: one partition of it: tail, offsets, waiters.
//! - [`admit`]: from a request's bytes to a batch that may be appended, before the lock.
//! - [`progress`]: durable marks: synced, flushed, high watermark, and who is woken by them.
//! - [`log_starts`]: records that are to be deleted. - [`gaps`]: offsets that are left out for good. - [`producers`]: idempotent producers.
//!   - [`compactions`]: segments that are to replace others. - [`room`]: the limit on what is not flushed.

pub mod admit;
pub mod compactions;
pub mod gaps;
pub mod live;
pub mod log_starts;
pub mod partition;
pub mod producers;
pub mod progress;
pub mod room;

use std::sync::Arc;

use highwater_env::marks::met;
use highwater_types::{ShardId, TopicPartition};
use parking_lot::{Mutex, RwLock};
use tokio::sync::Notify;

use crate::manifest::Manifest;
use crate::upkeep::edits::Edits;

/// A shard as its tasks and its partitions' handles share it.
pub struct Shard {
    /// Which one.
    pub id: ShardId,
    /// What is in memory. Never held over an await; taken before `committed` where both are needed.
    pub live: Mutex<live::Live>,
    /// What the journals hold.
    pub committed: RwLock<Manifest>,
    /// Partitions whose topic was deleted, for the next edit of the manifest.
    pub removed: Mutex<Vec<TopicPartition>>,
    /// What of `committed` is durable. Taken before `committed` where both are needed.
    pub edits: Mutex<Edits>,
    /// Records that are to be deleted, for the next edit of the manifest.
    pub log_starts: log_starts::LogStarts,
    /// Segments that are to replace others, for the next edit of the manifest.
    pub compactions: compactions::Compactions,
    /// Offsets that are left out, for the next edit of the manifest.
    pub gaps: gaps::Gaps,
    /// Why nobody can lead it, if that is so: its objects contradict each other.
    stopped: Mutex<Option<String>>,
    /// Something may have to be flushed.
    pub flush: Notify,
    /// What is not flushed yet, over all shards of the broker.
    pub room: Arc<room::Room>,
}

impl Shard {
    /// A shard that nobody leads yet.
    pub fn new(id: ShardId, room: Arc<room::Room>, limits: live::Limits) -> Self {
        Self {
            id,
            live: Mutex::new(live::Live::new(limits)),
            committed: RwLock::new(Manifest::default()),
            removed: Mutex::new(Vec::new()),
            edits: Mutex::default(),
            log_starts: log_starts::LogStarts::default(),
            compactions: compactions::Compactions::default(),
            gaps: gaps::Gaps::default(),
            stopped: Mutex::default(),
            flush: Notify::new(),
            room,
        }
    }

    /// Its objects contradict each other, and a person has to look. All other shards go on.
    pub fn stop(&self, why: &str) {
        met("shard-broken");
        tracing::error!(
            shard = %self.id, why,
            "the shard stops, all others go on: look at what is named with `highwater verify`, mend it, and start again"
        );
        self.stopped.lock().get_or_insert_with(|| why.to_owned());
    }

    /// Why it was stopped.
    pub fn stopped(&self) -> Option<String> {
        self.stopped.lock().clone()
    }
}
