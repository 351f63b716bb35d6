//! The front door over the real engine and a bucket in memory, spoken to over real sockets.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::disallowed_methods, reason = "tests")]

mod admin;
mod configs;
mod consuming;
mod groups;
mod growing;
mod hostile;
mod listeners;
mod partitions;
mod producing;
mod versions;
mod world;
