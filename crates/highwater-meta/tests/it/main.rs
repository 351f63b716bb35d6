//! The metadata through its client, over a journal in memory.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test says what went wrong by panicking")]

mod brokers;
mod bucket;
mod model;
mod topics;
