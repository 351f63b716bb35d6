//! A block: one write of the log, with its sync.
//!
//! ```text
//!  at size field            big-endian
//!   0    4 magic            "HWBK"
//!   4    4 CRC32C           of bytes 8 to 64
//!   8    8 generation       the file's
//!  16    8 salt             the file's
//!  24    8 first sequence   of the block's first frame; the others follow densely
//!  32    4 number           of the block in the file: 0, 1, 2, ...
//!  36    1 kind             1 frames, 2 census
//!  37    3 zero
//!  40    4 count            of frames or census entries
//!  44    4 body length      bytes behind this header, without the padding
//!  48    8 position         where in the file this block starts
//!  56    8 synced end       everything in the file below this was synced when this block's write
//!                           was begun
//!  64      body             frames or census entries
//!          padding          zeros to a multiple of 4,096
//! ```
//!
//! The header's checksum covers the header; the body is covered by the checksums of its frames.
//!
//! # Torn or corrupt?
//!
//! One write with its sync is in flight at a time, so that a block is written only when all blocks
//! before it are synced, and it says so (`synced end`). A file whose sync failed gets no further
//! block. Every file starts with a [census](crate::wal::census), that tells up to where the older
//! files that still count can be trusted. Hence, when a block does not check at position p:
//!
//! - A later census names an end E of the file, p < E: bytes that were synced have changed.
//!   **Corruption**: the loss is reported (file, bytes, sequences), never passed over in silence;
//!   reading may go on at the next block of this generation that checks.
//! - A later census names E = p (or less): the log went on in another file; what lies there was
//!   never synced, or its sync failed: **not trusted**, whatever it looks like.
//! - No census names the file (it is the newest), and a block of the same generation and salt that
//!   checks stands at q > p with a synced end above p: **corruption** in p..q, as above.
//! - Otherwise the write at p never finished: a **torn tail**; the block is left out as a whole,
//!   so that a second recovery of the same bytes comes to the same end.
//!
//! What cannot be told apart is rot in the very last block before a crash, and a torn write.

use crate::cursor::Cursor;
use crate::wal::{WAL_ALIGNMENT, WalFormatError};

/// Bytes of a block's header.
pub const BLOCK_HEADER_BYTES: usize = 64;

const MAGIC: &[u8; 4] = b"HWBK";
const CRC_FROM: usize = 8;

/// What a block's body holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BlockKind {
    /// Frames, see [`crate::wal::frame`].
    Frames,
    /// Files that still count, see [`crate::wal::census`].
    Census,
}

/// The header's fields.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BlockHeader {
    /// The file's generation.
    pub generation: u64,
    /// The file's salt.
    pub salt: u64,
    /// Sequence of the first frame; in a census, of the frame that comes next.
    pub first_seq: u64,
    /// Number of the block in its file.
    pub number: u32,
    /// What the body holds.
    pub kind: BlockKind,
    /// Frames or entries in the body.
    pub count: u32,
    /// Bytes of the body.
    pub body_bytes: u32,
    /// Where in the file the block starts.
    pub position: u64,
    /// Everything in the file below this was synced before this block was written.
    pub synced_end: u64,
}

/// Bytes that a block with a body of this size takes in the file.
pub const fn block_bytes(body_bytes: usize) -> usize {
    (BLOCK_HEADER_BYTES + body_bytes).next_multiple_of(WAL_ALIGNMENT)
}

impl BlockHeader {
    /// Bytes that the block takes in the file.
    pub fn block_bytes(&self) -> u64 {
        (BLOCK_HEADER_BYTES as u64 + u64::from(self.body_bytes)).next_multiple_of(WAL_ALIGNMENT as u64)
    }

    /// The header's bytes.
    pub fn encode(&self) -> [u8; BLOCK_HEADER_BYTES] {
        let mut bytes = [0; BLOCK_HEADER_BYTES];
        bytes[..4].copy_from_slice(MAGIC);
        bytes[8..16].copy_from_slice(&self.generation.to_be_bytes());
        bytes[16..24].copy_from_slice(&self.salt.to_be_bytes());
        bytes[24..32].copy_from_slice(&self.first_seq.to_be_bytes());
        bytes[32..36].copy_from_slice(&self.number.to_be_bytes());
        bytes[36] = match self.kind {
            BlockKind::Frames => 1,
            BlockKind::Census => 2,
        };
        bytes[40..44].copy_from_slice(&self.count.to_be_bytes());
        bytes[44..48].copy_from_slice(&self.body_bytes.to_be_bytes());
        bytes[48..56].copy_from_slice(&self.position.to_be_bytes());
        bytes[56..64].copy_from_slice(&self.synced_end.to_be_bytes());
        let crc = crc32c::crc32c(&bytes[CRC_FROM..]);
        bytes[4..8].copy_from_slice(&crc.to_be_bytes());
        bytes
    }

    /// Reads a header at the start of `bytes`. Whether generation, salt and position are those
    /// expected is for the caller to see.
    ///
    /// # Errors
    /// `Short`, `Magic`, `Checksum`, `Invalid`.
    pub fn decode(bytes: &[u8]) -> Result<Self, WalFormatError> {
        let bytes = bytes.first_chunk::<BLOCK_HEADER_BYTES>().ok_or(WalFormatError::Short)?;
        if &bytes[..4] != MAGIC {
            return Err(WalFormatError::Magic);
        }
        let mut cursor = Cursor::new(&bytes[4..]);
        if cursor.u32() != Some(crc32c::crc32c(&bytes[CRC_FROM..])) {
            return Err(WalFormatError::Checksum);
        }
        Self::fields(&mut cursor).ok_or(WalFormatError::Invalid("unknown block kind"))
    }

    fn fields(cursor: &mut Cursor<'_>) -> Option<Self> {
        let generation = cursor.u64()?;
        let salt = cursor.u64()?;
        let first_seq = cursor.u64()?;
        let number = cursor.u32()?;
        let [kind, ..] = cursor.array::<4>()?;
        let kind = match kind {
            1 => BlockKind::Frames,
            2 => BlockKind::Census,
            _ => return None,
        };
        Some(Self {
            generation,
            salt,
            first_seq,
            number,
            kind,
            count: cursor.u32()?,
            body_bytes: cursor.u32()?,
            position: cursor.u64()?,
            synced_end: cursor.u64()?,
        })
    }
}
