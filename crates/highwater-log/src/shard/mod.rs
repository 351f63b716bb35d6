//! One leader's state, and the order of things in it.
//!
//! - [`live`]: what is in memory: tails, offsets, tickets, waiters; all under one short lock.
//! - [`admit`]: from a request's bytes to a batch that may be appended, before the lock.
//! - [`progress`]: durable marks: synced, flushed, high watermark, and who is woken by them.
//! - [`log_starts`]: records that are to be deleted. - [`producers`]: idempotent producers.
//!   - [`compactions`]: segments that are to replace others. - [`room`]: the limit on what is not flushed.

pub mod admit;
pub mod compactions;
pub mod live;
pub mod log_starts;
pub mod producers;
pub mod progress;
pub mod room;

use std::sync::Arc;

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
            flush: Notify::new(),
            room,
        }
    }
}
