//! A disk whose syncs fail, or dawdle, under clients: the test build of the binary does it by a seed
//! (`crates/highwater-node/src/faults.rs`).

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use highwater_tests::asking::Asking;
use highwater_tests::clients::{At, Client, DEADLINE, confluent};
use highwater_tests::flood::Flood;
use highwater_tests::highwater::{Highwater, Store};
use highwater_tests::history::History;
use highwater_tests::load::{Errors, Load};
use highwater_tests::memory;
use highwater_tests::minio::Minio;
use highwater_tests::pages;
use highwater_tests::parts::{Parts, failing_binary};
use highwater_tests::place::Place;
use highwater_tests::records::Stream;
use highwater_tests::wait;
use highwater_tests::walk::Walk;

use crate::bad_bucket::{BUDGET_BYTES, MIB, SMALL, seed};
use crate::stage::{create, in_place};

const TOPIC: &str = "load";
const PARTITIONS: usize = 4;
const RECORDS_PER_SECOND: u32 = 2_000;
/// Kills while syncs fail, and then one after they have stopped to.
const ROUNDS: u64 = 3;
/// Syncs that fail in each round.
const MET: u64 = 10;
/// For them to be met; a file given up costs the time to lay out another.
const PROVOKED: Duration = Duration::from_secs(60);
const CATCH_UP: Duration = Duration::from_secs(60);
/// Thirty in a thousand: some tens of syncs go to each file.
const FAILING: &str = r#""failed_sync":30"#;
/// Every one, from 40 ms to 4 s.
const SLOW: &str = r#""slow_sync":1000,"shortest_sync_ms":40,"longest_sync_ms":4000"#;
const SLOW_FOR: Duration = Duration::from_secs(20);
const SLOW_SYNCS: u64 = 40;
/// A pause in the acknowledgements that no healthy disk makes, and one that other requests may see on a
/// machine that is busy with the tests.
const SLOWED: Duration = Duration::from_millis(1_200);
const QUICK: Duration = Duration::from_millis(600);
const SLOW_TOPICS: [&str; 2] = ["first", "second"];
/// What nobody waits for.
const FLOODED: &str = "flooded";
const SLOW_RECORDS_PER_SECOND: u32 = 6_000;

/// The write-ahead log's syncs: the bucket makes durable what the disk does not.
#[test]
fn syncs_of_the_log_fail_and_nothing_is_lost() -> Result<()> {
    in_place("failed-syncs", |parts, place| {
        let minio = Minio::start(parts, place)?;
        let store = || Store::Bucket { endpoint: minio.endpoint(), prefix: "failed".to_owned() };
        syncs_fail(parts, place, store, "local")
    })
}

/// All syncs of a broker on a directory, those of the segments, too.
#[test]
fn syncs_of_a_directory_fail_and_nothing_is_lost() -> Result<()> {
    in_place("failed-syncs-directory", |parts, place| syncs_fail(parts, place, || Store::Directory, "local"))
}

/// The same without a log: only what is in the directory, durably, is acknowledged.
#[test]
fn syncs_of_segments_fail_and_nothing_is_lost() -> Result<()> {
    in_place("failed-syncs-object", |parts, place| syncs_fail(parts, place, || Store::Directory, "object"))
}

fn syncs_fail(parts: &Parts, place: &Place, store: impl Fn() -> Store, durability: &str) -> Result<()> {
    let data = place.join("data");
    let mut broker = Highwater::start_with(&failing_binary()?, &data, place.log("broker"), store(), &[])?;
    let address = broker.address();
    let at = At { broker: &address, parts, place };
    create(&at, TOPIC, PARTITIONS as u32, &format!("highwater.durability={durability}"))?;
    let mut producer = Load::start(&at, TOPIC, PARTITIONS, RECORDS_PER_SECOND, Errors::End)?;
    let mut tail = confluent(&at, "tail");
    tail.args([TOPIC, &PARTITIONS.to_string()]);
    let mut tail = Stream::start("tail", &mut tail, &place.log("tail"))?;
    let mut read = History::default();
    producer.wait_for_acknowledgement()?;
    let seed = seed()?;
    println!("failing syncs by seed {seed}");
    for round in 1..=ROUNDS {
        set_faults(&broker, seed + round, FAILING)?;
        wait::until(PROVOKED, "syncs that fail", || {
            producer.take_acknowledged()?;
            Ok(count(&broker, "disk failed_syncs")? >= MET)
        })?;
        ensure!(broker.process()?.ended()?.is_none(), "it ended: {}", broker.process()?.log_tail());
        producer.wait_for_acknowledgement().context("nothing is acknowledged while syncs fail")?;
        if round == ROUNDS {
            set_faults(&broker, seed, "")?;
            producer.take_acknowledged()?;
            producer.wait_for_acknowledgement().context("it does not recover by itself")?;
        }
        broker.process()?.kill_9()?;
        broker.up()?;
        producer.take_acknowledged()?;
        read.catch_up(&mut tail, &producer.acknowledged, CATCH_UP).with_context(|| format!("round {round}"))?;
    }
    println!("{} records", read.count);
    producer.wait_for_acknowledgement()?;
    producer.stop()?;
    tail.stop(|record| read.take(&record))?;
    all_of_it(&at, TOPIC, &producer)?;
    ensure!(broker.process()?.terminate(DEADLINE)?.success(), "a clean end");
    Walk::of(&data, place, &store())?;
    Ok(())
}

