//! Old records and deleted topics leave the bucket, under clients and over restarts, and what is kept
//! stays whole.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use highwater_tests::clients::{At, Client, Codec, DEADLINE};
use highwater_tests::flights::{COUNT, Flights, Ledger};
use highwater_tests::highwater::{Highwater, Store, without_settings};
use highwater_tests::minio::Minio;
use highwater_tests::pages::{page, value};
use highwater_tests::parts::{Parts, highwater_binary};
use highwater_tests::place::Place;
use highwater_tests::said::Said;
use highwater_tests::wait;
use highwater_tests::walk::Walk;
use serde_json::Value;

use crate::stage::{create, in_place};

const PARTITIONS: u32 = 4;
/// A short grace, looks often, and small segments: few of them hold records of two topics.
const SETTINGS: &[&str] =
    &["--gc-grace-ms", "10s", "--config", "log.retention.check.interval.ms=500", "--flush-bytes", "1MiB"];
/// Bytes of segments that hold records of two topics, at most: five topics in four shards.
const SHARED_BYTES: u64 = 5 * 4 * (1 << 20);
/// What a partition of the topic that is limited by size keeps.
const KEPT_BYTES: u64 = 2_000_000;
const LIMITED: &str = "retention.bytes=2000000";

#[test]
fn a_directory_holds_what_is_kept_and_no_more() -> Result<()> {
    in_place("retention", |parts, place| goes_and_stays(parts, place, || Store::Directory))
}

#[test]
fn a_bucket_holds_what_is_kept_and_no_more() -> Result<()> {
    in_place("retention-bucket", |parts, place| {
        let minio = Minio::start(parts, place)?;
        let store = || Store::Bucket { endpoint: minio.endpoint(), prefix: "retention".to_owned() };
        goes_and_stays(parts, place, store)
    })
}

fn goes_and_stays(parts: &Parts, place: &Place, store: impl Fn() -> Store) -> Result<()> {
    let data = place.join("data");
    let mut broker = Highwater::start_with(&highwater_binary()?, &data, place.log("broker"), store(), SETTINGS)?;
    let address = format!("127.0.0.1:{}", broker.port());
    let at = At { broker: &address, parts, place };
    let flights = Flights::read(&parts.flights())?;
    for (topic, config) in [("aged", "retention.ms=1000"), ("limited", LIMITED), ("endless", "retention.ms=-1")] {
        create(&at, topic, PARTITIONS, config)?;
    }
    at.create_topic("kept", PARTITIONS)?;
    at.create_topic("gone", PARTITIONS)?;
    for topic in ["aged", "limited", "endless", "kept", "gone"] {
        Client::Kcat.produce(&at, topic, &parts.flights(), Codec::None)?;
    }
    at.delete_topic("gone")?;

    // What is kept: two topics whole, and the end of the one that is limited.
    let whole = 2 * flights_bytes(&flights);
    let bucket =
        settled(&data, place, &store(), whole + whole / 8 + u64::from(PARTITIONS) * KEPT_BYTES + SHARED_BYTES)?;
    ensure!(bucket.kept > whole, "less than what is kept: {bucket:?}");
    for topic in ["kept", "endless"] {
        every_flight(&at, topic, &flights).with_context(|| topic.to_owned())?;
    }
    for partition in 0..PARTITIONS {
        let (start, end) = bounds(&at, "aged", partition)?;
        ensure!(start == end && end > 0, "aged-{partition} has {start} to {end}");
        let (start, end) = bounds(&at, "limited", partition)?;
        ensure!(0 < start && start < end, "limited-{partition} has {start} to {end}");
    }
    let metrics = page(broker.http_port(), "/metrics")?;
    ensure!(value(&metrics, "highwater_swept_objects_total")? > 10.0, "few objects were deleted");
    ensure!(value(&metrics, "highwater_retention_bytes_total")? > whole as f64 / 2.0, "few bytes went");

    broker.process()?.kill_9()?;
    broker.up()?;
    for topic in ["kept", "endless"] {
        every_flight(&at, topic, &flights).with_context(|| format!("{topic} after kill -9"))?;
    }
    let (start, end) = bounds(&at, "aged", 0)?;
    ensure!(start == end && end > 0, "after kill -9 aged-0 has {start} to {end}");
    ensure!(broker.process()?.terminate(DEADLINE)?.success(), "a clean end");
    Walk::of(&data, place, &store())?;
    Ok(())
}

/// Waits until the bucket holds no more than `most` bytes, and next to nothing that nobody needs; verifies it
/// each time, while the broker deletes.
fn settled(data: &Path, place: &Place, store: &Store, most: u64) -> Result<Walk> {
    let mut last = Walk::of(data, place, store)?;
    wait::until(DEADLINE, "the bucket to be tidied", || {
        last = Walk::of(data, place, store)?;
        Ok(last.kept <= most && last.unneeded <= 2 * u64::from(PARTITIONS))
    })
    .with_context(|| format!("{last:?}, at most {most} bytes are to be kept"))?;
    Ok(last)
}

fn flights_bytes(flights: &Flights) -> u64 {
    (0..flights.len()).filter_map(|row| flights.row(row).ok()).map(|(_, value)| value.len() as u64).sum()
}

fn every_flight(at: &At<'_>, topic: &str, flights: &Flights) -> Result<()> {
    let mut ledger = Ledger::new(flights, Client::Kcat, 0..COUNT);
    Client::Confluent.consume(at, topic)?.drain(DEADLINE, |record| ledger.take(&record))?;
    ledger.finish(PARTITIONS as usize)
}

/// First and next offset of a partition.
fn bounds(at: &At<'_>, topic: &str, partition: u32) -> Result<(u64, u64)> {
    let mut command = without_settings(&highwater_binary()?);
    command.args(["topic", "describe", topic, "--json", "--bootstrap", at.broker]);
    let said = Said::by(&mut command, at.place, Duration::from_secs(60))?;
    said.expect(0, &[topic])?;
    let found: Value = serde_json::from_str(&said.out)?;
    let partitions = found["partitions"].as_array().with_context(|| said.out.clone())?;
    let one = partitions.iter().find(|one| one["partition"] == partition).with_context(|| said.out.clone())?;
    let number = |name: &str| one[name].as_u64().with_context(|| format!("{name} in {one}"));
    Ok((number("start")?, number("end")?))
}
