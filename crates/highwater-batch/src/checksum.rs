//! CRC32C (Castagnoli), by the processor's own instruction where it has one; whole or in chunks.

use crate::header::{ATTRIBUTES_AT, CRC_AT};

/// CRC32C of `bytes`.
pub fn crc32c(bytes: &[u8]) -> u32 {
    ::crc32c::crc32c(bytes)
}

/// CRC32C of the concatenation of `chunks`.
pub fn crc32c_of_chunks<'a>(chunks: impl IntoIterator<Item = &'a [u8]>) -> u32 {
    chunks.into_iter().fold(0, ::crc32c::crc32c_append)
}

/// The CRC that belongs into a batch's header: of everything from its attributes on. `None` when
/// `batch` is shorter than that.
pub fn batch_crc(batch: &[u8]) -> Option<u32> {
    batch.get(ATTRIBUTES_AT..).map(crc32c)
}

/// Whether the CRC in the header of `batch` (exactly one batch) is right; false when it is cut.
pub fn batch_crc_is_right(batch: &[u8]) -> bool {
    let stored = batch.get(CRC_AT..).and_then(|rest| rest.first_chunk::<4>());
    match (stored, batch_crc(batch)) {
        (Some(stored), Some(computed)) => u32::from_be_bytes(*stored) == computed,
        _ => false,
    }
}

/// The CRC of `new ++ tail` from the CRC `whole` of `old ++ tail`, without reading the tail
/// (`tail_bytes` long): the CRC is linear, so what the tail contributes can be taken out and put in
/// again. A tail that was damaged since `whole` was computed stays visible.
pub fn replace_prefix(whole: u32, old: &[u8], new: &[u8], tail_bytes: usize) -> u32 {
    let tail = ::crc32c::crc32c_combine(crc32c(old), whole, tail_bytes);
    ::crc32c::crc32c_combine(crc32c(new), tail, tail_bytes)
}
