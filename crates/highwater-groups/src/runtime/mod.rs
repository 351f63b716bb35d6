//! The coordinator at work: one task per led partition of `__consumer_offsets`.
//!
//! - [`groups`]: the handle that the front door calls. - [`log`]: what the coordinator needs of the
//!   log. - [`partition_log`]: that, over the engine. - `slots`: which partitions are led, loading or
//!   loaded. - `task`: commands, acknowledgements and time into the machine, its effects out.
//! - `load`: reading a partition. - `batch`: records to a batch.

mod batch;
pub mod groups;
mod load;
pub mod log;
pub mod partition_log;
mod slots;
mod task;

#[cfg(test)]
mod memory_log;
#[cfg(test)]
mod tests;

pub use groups::Groups;
pub use log::{Appending, OffsetsLog, ReadFailure, Term};
pub use partition_log::PartitionOffsetsLog;
