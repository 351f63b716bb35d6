//! The engine against a simulated disk and bucket: what it promises, through crashes and takeovers.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod basics;
mod compaction;
mod damage;
mod deletion;
mod disk_tier;
mod faults;
mod model;
mod room;
mod upkeep;
mod world;
