//! `cargo xtask bench object`: durability `object` on MinIO, beside what MinIO gives by itself.
//!
//! Each round first measures the store alone (conditional puts of 8 MiB, four in flight), then a
//! librdkafka producer that batches up to 1 MB, so both have the same machine within a minute. Then come a
//! lone record beside a lone put of its size, a Java producer with its defaults, and the requests of an
//! hour without clients. The broker, MinIO and the clients share the machine: Kafka's own perf tool takes
//! several CPU seconds for each GiB, which here would be what is measured.

use std::path::Path;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result};
use highwater_tests::clients::{At, Client, confluent};
use highwater_tests::highwater::{Highwater, Store};
use highwater_tests::minio::Minio;
use highwater_tests::pages::page;
use highwater_tests::parts::Parts;
use highwater_tests::place::Place;

use super::alone::Alone;
use super::report::median;
use super::{RECORD_BYTES, RECORDS_PER_GIB, build_broker, tools};
use crate::{command, parts};

const SEGMENT_BYTES: u64 = 8 << 20;
/// The engine's own window.
const IN_FLIGHT: u64 = 4;
const PARTITIONS: u32 = 16;
const DEFAULTS: &[&str] = &["acks=all"];
/// Lone records: far enough apart that each has a flush of its own.
const LONE: u32 = 60;
const LONE_PER_SECOND: u32 = 4;
/// A record of 1 KiB with its batch, the segment's footer and the journal's header.
const LONE_PUT_BYTES: u64 = 2 << 10;
const IDLE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3_600);
/// For what is still on its way to the bucket.
const SETTLE: Duration = Duration::from_secs(3);

/// How much to measure.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// GiB to produce in each round.
    #[arg(long, default_value_t = 1.0)]
    gib: f64,
    /// Rounds; medians are printed.
    #[arg(long, default_value_t = 3)]
    rounds: u32,
}

/// Measures and prints.
pub(super) fn run(arguments: &Arguments) -> Result<()> {
    let parts = parts::prepare_all()?;
    let place = Place::new("bench-object")?;
    let binary = build_broker()?;
    let minio = Minio::start(&parts, &place)?;
    let alone = Alone::new(&binary, minio.endpoint())?;
    let store = Store::Bucket { endpoint: minio.endpoint(), prefix: "bench".to_owned() };
    let broker = Highwater::start(&binary, &place.join("broker"), place.log("broker"), store)?;
    let bench = Bench { parts: &parts, place: &place, broker: &broker };
    let payloads = place.join("payloads");
    tools::write_payloads(&payloads, RECORD_BYTES)?;
    throughput(&bench, &alone, arguments)?;
    lone_records(&bench, &alone)?;
    defaults(&bench, &payloads)?;
    idle(&bench)
}

fn throughput(bench: &Bench<'_>, alone: &Alone, arguments: &Arguments) -> Result<()> {
    let records = (arguments.gib * RECORDS_PER_GIB as f64) as u64;
    let (mut ratios, mut requests_per_gib) = (Vec::new(), Vec::new());
    for round in 0..=arguments.rounds {
        let topic = format!("round-{round}");
        bench.at(|at| at.create_topic(&topic, PARTITIONS))?;
        let puts = (arguments.gib * (1 << 30) as f64) as u64 / SEGMENT_BYTES;
        let store = alone.puts(puts, SEGMENT_BYTES, IN_FLIGHT, 0)?.bytes_per_second;
        let before = bench.requests()?;
        let produced = bench.at(|at| Client::fill(at, &topic, PARTITIONS, records))?;
        thread::sleep(SETTLE);
        let requests = (bench.requests()? - before) / arguments.gib;
        let rate = produced * RECORD_BYTES as f64;
        if round == 0 {
            // The first one warms up.
            continue;
        }
        println!(
            "round {round}: {:.0} MiB/s produced, {:.0} MiB/s by the store alone, ratio {:.2}; {requests:.0} requests a GiB",
            mib(rate),
            mib(store),
            rate / store
        );
        ratios.push(rate / store);
        requests_per_gib.push(requests);
    }
    println!("produced beside the store's own 8 MiB puts: {:.2}", median(ratios).context("no rounds")?);
    println!("bucket requests for each GiB produced: {:.0}", median(requests_per_gib).context("no rounds")?);
    Ok(())
}

fn lone_records(bench: &Bench<'_>, alone: &Alone) -> Result<()> {
    let topic = "lone";
    bench.at(|at| at.create_topic(topic, 1))?;
    let gap_ms = u64::from(1_000 / LONE_PER_SECOND);
    let put = alone.puts(u64::from(LONE), LONE_PUT_BYTES, 1, gap_ms)?;
    let latency = bench.at(|at| {
        let mut client = confluent(at, "latency");
        client.args([topic, &LONE.to_string(), &LONE_PER_SECOND.to_string()]);
        tools::parse_latency(&command::output(&mut client)?)
    })?;
    println!(
        "a lone record: p50 {:.2} ms, p99 {:.2}; a lone put of {LONE_PUT_BYTES} bytes: p50 {:.2} ms, p99 {:.2}; ratio of p50 {:.2}",
        latency.p50_us / 1e3,
        latency.p99_us / 1e3,
        put.p50_us / 1e3,
        put.p99_us / 1e3,
        latency.p50_us / put.p50_us
    );
    Ok(())
}

fn defaults(bench: &Bench<'_>, payloads: &Path) -> Result<()> {
    let topic = "defaults";
    bench.at(|at| at.create_topic(topic, 4))?;
    let produced = bench.at(|at| tools::produce_with(at, topic, RECORDS_PER_GIB / 64, payloads, DEFAULTS))?;
    println!(
        "a Java producer with its defaults: {:.0} records/s, p50 {:.0} ms, p99 {:.0} ms",
        produced.records_per_second, produced.p50_ms, produced.p99_ms
    );
    Ok(())
}

fn idle(bench: &Bench<'_>) -> Result<()> {
    thread::sleep(SETTLE);
    let before = bench.requests()?;
    thread::sleep(IDLE);
    let per_hour = (bench.requests()? - before) * HOUR.as_secs_f64() / IDLE.as_secs_f64();
    println!("bucket requests of an idle hour: {per_hour:.0}");
    Ok(())
}

fn mib(bytes: f64) -> f64 {
    bytes / f64::from(1 << 20)
}

struct Bench<'a> {
    parts: &'a Parts,
    place: &'a Place,
    broker: &'a Highwater,
}

impl Bench<'_> {
    fn at<T>(&self, work: impl FnOnce(&At<'_>) -> Result<T>) -> Result<T> {
        let address = format!("127.0.0.1:{}", self.broker.port());
        work(&At { broker: &address, parts: self.parts, place: self.place })
    }

    /// Requests to the bucket so far, of every kind and outcome.
    fn requests(&self) -> Result<f64> {
        let metrics = page(self.broker.http_port(), "/metrics")?;
        let lines = metrics.lines().filter(|line| line.starts_with("highwater_bucket_requests_total{"));
        lines.map(|line| line.rsplit(' ').next().unwrap_or_default().parse::<f64>().context("a number")).sum()
    }
}
