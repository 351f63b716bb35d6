//! `cargo xtask bench catch-up`: a consumer that reads everything beside a producer that goes on.
//!
//! Highwater keeps its records in MinIO, with nothing of them on its own disk, Apache Kafka on its disk. Each
//! is asked how long a producer of 10 MB/s waits when it is alone, and then while a consumer reads all from the
//! beginning. The two take turns on one machine; all clients are librdkafka's. What MinIO gives to a reader of
//! its own is measured afterwards, without anybody else and beside the same producer.

use std::thread;
use std::time::Duration;

use anyhow::{Context, Result};
use highwater_tests::apache::Apache;
use highwater_tests::clients::{At, Client};
use highwater_tests::highwater::{Highwater, Store};
use highwater_tests::minio::Minio;
use highwater_tests::parts::Parts;
use highwater_tests::place::Place;

use super::alone::Alone;
use super::usage::Usage;
use super::{RECORD_BYTES, RECORDS_PER_GIB, build_broker};
use crate::parts;

const PARTITIONS: u32 = 4;
const OLD: &str = "old";
const NEW: &str = "new";
const PREFIX: &str = "catch-up";
/// Records of 1 KiB a second.
const RATE: u32 = 10_000;
/// Of the producer, alone and beside the consumer, who takes longer.
const SECONDS: u32 = 20;
/// Reads of the store alone in flight.
const IN_FLIGHT: u64 = 4;
/// For the producer beside them to be on its way.
const UNDER_WAY: Duration = Duration::from_secs(2);

/// How much to measure.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// GiB that the consumer reads.
    #[arg(long, default_value_t = 10.0)]
    gib: f64,
}

/// What was measured of one broker.
struct Measured {
    quiet: [f64; 2],
    beside: [f64; 2],
    bytes_per_second: f64,
    /// Of the broker, and of its store if that is a process of its own, while the consumer read; the producer's
    /// part in it is small.
    processor_per_gib: [f64; 2],
    resident_bytes: u64,
    peak_bytes: u64,
}

/// Measures and prints.
pub(super) fn run(arguments: &Arguments) -> Result<()> {
    let parts = parts::prepare_all()?;
    let records = (arguments.gib * RECORDS_PER_GIB as f64) as u64;
    let kafka = {
        let place = Place::new("bench-catch-up-kafka")?;
        let mut broker = Apache::start(&parts, &place.join("broker"), place.log("broker"))?;
        let pid = broker.process()?.pid();
        measure(&parts, &place, broker.port(), [Some(pid), None], records)?
    };
    say("Apache Kafka 4.3.1", &kafka);

    let place = Place::new("bench-catch-up")?;
    let binary = build_broker()?;
    let minio = Minio::start(&parts, &place)?;
    let store = Store::Bucket { endpoint: minio.endpoint(), prefix: PREFIX.to_owned() };
    let from_the_bucket = ["--cache-disk-bytes", "0"];
    let mut broker =
        Highwater::start_with(&binary, &place.join("broker"), place.log("broker"), store, &from_the_bucket)?;
    let pid = broker.process()?.pid();
    let pids = [Some(pid), Some(minio.process.pid())];
    let highwater = measure(&parts, &place, broker.port(), pids, records)?;
    say("Highwater", &highwater);
    let alone = Alone::new(&binary, minio.endpoint())?;
    let quiet = alone.gets(PREFIX, IN_FLIGHT)?;
    let address = format!("127.0.0.1:{}", broker.port());
    let at = At { broker: &address, parts: &parts, place: &place };
    let (_, beside) = beside_a_producer(&at, || alone.gets(PREFIX, IN_FLIGHT))?;
    println!(
        "the store alone gives {:.0} MiB/s: ratio {:.2}; beside the same producer {:.0} MiB/s: ratio {:.2}",
        mib(quiet),
        highwater.bytes_per_second / quiet,
        mib(beside),
        highwater.bytes_per_second / beside
    );
    let worse = |measured: &Measured| measured.beside[1] / measured.quiet[1];
    println!(
        "the producer's p99 beside the consumer, in times its quiet one: Highwater {:.1}, Apache Kafka {:.1}",
        worse(&highwater),
        worse(&kafka)
    );
    Ok(())
}

