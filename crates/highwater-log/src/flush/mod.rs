//! From memory to the bucket: one flush is one put.
//!
//! - [`pace`]: tokens, so that a trickle costs few puts. - [`seal`]: a sealed buffer as a segment.
//! - [`flusher`]: decides when to seal, and starts the put. - [`committer`]: takes the answers in
//!   the order of the chain, moves the marks, keeps the manifest.

pub mod committer;
pub mod flusher;
pub mod pace;
pub mod seal;
