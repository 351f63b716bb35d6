//! A walk through a bucket that takes nothing on trust: every object that the manifests name is read and
//! checked, and every name in the bucket is accounted for. It only reads; brokers may be at work.
//!
//! What a broker changes meanwhile is no finding: a manifest is read after the names were listed, so
//! what it names exists, and what the list has beyond it is a tail that the next edit will name. A segment
//! that is gone when its turn comes is looked up in the manifest again: its records may have gone, too.
//!
//! [`objects`]: everything else (manifests, metadata, leases), one object at a time.

mod objects;

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use futures::StreamExt;
use highwater_env::Env;
use highwater_format::entry::{EntryHeader, EntryKind, payload_crc};
use highwater_format::segment::{self, Footer};
use highwater_journal::{JournalOptions, SnapshotJournal};
use highwater_store::{Etag, ReadRange, Store, StoreError, StoreErrorKind};
use highwater_types::{Epoch, Incarnation, ShardId, TopicPartition};

use crate::manifest::{Located, Manifest, SegmentHead, SegmentId};
use crate::read::block::Block;
use crate::recover::replay;
use crate::shared::manifest_prefix;

/// Segments that are read at the same time.
const AT_ONCE: usize = 4;
/// Names of one page of a listing.
const PAGE: usize = 1_000;
/// Larger than any object that is read whole here.
const OBJECT_LIMIT: u64 = 1 << 30;

/// Something that is not as it should be. Everything else goes on being served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The object, or the names below it.
    pub object: String,
    /// The bytes of it that are affected, if not all of it.
    pub bytes: Option<Range<u64>>,
    /// What is wrong, and which records it affects.
    pub what: String,
}

/// What a walk has seen.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verified {
    /// Shards with data.
    pub shards: u64,
    /// Partitions with records.
    pub partitions: u64,
    /// Segments that manifests name, and their bytes: all of them were read.
    pub segments: u64,
    /// Those bytes.
    pub bytes: u64,
    /// Gaps between the offsets of a partition: what takeovers without the old disk leave.
    pub gaps: u64,
    /// Objects behind the manifests: the next edit names them.
    pub tail: u64,
    /// Objects that no manifest needs any more; they wait to be deleted.
    pub unneeded: u64,
    /// Their bytes.
    pub unneeded_bytes: u64,
    /// Objects of manifests, metadata and leases, and those behind the manifests: all of them were read.
    pub objects: u64,
    /// What is wrong.
    pub findings: Vec<Finding>,
}

/// Walks the whole bucket; `progress` is told after each segment.
///
/// # Errors
/// When the bucket cannot be listed. What cannot be read is a finding.
pub async fn verify(
    env: &Env,
    store: &Arc<dyn Store>,
    mut progress: impl FnMut(&Verified),
) -> Result<Verified, StoreError> {
    let mut verified = Verified::default();
    let (shards, others) = list(&**store, &mut verified).await?;
    objects::check(store, others, &mut verified).await;
    progress(&verified);
    for (shard, names) in shards {
        verified.shards += 1;
        match manifest(env, store, shard).await {
            Ok(first) => {
                let gone = check_shard(store, shard, &first, names, &mut verified, &mut progress).await;
                if !gone.is_empty() {
                    let again = manifest(env, store, shard).await;
                    verified.findings.extend(still_needed(gone, again.as_ref().ok()));
                }
            }
            Err(what) => {
                verified.find(manifest_prefix(shard), None, format!("{what}: none of the shard can be served"))
            }
        }
    }
    Ok(verified)
}

impl Verified {
    fn find(&mut self, object: String, bytes: Option<Range<u64>>, what: String) {
        self.findings.push(Finding { object, bytes, what });
    }
}

/// The segments of a shard, and their sizes.
type Names = BTreeMap<SegmentId, u64>;

/// Every name of the bucket: those of segments by shard, and the others; a name that is none of ours is a
/// finding.
async fn list(
    store: &dyn Store,
    verified: &mut Verified,
) -> Result<(BTreeMap<ShardId, Names>, Vec<String>), StoreError> {
    let mut shards: BTreeMap<ShardId, Names> = BTreeMap::new();
    let mut others = Vec::new();
    let mut after: Option<String> = None;
    loop {
        let page = store.list("", after.as_deref(), PAGE).await?;
        for object in &page.objects {
            match place(&object.name) {
                Some(Place::Segment(shard, segment)) => {
                    shards.entry(shard).or_default().insert(segment, object.size);
                }
                Some(Place::Manifest(shard)) => {
                    shards.entry(shard).or_default();
                    others.push(object.name.clone());
                }
                Some(Place::Other) => others.push(object.name.clone()),
                Some(Place::Lock) => {}
                None => verified.find(object.name.clone(), None, "a name that no broker gives".to_owned()),
            }
        }
        after = page.objects.last().map(|object| object.name.clone());
        if !page.more || after.is_none() {
            return Ok((shards, others));
        }
    }
}

enum Place {
    Segment(ShardId, SegmentId),
    Manifest(ShardId),
    /// Metadata and leases.
    Other,
    /// A directory's lock, as `highwater-lease` names it.
    Lock,
}

