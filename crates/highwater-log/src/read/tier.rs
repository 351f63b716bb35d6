//! The tier below the memory: blocks on this machine's disk.

use async_trait::async_trait;
use bytes::Bytes;
use highwater_store::Etag;
use highwater_types::ShardId;

use crate::manifest::SegmentId;

/// What a block holds: an extent of one version of one segment. The e-tag keeps a name that came back
/// from serving old bytes (rule 7 of the journal).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct BlockKey {
    /// The shard.
    pub shard: ShardId,
    /// The segment.
    pub segment: SegmentId,
    /// Where in the segment the extent begins.
    pub start: u64,
    /// Which object of that name.
    pub etag: Etag,
}

/// Blocks that came from the bucket, kept for the next reader. A cache, never a store: it may forget
/// anything at any time, and what it gives is checked like what comes from the bucket.
#[async_trait]
pub trait ReadCache: Send + Sync {
    /// The bytes of a block, if they are there.
    async fn get(&self, key: &BlockKey) -> Option<Bytes>;
    /// Offers a block; never waits, and may decline.
    fn offer(&self, key: BlockKey, bytes: &Bytes);
    /// Forgets a block whose bytes were not what they should be, at the latest when it has arrived on disk.
    fn forget(&self, key: &BlockKey);
}
