//! Messages of every API and version: there and back, beside kafka-protocol, and as hostile bytes.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]
#![allow(clippy::disallowed_methods, reason = "the schema is read from the source tree")]

mod allocations;
mod any_frame;
mod apis;
mod encoding;
mod hostile;
mod java;
mod oracle;
mod round_trip;
mod sample;
#[path = "../../../../xtask/src/codegen/schema.rs"]
#[allow(dead_code, reason = "the generator uses all of it, the tests a part")]
mod schema;
mod targets;

#[global_allocator]
static ALLOCATOR: allocations::Counting = allocations::Counting;
