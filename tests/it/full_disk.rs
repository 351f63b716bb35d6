//! A disk that fills and is freed under a producer: on a directory it waits, with a write-ahead log whose files
//! are there it goes on; nothing crashes, nothing acknowledged is lost,
//! memory stays bounded, and all goes on by itself once there is space.
//!
//! The broker runs in a mount namespace of its own, with a small tmpfs where its data is: a disk that is
//! really full, without root and for the binary as it is shipped. The test reaches it through /proc.

use std::fs::{self, File};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use highwater_tests::clients::{At, Client, DEADLINE};
use highwater_tests::highwater::{Highwater, Store};
use highwater_tests::history::History;
use highwater_tests::load::{Errors, Load};
use highwater_tests::memory;
use highwater_tests::minio::Minio;
use highwater_tests::parts::{Parts, highwater_binary};
use highwater_tests::place::Place;
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
/// Several of the log's files are filled in this time.
const LOOKED_AT: Duration = Duration::from_secs(6);
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
    in_place("full-disk", |parts, place| fills_and_is_freed(parts, place, Store::Directory, until_quiet))
}

/// A log whose records reach the bucket is written over again: it needs no space that it does not have.
#[test]
fn the_disk_of_a_write_ahead_log_fills_and_is_freed() -> Result<()> {
    in_place("full-disk-wal", |parts, place| {
        let minio = Minio::start(parts, place)?;
        let store = || Store::Bucket { endpoint: minio.endpoint(), prefix: "full".to_owned() };
        fills_and_is_freed(parts, place, store(), goes_on)?;
        Walk::of(&place.join("data"), place, &store())?;
        Ok(())
    })
}

/// What a producer does while `ballast` takes all that is free, and how long that was looked at.
type WhileFull = fn(producer: &mut Load, ballast: &Path) -> Result<Duration>;

fn fills_and_is_freed(parts: &Parts, place: &Place, store: Store, while_full: WhileFull) -> Result<()> {
    let data = place.join("data");
    let binary = on_small_disk(place, &data)?;
    let mut broker = Highwater::start_with(&binary, &data, place.log("broker"), store, SETTINGS)?;
    let address = broker.address();
    let at = At { broker: &address, parts, place };
    at.create_topic(TOPIC, PARTITIONS as u32)?;
    let pid = broker.process()?.pid();
    // Where the broker's own mounts are seen.
    let disk = PathBuf::from(format!("/proc/{pid}/root")).join(data.strip_prefix("/")?);
    let mut producer = Load::start(&at, TOPIC, PARTITIONS, RECORDS_PER_SECOND, Errors::End)?;
    for round in 1..=ROUNDS {
        producer.wait_for_acknowledgement()?;
        let ballast = disk.join("ballast");
        let full = while_full(&mut producer, &ballast).with_context(|| format!("round {round}"))?;
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

/// The disk stays full, and everything goes on to be acknowledged for as long as is looked.
fn goes_on(producer: &mut Load, ballast: &Path) -> Result<Duration> {
    let begun = Instant::now();
    let mut file = File::create(ballast).with_context(|| ballast.display().to_string())?;
    while begun.elapsed() < LOOKED_AT {
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

/// Takes what space there is, again and again, until nothing is acknowledged any more. How long that took.
fn until_quiet(producer: &mut Load, ballast: &Path) -> Result<Duration> {
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
        // The pace of the looks; what is waited for is the quiet.
        std::thread::sleep(Duration::from_millis(20));
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
