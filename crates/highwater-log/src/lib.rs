//! The engine: shards, write-ahead log, flush, tickets, reads and recovery.
//!
//! - [`api`]: what goes in and out. - [`engine`]: start, lookup, shutdown. - [`partition`]: the
//!   narrow view of one partition that the layers above use; `deletion`: its oldest records go;
//!   `inspect`: what administrators ask.
//! - `shared`: what all of these have. `shard`: one leader's state and the order of things in it. - `flush`: sealing, pacing,
//!   committing. - `manifest`: what a shard knows of its segments. - `recover`: taking over;
//!   `replay`: the local log after a crash; `leader`: a leadership from its begin to its end.
//! - [`wal`]: the local write-ahead log. - `read`: the tail and the bucket.
//! - `upkeep`: old records go, and objects that nobody needs.
//! - [`verify`]: a walk through a bucket that trusts nothing. - [`describe`]: any object of ours in words. - [`metrics`]: what operators see; `gauges`: what is asked for when they look.

pub mod api;
mod deletion;
pub mod describe;
pub mod engine;
mod flush;
mod gauges;
mod inspect;
mod leader;
mod manifest;
pub mod metrics;
pub mod options;
pub mod partition;
mod read;
mod recover;
mod replay;
mod shard;
mod shared;
mod start_error;
pub mod ticket;
mod upkeep;
pub mod verify;
pub mod waiter;
pub mod wal;

pub use api::{
    Acks, ActiveProducer, AppendError, Appended, DeleteError, EpochEnd, FoundOffset, Isolation, Marks, OffsetQuery,
    Origin, PartitionError, ReadError, ReadOutcome, ReadRequest,
};
pub use engine::{Engine, Log, ShardStatus};
pub use manifest::SegmentId;
pub use metrics::LogMetrics;
pub use options::EngineOptions;
pub use partition::{Admitted, Partition};
pub use read::tier::{BlockKey, ReadCache};
pub use start_error::StartError;
pub use ticket::AppendTicket;
pub use waiter::Waiter;
