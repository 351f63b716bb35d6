//! A file of the write-ahead log in words: blocks, frames, and where what counts ends.
//!
//! The rules are those of [`crate::wal::block`] for a file that no later census names. Of an older
//! file, the census of a newer one decides where it ends: that one is described, not followed.

use bytes::Bytes;

use crate::describe::{Field, Look, Sink, Value, batch};
use crate::wal::{
    BLOCK_HEADER_BYTES, BlockHeader, BlockKind, FILE_HEADER_BYTES, FileHeader, FileState, Frame, Frames, WAL_ALIGNMENT,
    decode_census,
};

const MAGIC: &[u8] = b"HWATWAL";

/// Whether this is a file of the log: by its magic, or by a first block where its header has rotted.
#[must_use]
pub fn is_wal(file: &[u8]) -> bool {
    file.starts_with(MAGIC) || first_block(file).is_some()
}

fn first_block(file: &[u8]) -> Option<BlockHeader> {
    let header = BlockHeader::decode(file.get(FILE_HEADER_BYTES..)?).ok()?;
    (header.position == FILE_HEADER_BYTES as u64).then_some(header)
}

/// What marks the blocks of a file's present life.
#[derive(Clone, Copy)]
struct Life {
    generation: u64,
    salt: u64,
}

/// Describes the whole file.
pub fn describe(file: &Bytes, look: &Look, sink: &mut dyn Sink) {
    let life = match FileHeader::decode(file) {
        Ok(header) => {
            sink.item(0, "wal", &header_fields(&header));
            if header.file_bytes > file.len() as u64 {
                let what = format!("the file has {} bytes and was made with {}", file.len(), header.file_bytes);
                sink.damage(file.len() as u64..header.file_bytes, &what);
            }
            Life { generation: header.generation, salt: header.salt }
        }
        Err(error) => {
            let what = format!("file header: {error}");
            sink.damage(0..file.len().min(FILE_HEADER_BYTES) as u64, &what);
            let Some(first) = first_block(file) else { return };
            let said = [("generation", first.generation.into()), ("salt", Value::Id(first.salt))];
            sink.item(0, "wal", &said);
            Life { generation: first.generation, salt: first.salt }
        }
    };
    Walk { file, life, look, next_seq: None }.run(sink);
}

fn header_fields(header: &FileHeader) -> [Field; 5] {
    let state = match header.state {
        FileState::Live => "live",
        FileState::Released => "released",
        FileState::Side => "side",
    };
    [
        ("state", state.into()),
        ("generation", header.generation.into()),
        ("salt", Value::Id(header.salt)),
        ("file_bytes", header.file_bytes.into()),
        ("written_ms", header.written_ms.into()),
    ]
}

/// The blocks of one life of a file.
struct Walk<'a> {
    file: &'a Bytes,
    life: Life,
    look: &'a Look,
    /// Sequence that comes next, once one is known.
    next_seq: Option<u64>,
}

