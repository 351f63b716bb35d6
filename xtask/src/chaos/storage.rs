//! `cargo xtask chaos storage`: much goes through one bucket, little of it is live, and the bucket follows.
//!
//! One topic is limited by age, one of many partitions by size, and a third one is created, filled and deleted
//! over and over. Readers go through the first two from the beginning all the time. Each minute, and at the
//! end, `highwater verify` walks the bucket.

use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use highwater_tests::clients::{At, Client};
use highwater_tests::highwater::{Highwater, Store};
use highwater_tests::minio::Minio;
use highwater_tests::pages::page;
use highwater_tests::parts::highwater_binary;
use highwater_tests::place::Place;
use highwater_tests::said::Said;
use highwater_tests::wait;
use highwater_tests::walk::Walk;

use crate::parts;

const AGED: (&str, u32) = ("aged", 4);
const SIZED: (&str, u32) = ("sized", 400);
const PASSING: &str = "passing";
const AGE_S: u64 = 120;
const PARTITION_BYTES: u64 = 1 << 20;
/// Shares of the records, in tenths; what is left goes to the topic that comes and goes.
const AGED_TENTHS: u64 = 7;
const SIZED_TENTHS: u64 = 2;
const RECORD_BYTES: u64 = 1 << 10;
const SETTINGS: &[&str] = &["--gc-grace-ms", "10s", "--config", "log.retention.check.interval.ms=5000"];
const MINUTE: Duration = Duration::from_secs(60);
/// The grace with its tenth, two looks, and the deletes.
const SETTLED: Duration = Duration::from_secs(120);

/// How much.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// GiB that go through.
    #[arg(long, default_value_t = 20)]
    gib: u64,
    /// In so many minutes.
    #[arg(long, default_value_t = 30)]
    minutes: u64,
}

/// Runs it; fails when a reader fails, a walk finds something, or the bucket does not follow.
pub(super) fn run(arguments: &Arguments) -> Result<()> {
    let parts = parts::prepare_all()?;
    let place = Place::new("chaos-storage")?;
    let minio = Minio::start(&parts, &place)?;
    let store = Store::Bucket { endpoint: minio.endpoint(), prefix: "storage".into() };
    let data = place.join("broker");
    let broker = Highwater::start_with(&highwater_binary()?, &data, place.log("broker"), store.clone(), SETTINGS)?;
    let address = format!("127.0.0.1:{}", broker.port());
    let at = At { broker: &address, parts: &parts, place: &place };
    create(&at, AGED, &format!("retention.ms={}", AGE_S * 1_000))?;
    create(&at, SIZED, &format!("retention.bytes={PARTITION_BYTES}"))?;
    let seconds = arguments.minutes * 60;
    let rate = arguments.gib * (1 << 30) / RECORD_BYTES / seconds;
    let run = Run { at, broker: &broker, data: &data, store: &store, began: Instant::now(), seconds, rate };
    println!("{} GiB in {} minutes: {rate} records of 1 KiB a second", arguments.gib, arguments.minutes);
    println!("minute, MiB live at most, MiB in segments, segments, objects that wait, requests a minute");
    thread::scope(|scope| {
        let producers = [(AGED, AGED_TENTHS), (SIZED, SIZED_TENTHS)].map(|(topic, tenths)| {
            scope.spawn(move || run.client("pace", topic, &[rate * tenths / 10, seconds]).map(drop))
        });
        let readers = [AGED, SIZED].map(|topic| scope.spawn(move || run.client("reread", topic, &[seconds])));
        let passing = scope.spawn(move || run.come_and_go());
        let watched = run.watch();
        for producer in producers {
            joined(producer.join())?;
        }
        joined(passing.join())?;
        for (reader, (topic, _)) in readers.into_iter().zip([AGED, SIZED]) {
            let said = joined(reader.join())?;
            let [rounds, records, overtaken] = said.as_slice() else { anyhow::bail!("reread said {said:?}") };
            println!("{topic}: read {rounds} times from the beginning, {records} records, {overtaken} times overtaken");
        }
        watched
    })?;
    let mut last = run.walk()?;
    wait::until(SETTLED, "all that nobody needs to be deleted", || {
        last = run.walk()?;
        Ok(last.unneeded == 0)
    })
    .with_context(|| format!("{last:?}"))?;
    ensure!(last.kept < 2 * run.live_bytes(), "{} bytes in segments, {} live at most", last.kept, run.live_bytes());
    println!("clean at the end: {last:?}");
    Ok(())
}

