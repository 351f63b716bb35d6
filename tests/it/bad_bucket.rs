//! A bucket that fails under clients: each journal rule provoked by itself, and everything at once.
//!
//! A proxy stands between the broker and its bucket's service; see [`highwater_tests::faults`].

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::mpsc::channel;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use highwater_tests::buckets::{Bucket, Service};
use highwater_tests::clients::{At, Client, Codec, DEADLINE, confluent};
use highwater_tests::faults::{Asked, Done, Fault, Faults, Rates};
use highwater_tests::highwater::{Highwater, Store};
use highwater_tests::history::History;
use highwater_tests::load::{Errors, Load};
use highwater_tests::memory;
use highwater_tests::parts::{Parts, highwater_binary};
use highwater_tests::place::Place;
use highwater_tests::records::Stream;
use highwater_tests::wait;
use highwater_tests::walk::Walk;

use crate::stage::{create, in_place};

const TOPIC: &str = "load";
const PARTITIONS: usize = 4;
const RECORDS_PER_SECOND: u32 = 2_000;
const OBJECT: &str = "highwater.durability=object";
/// Ten in a hundred each, and some twice.
const RATES: Rates = Rates { refused: 10, lost: 10, cut: 10, slow: 10, twice: 5 };
/// Faults of each kind that a run must have met.
const MET: u64 = 20;
/// Between two looks at the faults, the producer must have got on.
const STEP: Duration = Duration::from_secs(60);
/// For a hold, a hole or a deletion to come about.
const PROVOKED: Duration = Duration::from_secs(90);
/// Numbers behind one that rises again which are deleted before, more than a window has.
const GONE_WITH_IT: u64 = 6;
/// Requests that an error shows.
const LAST: usize = 30;
pub const MIB: u64 = 1 << 20;
/// Small buffers, so that their sum is a bound worth testing.
pub const SMALL: &[&str] = &[
    "--unflushed-memory-bytes",
    "16MiB",
    "--tail-memory-bytes",
    "16MiB",
    "--cache-memory-bytes",
    "32MiB",
    "--request-memory-bytes",
    "16MiB",
    "--socket-request-max-bytes",
    "8MiB",
    "--fetch-memory-bytes",
    "16MiB",
    "--cache-disk-bytes",
    "0",
    "--max-connections",
    "1000",
];
/// The formula of docs/configuration.md for [`SMALL`].
pub const BUDGET_BYTES: u64 = (24 + 16 + 16 + 32 + 16 + 16 + 8) * MIB;

/// A broker behind the proxy, under a producer, with readers.
struct Scene<'a> {
    parts: &'a Parts,
    place: &'a Place,
    bucket: &'a Bucket,
    faults: &'a Faults,
    broker: Highwater,
}

impl Scene<'_> {
    /// The bucket as it is, without faults.
    fn walk(&self) -> Result<Walk> {
        Walk::of(&self.place.join("data"), self.place, &self.bucket.store("bad"))
    }

    /// Waits for the rest of the acknowledgements; then all of it is there, once and in order, before and
    /// after kill -9, and the bucket is whole.
    fn ends_well(&mut self, mut producer: Load) -> Result<()> {
        producer.stop()?;
        let address = self.broker.address();
        let at = At { broker: &address, parts: self.parts, place: self.place };
        all_of_it(&at, &producer)?;
        self.walk().context("while the broker runs")?;
        self.broker.process()?.kill_9()?;
        self.broker.up()?;
        all_of_it(&at, &producer).context("after kill -9")?;
        ensure!(self.broker.process()?.terminate(DEADLINE)?.success(), "a clean end");
        self.walk().context("after the end")?;
        Ok(())
    }

    /// Waits until `condition` holds of what the proxy has done, while the producer works.
    fn until_done(&self, what: &str, condition: impl Fn(&[Done]) -> bool) -> Result<()> {
        wait::until(PROVOKED, what, || Ok(condition(&self.faults.done()))).with_context(|| {
            let done = self.faults.done();
            format!("the bucket's last requests: {:#?}", &done[done.len().saturating_sub(LAST)..])
        })
    }
}

fn all_of_it(at: &At<'_>, producer: &Load) -> Result<()> {
    let mut read = History::default();
    Client::Confluent.consume(at, TOPIC)?.drain(DEADLINE, |record| read.take(&record))?;
    read.is_all_of(&producer.acknowledged)
}

/// What chance follows from: the environment's, or another each time.
pub fn seed() -> Result<u64> {
    match std::env::var("HIGHWATER_TEST_SEED") {
        Ok(seed) => Ok(seed.parse()?),
        Err(_) => Ok(u64::from(std::process::id())),
    }
}

