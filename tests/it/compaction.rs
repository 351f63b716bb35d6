//! Many small extents become few large segments, under clients and over restarts.

use anyhow::{Context, Result, ensure};
use highwater_tests::clients::{At, Client, Codec, DEADLINE};
use highwater_tests::flights::{COUNT, Flights, Ledger};
use highwater_tests::highwater::{Highwater, Store};
use highwater_tests::minio::Minio;
use highwater_tests::pages::{page, value};
use highwater_tests::parts::{Parts, highwater_binary};
use highwater_tests::place::Place;
use highwater_tests::wait;
use highwater_tests::walk::Walk;

use crate::stage::in_place;

/// So many that a flush holds some kilobytes of each.
const PARTITIONS: u32 = 200;
/// A short grace, looks often, and small flushes.
const SETTINGS: &[&str] =
    &["--gc-grace-ms", "10s", "--config", "log.retention.check.interval.ms=500", "--flush-bytes", "256KiB"];

#[test]
fn a_directory_is_compacted() -> Result<()> {
    in_place("compaction", |parts, place| becomes_few(parts, place, || Store::Directory))
}

#[test]
fn a_bucket_is_compacted() -> Result<()> {
    in_place("compaction-bucket", |parts, place| {
        let minio = Minio::start(parts, place)?;
        becomes_few(parts, place, || Store::Bucket { endpoint: minio.endpoint(), prefix: "compaction".to_owned() })
    })
}

fn becomes_few(parts: &Parts, place: &Place, store: impl Fn() -> Store) -> Result<()> {
    let data = place.join("data");
    let mut broker = Highwater::start_with(&highwater_binary()?, &data, place.log("broker"), store(), SETTINGS)?;
    let address = format!("127.0.0.1:{}", broker.port());
    let at = At { broker: &address, parts, place };
    let flights = Flights::read(&parts.flights())?;
    at.create_topic("t", PARTITIONS)?;
    Client::Kcat.produce(&at, "t", &parts.flights(), Codec::None)?;
    // Read while segments are replaced.
    every_flight(&at, &flights)?;

    let mut last = Walk::of(&data, place, &store())?;
    wait::until(DEADLINE, "segments to be compacted and the others deleted", || {
        every_flight(&at, &flights)?;
        last = Walk::of(&data, place, &store())?;
        // In four shards.
        let few = last.segments <= 4 * 12;
        Ok(few && last.unneeded <= u64::from(PARTITIONS) / 10)
    })
    .with_context(|| format!("{last:?}"))?;
    let metrics = page(broker.http_port(), "/metrics")?;
    let replaced = value(&metrics, "highwater_compacted_segments_total")?;
    let written = value(&metrics, "highwater_compaction_segments_total")?;
    ensure!(replaced > 8.0 * written, "{written} segments instead of {replaced}");

    broker.process()?.kill_9()?;
    broker.up()?;
    every_flight(&at, &flights).context("after kill -9")?;
    ensure!(broker.process()?.terminate(DEADLINE)?.success(), "a clean end");
    Walk::of(&data, place, &store()).map(drop)
}

fn every_flight(at: &At<'_>, flights: &Flights) -> Result<()> {
    let mut ledger = Ledger::new(flights, Client::Kcat, 0..COUNT);
    Client::Confluent.consume(at, "t")?.drain(DEADLINE, |record| ledger.take(&record))?;
    ledger.finish(PARTITIONS as usize)
}
