//! The read cache on a bucket: a second reader is served from this machine's disk, after a restart, too;
//! damaged files cost requests and nothing else.

use std::fs;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use highwater_tests::clients::{At, Client, Codec, DEADLINE};
use highwater_tests::flights::{COUNT, Flights, Ledger};
use highwater_tests::highwater::{Highwater, Store};
use highwater_tests::minio::Minio;
use highwater_tests::pages::{page, value};
use highwater_tests::parts::{Parts, highwater_binary};
use highwater_tests::place::Place;

use crate::stage::in_place;

const TOPIC: &str = "flights";
const PARTITIONS: usize = 4;
/// How many readers it may take until a slow disk has all of it.
const READERS: usize = 5;
/// Memory for far less than the flights, so that it alone serves no second reader, and disk for all.
const SETTINGS: &[&str] =
    &["--cache-memory-bytes", "48MiB", "--tail-memory-bytes", "0", "--cache-disk-bytes", "512MiB"];

#[test]
fn a_second_reader_is_served_from_the_disk() -> Result<()> {
    in_place("read-cache", on_disk)
}

fn on_disk(parts: &Parts, place: &Place) -> Result<()> {
    let minio = Minio::start(parts, place)?;
    let store = Store::Bucket { endpoint: minio.endpoint(), prefix: "read-cache".to_owned() };
    let data = place.join("data");
    let mut broker = Highwater::start_with(&highwater_binary()?, &data, place.log("broker"), store, SETTINGS)?;
    let address = format!("127.0.0.1:{}", broker.port());
    let at = At { broker: &address, parts, place };
    let flights = Flights::read(&parts.flights())?;
    at.create_topic(TOPIC, PARTITIONS as u32)?;
    Client::Kcat.produce(&at, TOPIC, &parts.flights(), Codec::None)?;

    let first = read(&broker, &at, &flights).context("the first reader")?;
    ensure!(first.from_bucket > 80e6, "the bucket served {first:?}");
    ensure!(first.ahead > 0.0, "nothing was read ahead: {first:?}");
    // What was offered is written in the background, and declined while the disk does not keep up.
    let mut second = first;
    for _ in 0..READERS {
        std::thread::sleep(Duration::from_secs(1));
        second = read(&broker, &at, &flights).context("the second reader")?;
        if second.mostly_from_disk() {
            break;
        }
    }
    ensure!(second.mostly_from_disk(), "the disk served too little: {second:?}");

    ensure!(broker.process()?.terminate(DEADLINE)?.success(), "a clean end");
    broker.up()?;
    let third = read(&broker, &at, &flights).context("after a restart")?;
    ensure!(third.mostly_from_disk(), "the disk served too little: {third:?}");

    broker.process()?.kill_9()?;
    for file in fs::read_dir(data.join("cache"))? {
        damage(&file?.path())?;
    }
    broker.up()?;
    read(&broker, &at, &flights).context("after the files were damaged")?;
    Ok(())
}

/// Bytes by where they came from, and blocks that were read ahead, while one reader read everything.
#[derive(Debug)]
struct Served {
    from_bucket: f64,
    from_disk: f64,
    ahead: f64,
}

impl Served {
    fn mostly_from_disk(&self) -> bool {
        self.from_disk > 2.0 * self.from_bucket
    }
}

fn read(broker: &Highwater, at: &At<'_>, flights: &Flights) -> Result<Served> {
    let before = served(broker)?;
    let mut ledger = Ledger::new(flights, Client::Kcat, 0..COUNT);
    Client::Confluent.consume(at, TOPIC)?.drain(DEADLINE, |record| ledger.take(&record))?;
    ledger.finish(PARTITIONS)?;
    let after = served(broker)?;
    Ok(Served {
        from_bucket: after.from_bucket - before.from_bucket,
        from_disk: after.from_disk - before.from_disk,
        ahead: after.ahead - before.ahead,
    })
}

fn served(broker: &Highwater) -> Result<Served> {
    let metrics = page(broker.http_port(), "/metrics")?;
    Ok(Served {
        from_bucket: value(&metrics, "highwater_read_cache_loaded_bytes_total")?,
        from_disk: value(&metrics, "highwater_read_cache_disk_bytes_total")?,
        ahead: value(&metrics, "highwater_read_cache_ahead_total")?,
    })
}

/// Changes a byte in every few thousand.
fn damage(path: &std::path::Path) -> Result<()> {
    let mut bytes = fs::read(path)?;
    bytes.iter_mut().skip(100).step_by(7_001).for_each(|byte| *byte ^= 0x55);
    Ok(fs::write(path, bytes)?)
}
