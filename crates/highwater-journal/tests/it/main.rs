//! The journal over a store in memory that misbehaves, in virtual time; and the exhaustive search.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]
#![allow(clippy::disallowed_methods, reason = "tokio's paused clock is the simulation's clock here")]

mod checker;
mod contention;
mod driver;
mod proofs;
mod shared;
mod snapshot;
mod sweep;
mod world;
