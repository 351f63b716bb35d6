//! A segment: an immutable object of record batches, grouped by partition, with its index behind.
//!
//! ```text
//!  0              payload: extents, one per partition, ascending; each is record batches back to
//!                 back, as they go over the wire
//!  P              footer, F bytes, see [`footer`]
//!  P + F          trailer, 32 bytes, big-endian:
//!                  0    8 payload length P
//!                  8    4 footer length F
//!                 12    4 CRC32C of the footer
//!                 16    4 CRC32C of the trailer without this field
//!                 20    4 version, 1
//!                 24    8 magic "HWATRSEG"
//! ```
//!
//! One read of the object's tail usually gets trailer and footer ([`TAIL_BYTES`]). Positions count
//! from the segment's own start; a level-0 segment is the payload of a journal entry and lies
//! behind that entry's header.
//!
//! An extent has no checksum over all its bytes: the records and most of each batch header are
//! covered by the batch's own CRC32C, and what that leaves out (offset, length, epoch) by a
//! checksum over the batch headers of each stride of 64 KiB, in the index. So any range of whole
//! strides can be verified by itself, which a checksum of the extent would not allow, and writing a
//! segment sums 61 bytes a batch instead of all of it.
//!
//! - [`footer`]: the footer and its codec. - [`extent`]: one partition's part and its lookups.
//! - [`writer`]: from batches to chunks. - [`verify`]: bytes against their index.
//! - `summary`: what is said of a run of batches, for writer and verifier alike.

pub mod extent;
pub mod footer;
mod summary;
pub mod verify;
pub mod writer;

#[cfg(test)]
mod tests;

pub use extent::{AbortedTxn, EpochStart, Extent, ProducerBatch, ProducerDelta, Stride};
pub use footer::{Footer, Reserve, Tail};
pub use verify::{verify, verify_range};
pub use writer::{NewExtent, Segment, SegmentWriter};

/// How much of an object's tail to read first: footers of ordinary flushes are smaller.
pub const TAIL_BYTES: usize = 64 * 1024;

/// A new stride of the index begins at the first batch this far behind the last one's beginning.
pub const STRIDE_BYTES: u32 = 64 * 1024;

/// Batches of one producer that its delta remembers, as many as a client may have in flight.
pub const MAX_PRODUCER_BATCHES: usize = 5;

/// Largest footer that is written or read, bytes; some 600,000 partitions.
pub const MAX_FOOTER_BYTES: usize = 64 * 1024 * 1024;

/// Why bytes are not a segment, or cannot become one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SegmentError {
    /// Fewer bytes than the trailer, or than it announces.
    #[error("segment is cut short")]
    Short,
    /// Other bytes than a segment's.
    #[error("not a segment: no magic number")]
    Magic,
    /// Written by a later version of Highwater.
    #[error("segment format version {0} is not known")]
    Version(u32),
    /// Bytes have changed.
    #[error("checksum of the segment's {0} does not match")]
    Checksum(&'static str),
    /// Checksums match, the content cannot be; or the writer was given what no segment may hold.
    #[error("invalid segment: {0}")]
    Invalid(&'static str),
    /// A batch that does not check, or does not agree with the index.
    #[error("invalid batch at byte {position} of the segment: {reason}")]
    Batch {
        /// Where the batch begins, bytes from the segment's start.
        position: u64,
        /// What is wrong with it.
        reason: String,
    },
}