fn place(name: &str) -> Option<Place> {
    if name == "LOCK" {
        return Some(Place::Lock);
    }
    let (folder, below) = name.split_once('/')?;
    match folder {
        "meta" | "leases" => Some(Place::Other),
        "shards" => {
            let (shard, below) = below.split_once('/')?;
            let id = ShardId(shard.parse().ok()?);
            let entry = below.strip_prefix("manifest/log/").or_else(|| below.strip_prefix("manifest/snap/"));
            match entry {
                Some(number) if number.len() == 20 => number.parse::<u64>().ok().map(|_| Place::Manifest(id)),
                Some(_) => None,
                None => SegmentId::of_name(below).map(|segment| Place::Segment(id, segment)),
            }
        }
        _ => None,
    }
}

async fn manifest(env: &Env, store: &Arc<dyn Store>, shard: ShardId) -> Result<Manifest, String> {
    let options = JournalOptions::new(manifest_prefix(shard));
    let journal = SnapshotJournal::new(env.clone(), Arc::clone(store), Incarnation(env.random.next_u64()), options);
    let loaded = journal.load().await.map_err(|error| journal.as_store_error(error).to_string())?;
    replay(loaded).map_err(|error| error.to_string())
}

/// A segment that was not there: a finding, unless its records went meanwhile.
struct Gone {
    segment: SegmentId,
    finding: Finding,
}

/// Those of segments that the manifest names even now.
fn still_needed(gone: Vec<Gone>, manifest: Option<&Manifest>) -> impl Iterator<Item = Finding> {
    let named: BTreeSet<SegmentId> = manifest
        .into_iter()
        .flat_map(|manifest| manifest.partitions.values())
        .flat_map(|record| &record.extents)
        .map(|extent| extent.segment.id)
        .collect();
    let all = manifest.is_none();
    gone.into_iter().filter(move |gone| all || named.contains(&gone.segment)).map(|gone| gone.finding)
}

async fn check_shard(
    store: &Arc<dyn Store>,
    shard: ShardId,
    manifest: &Manifest,
    names: Names,
    verified: &mut Verified,
    progress: &mut impl FnMut(&Verified),
) -> Vec<Gone> {
    let mut live: BTreeMap<SegmentId, Live> = BTreeMap::new();
    for (tp, record) in &manifest.partitions {
        verified.partitions += u64::from(!record.extents.is_empty());
        check_order(shard, *tp, &record.extents, verified);
        for extent in &record.extents {
            let entry = live.entry(extent.segment.id);
            entry.or_insert_with(|| Live::of(&extent.segment)).extents.push((*tp, extent.clone()));
        }
    }
    let mut tail = Vec::new();
    for (segment, size) in &names {
        match segment {
            named if live.contains_key(named) => {}
            SegmentId::Flushed(number) if *number >= manifest.trim.number => tail.push(segment.name(shard)),
            _ => {
                verified.unneeded += 1;
                verified.unneeded_bytes += size;
            }
        }
    }
    verified.tail += tail.len() as u64;
    // The next takeover reads them.
    objects::check(store, tail, verified).await;
    let reads = futures::stream::iter(live.into_values().map(|live| {
        let store = Arc::clone(store);
        async move {
            let checked = check_segment(&*store, shard, &live).await;
            (live.head.size, checked)
        }
    }));
    let mut reads = reads.buffered(AT_ONCE);
    let mut gone = Vec::new();
    while let Some((bytes, checked)) = reads.next().await {
        match checked {
            Ok(findings) => {
                verified.segments += 1;
                verified.bytes += bytes;
                verified.findings.extend(findings);
            }
            Err(missing) => gone.push(missing),
        }
        progress(verified);
    }
    gone
}

/// Offsets of a partition go up from extent to extent.
fn check_order(shard: ShardId, tp: TopicPartition, extents: &[Located], verified: &mut Verified) {
    for pair in extents.windows(2) {
        let (before, after) = (&pair[0], &pair[1]);
        if after.first_offset <= before.last_offset {
            let what = format!(
                "{tp}: offsets {}..={} come after {}..={}",
                after.first_offset, after.last_offset, before.first_offset, before.last_offset
            );
            verified.find(after.segment.id.name(shard), Some(after.start..after.end), what);
        } else if after.first_offset > before.last_offset + 1 {
            verified.gaps += 1;
        }
    }
}

/// A segment that a manifest names, and what it is to hold.
struct Live {
    head: Arc<SegmentHead>,
    extents: Vec<(TopicPartition, Located)>,
}

impl Live {
    fn of(head: &Arc<SegmentHead>) -> Self {
        Self { head: Arc::clone(head), extents: Vec::new() }
    }
}

