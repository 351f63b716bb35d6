//! Commands beside `serve`: they do one thing, say it, and end.
//!
//! - [`bucket`]: set-up and check. - [`verify`]: all of a bucket. - [`inspect`]: one object or file. - [`topic`], [`group`], [`config`]: what administrators do.
//! - [`produce`], [`consume`]: records in and out. - [`session`]: the cluster that these speak to.
//! - [`table`]: answers for people. - [`moment`]: times as people write them. - [`completions`]: shells.

pub mod bucket;
pub mod completions;
pub mod config;
pub mod consume;
pub mod group;
pub mod inspect;
mod lines;
mod moment;
pub mod produce;
pub mod session;
mod table;
pub mod topic;
pub mod verify;
