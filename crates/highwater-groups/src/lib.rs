//! The consumer group coordinator: the classic protocol, with offsets and groups in
//! `__consumer_offsets` in Kafka's own record format.
//!
//! - [`api`]: requests and replies, plain structs that name no wire type. - [`error`]: Kafka's
//!   answers that a client acts on. - [`settings`]: the broker's settings of groups and offsets.
//! - [`partition`]: which partition of `__consumer_offsets` holds a group.
//! - [`machine`]: the state machine, without I/O, clock or randomness. - [`records`]: what it keeps
//!   in the log. - [`runtime`]: one task per led partition, and the handle [`Groups`].

pub mod api;
pub mod error;
pub mod machine;
pub mod partition;
pub mod records;
pub mod runtime;
pub mod settings;

pub use error::GroupError;
pub use partition::partition_for;
pub use runtime::{Groups, OffsetsLog, PartitionOffsetsLog};
pub use settings::GroupSettings;
