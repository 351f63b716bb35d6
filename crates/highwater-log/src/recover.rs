//! Taking a shard over: fence the journal, fence the manifest, learn what is committed, go on.
//!
//! The order is that of rule 6: fence the data's journal, fence the manifest, read it, walk the
//! chain from its trim point, publish what was found, and only then sequence anything. The local
//! write-ahead log is replayed afterwards, by the engine, since it holds all shards interleaved.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use highwater_env::marks::{is_off, met, underway};
use highwater_format::segment::{Footer, Tail as FooterTail};
use highwater_journal::{
    Claim, EntryRef, Journal, JournalOptions, Loaded, SnapshotJournal, TakeOverError, TrimPoint, TrimSource,
    WriteError, Writer,
};
use highwater_store::{Body, BucketTime, ReadRange, StoreError, StoreErrorKind};
use highwater_types::{Epoch, Offset, ShardId};

use crate::flush::seal;
use crate::manifest::segment::flushed_prefix;
use crate::manifest::{Edit, Manifest, SegmentHead, SegmentRecord, Start, codec};
use crate::shared::{OFFSET_RESERVE, Shared, manifest_prefix};

/// A takeover lists what it found in edits of about this size.
const EDIT_BYTES: usize = 4 << 20;

/// First read of a segment's end: nearly always the whole footer.
const FOOTER_GUESS_BYTES: u64 = 64 << 10;

/// A shard that this broker leads, before anything is sequenced.
pub struct TakenShard {
    pub epoch: Epoch,
    /// First epoch since which no other broker has led: our own frames from there on may be
    /// replayed.
    pub since: Epoch,
    pub manifest: Manifest,
    pub segments: Writer,
    pub edits: Writer,
    pub snapshots: SnapshotJournal,
    /// The chain of the shard's data.
    pub journal: Journal,
    /// The bucket's date of the edit that ended the takeover.
    pub taken_at: BucketTime,
}

/// Why a shard was not taken over.
#[derive(Debug, thiserror::Error)]
pub enum RecoverError {
    /// Another broker was faster: look at the lease, try again later.
    #[error("another broker took the shard over in epoch {0}")]
    Lost(Epoch),
    /// The bucket did not answer as needed: try again later.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The cluster's metadata could not be read: try again later.
    #[error(transparent)]
    Meta(#[from] highwater_meta::MetaError),
    /// What is in the bucket contradicts itself: a person has to look.
    #[error("{0}")]
    Corrupt(String),
}

impl RecoverError {
    /// What went wrong with a journal; corruption names the object.
    fn of(journal: &Journal, error: TakeOverError) -> Self {
        match error {
            TakeOverError::Lost { by } => Self::Lost(by),
            TakeOverError::Store(error) if error.kind == StoreErrorKind::Damaged => Self::Corrupt(error.to_string()),
            TakeOverError::Store(error) => Self::Store(error),
            TakeOverError::Corrupt(error) => Self::Corrupt(format!("{}: {error}", journal.name(error.number()))),
            TakeOverError::TooLarge(what) => Self::Corrupt(what),
        }
    }
}

impl From<WriteError> for RecoverError {
    fn from(error: WriteError) -> Self {
        match error {
            WriteError::Deposed { by } => Self::Lost(by.unwrap_or(Epoch::NONE)),
            other => Self::Corrupt(other.to_string()),
        }
    }
}

/// Whose tail it was that the new leader goes on from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tail {
    /// Our disk may hold what the bucket does not: it will be replayed if nobody else led.
    Kept,
    /// It was set aside: as after another broker.
    SetAside,
}

/// Where the data's journal was trimmed: what the manifest says (rule 5's proof).
struct ManifestTrims(SnapshotJournal);

#[async_trait]
impl TrimSource for ManifestTrims {
    async fn newest(&self) -> Result<(TrimPoint, BucketTime), StoreError> {
        let loaded = self.0.load().await.map_err(|error| self.0.as_store_error(error))?;
        let date = loaded.date;
        let damaged = |error: RecoverError| StoreError::new(StoreErrorKind::Damaged, "manifest", error.to_string());
        let manifest = replay(loaded).map_err(damaged)?;
        Ok((manifest.trim, date))
    }
}

