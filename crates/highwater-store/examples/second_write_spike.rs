//! What does the second write cost on a local directory? (RFC 0003)
//!
//! Writes 1 GiB of incompressible bytes as a broker would, each group of bytes synced before the
//! next, every 8 MiB sealed as an object, and prints CPU seconds per GiB of this process (user and
//! system) and the latency of write and sync. Layouts:
//!
//! - `two`: a recycled write-ahead log for everybody, and each segment written a second time, put
//!   in place by a hard link, while the log goes on;
//! - `one`: the log of each shard *is* the coming segment: a new file, sealed by its footer, put in
//!   place by a hard link. With several shards a group is spread over their files.
//!
//! `second_write_spike [DIRECTORY] [MiB]`; the directory must be empty and on the disk in question.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "an experiment on the real machine, not part of the broker"
)]

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use highwater_env::{AlignedBuf, Disk, Env, File, OpenMode, RealEnv};
use highwater_store::{Body, DirectoryStore, Store};

const KIB: usize = 1024;
const MIB: usize = 1024 * KIB;
const SEGMENT_BYTES: usize = 8 * MIB;
const LOG_FILE_BYTES: usize = 64 * MIB;
/// The log goes round in so many files.
const LOG_FILES: usize = 4;
const SEGMENTS_IN_FLIGHT: usize = 4;
/// A segment's body comes as this many bytes a chunk, like record batches.
const BATCH_BYTES: usize = 16 * KIB;

#[derive(Clone, Copy, PartialEq)]
enum Layout {
    /// The log alone: the floor.
    LogOnly,
    Two,
    One {
        shards: usize,
    },
}

#[derive(Clone, Copy)]
struct Case {
    layout: Layout,
    direct: bool,
    group: usize,
}

struct Source {
    pool: Bytes,
    at: usize,
}

impl Source {
    fn new(env: &Env) -> Self {
        let pool: Vec<u8> = (0..4 * MIB / 8).flat_map(|_| env.random.next_u64().to_le_bytes()).collect();
        Self { pool: pool.into(), at: 0 }
    }

    fn next(&mut self, len: usize) -> Bytes {
        // A stride that does not divide the pool, so that what is written differs each time round.
        self.at = (self.at + 37 * 4096) % (self.pool.len() - len);
        self.pool.slice(self.at..self.at + len)
    }
}

fn cpu_seconds() -> f64 {
    let mut usage = std::mem::MaybeUninit::<libc::rusage>::zeroed();
    // SAFETY: the pointer is to a zeroed rusage of ours, which is valid for every bit pattern.
    let usage = unsafe {
        libc::getrusage(libc::RUSAGE_SELF, usage.as_mut_ptr());
        usage.assume_init()
    };
    let seconds = |time: libc::timeval| time.tv_sec as f64 + time.tv_usec as f64 / 1e6;
    seconds(usage.ru_utime) + seconds(usage.ru_stime)
}

fn mode(direct: bool) -> OpenMode {
    if direct { OpenMode::CreateDirect } else { OpenMode::Create }
}

/// A buffered store's way of writing a segment, for the comparison; the direct one is the store's.
async fn put_buffered(disk: &dyn Disk, root: &Path, number: usize, chunks: &[Bytes]) {
    let staging = root.join(format!("staging-{number}"));
    let file = disk.open(&staging, OpenMode::Create).await.unwrap();
    let mut offset = 0;
    let mut buffer = AlignedBuf::with_capacity(MIB);
    for piece in chunks.chunks(MIB / BATCH_BYTES) {
        piece.iter().for_each(|chunk| buffer.extend_from_slice(chunk));
        let len = buffer.len() as u64;
        buffer = file.write_at(offset, buffer, false).await.0;
        buffer.clear();
        offset += len;
    }
    file.sync_all().await.unwrap();
    disk.hard_link(&staging, &root.join(format!("{number:020}"))).await.unwrap();
    disk.remove_file(&staging).await.unwrap();
    disk.sync_dir(root).await.unwrap();
}

async fn write_synced(file: &dyn File, at: u64, bytes: &[Bytes], buffer: AlignedBuf) -> AlignedBuf {
    let mut buffer = buffer;
    buffer.clear();
    bytes.iter().for_each(|chunk| buffer.extend_from_slice(chunk));
    let (buffer, outcome) = file.write_at(at, buffer, true).await;
    outcome.unwrap();
    buffer
}

async fn prepare_log(env: &Env, root: &Path, direct: bool) -> Vec<Arc<dyn File>> {
    let mut files = Vec::new();
    for number in 0..LOG_FILES {
        let file = env.disk.open(&root.join(format!("log-{number}")), mode(direct)).await.unwrap();
        file.preallocate(LOG_FILE_BYTES as u64).await.unwrap();
        files.push(file);
    }
    files
}