fn on_scene(name: &str, flags: &[&str], test: impl FnOnce(&mut Scene<'_>) -> Result<()>) -> Result<()> {
    on_scene_of(Service::Minio, name, flags, test)
}

fn on_scene_of(
    service: Service,
    name: &str,
    flags: &[&str],
    test: impl FnOnce(&mut Scene<'_>) -> Result<()>,
) -> Result<()> {
    in_place(name, |parts, place| {
        let bucket = Bucket::start(service, parts, place)?;
        let faults = Faults::start(bucket.address(), seed()?)?;
        let store = Store::Bucket { endpoint: faults.endpoint(), prefix: "bad".to_owned() };
        let binary = highwater_binary()?;
        let broker = Highwater::start_with(&binary, &place.join("data"), place.log("broker"), store, flags)?;
        test(&mut Scene { parts, place, bucket: &bucket, faults: &faults, broker })
    })
}

/// The shard and the number of a put of data: `…/shards/S/wal/N`.
fn number_of(asked: &Asked) -> Option<(&str, u64)> {
    let (shard, number) = asked.path.split_once("/wal/")?;
    (asked.method == "PUT").then_some((shard, number.parse().ok()?))
}

#[test]
fn ten_in_a_hundred_fail_in_each_way_and_nothing_is_lost() -> Result<()> {
    on_scene("bad-bucket", SMALL, ten_in_a_hundred_fail)
}

#[test]
fn ten_in_a_hundred_fail_in_each_way_on_localstack_and_nothing_is_lost() -> Result<()> {
    on_scene_of(Service::LocalStack, "bad-localstack", SMALL, ten_in_a_hundred_fail)
}

fn ten_in_a_hundred_fail(scene: &mut Scene<'_>) -> Result<()> {
    let address = scene.broker.address();
    let at = At { broker: &address, parts: scene.parts, place: scene.place };
    create(&at, TOPIC, PARTITIONS as u32, OBJECT)?;
    scene.faults.set_rates(RATES);
    let pid = scene.broker.process()?.pid();
    let mut producer = Load::start(&at, TOPIC, PARTITIONS, RECORDS_PER_SECOND, Errors::End)?;
    let mut member = Client::Confluent.member(&at, TOPIC, "readers")?;
    let mut tail = confluent(&at, "tail");
    tail.args([TOPIC, &PARTITIONS.to_string()]);
    let mut tail = Stream::start("tail", &mut tail, &scene.place.log("tail"))?;
    let (mut by_group, mut by_tail) = (History::default(), History::default());
    let kinds = [Fault::Refuse, Fault::Lose, Fault::Cut, Fault::DelayBefore, Fault::DelayAfter, Fault::Twice];
    loop {
        producer.wait_for_acknowledgement()?;
        producer.take_acknowledged()?;
        by_group.catch_up(&mut member, &producer.acknowledged, STEP).context("the member of the group")?;
        by_tail.catch_up(&mut tail, &producer.acknowledged, STEP).context("the reader at the tail")?;
        let counts = scene.faults.counts();
        let met = |fault| counts.get(fault).copied().unwrap_or_default();
        if kinds.iter().all(|fault| met(fault) >= MET / if met_half(fault) { 2 } else { 1 }) {
            println!("met {counts:?}, {} records", by_tail.count);
            break;
        }
    }
    let peak = memory::peak_bytes(pid)?;
    println!("peak {} MiB of {} MiB", peak / MIB, BUDGET_BYTES / MIB);
    ensure!(peak <= BUDGET_BYTES, "{peak} bytes while the bucket failed, and the budget is {BUDGET_BYTES}");
    member.stop(|record| by_group.take(&record))?;
    tail.stop(|record| by_tail.take(&record))?;
    // A start meets the faults as well.
    scene.broker.process()?.kill_9()?;
    scene.broker.up()?;
    producer.wait_for_acknowledgement()?;
    scene.faults.set_rates(Rates::default());
    scene.ends_well(producer)
}

/// Delays before and after share one rate, and the one of requests done twice is half of the others.
fn met_half(fault: &Fault) -> bool {
    matches!(fault, Fault::DelayBefore | Fault::DelayAfter | Fault::Twice)
}

/// The answer to the first try of every put is lost: the second meets what the first has written.
#[test]
fn a_lost_answer_to_a_put_is_no_second_put() -> Result<()> {
    on_scene("lost-answer", &["--flush-bytes", "64KiB"], |scene| {
        let address = scene.broker.address();
        let at = At { broker: &address, parts: scene.parts, place: scene.place };
        create(&at, TOPIC, PARTITIONS as u32, OBJECT)?;
        scene.faults.set_script(|asked| (number_of(asked).is_some() && asked.before == 0).then_some(Fault::Lose));
        let mut producer = Load::start(&at, TOPIC, PARTITIONS, RECORDS_PER_SECOND, Errors::End)?;
        scene.until_done("puts that lost their first answer and were asked for again", |done| {
            done.iter().filter(|done| done.fault.is_none() && done.status == Some(412)).count() as u64 >= MET
        })?;
        producer.wait_for_acknowledgement()?;
        scene.ends_well(producer)
    })
}

/// A put is held on its way until its number was taken by a second try, and deleted. Then it arrives.
#[test]
fn a_number_that_rises_again_is_no_data() -> Result<()> {
    let flags = ["--gc-grace-ms", "10s", "--config", "log.retention.check.interval.ms=500", "--flush-bytes", "64KiB"];
    on_scene("risen-number", &flags, |scene| {
        let address = scene.broker.address();
        let at = At { broker: &address, parts: scene.parts, place: scene.place };
        // What is held belongs to a topic that is retained for a moment only, alone in its flush.
        create(&at, "short", 1, "retention.ms=1000")?;
        create(&at, TOPIC, PARTITIONS as u32, OBJECT)?;
        let (tell, held) = channel();
        let mut waiting = Some(tell);
        scene.faults.set_script(move |asked| {
            number_of(asked)?;
            let tell = waiting.take()?;
            // The test waits for it as long as it runs.
            tell.send(asked.path.clone()).ok()?;
            Some(Fault::Hold)
        });
        let input = scene.place.join("short.tsv");
        fs::write(&input, "key\tvalue\n")?;
        Client::Kcat.produce(&at, "short", &input, Codec::None)?;
        let path = held.recv_timeout(PROVOKED)?;
        // More numbers than may be in flight go with it: who began to walk at the risen one would come to an end.
        for _ in 0..GONE_WITH_IT {
            Client::Kcat.produce(&at, "short", &input, Codec::None)?;
        }
        scene.faults.end_script();
        let object = scene.place.join("minio").join(path.trim_start_matches('/'));
        ensure!(object.exists(), "the second try has not made {}", object.display());
        let taken = all_after(&object)?;
        ensure!(taken.len() as u64 > GONE_WITH_IT, "{taken:?} are taken");
        wait::until(PROVOKED, "the numbers to be deleted", || {
            Ok(taken[..=GONE_WITH_IT as usize].iter().all(|number| !number.exists()))
        })?;
        let mut producer = Load::start(&at, TOPIC, PARTITIONS, RECORDS_PER_SECOND, Errors::End)?;
        producer.wait_for_acknowledgement()?;
        let released = scene.faults.release()?;
        ensure!(released == [(path.clone(), 200)], "the late put did not make its object again: {released:?}");
        // Before it is swept away: the walk of the next start must not begin with it.
        scene.broker.process()?.kill_9()?;
        ensure!(object.exists(), "swept before anybody could have met it");
        scene.broker.up()?;
        producer.wait_for_acknowledgement()?;
        scene.ends_well(producer)
    })
}

/// This object and those of later numbers, in their order.
fn all_after(first: &Path) -> Result<Vec<PathBuf>> {
    let folder = first.parent().context("an object in a folder")?;
    let mut all: Vec<PathBuf> = fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect::<Result<_>>()?;
    all.retain(|object| object.as_path() >= first);
    all.sort();
    Ok(all)
}

/// The first of several puts in flight never arrives, those after it do, and the leader is killed.
#[test]
fn a_hole_in_the_chain_is_not_read_across() -> Result<()> {
    on_scene("hole", &["--flush-bytes", "64KiB", "--flush-interval-ms", "5ms"], |scene| {
        let address = scene.broker.address();
        let at = At { broker: &address, parts: scene.parts, place: scene.place };
        // Acknowledged from the log on disk, so that the producer goes on and several puts are in flight.
        create(&at, TOPIC, 1, "highwater.durability=local")?;
        let mut producer = Load::start(&at, TOPIC, 1, RECORDS_PER_SECOND, Errors::End)?;
        for _ in 0..3 {
            producer.wait_for_acknowledgement()?;
            producer.take_acknowledged()?;
            let mut hole: Option<String> = None;
            scene.faults.set_script(move |asked| {
                number_of(asked)?;
                let path = hole.get_or_insert_with(|| asked.path.clone());
                (asked.path == *path).then_some(Fault::Refuse)
            });
            let begun = scene.faults.done().len();
            scene.until_done("a put behind the hole", |done| has_hole(&done[begun..]))?;
            scene.broker.process()?.kill_9()?;
            scene.faults.end_script();
            scene.broker.up()?;
        }
        producer.wait_for_acknowledgement()?;
        scene.ends_well(producer)
    })
}

/// Whether a number was done though one below it, of the same shard, was refused each time.
fn has_hole(done: &[Done]) -> bool {
    let refused: BTreeSet<(&str, u64)> = done
        .iter()
        .filter(|done| done.fault == Some(Fault::Refuse))
        .filter_map(|done| number_of(&done.asked))
        .collect();
    let created = done.iter().filter(|done| done.status == Some(200)).filter_map(|done| number_of(&done.asked));
    created.into_iter().any(|(shard, number)| refused.iter().any(|(of, hole)| *of == shard && *hole < number))
}
