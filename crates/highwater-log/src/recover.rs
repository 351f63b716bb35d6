//! Taking a shard over: fence the journal, fence the manifest, learn what is committed, go on.
//!
//! The order is that of rule 6: fence the data's journal, fence the manifest, read it, walk the
//! chain from its trim point, publish what was found, and only then sequence anything. The local
//! write-ahead log is replayed afterwards, by the engine, since it holds all shards interleaved.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::{Buf, BufMut, Bytes, BytesMut};
use highwater_format::segment::{Footer, Tail};
use highwater_journal::{
    Claim, EntryRef, Journal, JournalOptions, Loaded, SnapshotJournal, TakeOverError, TakenOver, TrimPoint, TrimSource,
    WriteError, Writer,
};
use highwater_store::{Body, BucketTime, ReadRange, StoreError, StoreErrorKind};
use highwater_types::{Epoch, Offset, ShardId};

use crate::engine::Shared;
use crate::flush::seal;
use crate::manifest::{Edit, Manifest, SegmentHead, SegmentRecord, Start, codec};

/// Offsets that a leader may give beyond a partition's committed end while only its own disk has
/// them. A takeover without that disk goes on behind them, so that no offset is given twice. Named
/// in each fence, so that a changed value takes effect with a new one.
pub const OFFSET_RESERVE: i64 = 1 << 20;

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

