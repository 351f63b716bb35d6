//! The local write-ahead log: one append-only set of files per broker, all shards interleaved.
//!
//! ```text
//!  append ──► gathering buffer ──► writer: one write and fdatasync at a time ──► listener.synced
//!                (bounded)              │ current file                            listener.failed
//!                                       ▼
//!  release ─► file by file: the highest position of each shard ──► spare ──► recycled
//! ```
//!
//! Group commit: while one write is being synced, frames gather for the next one. On a disk that is quicker
//! than they come, full batches wait a little for each other (`pace`).
//! The log promises: every frame that was reported synced comes back at recovery, in order, until
//! its shard has released it; nothing comes back that was not appended. The formats, and how a torn
//! tail is told from corruption, are in [`highwater_format::wal`].
//!
//! - [`api`]: options, frames, the listener, errors. - `handle`: [`Wal`]. - `state`: what is shared,
//!   without I/O. - `writer`: the one that writes. - `pace`: when. - `files`: preparing, recycling, removing.
//! - `scan`: blocks of one file. - `discover`: which files count. - [`recover`]: the replay.
//! - [`side`]: frames set aside.

pub mod api;
mod discover;
mod files;
mod handle;
mod pace;
pub mod recover;
mod scan;
pub mod side;
mod state;
mod writer;

#[cfg(test)]
mod tests;

pub use api::{Damage, Frame, TornTail, WalError, WalFull, WalListener, WalOptions, WalSeq, WalUsage};
pub use handle::Wal;
pub use recover::{Recovered, RecoveredFrame};
pub use side::SideFile;
