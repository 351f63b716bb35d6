//! Tests of the state machine: each flow with Kafka's edge cases, and a model.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod admin;
mod joining;
mod loading;
mod model;
mod offsets;
mod presence;
mod retention;
mod static_members;
mod syncing;
mod world;