impl From<TakeOverError> for RecoverError {
    fn from(error: TakeOverError) -> Self {
        match error {
            TakeOverError::Lost { by } => Self::Lost(by),
            TakeOverError::Store(error) => Self::Store(error),
            TakeOverError::Corrupt(error) => Self::Corrupt(error.to_string()),
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

/// What a fence of a shard's journal says besides its epoch: whose it is.
///
/// ```text
/// version u16 (1) | identity u128 | reserve i64, little-endian
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct FenceNote {
    identity: u128,
    reserve: i64,
}

impl FenceNote {
    fn encode(self) -> Bytes {
        let mut out = BytesMut::with_capacity(26);
        out.put_u16_le(1);
        out.put_u128_le(self.identity);
        out.put_i64_le(self.reserve);
        out.freeze()
    }

    fn decode(mut bytes: &[u8]) -> Result<Self, RecoverError> {
        let cut = |_| RecoverError::Corrupt("a fence's note is cut short".into());
        let version = bytes.try_get_u16_le().map_err(cut)?;
        if version != 1 {
            return Err(RecoverError::Corrupt(format!("a fence's note has version {version}: upgrade the broker")));
        }
        Ok(Self { identity: bytes.try_get_u128_le().map_err(cut)?, reserve: bytes.try_get_i64_le().map_err(cut)? })
    }
}

/// Prefix of a shard's data.
pub fn segments_prefix(shard: ShardId) -> String {
    format!("shards/{shard}/wal")
}

fn manifest_prefix(shard: ShardId) -> String {
    format!("shards/{shard}/manifest")
}

/// Where the data's journal was trimmed: what the manifest says (rule 5's proof).
struct ManifestTrims(SnapshotJournal);

#[async_trait]
impl TrimSource for ManifestTrims {
    async fn newest(&self) -> Result<(TrimPoint, BucketTime), StoreError> {
        let broken = |detail: String| StoreError::new(StoreErrorKind::Invalid, "manifest", detail);
        let loaded = self.0.load().await.map_err(|error| broken(error.to_string()))?;
        let date = loaded.date;
        let manifest = replay(loaded).map_err(|error| broken(error.to_string()))?;
        Ok((manifest.trim, date))
    }
}

/// The manifest after a snapshot and the edits behind it.
fn replay(loaded: Loaded) -> Result<Manifest, RecoverError> {
    let corrupt = |what: String| RecoverError::Corrupt(what);
    let mut manifest = match loaded.snapshot {
        Some(snapshot) => codec::decode_snapshot(&snapshot.bytes)
            .map_err(|error| corrupt(format!("manifest snapshot at {}: {error}", snapshot.point.number)))?,
        None => Manifest::default(),
    };
    for (entry, bytes) in &loaded.edits {
        let edit = codec::decode_edit(bytes).map_err(|error| corrupt(format!("{}: {error}", entry.name)))?;
        manifest.apply(&edit).map_err(|error| corrupt(format!("{}: {error}", entry.name)))?;
    }
    Ok(manifest)
}

/// Takes the shard over. Retries nothing: the caller looks at the lease and comes again.
pub async fn take_over(shared: &Shared, shard: ShardId) -> Result<TakenShard, RecoverError> {
    let options = |prefix: String| JournalOptions {
        prefix,
        window: shared.options.window,
        put_deadline: shared.options.put_deadline,
        gc_grace: shared.options.gc_grace,
        hedge: shared.options.paced,
    };
    let note = FenceNote { identity: shared.options.identity, reserve: OFFSET_RESERVE }.encode();
    let new_snapshots = || {
        let (env, store) = (shared.env.clone(), Arc::clone(&shared.store));
        SnapshotJournal::new(env, store, shared.incarnation, options(manifest_prefix(shard)))
    };
    let snapshots = new_snapshots();
    let journal = Journal::new(
        shared.env.clone(),
        Arc::clone(&shared.store),
        shared.incarnation,
        options(segments_prefix(shard)),
    );
    let trims = Arc::new(ManifestTrims(new_snapshots()));
    let data = journal.take_over(trims, Claim::Next, note.clone()).await?;
    let epoch = data.writer.epoch();
    let fenced = snapshots.take_over(epoch, note).await?;
    let loaded = Loaded {
        snapshot: fenced.snapshot,
        edits: fenced.edits,
        fences: Vec::new(),
        end: data.from,
        date: BucketTime(0),
    };
    let mut manifest = replay(loaded)?;
    let found = read_chain(shared, &manifest, &data.chain).await?;
    for record in &found {
        manifest.apply_segment(record).map_err(|error| RecoverError::Corrupt(error.to_string()))?;
    }
    // A topic that is missing after this was deleted: ids never come back, creation precedes use.
    shared.meta.refresh().await?;
    let lineage = Lineage::of(shared.options.identity, &manifest, &data)?;
    let starts = lineage.starts(shared, shard, &manifest);
    let edit = Edit {
        trim: data.writer.point(),
        owner: shared.options.identity,
        since: lineage.since,
        segments: found,
        removed: Vec::new(),
        starts,
    };
    manifest.apply_marks(&edit).map_err(|error| RecoverError::Corrupt(error.to_string()))?;
    let edits = fenced.taken.writer;
    let bytes = codec::encode_edit(&edit);
    let crc = crc32c::crc32c(&bytes);
    // Durable before anything is sequenced: the gap that it may name must never be forgotten.
    let committed = edits.append(Body::from(bytes), Some(crc), Bytes::new()).await?.await?;
    data.writer.prove(committed.date);
    Ok(TakenShard { epoch, since: lineage.since, manifest, segments: data.writer, edits, snapshots })
}

/// What the segments behind the manifest's trim point hold, from their footers.
async fn read_chain(
    shared: &Shared,
    manifest: &Manifest,
    chain: &[EntryRef],
) -> Result<Vec<SegmentRecord>, RecoverError> {
    let mut records = Vec::with_capacity(chain.len());
    // The manifest may have moved on between the walk and its fence.
    let news = |entry: &&EntryRef| {
        entry.number >= manifest.trim.number && manifest.last_segment.is_none_or(|last| entry.number > last)
    };
    for entry in chain.iter().filter(news) {
        let footer = read_footer(shared, entry).await?;
        let head = SegmentHead {
            number: entry.number,
            epoch: entry.epoch,
            etag: entry.etag.clone(),
            size: entry.size,
            payload_at: entry.payload_at,
        };
        records.push(seal::record(head, &footer));
    }
    Ok(records)
}

async fn read_footer(shared: &Shared, entry: &EntryRef) -> Result<Footer, RecoverError> {
    let mut bytes = FOOTER_GUESS_BYTES.min(entry.size);
    loop {
        let tail = shared.store.read(&entry.name, ReadRange::Suffix(bytes), Some(&entry.etag)).await?;
        match Footer::from_tail(&tail.bytes) {
            Ok(Tail::Whole(footer)) => return Ok(footer),
            Ok(Tail::NeedMore { bytes: needed }) if needed as u64 > bytes && needed as u64 <= entry.size => {
                bytes = needed as u64;
            }
            Ok(Tail::NeedMore { .. }) => {
                return Err(RecoverError::Corrupt(format!("{}: the footer is longer than the object", entry.name)));
            }
            Err(error) => return Err(RecoverError::Corrupt(format!("{}: {error}", entry.name))),
        }
    }
}

/// Who led before us, and since when nobody else did.
struct Lineage {
    since: Epoch,
    /// Offsets that another leader may have given without the bucket knowing; 0 if none did.
    reserve: i64,
}

impl Lineage {
    fn of(identity: u128, manifest: &Manifest, data: &TakenOver) -> Result<Self, RecoverError> {
        let mut owner = manifest.owner;
        let mut since = manifest.since;
        let mut reserve = OFFSET_RESERVE;
        for fence in data.fences.iter().filter(|fence| fence.number >= manifest.trim.number) {
            let note = FenceNote::decode(&fence.attributes)?;
            reserve = note.reserve;
            if note.identity != owner {
                owner = note.identity;
                since = fence.epoch;
            }
        }
        let first_ever = data.ended.epoch == Epoch::NONE;
        let ours = owner == identity;
        Ok(Self {
            since: if ours { since } else { data.writer.epoch() },
            reserve: if ours || first_ever { 0 } else { reserve },
        })
    }

    /// Where partitions go on whose last offsets only another broker's disk knows.
    fn starts(&self, shared: &Shared, shard: ShardId, manifest: &Manifest) -> Vec<Start> {
        if self.reserve == 0 {
            return Vec::new();
        }
        let end = |tp| manifest.partitions.get(&tp).map_or(0, |partition| partition.log_end);
        let partitions = shared.partitions_of(shard).into_iter();
        let local = partitions.filter(|(_, settings)| settings.durability.uses_wal());
        local.map(|(tp, _)| Start { tp, next_offset: Offset::saturating_add(end(tp), self.reserve) }).collect()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    #[test]
    fn a_fence_note_reads_back_and_refuses_the_rest() {
        let note = FenceNote { identity: 7 << 100, reserve: 5 };
        assert_eq!(FenceNote::decode(&note.encode()).unwrap(), note);
        assert!(FenceNote::decode(&note.encode()[..10]).is_err());
        assert!(FenceNote::decode(&[2, 0, 0]).is_err());
    }
}