async fn check_segment(store: &dyn Store, shard: ShardId, live: &Live) -> Result<Vec<Finding>, Gone> {
    let name = live.head.id.name(shard);
    let found = |bytes: Option<Range<u64>>, what: String| Finding { object: name.clone(), bytes, what };
    let object = match read(store, &name, &live.head.etag).await {
        Ok(object) => object,
        Err(error) => {
            let finding = found(None, format!("{}; {}", unreadable(&error), affected(&live.extents)));
            return match error.kind {
                StoreErrorKind::NotFound => Err(Gone { segment: live.head.id, finding }),
                _ => Ok(vec![finding]),
            };
        }
    };
    let footer = match open(&object, live) {
        Ok(footer) => footer,
        // The whole is damaged somewhere; which extents are good is asked of each.
        Err(what) => {
            let mut findings: Vec<Finding> = live
                .extents
                .iter()
                .filter_map(|(tp, extent)| damaged(&object, live, *tp, extent))
                .map(|(range, what)| found(Some(range), what))
                .collect();
            if findings.is_empty() {
                findings.push(found(None, format!("{what}; its records are whole and are served")));
            }
            return Ok(findings);
        }
    };
    let disagree = |(tp, extent): &(TopicPartition, Located)| {
        let agrees = footer
            .extents
            .iter()
            .any(|one| one.tp == *tp && one.bytes.start <= extent.start && extent.end <= one.bytes.end);
        let agrees = agrees && damaged(&object, live, *tp, extent).is_none();
        (!agrees).then(|| {
            found(
                Some(extent.start..extent.end),
                format!(
                    "the manifest says that here is {tp}, offsets {}..={}, the segment does not",
                    extent.first_offset, extent.last_offset
                ),
            )
        })
    };
    Ok(live.extents.iter().filter_map(disagree).collect())
}

async fn read(store: &dyn Store, name: &str, etag: &Etag) -> Result<Bytes, StoreError> {
    Ok(store.read(name, ReadRange::All { limit: OBJECT_LIMIT }, Some(etag)).await?.bytes)
}

fn unreadable(error: &StoreError) -> String {
    match error.kind {
        StoreErrorKind::NotFound => "it is missing".to_owned(),
        StoreErrorKind::PreconditionFailed => "it is another object than the manifest's".to_owned(),
        _ => error.to_string(),
    }
}

fn affected(extents: &[(TopicPartition, Located)]) -> String {
    let one = |(tp, extent): &(TopicPartition, Located)| {
        format!("{tp} offsets {}..={}", extent.first_offset, extent.last_offset)
    };
    let some: Vec<String> = extents.iter().take(3).map(one).collect();
    let more = if extents.len() > 3 { format!(" and {} more", extents.len() - 3) } else { String::new() };
    format!("cannot be served: {}{more}", some.join(", "))
}

/// The object as a segment, and as what it is beside that, checked whole.
fn open(object: &Bytes, live: &Live) -> Result<Footer, String> {
    match live.head.id {
        SegmentId::Flushed(number) => open_entry(object, number, live.head.epoch),
        SegmentId::Compacted { epoch, .. } => {
            let footer = segment::verify(object).map_err(|error| error.to_string())?;
            let said = (footer.epoch, footer.level);
            let expected = (epoch, live.head.run.level);
            (said == expected).then_some(footer).ok_or_else(|| {
                format!(
                    "it says that it is of epoch {} and level {}, not {} and {}",
                    said.0, said.1, expected.0, expected.1
                )
            })
        }
    }
}

/// An entry of the shard's journal, and the segment in it.
fn open_entry(object: &Bytes, number: u64, epoch: Epoch) -> Result<Footer, String> {
    let entry = EntryHeader::decode(object).map_err(|error| error.to_string())?;
    let header = &entry.header;
    if (header.kind, header.number, header.epoch) != (EntryKind::Data, number, epoch) {
        return Err(format!("it says that it is {:?} {} of epoch {}", header.kind, header.number, header.epoch));
    }
    let payload = payload(object, entry.payload_at)?;
    if header.payload_len != payload.len() as u64 {
        return Err(format!("{} bytes of payload instead of {}", payload.len(), header.payload_len));
    }
    if header.payload_crc.is_some_and(|crc| crc != payload_crc([&payload])) {
        return Err("the payload's checksum does not match".to_owned());
    }
    segment::verify(&payload).map_err(|error| error.to_string())
}

fn payload(object: &Bytes, at: u64) -> Result<Bytes, String> {
    let at = usize::try_from(at).ok().filter(|at| *at <= object.len());
    at.map(|at| object.slice(at..)).ok_or_else(|| "it is cut short".to_owned())
}

/// What is wrong with the records of one extent, if anything is.
fn damaged(object: &Bytes, live: &Live, tp: TopicPartition, extent: &Located) -> Option<(Range<u64>, String)> {
    let (start, end) = (live.head.payload_at + extent.start, live.head.payload_at + extent.end);
    let bounds = usize::try_from(start).ok().zip(usize::try_from(end).ok()).filter(|(_, end)| *end <= object.len());
    let what = match bounds {
        None => "it is cut short".to_owned(),
        Some((from, to)) => {
            let block = Block::open_checked(object.slice(from..to), extent.first_offset, extent.last_offset);
            block.err()?.to_string()
        }
    };
    Some((start..end, format!("{what}; {}", affected(&[(tp, extent.clone())]))))
}
