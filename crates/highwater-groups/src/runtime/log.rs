//! What the coordinator needs of the log.

use async_trait::async_trait;
use bytes::Bytes;
use futures::future::BoxFuture;
use highwater_types::{Offset, TopicId};

pub use crate::machine::AppendFailure;

/// One leadership of one partition. Another epoch, or another topic of the same name, is another
/// term: what was loaded in one is of no use in the next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Term {
    /// Id of `__consumer_offsets`.
    pub topic: TopicId,
    /// The partition's leader epoch.
    pub epoch: i32,
}

/// Resolves when the batch is durable as acks=all asks, or is not known to become so.
pub type Appending = BoxFuture<'static, Result<(), AppendFailure>>;

/// Why a read gave nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReadFailure {
    /// The term is over.
    #[error("not the leader")]
    NotLeader,
    /// The storage failed: worth another try.
    #[error("storage failed: {0}")]
    Storage(String),
}

/// The partitions of `__consumer_offsets`, as one coordinator sees them.
#[async_trait]
pub trait OffsetsLog: Send + Sync + 'static {
    /// Number of partitions; None while the topic does not exist.
    fn partitions(&self) -> Option<u32>;

    /// The term in which this broker leads the partition; None if it does not. Cheap: asked with
    /// every request.
    fn term(&self, partition: u32) -> Option<Term>;

    /// Appends one batch. Never waits; calls of one task are appended in their order, and resolve in
    /// it. On `Err` nothing was appended; a failure that the future gives leaves that open.
    fn append(&self, partition: u32, term: Term, batch: Bytes) -> Result<Appending, AppendFailure>;

    /// Whole batches from `from` on (the first may begin before it), some at a time; empty when
    /// everything is read that the log held when the term began. Waits for what was there then but
    /// is not durable yet. May be cancelled.
    async fn read(&self, partition: u32, term: Term, from: Offset) -> Result<Bytes, ReadFailure>;

    /// Whether the term was not over at some time after the call. Asked before committed offsets are
    /// given out: a coordinator that was deposed without hearing of it would rewind consumers.
    async fn confirm(&self, partition: u32, term: Term) -> bool;
}