fn measure(parts: &Parts, place: &Place, port: u16, pids: [Option<u32>; 2], records: u64) -> Result<Measured> {
    let address = format!("127.0.0.1:{port}");
    let at = At { broker: &address, parts, place };
    at.create_topic(OLD, PARTITIONS)?;
    at.create_topic(NEW, PARTITIONS)?;
    Client::fill(&at, OLD, PARTITIONS, records)?;
    // The first one warms up.
    pace(&at)?;
    let quiet = pace(&at)?;
    let numbers = [u64::from(PARTITIONS), records].map(|number| number.to_string());
    let arguments = [OLD, &numbers[0], &numbers[1]];
    let (beside, (drained, usage, processor)) = beside_a_producer(&at, || {
        let before = usage_of(pids)?;
        let drained = Client::measure(&at, "drain", &arguments)?;
        let after = usage_of(pids)?;
        let used = |index: usize| match (before[index], after[index]) {
            (Some(before), Some(after)) => (after.processor - before.processor).as_secs_f64(),
            _ => 0.0,
        };
        Ok((drained, after[0], [used(0), used(1)]))
    })?;
    let usage = usage.context("no broker")?;
    let gib = records as f64 / RECORDS_PER_GIB as f64;
    Ok(Measured {
        quiet,
        beside,
        bytes_per_second: drained.first().context("no rate")? * RECORD_BYTES as f64,
        processor_per_gib: processor.map(|seconds| seconds / gib),
        resident_bytes: usage.resident_bytes,
        peak_bytes: usage.peak_bytes,
    })
}

fn usage_of(pids: [Option<u32>; 2]) -> Result<[Option<Usage>; 2]> {
    let of = |pid: Option<u32>| pid.map(Usage::of).transpose();
    Ok([of(pids[0])?, of(pids[1])?])
}

/// Does something while the producer is at work; what that one waited, and what came of it.
fn beside_a_producer<T: Send>(at: &At<'_>, work: impl FnOnce() -> Result<T> + Send) -> Result<([f64; 2], T)> {
    let (paced, worked) = thread::scope(|scope| {
        let worker = scope.spawn(|| {
            thread::sleep(UNDER_WAY);
            work()
        });
        (pace(at), worker.join())
    });
    Ok((paced?, worked.map_err(|_| anyhow::anyhow!("a thread failed"))??))
}

/// p50 and p99 of acknowledgements, microseconds.
fn pace(at: &At<'_>) -> Result<[f64; 2]> {
    let numbers = [PARTITIONS, RATE, SECONDS].map(|number| number.to_string());
    let taken = Client::measure(at, "pace", &[NEW, &numbers[0], &numbers[1], &numbers[2]])?;
    match taken.as_slice() {
        [p50, p99, _] => Ok([*p50, *p99]),
        other => anyhow::bail!("not three numbers: {other:?}"),
    }
}

fn mib(bytes: f64) -> f64 {
    bytes / f64::from(1 << 20)
}

fn say(name: &str, measured: &Measured) {
    let ms = |us: f64| us / 1e3;
    let [quiet, beside] = [measured.quiet, measured.beside].map(|taken| taken.map(ms));
    println!(
        "{name}: a producer of 10 MB/s alone p50 {:.1} ms, p99 {:.1}; beside a consumer of everything p50 {:.1}, \
         p99 {:.1}; that one reads {:.0} MiB/s, for {:.2} s/GiB of the broker's processor time and {:.2} of its \
         store's; {} MiB resident, at most {}",
        quiet[0],
        quiet[1],
        beside[0],
        beside[1],
        mib(measured.bytes_per_second),
        measured.processor_per_gib[0],
        measured.processor_per_gib[1],
        measured.resident_bytes >> 20,
        measured.peak_bytes >> 20
    );
}
