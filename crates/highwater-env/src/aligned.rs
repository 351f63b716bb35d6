//! The buffer that O_DIRECT writes take: its address is aligned to [`ALIGNMENT`].
//!
//! Memory is a vector of aligned pages, so growth, drop and zeroing are the standard library's;
//! the two casts between pages and bytes are the only unsafe code. A large buffer is a mapping of its own
//! in huge pages where the system has them: the system takes hold of every page for each transfer, and of
//! every huge page at once (a tenth of the time of a read from a directory), and a copy into it looks up 512
//! times fewer addresses, which a virtual machine pays for twice.

use memmap2::{MmapMut, MmapOptions};

use crate::disk::ALIGNMENT;

/// A huge page on most machines. Buffers of this many bytes and more are mappings of a multiple of it: others
/// the system does not align. (A page is nowhere smaller than [`ALIGNMENT`].)
pub const HUGE_PAGE_BYTES: usize = 2 << 20;

#[derive(Clone, Copy)]
#[repr(C, align(4096))]
struct Page([u8; ALIGNMENT]);

const EMPTY_PAGE: Page = Page([0; ALIGNMENT]);

enum Memory {
    Pages(Vec<Page>),
    Mapped(MmapMut),
}

/// A growable buffer whose address is aligned to [`ALIGNMENT`]. Its capacity is a multiple of the
/// alignment; meant to be reused ([`AlignedBuf::clear`] keeps the memory).
pub struct AlignedBuf {
    memory: Memory,
    len: usize,
}

impl AlignedBuf {
    /// An empty buffer that takes at least `bytes` without growing.
    #[must_use]
    pub fn with_capacity(bytes: usize) -> Self {
        Self { memory: Memory::with_capacity(bytes), len: 0 }
    }

    /// A buffer that holds a copy of `bytes`.
    #[must_use]
    pub fn from_slice(bytes: &[u8]) -> Self {
        let mut buffer = Self::with_capacity(bytes.len());
        buffer.extend_from_slice(bytes);
        buffer
    }

    /// Bytes held.
    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether no bytes are held.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Bytes that fit without growing, a multiple of [`ALIGNMENT`].
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.all().len()
    }

    /// Appends a copy of `bytes`, growing if needed (a growth copies what is held).
    pub fn extend_from_slice(&mut self, bytes: &[u8]) {
        let end = self.len + bytes.len();
        self.reserve_to(end);
        let start = self.len;
        self.all_mut()[start..end].copy_from_slice(bytes);
        self.len = end;
    }

    /// Appends `count` zero bytes.
    pub fn extend_zeros(&mut self, count: usize) {
        let end = self.len + count;
        self.reserve_to(end);
        let start = self.len;
        self.all_mut()[start..end].fill(0);
        self.len = end;
    }

    /// Appends zero bytes up to the next multiple of [`ALIGNMENT`]; returns how many.
    pub fn pad(&mut self) -> usize {
        let padding = self.len.next_multiple_of(ALIGNMENT) - self.len;
        self.extend_zeros(padding);
        padding
    }

    /// Keeps the first `len` bytes; no effect if there are fewer.
    pub fn truncate(&mut self, len: usize) {
        self.len = self.len.min(len);
    }

    /// Drops the first `count` bytes, moving the rest to the (aligned) front; for a writer that
    /// keeps its last, partly filled block.
    pub fn consume_front(&mut self, count: usize) {
        let count = count.min(self.len);
        let end = self.len;
        self.all_mut().copy_within(count..end, 0);
        self.len -= count;
    }

    /// Holds `len` bytes from now on, growing if needed; those that were not held before are
    /// whatever an earlier use left there. For a reader that fills them.
    pub fn set_len(&mut self, len: usize) {
        self.reserve_to(len);
        self.len = len;
    }

    /// Forgets the bytes, keeps the memory.
    pub fn clear(&mut self) {
        self.len = 0;
    }

    /// The bytes held.
    #[must_use]
    pub fn as_slice(&self) -> &[u8] {
        &self.all()[..self.len]
    }

    /// The bytes held, to patch in place.
    #[must_use]
    pub fn as_mut_slice(&mut self) -> &mut [u8] {
        let len = self.len;
        &mut self.all_mut()[..len]
    }

    fn reserve_to(&mut self, bytes: usize) {
        let capacity = self.capacity();
        if bytes > capacity {
            let mut grown = Memory::with_capacity(bytes.max(capacity.saturating_mul(2)));
            grown.as_mut_slice()[..self.len].copy_from_slice(self.as_slice());
            self.memory = grown;
        }
    }

    fn all(&self) -> &[u8] {
        self.memory.as_slice()
    }

    fn all_mut(&mut self) -> &mut [u8] {
        self.memory.as_mut_slice()
    }
}

