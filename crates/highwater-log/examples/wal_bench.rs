//! What the write-ahead log costs: CPU seconds per GiB and the time from append to synced, by bytes
//! a sync. `cargo run --release -p highwater-log --example wal_bench -- [DIR] [MIB]`
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::disallowed_methods,
    reason = "a measurement of the real machine, run by hand; it may stop at the first error"
)]

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use highwater_batch::{Attributes, BatchHeader, HEADER_BYTES, StoredBatch};
use highwater_env::real::RealEnv;
use highwater_log::wal::{Frame, Wal, WalFull, WalListener, WalOptions, WalSeq};
use highwater_types::{Epoch, ShardId, TopicId, TopicPartition};
use tokio::sync::watch;

const SHARD: ShardId = ShardId(0);
const BATCH_BYTES: usize = 16 * 1024;
/// Kernel clock ticks a second, which Linux shows to user space as 100 everywhere.
const TICKS: f64 = 100.0;

struct Watcher(watch::Sender<u64>);

impl WalListener for Watcher {
    fn synced(&self, up_to: WalSeq) {
        self.0.send_replace(up_to.0);
    }

    fn failed(&self, from: WalSeq, to: WalSeq) {
        eprintln!("failed: {from} to {to}");
    }

    fn pinned(&self, _by: &[ShardId]) {}
}

/// CPU seconds of this process, all threads, user and system.
fn cpu_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").expect("Linux");
    let fields: Vec<&str> = stat.rsplit(')').next().expect("a name in brackets").split_whitespace().collect();
    fields[11..13].iter().map(|ticks| ticks.parse::<f64>().expect("ticks") / TICKS).sum()
}

fn batch() -> StoredBatch {
    let body: Vec<u8> = (0..BATCH_BYTES - HEADER_BYTES).map(|at| ((at * at) >> 3) as u8).collect();
    let header = BatchHeader {
        base_offset: 0,
        length: 0,
        leader_epoch: 1,
        crc: 0,
        attributes: Attributes(0),
        last_offset_delta: 0,
        base_timestamp: 0,
        max_timestamp: 0,
        producer_id: -1,
        producer_epoch: -1,
        base_sequence: -1,
        record_count: 1,
    };
    StoredBatch::from_parts(header, Bytes::from(body))
}

/// One line of figures: `sync_bytes` are appended, waited for, released; `total_bytes` in all.
async fn measure(wal: &Wal, synced: &mut watch::Receiver<u64>, sync_bytes: usize, total_bytes: usize) {
    let batch = batch();
    let tp = TopicPartition { topic: TopicId::from_bytes([1; 16]), partition: 0 };
    let mut times = Vec::new();
    let (start, cpu) = (Instant::now(), cpu_seconds());
    for _ in 0..total_bytes / sync_bytes {
        let began = Instant::now();
        let mut last = WalSeq(0);
        for _ in 0..sync_bytes / BATCH_BYTES {
            let frame = Frame { shard: SHARD, epoch: Epoch(1), tp, batch: &batch };
            last = loop {
                match wal.append(frame) {
                    Ok(seq) => break seq,
                    Err(WalFull::Busy) => wal.wait_for_space().await,
                    Err(full) => {
                        eprintln!("{full}");
                        return;
                    }
                }
            };
        }
        synced.wait_for(|seq| *seq >= last.0).await.expect("the log lives");
        times.push(began.elapsed());
        wal.release(SHARD, last);
    }
    let (elapsed, cpu) = (start.elapsed(), cpu_seconds() - cpu);
    times.sort_unstable();
    let at = |part: usize| times.get(times.len() * part / 100).copied().unwrap_or(Duration::ZERO).as_secs_f64() * 1e3;
    let gib = total_bytes as f64 / f64::from(1 << 30);
    println!(
        "{:>5} KiB a round: {:5.2} CPU s/GiB, p50 {:5.2} ms, p99 {:5.2} ms, {:6.0} MiB/s",
        sync_bytes / 1024,
        cpu / gib,
        at(50),
        at(99),
        gib * 1024.0 / elapsed.as_secs_f64(),
    );
}

fn main() {
    let mut arguments = std::env::args().skip(1);
    let dir = arguments.next().map_or_else(|| std::env::temp_dir().join("highwater-wal-bench"), PathBuf::from);
    let mib: usize = arguments.next().map_or(512, |mib| mib.parse().expect("a number of MiB"));
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let env = RealEnv::new(tokio::runtime::Handle::current());
        let options = WalOptions {
            dir: dir.clone(),
            file_bytes: 64 << 20,
            max_bytes: 1 << 30,
            buffer_bytes: 16 << 20,
            pace_from_bytes: BATCH_BYTES,
            metrics: highwater_log::LogMetrics::default(),
        };
        let (sender, mut synced) = watch::channel(0);
        let (wal, mut recovered) = Wal::open(env, options, Arc::new(Watcher(sender))).await.expect("opens");
        while let Some(frame) = recovered.next().await.expect("replays") {
            wal.release(SHARD, frame.seq);
        }
        println!("{}", dir.display());
        measure(&wal, &mut synced, 1 << 20, 256 << 20).await;
        println!("files recycled from here on");
        for sync_bytes in [16 << 10, 64 << 10, 256 << 10, 1 << 20, 4 << 20] {
            measure(&wal, &mut synced, sync_bytes, mib << 20).await;
        }
        wal.close().await;
    });
}