impl Walk<'_> {
    fn run(&mut self, sink: &mut dyn Sink) {
        let mut at = FILE_HEADER_BYTES;
        while at < self.file.len() {
            let found = self.block(at);
            if let Some((header, body)) = &found
                && checks(header, body)
            {
                self.describe_block(header, body, sink);
                at += block_bytes(header);
                continue;
            }
            let Some(later) = self.synced_behind(at) else {
                self.describe_end(at, found.as_ref(), sink);
                return;
            };
            // It was synced once: bytes have changed. Frames before the change are whole.
            let good = found.as_ref().map_or(0, |(header, body)| self.describe_block(header, body, sink));
            let from = if good == 0 { at } else { at + BLOCK_HEADER_BYTES + good };
            let next = usize::try_from(later.position).unwrap_or(usize::MAX);
            let lost = match self.next_seq.zip(later.first_seq.checked_sub(1)) {
                Some((first, last)) if first <= last => format!("sequences {first}..={last}"),
                _ => format!("sequences before {}", later.first_seq),
            };
            sink.damage(from as u64..next as u64, &format!("synced blocks do not check: {lost} are lost"));
            at = next;
        }
        if at >= self.file.len() {
            let said = [("valid_bytes", at.into()), ("why", "the file is full".into())];
            sink.item(1, "end", &said);
        }
    }

    /// The block at `at`, if there is a header of this life whose body fits into the file.
    fn block(&self, at: usize) -> Option<(BlockHeader, Bytes)> {
        let header = BlockHeader::decode(self.file.get(at..)?).ok()?;
        let ours =
            (header.generation, header.salt, header.position) == (self.life.generation, self.life.salt, at as u64);
        let start = at + BLOCK_HEADER_BYTES;
        let end = start.checked_add(usize::try_from(header.body_bytes).ok()?)?;
        (ours && end <= self.file.len()).then(|| (header, self.file.slice(start..end)))
    }

    /// The first block behind `at` that checks and says that `at` had been synced.
    fn synced_behind(&self, at: usize) -> Option<BlockHeader> {
        let mut from = at + WAL_ALIGNMENT;
        while from < self.file.len() {
            match self.block(from) {
                Some((header, body)) if checks(&header, &body) => {
                    if header.synced_end > at as u64 {
                        return Some(header);
                    }
                    from += block_bytes(&header);
                }
                _ => from += WAL_ALIGNMENT,
            }
        }
        None
    }

    /// Describes a block and its frames up to the first that does not check; gives how many bytes of
    /// its body those take.
    fn describe_block(&mut self, header: &BlockHeader, body: &Bytes, sink: &mut dyn Sink) -> usize {
        let end = header.position + header.block_bytes();
        let said = [
            ("number", header.number.into()),
            ("bytes", Value::Bytes(header.position..end)),
            ("first_seq", header.first_seq.into()),
            ("count", header.count.into()),
            ("synced_end", header.synced_end.into()),
        ];
        let kind = match header.kind {
            BlockKind::Frames => "block",
            BlockKind::Census => "census",
        };
        sink.item(1, kind, &said);
        if header.kind == BlockKind::Census {
            for entry in decode_census(header, body).unwrap_or_default() {
                let said = [("generation", entry.generation.into()), ("trusted_end", entry.trusted_end.into())];
                sink.item(2, "counts", &said);
            }
            return 0;
        }
        let mut at = 0;
        for frame in Frames::new(header, body).map_while(Result::ok) {
            let start = header.position + (BLOCK_HEADER_BYTES + at) as u64;
            self.describe_frame(&frame, start, sink);
            at += crate::wal::frame_bytes(&frame.batch);
            self.next_seq = Some(frame.seq.wrapping_add(1));
        }
        at
    }

    fn describe_frame(&self, frame: &Frame, at: u64, sink: &mut dyn Sink) {
        let bytes = crate::wal::frame_bytes(&frame.batch) as u64;
        let mut said: Vec<Field> = vec![("seq", frame.seq.into()), ("bytes", Value::Bytes(at..at + bytes))];
        said.push(("shard", frame.header.shard.0.into()));
        said.push(("epoch", frame.header.epoch.0.into()));
        said.extend(self.look.partition(frame.header.tp));
        said.extend(batch::fields(&frame.batch.header()));
        sink.item(2, "frame", &said);
        if self.look.records {
            batch::records(&frame.batch, at..at + bytes, 3, sink);
        }
    }

    /// Where the log ends in this file, and why there.
    fn describe_end(&self, at: usize, found: Option<&(BlockHeader, Bytes)>, sink: &mut dyn Sink) {
        let why = match (found, self.file.get(at..).map(BlockHeader::decode)) {
            (Some((header, _)), _) => format!("a write of {} frames was cut off", header.count),
            (None, Some(Ok(header))) if header.generation != self.life.generation => {
                format!("behind it lies an earlier life of the file, generation {}", header.generation)
            }
            (None, Some(Ok(_))) => "a write that the file's end cut off".to_owned(),
            (None, _) if self.file[at..].iter().all(|byte| *byte == 0) => "nothing was written behind it".to_owned(),
            (None, _) => "no block begins here, and none behind it says that one did".to_owned(),
        };
        let said = [("valid_bytes", at.into()), ("why", why.into())];
        sink.item(1, "end", &said);
    }
}

fn block_bytes(header: &BlockHeader) -> usize {
    usize::try_from(header.block_bytes()).unwrap_or(usize::MAX)
}

fn checks(header: &BlockHeader, body: &Bytes) -> bool {
    match header.kind {
        BlockKind::Frames => Frames::new(header, body).fault().is_none(),
        BlockKind::Census => decode_census(header, body).is_ok(),
    }
}