impl Memory {
    /// Zeros, at least `bytes` of them.
    fn with_capacity(bytes: usize) -> Self {
        let pages = bytes.div_ceil(ALIGNMENT);
        if bytes >= HUGE_PAGE_BYTES
            && let Ok(mapping) = MmapOptions::new().len(bytes.next_multiple_of(HUGE_PAGE_BYTES)).map_anon()
        {
            // A wish: without huge pages it is memory all the same.
            #[cfg(target_os = "linux")]
            let _ = mapping.advise(memmap2::Advice::HugePage);
            return Self::Mapped(mapping);
        }
        Self::Pages(vec![EMPTY_PAGE; pages])
    }

    fn as_slice(&self) -> &[u8] {
        match self {
            // SAFETY: `Page` is `repr(C)` over exactly ALIGNMENT initialised bytes without padding, and
            // the vector's elements are contiguous.
            Self::Pages(pages) => unsafe { std::slice::from_raw_parts(pages.as_ptr().cast(), pages.len() * ALIGNMENT) },
            Self::Mapped(mapping) => mapping,
        }
    }

    fn as_mut_slice(&mut self) -> &mut [u8] {
        match self {
            // SAFETY: as in `as_slice`; the exclusive borrow of `self` makes the bytes exclusive, too.
            Self::Pages(pages) => unsafe {
                std::slice::from_raw_parts_mut(pages.as_mut_ptr().cast(), pages.len() * ALIGNMENT)
            },
            Self::Mapped(mapping) => mapping,
        }
    }
}

impl AsRef<[u8]> for AlignedBuf {
    fn as_ref(&self) -> &[u8] {
        self.as_slice()
    }
}

impl std::fmt::Debug for AlignedBuf {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AlignedBuf").field("len", &self.len).field("capacity", &self.capacity()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn address_capacity_and_padding_are_aligned() {
        let mut buffer = AlignedBuf::with_capacity(1);
        assert_eq!(buffer.capacity(), ALIGNMENT);
        buffer.extend_from_slice(&[7; 5000]);
        assert_eq!(buffer.as_slice().as_ptr().addr() % ALIGNMENT, 0);
        assert_eq!(buffer.pad(), 2 * ALIGNMENT - 5000);
        assert_eq!(buffer.len(), 2 * ALIGNMENT);
        assert!(buffer.as_slice()[5000..].iter().all(|byte| *byte == 0));
        assert_eq!(buffer.pad(), 0);
    }

    #[test]
    fn old_bytes_never_show_in_the_padding_of_a_reused_buffer() {
        let mut buffer = AlignedBuf::from_slice(&[9; ALIGNMENT]);
        buffer.clear();
        buffer.extend_from_slice(b"abc");
        buffer.pad();
        assert_eq!(&buffer.as_slice()[..3], b"abc");
        assert!(buffer.as_slice()[3..].iter().all(|byte| *byte == 0));
    }

    #[test]
    fn growth_into_a_mapping_keeps_what_is_held() {
        let mut buffer = AlignedBuf::from_slice(&[3; 5000]);
        buffer.set_len(HUGE_PAGE_BYTES + 1);
        assert!(matches!(buffer.memory, Memory::Mapped(_)));
        assert_eq!(buffer.as_slice().as_ptr().addr() % ALIGNMENT, 0);
        assert_eq!(buffer.capacity(), 2 * HUGE_PAGE_BYTES);
        assert!(buffer.as_slice()[..5000].iter().all(|byte| *byte == 3));
        assert!(buffer.as_slice()[5000..].iter().all(|byte| *byte == 0));
    }

    #[test]
    fn consuming_the_front_keeps_the_rest_in_order() {
        let mut buffer = AlignedBuf::from_slice(b"0123456789");
        buffer.consume_front(4);
        assert_eq!(buffer.as_slice(), b"456789");
        buffer.consume_front(100);
        assert!(buffer.is_empty());
    }
}
