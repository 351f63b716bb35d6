//! Reads behind the tail: from the bucket, by blocks that are kept for a while.
//!
//! - [`block`]: one extent in memory, checked and indexed. - [`cache`]: blocks by what they hold,
//!   single flight, within a budget; [`tier`]: what lies between that and the bucket. - [`ahead`]: which
//!   blocks a sequential reader will want.

pub mod ahead;
pub mod block;
pub mod cache;
pub mod tier;
