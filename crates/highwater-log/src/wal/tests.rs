//! The write-ahead log on the simulated disk, and once on the machine's own.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a test fails by panicking, and names the runtime that it runs on"
)]

mod behaviour;
mod damage;
mod model;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use highwater_batch::{Attributes, BatchHeader, HEADER_BYTES, StoredBatch};
use highwater_env::sim::SimEnv;
use highwater_env::{AlignedBuf, Disk, Env, OpenMode};
use highwater_types::{Epoch, ShardId, TopicId, TopicPartition};
use parking_lot::Mutex;

use crate::metrics::LogMetrics;

use super::*;

const DIR: &str = "/wal";
const FILE_BYTES: u64 = 64 * 1024;

fn options() -> WalOptions {
    WalOptions {
        dir: PathBuf::from(DIR),
        file_bytes: FILE_BYTES,
        max_bytes: 8 * FILE_BYTES,
        buffer_bytes: 48 * 1024,
        pace_from_bytes: 16 * 1024,
        metrics: LogMetrics::default(),
    }
}

fn batch(base_offset: i64, records: usize) -> StoredBatch {
    let body: Vec<u8> =
        (0..records).map(|at| (at * 31).wrapping_add(base_offset.unsigned_abs() as usize) as u8).collect();
    let mut header = BatchHeader {
        base_offset,
        length: i32::try_from(HEADER_BYTES - 12 + records).unwrap(),
        leader_epoch: 1,
        crc: 0,
        attributes: Attributes(0),
        last_offset_delta: 0,
        base_timestamp: 5,
        max_timestamp: 5,
        producer_id: -1,
        producer_epoch: -1,
        base_sequence: -1,
        record_count: 1,
    };
    header.crc = crc32c::crc32c_append(crc32c::crc32c(&header.encode()[21..]), &body);
    StoredBatch::from_parts(header, Bytes::from(body))
}

fn tp(shard: u32) -> TopicPartition {
    TopicPartition { topic: TopicId::from_bytes([7; 16]), partition: shard as i32 }
}

/// What a listener heard.
#[derive(Default)]
struct Heard {
    synced: Mutex<Option<u64>>,
    failed: Mutex<Vec<(u64, u64)>>,
    /// The shards of the last call.
    pinned: Mutex<Vec<ShardId>>,
}

impl WalListener for Heard {
    fn synced(&self, up_to: WalSeq) {
        let mut synced = self.synced.lock();
        assert!(synced.is_none_or(|before| before < up_to.0), "reports ascend");
        *synced = Some(up_to.0);
    }

    fn failed(&self, from: WalSeq, to: WalSeq) {
        assert!(from <= to);
        self.failed.lock().push((from.0, to.0));
    }

    fn pinned(&self, by: &[ShardId]) {
        *self.pinned.lock() = by.to_vec();
    }
}

impl Heard {
    fn is_synced(&self, seq: u64) -> bool {
        let failed = self.failed.lock().iter().any(|(from, to)| (*from..=*to).contains(&seq));
        !failed && self.synced.lock().is_some_and(|synced| seq <= synced)
    }
}

/// A log on a simulated disk.
struct Bench {
    sim: SimEnv,
    options: WalOptions,
    heard: Arc<Heard>,
    wal: Wal,
}

impl Bench {
    async fn new(options: WalOptions) -> Self {
        let (bench, mut recovered) = Self::open(SimEnv::new(1), options).await.unwrap();
        assert!(recovered.next().await.unwrap().is_none());
        bench
    }

    async fn open(sim: SimEnv, options: WalOptions) -> Result<(Self, Recovered), WalError> {
        let heard = Arc::new(Heard::default());
        let (wal, recovered) = Wal::open(sim.env.clone(), options.clone(), heard.clone()).await?;
        Ok((Self { sim, options, heard, wal }, recovered))
    }

    fn append(&self, shard: u32, offset: i64, records: usize) -> Result<WalSeq, WalFull> {
        append(&self.wal, shard, offset, records)
    }

    /// Lets everything that can happen happen.
    async fn settle(&self) {
        self.sim.clock.advance(Duration::from_millis(100)).await;
    }

    /// Appends and waits for the sync.
    async fn write(&self, shard: u32, offset: i64, records: usize) -> WalSeq {
        let seq = self.append(shard, offset, records).unwrap();
        self.settle().await;
        assert!(self.heard.is_synced(seq.0), "not synced: {seq}");
        seq
    }

    /// The process dies, the disk keeps what it has.
    async fn kill(self) -> (Self, Recovered) {
        let Self { sim, options, wal, .. } = self;
        drop(wal);
        sim.disk.kill();
        Self::open(sim, options).await.unwrap()
    }

    async fn files(&self) -> Vec<PathBuf> {
        let mut files: Vec<_> = self.sim.disk.read_dir(Path::new(DIR)).await.unwrap();
        files.retain(|entry| !entry.is_dir);
        files.sort_by(|left, right| left.name.cmp(&right.name));
        files.into_iter().map(|entry| Path::new(DIR).join(entry.name)).collect()
    }
}

fn append(wal: &Wal, shard: u32, offset: i64, records: usize) -> Result<WalSeq, WalFull> {
    let batch = batch(offset, records);
    wal.append(Frame { shard: ShardId(shard), epoch: Epoch(1), tp: tp(shard), batch: &batch })
}

async fn all(recovered: &mut Recovered) -> Vec<RecoveredFrame> {
    let mut frames = Vec::new();
    while let Some(frame) = recovered.next().await.unwrap() {
        frames.push(frame);
    }
    frames
}

fn offsets(frames: &[RecoveredFrame]) -> Vec<i64> {
    frames.iter().map(|frame| frame.batch.first_offset()).collect()
}

/// Changes one byte of a file.
async fn spoil(env: &Env, path: &Path, at: u64) {
    let file = env.disk.open(path, OpenMode::Write).await.unwrap();
    let byte = file.read_at(at, 1).await.unwrap()[0];
    file.write_at(at, AlignedBuf::from_slice(&[byte ^ 0x40]), true).await.1.unwrap();
}
