//! Blocks of one file, read with as little trust as the format asks for.

use std::io;
use std::sync::Arc;

use bytes::Bytes;
use highwater_env::File;
use highwater_format::wal::{
    BLOCK_HEADER_BYTES, BlockHeader, BlockKind, FILE_HEADER_BYTES, Frames, WAL_ALIGNMENT, decode_census,
};

/// Bytes read at a time.
const WINDOW_BYTES: usize = 1 << 20;

/// A reader of the blocks of one generation of a file, up to an end.
pub(super) struct Blocks {
    file: Arc<dyn File>,
    generation: u64,
    salt: u64,
    end: u64,
    window: Bytes,
    window_at: u64,
}

/// Where a file ends whose end no census names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ending {
    /// Everything below was written completely.
    pub(super) end: u64,
    /// Frames announced by the block at `end`, if that has a header.
    pub(super) torn_frames: Option<u32>,
}

impl Blocks {
    /// Nothing at or behind `end` is looked at.
    pub(super) fn new(file: Arc<dyn File>, generation: u64, salt: u64, end: u64) -> Self {
        Self { file, generation, salt, end, window: Bytes::new(), window_at: 0 }
    }

    pub(super) const fn end(&self) -> u64 {
        self.end
    }

    /// Up to `len` bytes at `at`, fewer only at the end.
    async fn bytes(&mut self, at: u64, len: usize) -> io::Result<Bytes> {
        let len = len.min(usize::try_from(self.end.saturating_sub(at)).unwrap_or(usize::MAX));
        let cached = |window: &Bytes, window_at: u64| {
            let skip = usize::try_from(at.checked_sub(window_at)?).ok()?;
            let stop = skip.checked_add(len)?;
            (stop <= window.len()).then(|| window.slice(skip..stop))
        };
        if let Some(bytes) = cached(&self.window, self.window_at) {
            return Ok(bytes);
        }
        let room = usize::try_from(self.end.saturating_sub(at)).unwrap_or(usize::MAX);
        self.window = self.file.read_at(at, len.max(WINDOW_BYTES).min(room)).await?;
        self.window_at = at;
        Ok(self.window.slice(..len.min(self.window.len())))
    }

    /// The block at `at`, if there is a header of this generation that fits before the end; the body
    /// is not checked.
    pub(super) async fn block(&mut self, at: u64) -> io::Result<Option<(BlockHeader, Bytes)>> {
        let bytes = self.bytes(at, BLOCK_HEADER_BYTES).await?;
        let Ok(header) = BlockHeader::decode(&bytes) else {
            return Ok(None);
        };
        let ours = header.generation == self.generation && header.salt == self.salt && header.position == at;
        if !ours || at.checked_add(header.block_bytes()).is_none_or(|end| end > self.end) {
            return Ok(None);
        }
        let body_bytes = usize::try_from(header.body_bytes).unwrap_or(usize::MAX);
        let block = self.bytes(at, BLOCK_HEADER_BYTES.saturating_add(body_bytes)).await?;
        Ok((block.len() == BLOCK_HEADER_BYTES + body_bytes).then(|| (header, block.slice(BLOCK_HEADER_BYTES..))))
    }

    /// The first block at or behind `from` that checks, body and all.
    pub(super) async fn next_good(&mut self, from: u64) -> io::Result<Option<BlockHeader>> {
        let mut at = from;
        while at < self.end {
            if let Some((header, body)) = self.block(at).await?
                && checks(&header, &body)
            {
                return Ok(Some(header));
            }
            at += WAL_ALIGNMENT as u64;
        }
        Ok(None)
    }

    /// Finds the end by the rules of [`highwater_format::wal::block`] for a file that no census
    /// names. Corruption before it is passed over here: the replay meets it again and reports it.
    pub(super) async fn find_end(&mut self) -> io::Result<Ending> {
        let mut at = FILE_HEADER_BYTES as u64;
        'blocks: loop {
            let found = self.block(at).await?;
            if let Some((header, body)) = &found
                && checks(header, body)
            {
                at += header.block_bytes();
                continue;
            }
            let mut from = at + WAL_ALIGNMENT as u64;
            while let Some(later) = self.next_good(from).await? {
                if later.synced_end > at {
                    at = later.position;
                    continue 'blocks;
                }
                from = later.position + later.block_bytes();
            }
            let torn_frames =
                found.filter(|(header, _)| header.kind == BlockKind::Frames).map(|(header, _)| header.count);
            return Ok(Ending { end: at, torn_frames });
        }
    }
}

/// Whether the body is what the header says.
fn checks(header: &BlockHeader, body: &Bytes) -> bool {
    match header.kind {
        BlockKind::Frames => Frames::new(header, body).fault().is_none(),
        BlockKind::Census => decode_census(header, body).is_ok(),
    }
}
