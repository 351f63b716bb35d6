//! Highwater's own bytes: segment, WAL frame, journal entry; versioned and checksummed.
//!
//! - [`entry`]: the journal's objects. - [`segment`]: record batches in the bucket.
//! - [`wal`]: the local write-ahead log's files. - [`describe`]: all of these in words, whole or not.
//! - `cursor`: bounded reads.
//!
//! Every format is big-endian, as Kafka's are, names its layout in the doc comment of its file, and
//! has golden files in `golden/` that every later version must read.

mod cursor;
pub mod describe;
pub mod entry;
pub mod segment;
pub mod wal;

#[cfg(test)]
mod testing;