/// The manifest after a snapshot and the edits behind it.
pub fn replay(loaded: Loaded) -> Result<Manifest, RecoverError> {
    let corrupt = |what: String| RecoverError::Corrupt(what);
    let mut manifest = match loaded.snapshot {
        Some(snapshot) => {
            codec::decode_snapshot(&snapshot.bytes).map_err(|error| corrupt(format!("{}: {error}", snapshot.name)))?
        }
        None => Manifest::default(),
    };
    for (entry, bytes) in &loaded.edits {
        let edit = codec::decode_edit(bytes).map_err(|error| corrupt(format!("{}: {error}", entry.name)))?;
        manifest.apply(&edit).map_err(|error| corrupt(format!("{}: {error}", entry.name)))?;
    }
    Ok(manifest)
}

/// Takes the shard over. Retries nothing: the caller looks at the lease and comes again.
pub async fn take_over(shared: &Shared, shard: ShardId, tail: Tail) -> Result<TakenShard, RecoverError> {
    let options = |prefix: String| JournalOptions {
        prefix,
        window: shared.options.window,
        put_deadline: shared.options.put_deadline,
        gc_grace: shared.options.gc_grace,
        hedge: shared.options.paced,
        metrics: shared.options.metrics.journal.clone(),
    };
    let new_snapshots = || {
        let (env, store) = (shared.env.clone(), Arc::clone(&shared.store));
        SnapshotJournal::new(env, store, shared.incarnation, options(manifest_prefix(shard)))
    };
    let snapshots = new_snapshots();
    let journal =
        Journal::new(shared.env.clone(), Arc::clone(&shared.store), shared.incarnation, options(flushed_prefix(shard)));
    let trims = Arc::new(ManifestTrims(new_snapshots()));
    let fence = underway("cut-off-in-first-fence");
    let data = journal.take_over(trims, Claim::Next, Bytes::new()).await;
    fence.done();
    let data = data.map_err(|error| RecoverError::of(&journal, error))?;
    let epoch = data.writer.epoch();
    let fence = underway("cut-off-between-fences");
    let fenced = snapshots.take_over(epoch, Bytes::new()).await;
    fence.done();
    let fenced = fenced.map_err(|error| RecoverError::of(snapshots.log(), error))?;
    let loaded = Loaded {
        snapshot: fenced.snapshot,
        edits: fenced.edits,
        fences: Vec::new(),
        end: data.from,
        date: BucketTime(0),
    };
    let mut manifest = replay(loaded)?;
    let publication = underway("cut-off-before-publication");
    let found = read_chain(shared, &manifest, &data.chain).await?;
    // A topic that is missing after this was deleted: ids never come back, creation precedes use.
    shared.meta.refresh().await?;
    let before = Lineage { owner: manifest.owner, since: manifest.since, reserve: manifest.reserve };
    let lineage = before.next(shared.options.identity, epoch, tail);
    let edits = fenced.taken.writer;
    let mut left = found.into_iter().peekable();
    let committed = loop {
        let mut bytes = 0;
        let mut segments = Vec::new();
        while let Some(record) = left.next_if(|_| bytes < EDIT_BYTES) {
            manifest.apply_segment(&record).map_err(|error| RecoverError::Corrupt(error.to_string()))?;
            bytes += record.encoded_bytes();
            segments.push(record);
        }
        let last = left.peek().is_none();
        // Who leads, and from where to walk, change with the last one: it alone ends the takeover.
        let said = if last { lineage } else { before };
        let edit = Edit {
            trim: if last { data.writer.point() } else { manifest.trim },
            owner: said.owner,
            since: said.since,
            reserve: said.reserve,
            segments,
            removed: Vec::new(),
            starts: if last { before.starts(&lineage, shared, shard, &manifest) } else { Vec::new() },
            log_starts: Vec::new(),
            compacted: Vec::new(),
        };
        manifest.apply_marks(&edit).map_err(|error| RecoverError::Corrupt(error.to_string()))?;
        let bytes = codec::encode_edit(&edit);
        let crc = crc32c::crc32c(&bytes);
        // Durable before anything is sequenced: the gap that it may name must never be forgotten.
        let committed = edits.append(Body::from(bytes), Some(crc), Bytes::new()).await?.await?;
        if last {
            break committed;
        }
    };
    data.writer.prove(committed.date);
    publication.done();
    Ok(TakenShard {
        epoch,
        since: lineage.since,
        manifest,
        segments: data.writer,
        edits,
        snapshots,
        journal,
        taken_at: committed.date,
    })
}