/// Only the log is on the disk.
#[test]
fn slow_syncs_of_the_log_slow_producers_and_nobody_else() -> Result<()> {
    in_place("slow-syncs", |parts, place| {
        let minio = Minio::start(parts, place)?;
        let store = Store::Bucket { endpoint: minio.endpoint(), prefix: "slow".to_owned() };
        syncs_are_slow(parts, place, store)
    })
}

/// All of it is.
#[test]
fn slow_syncs_of_a_directory_slow_producers_and_nobody_else() -> Result<()> {
    in_place("slow-syncs-directory", |parts, place| syncs_are_slow(parts, place, Store::Directory))
}

fn syncs_are_slow(parts: &Parts, place: &Place, store: Store) -> Result<()> {
    let data = place.join("data");
    let mut broker = Highwater::start_with(&failing_binary()?, &data, place.log("broker"), store, SMALL)?;
    let address = broker.address();
    let at = At { broker: &address, parts, place };
    let mut producers = Vec::new();
    for topic in SLOW_TOPICS {
        create(&at, topic, PARTITIONS as u32, "highwater.durability=local")?;
        producers.push(Load::start(&at, topic, PARTITIONS, SLOW_RECORDS_PER_SECOND, Errors::End)?);
    }
    for producer in &mut producers {
        producer.wait_for_acknowledgement()?;
    }
    create(&at, FLOODED, 1, "highwater.durability=local")?;
    let asking = Asking::start(&address, SLOW_TOPICS[0])?;
    let seed = seed()?;
    println!("slow syncs by seed {seed}");
    set_faults(&broker, seed, SLOW)?;
    let flood = Flood::start(&address, FLOODED)?;
    let mut pauses = Pauses::new(&producers);
    let begun = Instant::now();
    wait::until(PROVOKED, "syncs that take long", || {
        producers.iter_mut().try_for_each(Load::take_acknowledged)?;
        pauses.look(&producers);
        let met = count(&broker, "disk slow_syncs")? >= SLOW_SYNCS && pauses.longest >= SLOWED;
        Ok(met && begun.elapsed() >= SLOW_FOR)
    })
    .with_context(|| format!("the longest pause was {:?}", pauses.longest))?;
    let (longest, flooded) = (asking.stop()?, flood.stop()?);
    let peak = memory::peak_bytes(broker.process()?.pid())?;
    println!("acknowledgements paused for {:?}; others waited {longest:?}", pauses.longest);
    println!("peak {} MiB of {} MiB, beside a flood of {} MiB", peak / MIB, BUDGET_BYTES / MIB, flooded / MIB);
    ensure!(peak <= BUDGET_BYTES, "{peak} bytes while syncs were slow, and the budget is {BUDGET_BYTES}");
    let others = longest.metadata.max(longest.fetch).max(longest.heartbeat);
    ensure!(others <= QUICK, "somebody who needs no sync waited: {longest:?}");
    broker.process()?.kill_9()?;
    broker.up()?;
    for (topic, producer) in SLOW_TOPICS.iter().zip(&mut producers) {
        producer.wait_for_acknowledgement()?;
        producer.stop()?;
        all_of_it(&at, topic, producer)?;
    }
    ensure!(broker.process()?.terminate(DEADLINE)?.success(), "a clean end");
    Ok(())
}

/// How long nothing was acknowledged.
struct Pauses {
    seen: usize,
    since: Instant,
    longest: Duration,
}

impl Pauses {
    fn new(producers: &[Load]) -> Self {
        Self { seen: acknowledged(producers), since: Instant::now(), longest: Duration::ZERO }
    }

    fn look(&mut self, producers: &[Load]) {
        let now = acknowledged(producers);
        self.longest = self.longest.max(self.since.elapsed());
        if now != self.seen {
            (self.seen, self.since) = (now, Instant::now());
        }
    }
}

fn acknowledged(producers: &[Load]) -> usize {
    producers.iter().flat_map(|producer| producer.acknowledged.values()).map(Vec::len).sum()
}

fn set_faults(broker: &Highwater, seed: u64, disk: &str) -> Result<()> {
    pages::set(broker.http_port(), "/debug/faults", &format!(r#"{{"seed":{seed},"disk":{{{disk}}}}}"#))
}

fn count(broker: &Highwater, name: &str) -> Result<u64> {
    Ok(pages::value(&pages::page(broker.http_port(), "/debug/faults")?, name)? as u64)
}

fn all_of_it(at: &At<'_>, topic: &str, producer: &Load) -> Result<()> {
    let mut read = History::default();
    Client::Confluent.consume(at, topic)?.drain(DEADLINE, |record| read.take(&record))?;
    read.is_all_of(&producer.acknowledged)
}
