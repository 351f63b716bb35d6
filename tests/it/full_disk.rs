//! A disk that fills and is freed under a producer, alone or together with a bucket that refuses data: on a
//! directory it waits, with a write-ahead log whose files are there it goes on; nothing crashes, nothing
//! acknowledged is lost, memory stays bounded, and all goes on by itself once there is space.
//!
//! The broker runs in a mount namespace of its own, with a small tmpfs where its data is: a disk that is
//! really full, without root and for the binary as it is shipped. The test reaches it through /proc.

use std::fs::{self, File};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use highwater_tests::buckets::{Bucket, Service};
use highwater_tests::clients::{At, Client, DEADLINE};
use highwater_tests::faults::{Asked, Fault, Faults};
use highwater_tests::highwater::{Highwater, Store};
use highwater_tests::history::History;
use highwater_tests::load::{Errors, Load};
use highwater_tests::memory;
use highwater_tests::minio::Minio;
use highwater_tests::pages;
use highwater_tests::parts::{Parts, highwater_binary};
use highwater_tests::place::Place;
use highwater_tests::wait;
use highwater_tests::walk::Walk;

use crate::stage::in_place;

const TOPIC: &str = "load";
const PARTITIONS: usize = 4;
const RECORDS_PER_SECOND: u32 = 4_000;
/// Room for all that the producer sends, and for a write-ahead log at its least.
const DISK: &str = "size=512M";
/// Nothing acknowledged for this long: the producer waits.
const QUIET: Duration = Duration::from_secs(3);
/// For the producer to come to wait; it first uses up what was laid out before.
const FILLS: Duration = Duration::from_secs(60);
/// More than the log may have files for: it goes on only in those that it had.
const LOGGED: f64 = (192 * MIB) as f64;
/// For so much to be logged.
const LOOKED_AT: Duration = Duration::from_secs(60);
/// The pace of looks.
const LOOK: Duration = Duration::from_millis(20);
/// Longer than one put is waited for.
const OUTAGE: Duration = Duration::from_secs(35);
/// Twice the longest pause between two tries of a put, and some time to do what was put off.
const GOES_ON: Duration = Duration::from_secs(15);
const MANY_RECORDS_PER_SECOND: u32 = 16_000;
/// More memory for what the bucket does not have than the disk has room, so that the disk is the limit.
const MUCH_UNFLUSHED: &[&str] = &["--wal-max-bytes", "1GiB", "--unflushed-memory-bytes", "400MiB"];
const FULL_MEMORY: f64 = (400 * MIB) as f64;
/// Of a bucket that keeps up.
const FLUSHED: f64 = (100 * MIB) as f64;
const LOCAL: &str = "highwater.durability=local";
const ROUNDS: u32 = 2;
const CHUNK: usize = 64 << 10;
const MIB: u64 = 1 << 20;
const SETTINGS: &[&str] = &[
    "--wal-max-bytes",
    "128MiB",
    "--unflushed-memory-bytes",
    "32MiB",
    "--tail-memory-bytes",
    "16MiB",
    "--cache-memory-bytes",
    "32MiB",
    "--request-memory-bytes",
    "32MiB",
    "--socket-request-max-bytes",
    "8MiB",
    "--fetch-memory-bytes",
    "32MiB",
    "--cache-disk-bytes",
    "0",
    "--max-connections",
    "1000",
];
/// The formula of docs/configuration.md for [`SETTINGS`].
const BUDGET_BYTES: u64 = (24 + 32 + 16 + 32 + 32 + 32 + 8) * MIB;

#[test]
fn the_disk_of_a_directory_fills_and_is_freed() -> Result<()> {
    in_place("full-disk", |parts, place| {
        fills_and_is_freed(parts, place, Store::Directory, RECORDS_PER_SECOND, until_quiet)
    })
}

/// A log whose records reach the bucket is written over again: it needs no space that it does not have.
#[test]
fn the_disk_of_a_write_ahead_log_fills_and_is_freed() -> Result<()> {
    in_place("full-disk-wal", |parts, place| {
        let minio = Minio::start(parts, place)?;
        let store = || Store::Bucket { endpoint: minio.endpoint(), prefix: "full".to_owned() };
        fills_and_is_freed(parts, place, store(), MANY_RECORDS_PER_SECOND, goes_on)?;
        Walk::of(&place.join("data"), place, &store())?;
        Ok(())
    })
}