/// What the segments behind the manifest's trim point hold, from their footers.
async fn read_chain(
    shared: &Shared,
    manifest: &Manifest,
    chain: &[EntryRef],
) -> Result<Vec<SegmentRecord>, RecoverError> {
    let mut records = Vec::with_capacity(chain.len());
    // The manifest may have moved on between the walk and its fence.
    let news = |entry: &&EntryRef| manifest.last_segment.is_none_or(|last| entry.number > last);
    for entry in chain.iter().filter(news) {
        let footer = read_footer(shared, entry).await?;
        let head = SegmentHead::flushed(entry.number, entry.epoch, entry.etag.clone(), entry.size, entry.payload_at);
        records.push(seal::record(head, &footer));
    }
    Ok(records)
}

async fn read_footer(shared: &Shared, entry: &EntryRef) -> Result<Footer, RecoverError> {
    let mut bytes = FOOTER_GUESS_BYTES.min(entry.size);
    loop {
        let tail = shared.store.read(&entry.name, ReadRange::Suffix(bytes), Some(&entry.etag)).await?;
        match Footer::from_tail(&tail.bytes) {
            Ok(FooterTail::Whole(footer)) => return Ok(footer),
            Ok(FooterTail::NeedMore { bytes: needed }) if needed as u64 > bytes && needed as u64 <= entry.size => {
                bytes = needed as u64;
            }
            Ok(FooterTail::NeedMore { .. }) => {
                return Err(RecoverError::Corrupt(format!("{}: the footer is longer than the object", entry.name)));
            }
            Err(error) => return Err(RecoverError::Corrupt(format!("{}: {error}", entry.name))),
        }
    }
}

/// Who sequences, since when alone, and how far beyond what the bucket knows.
///
/// The manifest says who *sequenced* last, since a takeover publishes itself there before it
/// sequences anything; fences of takeovers that came to nothing do not matter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Lineage {
    owner: u128,
    since: Epoch,
    reserve: i64,
}

impl Lineage {
    /// After a takeover by `identity`, in `epoch`.
    fn next(self, identity: u128, epoch: Epoch, tail: Tail) -> Self {
        let ours = self.owner == identity && tail == Tail::Kept;
        Self { owner: identity, since: if ours { self.since } else { epoch }, reserve: OFFSET_RESERVE }
    }

    /// Where partitions go on whose last offsets only the former leader's disk knows.
    ///
    /// Those of topics that use the write-ahead log now, or did when they were last flushed. (A
    /// partition that was never flushed, whose topic left the write-ahead log in the second
    /// before its leader died for good, is taken for one that never used it.)
    fn starts(self, next: &Self, shared: &Shared, shard: ShardId, manifest: &Manifest) -> Vec<Start> {
        let same_tail = next.since == self.since && next.owner == self.owner;
        if self.owner == 0 || same_tail || is_off("offset-reserve") {
            return Vec::new();
        }
        met("gap-left-by-takeover");
        let known = |tp| manifest.partitions.get(&tp).map_or((0, false), |known| (known.log_end, known.reserved));
        let partitions = shared.partitions_of(shard).into_iter();
        let given = partitions.filter(|(tp, settings)| settings.durability.uses_wal() || known(*tp).1);
        given.map(|(tp, _)| Start { tp, next_offset: Offset::saturating_add(known(tp).0, self.reserve) }).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FORMER: Lineage = Lineage { owner: 7, since: Epoch(3), reserve: OFFSET_RESERVE };

    #[test]
    fn only_who_sequenced_last_keeps_its_lineage() {
        assert_eq!(FORMER.next(7, Epoch(9), Tail::Kept).since, Epoch(3));
        assert_eq!(FORMER.next(7, Epoch(9), Tail::SetAside).since, Epoch(9));
        let other = FORMER.next(8, Epoch(9), Tail::Kept);
        assert_eq!((other.owner, other.since), (8, Epoch(9)));
    }
}
