//! A census: which older files still count, and up to where each can be trusted. The first block of
//! every file is one.
//!
//! ```text
//!  at size field            big-endian, in the body of a block of kind 2
//!   0    4 CRC32C           of the rest of the body
//!   4      entries          as many as the block's count, by ascending generation:
//!          0    8 generation
//!          8    8 trusted end   bytes of that file below this were synced and checked
//! ```
//!
//! The newest census that checks decides. A file of an older generation that it does not name is
//! released: its frames are in the bucket, nothing in it is looked at. A file that it names must
//! check up to the trusted end, and what lies behind counts for nothing. Files of its own
//! generation and newer are read to their end by the rules in [`crate::wal::block`].

use crate::cursor::Cursor;
use crate::wal::{BLOCK_HEADER_BYTES, BlockHeader, BlockKind, WalFormatError};

const ENTRY_BYTES: usize = 16;
const CRC_BYTES: usize = 4;

/// One file that counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CensusEntry {
    /// The file's generation.
    pub generation: u64,
    /// End of what can be trusted, bytes from the start of the file.
    pub trusted_end: u64,
}

/// Header and body of a census block, without padding. `at` gives all fields but kind, count and
/// body length.
pub fn census_block(at: BlockHeader, entries: &[CensusEntry]) -> Vec<u8> {
    let mut body = Vec::with_capacity(CRC_BYTES + entries.len() * ENTRY_BYTES);
    body.extend_from_slice(&[0; CRC_BYTES]);
    for entry in entries {
        body.extend_from_slice(&entry.generation.to_be_bytes());
        body.extend_from_slice(&entry.trusted_end.to_be_bytes());
    }
    let crc = crc32c::crc32c(&body[CRC_BYTES..]);
    body[..CRC_BYTES].copy_from_slice(&crc.to_be_bytes());
    let header = BlockHeader {
        kind: BlockKind::Census,
        count: u32::try_from(entries.len()).unwrap_or(u32::MAX),
        body_bytes: u32::try_from(body.len()).unwrap_or(u32::MAX),
        ..at
    };
    let mut block = Vec::with_capacity(BLOCK_HEADER_BYTES + body.len());
    block.extend_from_slice(&header.encode());
    block.append(&mut body);
    block
}

/// The entries of a census block; `body` may have padding behind it.
///
/// # Errors
/// `Invalid` for a block of frames or one whose lengths do not agree, `Short`, `Checksum`.
pub fn decode_census(header: &BlockHeader, body: &[u8]) -> Result<Vec<CensusEntry>, WalFormatError> {
    if header.kind != BlockKind::Census {
        return Err(WalFormatError::Invalid("not a census"));
    }
    let (Ok(count), Ok(bytes)) = (usize::try_from(header.count), usize::try_from(header.body_bytes)) else {
        return Err(WalFormatError::Invalid("census too large"));
    };
    let body = body.get(..bytes).ok_or(WalFormatError::Short)?;
    if count.checked_mul(ENTRY_BYTES).and_then(|entries| entries.checked_add(CRC_BYTES)) != Some(bytes) {
        return Err(WalFormatError::Invalid("census of a wrong length"));
    }
    let mut cursor = Cursor::new(body);
    if cursor.u32() != Some(crc32c::crc32c(&body[CRC_BYTES..])) {
        return Err(WalFormatError::Checksum);
    }
    let mut entries = Vec::with_capacity(count);
    while let (Some(generation), Some(trusted_end)) = (cursor.u64(), cursor.u64()) {
        entries.push(CensusEntry { generation, trusted_end });
    }
    Ok(entries)
}
