//! Bounded big-endian reads: nothing is read past the end, nothing is allocated by a length that
//! the bytes at hand do not cover.

/// What is left to read.
pub(crate) struct Cursor<'a> {
    rest: &'a [u8],
}

impl<'a> Cursor<'a> {
    pub(crate) const fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    /// Bytes not read yet.
    pub(crate) const fn left(&self) -> usize {
        self.rest.len()
    }

    /// The next `N` bytes, or `None` if there are fewer.
    pub(crate) fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (head, rest) = self.rest.split_first_chunk::<N>()?;
        self.rest = rest;
        Some(*head)
    }

    pub(crate) fn u8(&mut self) -> Option<u8> {
        self.array::<1>().map(|[byte]| byte)
    }

    pub(crate) fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_be_bytes)
    }

    pub(crate) fn u64(&mut self) -> Option<u64> {
        self.array().map(u64::from_be_bytes)
    }

    pub(crate) fn i16(&mut self) -> Option<i16> {
        self.array().map(i16::from_be_bytes)
    }

    pub(crate) fn i32(&mut self) -> Option<i32> {
        self.array().map(i32::from_be_bytes)
    }

    pub(crate) fn i64(&mut self) -> Option<i64> {
        self.array().map(i64::from_be_bytes)
    }

    /// A 32-bit count of things of at least `least_bytes` each, refused if they cannot all be in
    /// what is left.
    pub(crate) fn count(&mut self, least_bytes: usize) -> Option<usize> {
        let count = usize::try_from(self.u32()?).ok()?;
        (count.checked_mul(least_bytes)? <= self.left()).then_some(count)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    #[test]
    fn a_count_is_held_against_what_is_left() {
        let mut bytes = vec![0, 0, 0, 3];
        bytes.extend([0; 11]);
        assert_eq!(Cursor::new(&bytes).count(4), None);
        bytes.push(0);
        assert_eq!(Cursor::new(&bytes).count(4), Some(3));
        assert_eq!(Cursor::new(&[0xff; 8]).count(usize::MAX), None);
        assert_eq!(Cursor::new(&[0; 3]).u32(), None);
        assert_eq!(Cursor::new(&[0, 1, 2, 3]).u32().unwrap(), 0x0001_0203);
    }
}