/// Neither the log nor the bucket takes anything, for longer than a put may take. Each of them is enough to go on
/// as soon as it is back.
#[test]
fn a_full_disk_and_a_bucket_that_refuses_data_are_made_up_for_at_once() -> Result<()> {
    in_place("full-disk-no-bucket", |parts, place| {
        let bucket = Bucket::start(Service::Minio, parts, place)?;
        let faults = Faults::start(bucket.address(), 0)?;
        let store = Store::Bucket { endpoint: faults.endpoint(), prefix: "full".to_owned() };
        let (mut broker, ballast) = start(place, store, MUCH_UNFLUSHED)?;
        let address = broker.address();
        let at = At { broker: &address, parts, place };
        at.create_configured(TOPIC, PARTITIONS as u32, LOCAL)?;
        let mut producer = Load::start(&at, TOPIC, PARTITIONS, MANY_RECORDS_PER_SECOND, Errors::End)?;
        let unflushed = || -> Result<f64> {
            pages::value(&pages::page(broker.http_port(), "/metrics")?, r#"highwater_memory_bytes{budget="unflushed"}"#)
        };
        for first_back in [Back::Disk, Back::Bucket] {
            producer.wait_for_acknowledgement()?;
            let refused = |asked: &Asked| asked.method == "PUT" && asked.path.contains("/wal/");
            faults.set_script(move |asked| refused(asked).then_some(Fault::Refuse));
            until_quiet(&mut producer, &ballast, broker.http_port())?;
            // All that the disk did not take is in memory.
            ensure!(unflushed()? < FULL_MEMORY, "it was not the disk that was full");
            let begun = Instant::now();
            while begun.elapsed() < OUTAGE {
                producer.take_acknowledged()?;
                std::thread::sleep(LOOK);
            }
            let mut waits = Vec::new();
            for back in [first_back, first_back.other()] {
                let begun = Instant::now();
                match back {
                    Back::Disk => fs::remove_file(&ballast)?,
                    Back::Bucket => faults.end_script(),
                }
                let seen = count(&producer);
                wait::until(GOES_ON, "acknowledgements", || {
                    producer.take_acknowledged()?;
                    Ok(count(&producer) > seen && (back == Back::Disk || unflushed()? < FLUSHED))
                })
                .with_context(|| format!("{first_back:?} first, {back:?} is back"))?;
                waits.push((back, begun.elapsed()));
            }
            println!("goes on after {waits:?}");
        }
        producer.stop()?;
        let mut read = History::default();
        Client::Confluent.consume(&at, TOPIC)?.drain(DEADLINE, |record| read.take(&record))?;
        read.is_all_of(&producer.acknowledged)?;
        ensure!(broker.process()?.terminate(DEADLINE)?.success(), "a clean end");
        Ok(())
    })
}

/// What takes data again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Back {
    Disk,
    Bucket,
}

impl Back {
    fn other(self) -> Self {
        if self == Self::Disk { Self::Bucket } else { Self::Disk }
    }
}

/// What a producer does while `ballast` takes all that is free, and how long that was looked at.
type WhileFull = fn(producer: &mut Load, ballast: &Path, http_port: u16) -> Result<Duration>;

