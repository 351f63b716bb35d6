//! The frames of a connection: a length of four bytes, then a request or a response.

use thiserror::Error;

/// The bytes of a frame's length prefix.
pub const LENGTH_PREFIX: usize = 4;

/// What decoding may allocate per byte of a frame. The densest thing that the protocol can say, empty text
/// in an array, takes 32 bytes of memory per byte; the densest structs stay below 48.
pub const CHARGE_PER_BYTE: usize = 64;

/// What any frame may allocate, however small.
pub const CHARGE_BASE: usize = 4096;

/// A length prefix that no frame has. The connection is closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum FrameError {
    /// Below zero.
    #[error("negative frame length {0}")]
    Negative(i32),
    /// Above the limit (Kafka's `socket.request.max.bytes`).
    #[error("frame of {length} bytes, at most {limit} are allowed")]
    TooLarge {
        /// What the prefix says.
        length: usize,
        /// The limit.
        limit: usize,
    },
}

/// The length of the frame that follows, in bytes, from its prefix; nothing is to be reserved before this
/// has passed.
pub fn frame_length(prefix: [u8; LENGTH_PREFIX], limit: usize) -> Result<usize, FrameError> {
    let length = i32::from_be_bytes(prefix);
    let Ok(length_bytes) = usize::try_from(length) else {
        return Err(FrameError::Negative(length));
    };
    if length_bytes > limit {
        return Err(FrameError::TooLarge { length: length_bytes, limit });
    }
    Ok(length_bytes)
}

/// The most memory, in bytes, that decoding a frame of this length can take, the frame itself not counted.
/// It is charged to the memory budget before decoding; [`crate::Decoder::charged`] then tells how much of
/// it was used. Where the API is known, [`crate::ApiKey::frame_charge`] is tighter.
#[must_use]
pub const fn frame_charge(frame_length: usize) -> usize {
    frame_length.saturating_mul(CHARGE_PER_BYTE).saturating_add(CHARGE_BASE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_checked() {
        assert_eq!(frame_length(7_i32.to_be_bytes(), 7), Ok(7));
        assert_eq!(frame_length([0; 4], 7), Ok(0));
        assert_eq!(frame_length((-1_i32).to_be_bytes(), 7), Err(FrameError::Negative(-1)));
        assert_eq!(frame_length(8_i32.to_be_bytes(), 7), Err(FrameError::TooLarge { length: 8, limit: 7 }));
    }

    #[test]
    fn a_charge_never_overflows() {
        assert_eq!(frame_charge(1000), 68_096);
        assert_eq!(frame_charge(usize::MAX), usize::MAX);
    }
}
