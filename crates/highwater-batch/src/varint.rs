//! Zig-zag variable-length integers of records (as in Protocol Buffers), bounded: at most 5 bytes
//! for 32 bits, 10 for 64.

use bytes::{Buf, BufMut};

/// The bytes end inside the integer, or it has more bytes or bits than its type.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("malformed variable-length integer")]
pub struct VarintError;

/// Reads a signed 32-bit integer.
///
/// # Errors
/// [`VarintError`]; the buffer's position is then undefined.
pub fn get_i32(buffer: &mut impl Buf) -> Result<i32, VarintError> {
    let raw = get_unsigned(buffer, 5)?;
    let raw = u32::try_from(raw).map_err(|_| VarintError)?;
    Ok((raw >> 1).cast_signed() ^ -(raw & 1).cast_signed())
}

/// Reads a signed 64-bit integer.
///
/// # Errors
/// [`VarintError`]; the buffer's position is then undefined.
pub fn get_i64(buffer: &mut impl Buf) -> Result<i64, VarintError> {
    let raw = get_unsigned(buffer, 10)?;
    Ok((raw >> 1).cast_signed() ^ -(raw & 1).cast_signed())
}

fn get_unsigned(buffer: &mut impl Buf, most_bytes: u32) -> Result<u64, VarintError> {
    let mut value = 0u64;
    for index in 0..most_bytes {
        let byte = buffer.try_get_u8().map_err(|_| VarintError)?;
        let bits = u64::from(byte & 0x7f);
        let shift = index * 7;
        if shift == 63 && bits > 1 {
            return Err(VarintError);
        }
        value |= bits << shift;
        if byte & 0x80 == 0 {
            return Ok(value);
        }
    }
    Err(VarintError)
}

/// Writes a signed 32-bit integer.
pub fn put_i32(buffer: &mut impl BufMut, value: i32) {
    put_unsigned(buffer, u64::from(((value << 1) ^ (value >> 31)).cast_unsigned()));
}

/// Writes a signed 64-bit integer.
pub fn put_i64(buffer: &mut impl BufMut, value: i64) {
    put_unsigned(buffer, ((value << 1) ^ (value >> 63)).cast_unsigned());
}

fn put_unsigned(buffer: &mut impl BufMut, mut value: u64) {
    while value >= 0x80 {
        buffer.put_u8((value & 0x7f) as u8 | 0x80);
        value >>= 7;
    }
    buffer.put_u8(value as u8);
}

/// Bytes that [`put_i32`] writes.
pub const fn len_i32(value: i32) -> usize {
    len_unsigned(((value << 1) ^ (value >> 31)).cast_unsigned() as u64)
}

/// Bytes that [`put_i64`] writes.
pub const fn len_i64(value: i64) -> usize {
    len_unsigned(((value << 1) ^ (value >> 63)).cast_unsigned())
}

const fn len_unsigned(value: u64) -> usize {
    let bits = 64 - (value | 1).leading_zeros() as usize;
    bits.div_ceil(7)
}