fn fills_and_is_freed(parts: &Parts, place: &Place, store: Store, rate: u32, while_full: WhileFull) -> Result<()> {
    let (mut broker, ballast) = start(place, store, SETTINGS)?;
    let address = broker.address();
    let at = At { broker: &address, parts, place };
    // Elsewhere than in a directory the default would leave the log alone.
    at.create_configured(TOPIC, PARTITIONS as u32, LOCAL)?;
    let pid = broker.process()?.pid();
    let mut producer = Load::start(&at, TOPIC, PARTITIONS, rate, Errors::End)?;
    for round in 1..=ROUNDS {
        producer.wait_for_acknowledgement()?;
        let full = while_full(&mut producer, &ballast, broker.http_port()).with_context(|| format!("round {round}"))?;
        ensure!(broker.process()?.ended()?.is_none(), "it ended on a full disk: {}", broker.process()?.log_tail());
        fs::remove_file(&ballast)?;
        producer.wait_for_acknowledgement().context("nothing is acknowledged though there is space again")?;
        println!("round {round}: full for {full:?}");
    }
    let peak = memory::peak_bytes(pid)?;
    println!("peak {} MiB of {} MiB", peak / MIB, BUDGET_BYTES / MIB);
    ensure!(peak <= BUDGET_BYTES, "{peak} bytes with a full disk, and the budget is {BUDGET_BYTES}");
    producer.stop()?;
    let mut read = History::default();
    Client::Confluent.consume(&at, TOPIC)?.drain(DEADLINE, |record| read.take(&record))?;
    read.is_all_of(&producer.acknowledged)?;
    ensure!(broker.process()?.terminate(DEADLINE)?.success(), "a clean end");
    Ok(())
}

/// The disk stays full, and everything goes on to be acknowledged, through more than all files of the log.
fn goes_on(producer: &mut Load, ballast: &Path, http_port: u16) -> Result<Duration> {
    let logged = || pages::value(&pages::page(http_port, "/metrics")?, "highwater_wal_bytes_total");
    let (begun, before) = (Instant::now(), logged()?);
    let mut file = File::create(ballast).with_context(|| ballast.display().to_string())?;
    while logged()? < before + LOGGED {
        ensure!(begun.elapsed() < LOOKED_AT, "the log has taken {} bytes in {LOOKED_AT:?}", logged()? - before);
        fill(&mut file)?;
        producer.take_acknowledged()?;
        producer.wait_for_acknowledgement()?;
    }
    Ok(begun.elapsed())
}

/// A program that runs `highwater` with a small disk of its own at `data`.
fn on_small_disk(place: &Place, data: &Path) -> Result<PathBuf> {
    let program = place.join("on-small-disk");
    let (binary, data) = (highwater_binary()?, data.display());
    let inner = format!("mount -t tmpfs -o {DISK} tmpfs '{data}' && exec '{}' \"$@\"", binary.display());
    fs::write(&program, format!("#!/bin/sh\nexec unshare -rm sh -c '{}' sh \"$@\"\n", inner.replace('\'', "'\\''")))?;
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755))?;
    Ok(program)
}

/// A broker on a small disk, and the file that is to take what space the disk has, as it is seen from here:
/// through the broker's own mounts.
fn start(place: &Place, store: Store, settings: &[&str]) -> Result<(Highwater, PathBuf)> {
    let data = place.join("data");
    let binary = on_small_disk(place, &data)?;
    let mut broker = Highwater::start_with(&binary, &data, place.log("broker"), store, settings)?;
    let mounts = PathBuf::from(format!("/proc/{}/root", broker.process()?.pid()));
    let ballast = mounts.join(data.strip_prefix("/")?).join("ballast");
    Ok((broker, ballast))
}

/// Takes what space there is, again and again, until nothing is acknowledged any more. How long that took.
fn until_quiet(producer: &mut Load, ballast: &Path, _: u16) -> Result<Duration> {
    let begun = Instant::now();
    let mut file = File::create(ballast).with_context(|| ballast.display().to_string())?;
    let (mut seen, mut since) = (count(producer), Instant::now());
    while since.elapsed() < QUIET {
        ensure!(begun.elapsed() < FILLS, "acknowledged all along on a full disk");
        fill(&mut file)?;
        producer.take_acknowledged()?;
        if count(producer) != seen {
            (seen, since) = (count(producer), Instant::now());
        }
        // What is waited for is the quiet.
        std::thread::sleep(LOOK);
    }
    Ok(begun.elapsed())
}

fn fill(file: &mut File) -> Result<()> {
    loop {
        match file.write(&[0; CHUNK]) {
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::StorageFull => return Ok(()),
            Err(error) => bail!(error),
        }
    }
}

fn count(producer: &Load) -> usize {
    producer.acknowledged.values().map(Vec::len).sum()
}