/// One log for all, and segments beside it.
async fn run_log(env: &Env, root: &Path, case: Case, total: usize, latencies: &mut Vec<Duration>) -> f64 {
    let files = prepare_log(env, root, case.direct).await;
    let store = DirectoryStore::open(env, &root.join("objects")).await.unwrap();
    let mut source = Source::new(env);
    let mut buffer = AlignedBuf::with_capacity(case.group);
    let mut segment = Vec::new();
    let mut puts = std::collections::VecDeque::new();
    let start = cpu_seconds();
    for group in 0..total / case.group {
        let at = group * case.group;
        let file = &files[at / LOG_FILE_BYTES % LOG_FILES];
        let batches: Vec<Bytes> = (0..case.group / BATCH_BYTES).map(|_| source.next(BATCH_BYTES)).collect();
        let begin = Instant::now();
        buffer = write_synced(&**file, (at % LOG_FILE_BYTES) as u64, &batches, buffer).await;
        latencies.push(begin.elapsed());
        segment.extend(batches);
        if case.layout == Layout::Two && (at + case.group).is_multiple_of(SEGMENT_BYTES) {
            let chunks = std::mem::take(&mut segment);
            let (env, store, root) = (env.clone(), store.clone(), root.join("objects"));
            let number = at / SEGMENT_BYTES;
            puts.push_back(tokio::spawn(async move {
                if case.direct {
                    store.create(&format!("{number:020}"), Body::from(chunks)).await.unwrap();
                } else {
                    put_buffered(&*env.disk, &root, number, &chunks).await;
                }
            }));
            if puts.len() == SEGMENTS_IN_FLIGHT {
                puts.pop_front().unwrap().await.unwrap();
            }
        } else if case.layout == Layout::LogOnly {
            segment.clear();
        }
    }
    for put in puts {
        put.await.unwrap();
    }
    cpu_seconds() - start
}

/// A file per shard that becomes the segment.
struct Growing {
    path: PathBuf,
    file: Arc<dyn File>,
    len: usize,
    buffer: AlignedBuf,
}

async fn begin_segment(env: &Env, root: &Path, direct: bool, number: usize, buffer: AlignedBuf) -> Growing {
    let path = root.join(format!("growing-{number}"));
    let file = env.disk.open(&path, mode(direct)).await.unwrap();
    file.reserve((SEGMENT_BYTES + 4096) as u64).await.unwrap();
    env.disk.sync_dir(root).await.unwrap();
    Growing { path, file, len: 0, buffer }
}

async fn run_one(
    env: &Env,
    root: &Path,
    case: Case,
    shards: usize,
    total: usize,
    latencies: &mut Vec<Duration>,
) -> f64 {
    let mut source = Source::new(env);
    let piece = (case.group / shards).max(BATCH_BYTES);
    let mut number = 0;
    let start = cpu_seconds();
    let mut growing = Vec::new();
    for _ in 0..shards {
        growing.push(begin_segment(env, root, case.direct, number, AlignedBuf::with_capacity(piece)).await);
        number += 1;
    }
    for _ in 0..total / (piece * shards) {
        let batches: Vec<Vec<Bytes>> =
            (0..shards).map(|_| (0..piece / BATCH_BYTES).map(|_| source.next(BATCH_BYTES)).collect()).collect();
        let begin = Instant::now();
        let writes = growing.into_iter().zip(&batches).map(|(mut shard, batches)| async move {
            shard.buffer = write_synced(&*shard.file, shard.len as u64, batches, shard.buffer).await;
            shard.len += piece;
            shard
        });
        growing = futures::future::join_all(writes).await;
        latencies.push(begin.elapsed());
        let mut next = Vec::new();
        for shard in growing {
            if shard.len < SEGMENT_BYTES {
                next.push(shard);
                continue;
            }
            // The footer, then the name.
            let footer = AlignedBuf::from_slice(&[7; 4096]);
            shard.file.write_at(shard.len as u64, footer, false).await.1.unwrap();
            shard.file.seal(shard.len as u64 + 1000, 1_700_000_000_000_001_000).await.unwrap();
            env.disk.hard_link(&shard.path, &root.join(format!("{number:020}"))).await.unwrap();
            env.disk.remove_file(&shard.path).await.unwrap();
            env.disk.sync_dir(root).await.unwrap();
            next.push(begin_segment(env, root, case.direct, number, shard.buffer).await);
            number += 1;
        }
        growing = next;
    }
    cpu_seconds() - start
}

fn main() {
    let mut arguments = std::env::args().skip(1);
    let root = PathBuf::from(arguments.next().unwrap_or_else(|| "spike".to_owned()));
    let total = arguments.next().map_or(1024, |mib| mib.parse().unwrap()) * MIB;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let env = RealEnv::new(runtime.handle().clone());
    println!("layout                    |  group KiB | CPU s/GiB | p50 ms | p99 ms | MiB/s");
    for group in [64 * KIB, 256 * KIB, MIB] {
        for (label, layout, direct) in [
            ("log alone, direct", Layout::LogOnly, true),
            ("two writes, direct", Layout::Two, true),
            ("one write, direct, 1 shard", Layout::One { shards: 1 }, true),
            ("one write, direct, 4 shards", Layout::One { shards: 4 }, true),
            ("two writes, buffered", Layout::Two, false),
            ("one write, buffered, 1 shard", Layout::One { shards: 1 }, false),
            ("one write, buffered, 4 shards", Layout::One { shards: 4 }, false),
        ] {
            let case = Case { layout, direct, group };
            std::fs::create_dir_all(&root).unwrap();
            let mut latencies = Vec::new();
            let begin = Instant::now();
            let cpu = runtime.block_on(async {
                match layout {
                    Layout::One { shards } => run_one(&env, &root, case, shards, total, &mut latencies).await,
                    _ => run_log(&env, &root, case, total, &mut latencies).await,
                }
            });
            let rate = total as f64 / MIB as f64 / begin.elapsed().as_secs_f64();
            latencies.sort_unstable();
            let ms = |share: f64| latencies[((latencies.len() - 1) as f64 * share) as usize].as_secs_f64() * 1e3;
            let per_gib = cpu * (1 << 30) as f64 / total as f64;
            println!(
                "{label:<29} | {:>6} | {per_gib:>6.2} | {:>6.2} | {:>6.2} | {rate:>5.0}",
                group / KIB,
                ms(0.5),
                ms(0.99)
            );
            std::fs::remove_dir_all(&root).unwrap();
        }
    }
}
