//! The journal over a store in memory that misbehaves, in virtual time; and the exhaustive search.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod checker;
mod contention;
mod driver;
mod proofs;
mod shared;
mod snapshot;
mod world;
