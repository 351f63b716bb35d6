//! Why an engine does not start.

use highwater_types::ShardId;

use crate::recover::RecoverError;
use crate::wal::WalError;

/// Why an engine did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The write-ahead log's directory.
    #[error("write-ahead log: {0}")]
    Wal(#[from] WalError),
    /// A shard.
    #[error("shard {shard}: {source}")]
    Recover {
        /// Which one.
        shard: ShardId,
        /// Why.
        #[source]
        source: RecoverError,
    },
}
