//! Files that are written whole: their chunks, cut into the pieces of direct writes.

use std::sync::Arc;

use bytes::Bytes;

/// Bytes of one write of a file that is written whole: large enough to cost few calls, small enough for its
/// buffer to stay in the processor's cache.
pub const PIECE_BYTES: usize = 512 * 1024;

/// Chunks on their way into buffers.
pub(crate) struct Pieces {
    chunks: Arc<[Bytes]>,
    chunk: usize,
    /// Bytes of that chunk that are taken.
    taken: usize,
}

impl Pieces {
    pub(crate) fn new(chunks: Arc<[Bytes]>) -> Self {
        Self { chunks, chunk: 0, taken: 0 }
    }

    /// Bytes of all chunks.
    pub(crate) fn total(&self) -> u64 {
        self.chunks.iter().map(|chunk| chunk.len() as u64).sum()
    }

    /// Copies what comes next until `into` is full; gives how much, less only at the end.
    pub(crate) fn fill(&mut self, into: &mut [u8]) -> usize {
        let mut filled = 0;
        while filled < into.len()
            && let Some(chunk) = self.chunks.get(self.chunk)
        {
            let count = (chunk.len() - self.taken).min(into.len() - filled);
            into[filled..filled + count].copy_from_slice(&chunk[self.taken..self.taken + count]);
            filled += count;
            self.taken += count;
            if self.taken == chunk.len() {
                self.chunk += 1;
                self.taken = 0;
            }
        }
        filled
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_are_the_concatenation_however_they_are_cut() {
        let chunks: Vec<Bytes> = [&b"abc"[..], b"", b"defgh", b"i"].map(Bytes::from_static).into();
        for size in 1..12 {
            let mut pieces = Pieces::new(chunks.clone().into());
            assert_eq!(pieces.total(), 9);
            let mut all = Vec::new();
            let mut piece = vec![0; size];
            loop {
                let filled = pieces.fill(&mut piece);
                all.extend_from_slice(&piece[..filled]);
                if filled < size {
                    break;
                }
            }
            assert_eq!(all, b"abcdefghi", "{size}");
        }
    }
}
