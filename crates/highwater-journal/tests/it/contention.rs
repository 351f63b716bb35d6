//! Writers that depose one another over a bucket that loses, delays and repeats, with trimming and
//! deletion: nothing acked is lost, and there is one history.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use highwater_env::Env;
use highwater_journal::{Claim, EntryRef, Journal, JournalOptions, TakeOverError, TakenOver, TrimSource};
use parking_lot::Mutex;

use crate::world::{Trims, World, body, options, stormy};

/// What all writers saw.
#[derive(Default)]
struct Seen {
    /// Acked: number and payload.
    acked: BTreeMap<u64, String>,
    /// Read before it was trimmed: number and payload.
    archived: BTreeMap<u64, Bytes>,
    takeovers: u32,
    deposed: u32,
    swept: usize,
}

struct Writing {
    env: Env,
    journal: Journal,
    trims: Arc<Trims>,
    seen: Arc<Mutex<Seen>>,
    who: u64,
    trimming: bool,
}

impl Writing {
    async fn rounds(self, rounds: u32) {
        let mut round = 0;
        while round < rounds {
            match self.journal.take_over(self.trims.clone(), Claim::Next, Bytes::new()).await {
                Ok(taken) => {
                    self.lead(taken, round).await;
                    round += 1;
                }
                Err(TakeOverError::Lost { .. } | TakeOverError::Store(_)) => {}
                Err(TakeOverError::Corrupt(corruption)) => panic!("{corruption}"),
                Err(TakeOverError::TooLarge(_)) => unreachable!(),
            }
            self.env.sleep(Duration::from_millis(self.env.random.below(200))).await;
        }
    }

    async fn lead(&self, taken: TakenOver, round: u32) {
        self.seen.lock().takeovers += 1;
        let writer = &taken.writer;
        let mut pending = Vec::new();
        for at in 0..self.env.random.below(8) {
            let payload = format!("{} {round} {at}", self.who);
            let Ok(next) = writer.append(body(&payload), None, Bytes::new()).await else {
                break;
            };
            pending.push((payload, next));
        }
        // Now and then the writer dies with puts on their way.
        if self.env.random.below(4) == 0 {
            return;
        }
        for (payload, next) in pending {
            match next.await {
                Ok(committed) => {
                    let before = self.seen.lock().acked.insert(committed.number, payload);
                    assert_eq!(before, None, "two acks of number {}", committed.number);
                }
                Err(_) => self.seen.lock().deposed += 1,
            }
        }
        if self.trimming && self.env.random.below(3) == 0 {
            self.trim(&taken).await;
        }
    }

    async fn trim(&self, taken: &TakenOver) {
        let point = taken.writer.point();
        let Ok(walk) = self.journal.walk(self.trims.clone(), None).await else {
            return;
        };
        let Some(archive) = read_all(&self.journal, &walk.entries, point.number).await else {
            return;
        };
        if self.trims.trim(point.epoch, point) {
            archive_all(&mut self.seen.lock().archived, archive);
            let left_at = self.trims.date().await;
            self.env.sleep(Duration::from_millis(self.env.random.below(6000))).await;
            if let Ok(swept) = self.journal.sweep(point, left_at, 1000).await {
                self.seen.lock().swept += swept.deleted;
            }
        }
    }
}

async fn read_all(journal: &Journal, entries: &[EntryRef], below: u64) -> Option<Vec<(u64, Bytes)>> {
    let mut payloads = Vec::new();
    for entry in entries.iter().filter(|entry| entry.number < below) {
        let payload = loop {
            match journal.read_payload(entry, 0..entry.payload_len).await {
                Ok(payload) => break payload,
                Err(error) if error.kind.is_transient() => {}
                Err(_) => return None,
            }
        };
        payloads.push((entry.number, payload));
    }
    Some(payloads)
}

fn archive_all(archived: &mut BTreeMap<u64, Bytes>, payloads: Vec<(u64, Bytes)>) {
    for (number, payload) in payloads {
        if let Some(before) = archived.insert(number, payload.clone()) {
            assert_eq!(before, payload, "two histories at {number}");
        }
    }
}

async fn contend(seed: u64, writers: u64, rounds: u32, trimming: bool) {
    let world = World::new(seed);
    let trims = world.trims();
    let seen = Arc::new(Mutex::new(Seen::default()));
    let options =
        JournalOptions { put_deadline: Duration::from_millis(500), gc_grace: Duration::from_secs(4), ..options() };
    let mut tasks = Vec::new();
    for who in 0..writers {
        let window = 2 + u32::try_from(who % 2).unwrap();
        let broker = world.broker(JournalOptions { window, ..options.clone() });
        broker.faults.set_rates(stormy());
        let (env, trims, seen) = (world.env(), trims.clone(), seen.clone());
        let writing = Writing { env, journal: broker.journal, trims, seen, who, trimming };
        tasks.push(world.env().spawn("writer", async move { writing.rounds(rounds).await }));
    }
    for task in tasks {
        task.ended().await;
    }
    let last = world.broker(options);
    let source: Arc<dyn TrimSource> = trims.clone();
    let taken = last.journal.take_over(source, Claim::Next, Bytes::new()).await.unwrap();
    let mut seen = std::mem::take(&mut *seen.lock());
    println!(
        "{} takeovers, {} acked, {} deposed, {} deleted, last fence {}",
        seen.takeovers,
        seen.acked.len(),
        seen.deposed,
        seen.swept,
        taken.fence.number
    );
    assert!(seen.takeovers == rounds * u32::try_from(writers).unwrap() && seen.acked.len() > 50);
    assert!(!trimming || seen.swept > 0);
    assert!(seen.deposed > 0);
    let rest = read_all(&last.journal, &taken.chain, u64::MAX).await.unwrap();
    assert!(rest.is_sorted_by(|(earlier, _), (later, _)| earlier < later));
    archive_all(&mut seen.archived, rest);
    for (number, payload) in &seen.acked {
        assert_eq!(seen.archived.get(number).map(|kept| &kept[..]), Some(payload.as_bytes()), "number {number}");
    }
    let mut payloads: Vec<&Bytes> = seen.archived.values().collect();
    payloads.sort();
    assert!(payloads.is_sorted_by(|earlier, later| earlier < later), "an entry is there twice");
}

#[tokio::test(start_paused = true)]
async fn two_writers() {
    for seed in 11..15 {
        contend(seed, 2, 50, false).await;
    }
}

#[tokio::test(start_paused = true)]
async fn three_writers() {
    for seed in 21..25 {
        contend(seed, 3, 40, false).await;
    }
}

#[tokio::test(start_paused = true)]
async fn three_writers_and_garbage_collection() {
    for seed in 31..37 {
        contend(seed, 3, 60, true).await;
    }
}
