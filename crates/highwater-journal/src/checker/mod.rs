//! An exhaustive search over the machines of [`crate::machine`]: the very code that brokers run.
//!
//! Breadth first over everything that writers, a reader, the bucket and time can do within a
//! [`Size`]: puts that are late, lost, sent again or answered too late; actors that pause at any
//! point; compaction, and deletion once a grace has passed. Time is abstract: one step "grace
//! passes" makes every proof old and what was trimmed deletable. Puts on their way outlive it,
//! which stands for a writer that checked its proof and slept before it sent.
//!
//! What must never be, in any state: an acked entry that a replay does not hold, or holds out of
//! order; a leader whose fence is not on the chain at the place and with the epoch it believes, or
//! that walked over what is not on it; an entry at a live number that a replay must refuse; a
//! reader that serves what no replay holds; a trim point off the chain; a manifest owned by
//! another than the highest epoch. The first history found is a shortest one.
//!
//! [`run_checker`] explores everything within bounds; [`wander`] goes at random where the bounds
//! are too wide for that. `cargo xtask check-journal` runs both.
//!
//! - [`size`]: bounds. - [`search`]: the search and its report. - `world`, `actor`, `bucket`:
//!   the model; `words`: its steps for people. - `fingerprint`: how states are remembered.

mod actor;
mod bucket;
mod fingerprint;
pub mod search;
pub mod size;
mod words;
mod world;

pub use search::{Report, Violation, run_checker, wander};
pub use size::Size;
