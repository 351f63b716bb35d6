//! The classic group protocol as a pure state machine: no I/O, no clock, no randomness.
//!
//! One [`Coordinator`] holds the groups of one partition of `__consumer_offsets`. It takes commands,
//! the passing of time and the fate of its appends, and gives [`Effects`]: replies, records to append,
//! and the next moment at which it wants to be woken. What needs a durable record is answered when
//! [`Coordinator::appended`] reports it; a group's offsets change at that moment too, so that nobody
//! is told an offset that a crash could take back.
//!
//! ```text
//!            join                        initial delay, all joined, or rebalance timeout
//!   Empty ---------> PreparingRebalance ---------------------------> CompletingRebalance
//!     ^                |     ^    ^                                     |       |
//!     | no one joined  |     |    | join, leave, expiry, failed append  |       | leader's sync
//!     +----------------+     |    +-------------------------------------+       | is durable
//!                            +--------------------- Stable <--------------------+
//! ```
//!
//! - [`coordinator`]: dispatch, and what follows an append. - [`command`], [`effects`]: in and out.
//! - `group`: one group; `members`: its members and what they have in common. - `join`, `rejoin`,
//!   `rebalance`, `sync`, `presence`: the protocol. - `offsets`, `commit`: committed offsets.
//! - `admin`: list, describe, delete. - `ledger`: appends on their way. - `timers`: sessions and
//!   rebalances. - `retention`: expiry of offsets. - `load`: the log read back.

mod admin;
pub mod command;
mod commit;
pub mod coordinator;
pub mod effects;
mod group;
mod join;
mod ledger;
mod load;
mod members;
mod offsets;
mod presence;
mod rebalance;
mod rejoin;
mod retention;
mod sync;
mod timers;

#[cfg(test)]
mod tests;

pub use command::{Command, Moment, Token};
pub use coordinator::Coordinator;
pub use effects::{Append, AppendFailure, AppendId, Effects, Reply};
