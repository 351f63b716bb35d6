//! The local write-ahead log's files.
//!
//! ```text
//!  0      file header (4,096 bytes)          generation and salt of all that follows
//!  4,096  block | block | block | ...        each padded to a multiple of 4,096 bytes
//! ```
//!
//! - [`file`]: the file header. - [`block`]: one write of the log, and the rules by which a torn
//!   tail is told from corruption. - [`frame`]: one record batch in a block. - [`census`]: which
//!   files still count, and up to where.
//!
//! Files are preallocated and recycled: what lies behind the last block is older blocks or zeros.
//! A block counts only if it carries the generation and the salt of its file's header. The salt is
//! random and never leaves the machine, so that no record's bytes can pass for a block.

pub mod block;
pub mod census;
pub mod file;
pub mod frame;

#[cfg(test)]
mod tests;

pub use block::{BLOCK_HEADER_BYTES, BlockHeader, BlockKind, block_bytes};
pub use census::{CensusEntry, census_block, decode_census};
pub use file::{FILE_HEADER_BYTES, FileHeader, FileState};
pub use frame::{FRAME_HEADER_BYTES, Frame, FrameFault, FrameHeader, Frames, frame_bytes};

/// Everything in a file starts and ends at multiples of this: what O_DIRECT needs.
pub const WAL_ALIGNMENT: usize = 4096;

/// Why bytes are not what they should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WalFormatError {
    /// Fewer bytes than the structure has.
    #[error("cut short")]
    Short,
    /// Other bytes than Highwater's.
    #[error("no magic number")]
    Magic,
    /// Written by a later version of Highwater.
    #[error("format version {0} is not known")]
    Version(u32),
    /// Bytes have changed.
    #[error("checksum does not match")]
    Checksum,
    /// The checksum matches, the content cannot be.
    #[error("{0}")]
    Invalid(&'static str),
}
