//! A file's header: which of its lives a preallocated file is in.
//!
//! ```text
//!  at size field            big-endian
//!   0    8 magic            "HWATWAL" and the version digit, "1"
//!   8    4 CRC32C           of bytes 12 to 64
//!  12    1 state            0 live, 1 released (nothing here needs a replay), 2 side file
//!  13    3 zero
//!  16    8 generation       larger than that of every file that was headed before it
//!  24    8 salt             random, new with each generation
//!  32    8 length           of the file as preallocated, bytes
//!  40    8 time             of this header, ms since 1970, for people
//!  48   16 zero
//!  64      zeros to 4,096
//! ```
//!
//! The header is written and synced before the first block of its generation, and only over a file
//! whose frames are all released. So a header that does not check belongs to a file without
//! content, or it has rotted; if a first block stands behind it that checks by itself, that block's
//! generation and salt are taken, since to replay released frames does no harm.

use crate::cursor::Cursor;
use crate::wal::{WAL_ALIGNMENT, WalFormatError};

/// Bytes that the header takes in the file.
pub const FILE_HEADER_BYTES: usize = WAL_ALIGNMENT;

const USED_BYTES: usize = 64;
const MAGIC: &[u8; 7] = b"HWATWAL";
const VERSION: u8 = b'1';
const CRC_FROM: usize = 12;

/// What a file is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileState {
    /// Its blocks are to be replayed.
    Live,
    /// Every frame in it was released before the log was closed.
    Released,
    /// Frames set aside: written once, never replayed.
    Side,
}

/// The header's fields.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileHeader {
    /// What the file is for.
    pub state: FileState,
    /// Which of its lives.
    pub generation: u64,
    /// Marks this generation's blocks.
    pub salt: u64,
    /// Length of the file, bytes.
    pub file_bytes: u64,
    /// When the header was written, ms since 1970.
    pub written_ms: i64,
}

impl FileHeader {
    /// The header's bytes, without the zeros behind them.
    pub fn encode(&self) -> [u8; USED_BYTES] {
        let mut bytes = [0; USED_BYTES];
        bytes[..7].copy_from_slice(MAGIC);
        bytes[7] = VERSION;
        bytes[12] = match self.state {
            FileState::Live => 0,
            FileState::Released => 1,
            FileState::Side => 2,
        };
        bytes[16..24].copy_from_slice(&self.generation.to_be_bytes());
        bytes[24..32].copy_from_slice(&self.salt.to_be_bytes());
        bytes[32..40].copy_from_slice(&self.file_bytes.to_be_bytes());
        bytes[40..48].copy_from_slice(&self.written_ms.to_be_bytes());
        let crc = crc32c::crc32c(&bytes[CRC_FROM..]);
        bytes[8..12].copy_from_slice(&crc.to_be_bytes());
        bytes
    }

    /// Reads a header at the start of `bytes`.
    ///
    /// # Errors
    /// `Short`, `Magic` (also for a file of zeros), `Version`, `Checksum`, `Invalid`.
    pub fn decode(bytes: &[u8]) -> Result<Self, WalFormatError> {
        let bytes = bytes.first_chunk::<USED_BYTES>().ok_or(WalFormatError::Short)?;
        if &bytes[..7] != MAGIC {
            return Err(WalFormatError::Magic);
        }
        let mut cursor = Cursor::new(&bytes[8..]);
        let crc = cursor.u32().ok_or(WalFormatError::Short)?;
        if crc != crc32c::crc32c(&bytes[CRC_FROM..]) {
            return Err(WalFormatError::Checksum);
        }
        if bytes[7] != VERSION {
            return Err(WalFormatError::Version(u32::from(bytes[7].wrapping_sub(b'0'))));
        }
        let [state, ..] = cursor.array::<4>().ok_or(WalFormatError::Short)?;
        let state = match state {
            0 => FileState::Live,
            1 => FileState::Released,
            2 => FileState::Side,
            _ => return Err(WalFormatError::Invalid("unknown file state")),
        };
        let fields = (|| Some((cursor.u64()?, cursor.u64()?, cursor.u64()?, cursor.i64()?)))();
        let (generation, salt, file_bytes, written_ms) = fields.ok_or(WalFormatError::Short)?;
        Ok(Self { state, generation, salt, file_bytes, written_ms })
    }
}
