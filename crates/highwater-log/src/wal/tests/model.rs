//! The log against a simple model: whatever happens, what was reported synced and not released comes
//! back, in order, and nothing is invented.

use std::collections::BTreeMap;

use highwater_env::sim::DiskFaults;
use proptest::prelude::*;

use super::*;

#[derive(Clone, Debug)]
enum Step {
    Append {
        shard: u32,
        records: usize,
    },
    /// Time passes: less than a sync takes, or more.
    Wait {
        ms: u64,
    },
    /// Releases this part (of 4) of what the shard has synced.
    Release {
        shard: u32,
        part: usize,
    },
    Faults {
        fail_sync: bool,
        full: bool,
        slow: bool,
    },
    /// Power loss.
    Crash {
        seed: u64,
    },
    /// kill -9.
    Kill,
    /// An orderly end.
    Close,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        12 => (0u32..3, prop_oneof![0usize..300, 0usize..9000]).prop_map(|(shard, records)| Step::Append { shard, records }),
        6 => prop_oneof![0u64..5, 5u64..40, Just(1500)].prop_map(|ms| Step::Wait { ms }),
        4 => (0u32..3, 0usize..=4).prop_map(|(shard, part)| Step::Release { shard, part }),
        2 => (prop::bool::weighted(0.2), prop::bool::weighted(0.2), any::<bool>())
            .prop_map(|(fail_sync, full, slow)| Step::Faults { fail_sync, full, slow }),
        2 => any::<u64>().prop_map(|seed| Step::Crash { seed }),
        1 => Just(Step::Kill),
        1 => Just(Step::Close),
    ]
}

/// What is known of every position ever given.
#[derive(Default)]
struct Model {
    appended: BTreeMap<u64, (u32, StoredBatch)>,
    /// Reported synced, or given back once.
    durable: BTreeMap<u64, u32>,
    released: BTreeMap<u32, u64>,
    next_offset: i64,
}

impl Model {
    fn hear(&mut self, heard: &Heard) {
        for (seq, (shard, _)) in &self.appended {
            if heard.is_synced(*seq) {
                self.durable.insert(*seq, *shard);
            }
        }
    }

    fn is_released(&self, shard: u32, seq: u64) -> bool {
        self.released.get(&shard).is_some_and(|released| seq <= *released)
    }

    fn check(&mut self, frames: &[RecoveredFrame]) {
        assert!(frames.is_sorted_by(|left, right| left.seq < right.seq), "out of order");
        let mut found = BTreeMap::new();
        for frame in frames {
            let Some((shard, batch)) = self.appended.get(&frame.seq.0) else {
                panic!("invented, or left out by an earlier recovery: {}", frame.seq);
            };
            assert_eq!((*shard, batch, tp(*shard)), (frame.shard.0, &frame.batch, frame.tp));
            found.insert(frame.seq.0, *shard);
        }
        for (seq, shard) in &self.durable {
            assert!(found.contains_key(seq) || self.is_released(*shard, *seq), "lost: {}", WalSeq(*seq));
        }
        // What one recovery left out, no later one gives back: its offsets may be given again. But for
        // what is released, and so in the bucket: the removal of its file may be undone by a crash.
        let released = self.released.clone();
        self.appended.retain(|seq, (shard, _)| {
            found.contains_key(seq) || released.get(shard).is_some_and(|released| seq <= released)
        });
        self.durable = found;
    }
}

async fn reopen(sim: SimEnv, model: &mut Model) -> Bench {
    sim.disk.set_faults(DiskFaults::default());
    let (bench, mut recovered) = Bench::open(sim, options()).await.unwrap();
    let frames = all(&mut recovered).await;
    model.check(&frames);
    for (shard, released) in &model.released {
        bench.wal.release(ShardId(*shard), WalSeq(*released));
    }
    bench
}

async fn run(steps: Vec<Step>) {
    let mut model = Model::default();
    let mut bench = reopen(SimEnv::new(3), &mut model).await;
    for step in steps {
        match step {
            Step::Append { shard, records } => {
                let batch = batch(model.next_offset, records);
                let frame = Frame { shard: ShardId(shard), epoch: Epoch(1), tp: tp(shard), batch: &batch };
                if let Ok(seq) = bench.wal.append(frame) {
                    assert!(model.appended.last_key_value().is_none_or(|(last, _)| *last < seq.0));
                    model.appended.insert(seq.0, (shard, batch));
                    model.next_offset += 1;
                }
            }
            Step::Wait { ms } => bench.sim.clock.advance(Duration::from_millis(ms)).await,
            Step::Release { shard, part } => {
                model.hear(&bench.heard);
                let own: Vec<u64> =
                    model.durable.iter().filter(|(_, owner)| **owner == shard).map(|(seq, _)| *seq).collect();
                if let Some(seq) = own.get((own.len() * part / 4).saturating_sub(1)) {
                    bench.wal.release(ShardId(shard), WalSeq(*seq));
                    let released = model.released.entry(shard).or_default();
                    *released = (*released).max(*seq);
                }
            }
            Step::Faults { fail_sync, full, slow } => {
                let slow_sync = slow.then_some(Duration::from_millis(4));
                bench.sim.disk.set_faults(DiskFaults { full, fail_sync, slow_sync, fail_read: false });
            }
            Step::Crash { .. } | Step::Kill | Step::Close => {
                if matches!(step, Step::Close) {
                    let wal = bench.wal.clone();
                    let closing = tokio::spawn(wal.close());
                    bench.sim.clock.advance(Duration::from_secs(5)).await;
                    closing.await.unwrap();
                    let heard = &bench.heard;
                    let last = model.appended.last_key_value().map(|(seq, _)| *seq);
                    let told = heard.synced.lock().max(heard.failed.lock().iter().map(|(_, to)| *to).max());
                    assert!(told.is_none() || told == last, "not all frames were reported");
                }
                model.hear(&bench.heard);
                let Bench { sim, wal, heard, .. } = bench;
                drop(wal);
                // A disk that failed a sync is not asked to keep what only its cache has.
                let sound = heard.failed.lock().is_empty();
                match step {
                    Step::Crash { seed } => sim.disk.crash(seed),
                    _ if sound => sim.disk.kill(),
                    _ => sim.disk.crash(model.appended.len() as u64),
                }
                bench = reopen(sim, &mut model).await;
            }
        }
    }
    // With the disk well and everything released the log works, within its limit.
    bench.sim.disk.set_faults(DiskFaults::default());
    for shard in 0..3 {
        bench.wal.release(ShardId(shard), WalSeq(u64::MAX));
    }
    bench.sim.clock.advance(Duration::from_secs(5)).await;
    bench.wal.wait_for_space().await;
    bench.write(0, model.next_offset, 100).await;
    bench.settle().await;
    assert!(bench.wal.usage().disk_bytes <= options().max_bytes);
    assert_eq!(bench.wal.usage().disk_bytes, bench.files().await.len() as u64 * FILE_BYTES);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), max_shrink_iters: 2000, ..ProptestConfig::default() })]

    #[test]
    fn what_was_synced_comes_back(steps in proptest::collection::vec(step(), 1..120)) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(run(steps));
    }
}

fn cases() -> u32 {
    std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(64)
}
