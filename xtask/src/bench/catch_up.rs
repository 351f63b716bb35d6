//! `cargo xtask bench catch-up`: a consumer that reads everything beside a producer that goes on.
//!
//! Highwater keeps its records in MinIO, with nothing of them on its own disk, Apache Kafka on its disk. Each
//! is asked how long a producer of 10 MB/s waits when it is alone, and then while a consumer reads all from the
//! beginning. The two take turns on one machine; all clients are librdkafka's.

use std::thread;

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
        measure(&parts, &place, broker.port(), pid, records)?
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
    let highwater = measure(&parts, &place, broker.port(), pid, records)?;
    say("Highwater", &highwater);
    let alone = Alone::new(&binary, minio.endpoint())?.gets(PREFIX, IN_FLIGHT)?;
    println!(
        "the store alone gives {:.0} MiB/s: ratio {:.2}",
        alone / f64::from(1 << 20),
        highwater.bytes_per_second / alone
    );
    let worse = |measured: &Measured| measured.beside[1] / measured.quiet[1];
    println!(
        "the producer's p99 beside the consumer, in times its quiet one: Highwater {:.1}, Apache Kafka {:.1}",
        worse(&highwater),
        worse(&kafka)
    );
    Ok(())
}

fn measure(parts: &Parts, place: &Place, port: u16, pid: u32, records: u64) -> Result<Measured> {
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
    let (beside, drained) = thread::scope(|scope| {
        let consumer = scope.spawn(|| Client::measure(&at, "drain", &arguments));
        let beside = pace(&at);
        (beside, consumer.join())
    });
    let drained = drained.map_err(|_| anyhow::anyhow!("the consumer's thread failed"))??;
    let usage = Usage::of(pid)?;
    Ok(Measured {
        quiet,
        beside: beside?,
        bytes_per_second: drained.first().context("no rate")? * RECORD_BYTES as f64,
        resident_bytes: usage.resident_bytes,
        peak_bytes: usage.peak_bytes,
    })
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

fn say(name: &str, measured: &Measured) {
    let ms = |us: f64| us / 1e3;
    let [quiet, beside] = [measured.quiet, measured.beside].map(|taken| taken.map(ms));
    println!(
        "{name}: a producer of 10 MB/s alone p50 {:.1} ms, p99 {:.1}; beside a consumer of everything p50 {:.1}, \
         p99 {:.1}; that one reads {:.0} MiB/s; {} MiB resident, at most {}",
        quiet[0],
        quiet[1],
        beside[0],
        beside[1],
        measured.bytes_per_second / f64::from(1 << 20),
        measured.resident_bytes >> 20,
        measured.peak_bytes >> 20
    );
}
