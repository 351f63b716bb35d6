//! The end-to-end tests: real clients against a real broker, over a directory and over a bucket.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a failed expectation is the test's failure")]

mod admin;
mod bad_bucket;
mod bad_disk;
mod bad_input;
mod bucket;
mod codecs;
mod command_line;
mod compaction;
mod configuration;
mod connections;
mod corruption;
mod credentials;
mod cut_connections;
mod flights;
mod full_disk;
mod groups;
mod inspect;
mod kafka_tools;
mod kill;
mod observability;
mod operator;
mod paused;
mod read_cache;
mod readme;
mod recreated;
mod retention;
mod stage;
mod verify;