/// What all its threads need.
#[derive(Clone, Copy)]
struct Run<'a> {
    at: At<'a>,
    broker: &'a Highwater,
    data: &'a std::path::Path,
    store: &'a Store,
    began: Instant,
    seconds: u64,
    /// Records a second, over all topics.
    rate: u64,
}

impl Run<'_> {
    fn client(&self, role: &str, (topic, partitions): (&str, u32), numbers: &[u64]) -> Result<Vec<f64>> {
        let numbers: Vec<String> =
            std::iter::once(u64::from(partitions)).chain(numbers.iter().copied()).map(|n| n.to_string()).collect();
        let arguments: Vec<&str> = std::iter::once(topic).chain(numbers.iter().map(String::as_str)).collect();
        Client::measure(&self.at, role, &arguments).with_context(|| format!("{role} {topic}"))
    }

    fn is_over(&self) -> bool {
        self.began.elapsed() >= Duration::from_secs(self.seconds)
    }

    /// A topic for half a minute, and another one.
    fn come_and_go(&self) -> Result<()> {
        let rate = self.rate * (10 - AGED_TENTHS - SIZED_TENTHS) / 10;
        for number in 0.. {
            if self.is_over() {
                break;
            }
            let topic = format!("{PASSING}-{number}");
            self.at.create_topic(&topic, 4)?;
            self.client("pace", (&topic, 4), &[rate, 30])?;
            self.at.delete_topic(&topic)?;
        }
        Ok(())
    }

    /// What may be live: what is kept by age (and an interval of looks), by size, and one passing topic; and
    /// what came within the grace and is not deleted yet, written twice by compaction.
    fn live_bytes(&self) -> u64 {
        let a_second = self.rate * RECORD_BYTES;
        let aged = a_second * AGED_TENTHS / 10 * (AGE_S + 10);
        let sized = u64::from(SIZED.1) * 2 * PARTITION_BYTES;
        aged + sized + a_second / 10 * 60 + 2 * 30 * a_second
    }

    fn walk(&self) -> Result<Walk> {
        Walk::of(self.data, self.at.place, self.store)
    }

    fn requests(&self) -> Result<f64> {
        let metrics = page(self.broker.http_port(), "/metrics")?;
        let lines = metrics.lines().filter(|line| line.starts_with("highwater_bucket_requests_total{"));
        lines.map(|line| line.rsplit(' ').next().unwrap_or_default().parse::<f64>().context("a number")).sum()
    }

    /// A line each minute.
    fn watch(&self) -> Result<()> {
        let mut before = self.requests()?;
        for minute in 1.. {
            if self.is_over() {
                break;
            }
            thread::sleep(MINUTE);
            let now = self.requests()?;
            let walk = self.walk()?;
            println!(
                "{minute}, {}, {}, {}, {}, {:.0}",
                self.live_bytes() >> 20,
                walk.kept >> 20,
                walk.segments,
                walk.unneeded,
                now - before
            );
            before = now;
        }
        Ok(())
    }
}

fn create(at: &At<'_>, (topic, partitions): (&str, u32), config: &str) -> Result<()> {
    let mut command = highwater_tests::highwater::without_settings(&highwater_binary()?);
    command.args(["topic", "create", topic, "-p", &partitions.to_string(), "-c", config, "--bootstrap", at.broker]);
    Said::by(&mut command, at.place, MINUTE)?.expect(0, &["created topic"])
}

fn joined<T>(outcome: thread::Result<Result<T>>) -> Result<T> {
    outcome.map_err(|_| anyhow::anyhow!("a client's thread failed"))?
}
