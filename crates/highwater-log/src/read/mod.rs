//! Reads behind the tail: from the bucket, by blocks that are kept for a while.
//!
//! - [`block`]: one extent in memory, checked and indexed. - [`cache`]: blocks by what they hold,
//!   single flight, within a budget.

pub mod block;
pub mod cache;
