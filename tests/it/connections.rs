//! Many connections, and readers that read nothing: the broker's memory stays within what its
//! configuration allows, and everybody else is served.
//!
//! The bound is the one that docs/configuration.md states.

use std::fs;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use highwater_tests::clients::{At, Client, Codec, DEADLINE};
use highwater_tests::highwater::{Highwater, Store};
use highwater_tests::memory;
use highwater_tests::parts::{Parts, highwater_binary};
use highwater_tests::place::Place;
use highwater_tests::raw::{
    API_VERSIONS, Connection, PRODUCE, batch, frame, produce_v3, produce_v3_error, put_string, request,
};

use crate::stage::is_highwater;

const MIB: u64 = 1 << 20;
/// What docs/configuration.md allows the program itself.
const PROGRAM_BYTES: u64 = 24 * MIB;
/// And each connection.
const CONNECTION_BYTES: u64 = 8 << 10;
const CONNECTIONS: usize = 10_000;
/// Files of this process besides its connections.
const OTHER_FILES: u64 = 1_000;

const FETCH: i16 = 1;
const READERS: usize = 100;
const ASKED_BYTES: i32 = 50 << 20;
/// A batch with one record, a little below the largest that a topic takes.
const VALUE_BYTES: usize = 1_000_000;
/// More than all budgets of the test together, several times.
const BATCHES: usize = 400;
/// Produce requests sent before their answers are read.
const IN_FLIGHT: usize = 4;
/// How long the readers hold on before they come again, longer than a broker in need bears it.
const ROUND: Duration = Duration::from_secs(4);
const ROUNDS: usize = 3;

#[test]
fn ten_thousand_connections_cost_little() -> Result<()> {
    if !is_highwater()? {
        return Ok(());
    }
    raise_open_files(CONNECTIONS as u64 + OTHER_FILES)?;
    let world = World::start("connections", &[])?;
    world.is_served("before")?;
    let before = memory::resident_bytes(world.pid)?;
    let begun = Instant::now();
    let mut open = Vec::with_capacity(CONNECTIONS);
    for number in 0..CONNECTIONS {
        let mut connection = Connection::open(&world.address).with_context(|| format!("connection {number}"))?;
        connection.request(API_VERSIONS, 0, 1, &[])?;
        ensure!(connection.answer()?.0 == 1);
        open.push(connection);
    }
    let opened = begun.elapsed();
    let with_all = memory::resident_bytes(world.pid)?;
    let each = with_all.saturating_sub(before) / CONNECTIONS as u64;
    println!("{CONNECTIONS} connections in {opened:?}: {each} bytes each, {} MiB in all", with_all / MIB);
    ensure!(each <= CONNECTION_BYTES, "{each} bytes for each connection");
    world.is_served("during")?;
    for connection in &mut open {
        connection.request(API_VERSIONS, 0, 2, &[])?;
    }
    for connection in &mut open {
        ensure!(connection.answer()?.0 == 2, "a connection was forgotten");
    }
    Ok(())
}

#[test]
fn readers_that_read_nothing_keep_within_the_budget() -> Result<()> {
    if !is_highwater()? {
        return Ok(());
    }
    let flags = [
        ["--unflushed-memory-bytes", "32MiB"],
        ["--tail-memory-bytes", "16MiB"],
        ["--cache-memory-bytes", "32MiB"],
        ["--request-memory-bytes", "32MiB"],
        ["--fetch-memory-bytes", "32MiB"],
        ["--socket-request-max-bytes", "8MiB"],
        ["--max-connections", "200"],
    ];
    let budget = PROGRAM_BYTES + (32 + 16 + 32 + 32 + 32) * MIB + 200 * CONNECTION_BYTES;
    let world = World::start("readers", flags.as_flattened())?;
    world.at().create_topic("large", 1)?;
    produce_large(&world.address)?;
    let produced = memory::peak_bytes(world.pid)?;
    memory::forget_peak(world.pid)?;

    let hostile = std::thread::spawn({
        let address = world.address.clone();
        move || read_nothing(&address)
    });
    world.is_served("during")?;
    let mut read = 0;
    Client::Kcat.consume(&world.at(), "large")?.drain(DEADLINE, |_| {
        read += 1;
        Ok(())
    })?;
    ensure!(read == BATCHES, "a reader of everything got {read} of {BATCHES}");
    hostile.join().map_err(|_| anyhow::anyhow!("the readers panicked"))??;
    world.is_served("after")?;
    let peak = memory::peak_bytes(world.pid)?;
    println!(
        "peak while produced {} MiB, with {READERS} readers {} MiB, budget {} MiB",
        produced / MIB,
        peak / MIB,
        budget / MIB
    );
    ensure!(produced <= budget, "{produced} bytes while records came in, and the budget is {budget}");
    ensure!(peak <= budget, "{peak} bytes with readers that read nothing, and the budget is {budget}");
    Ok(())
}

/// A broker with a directory and its clients.
struct World {
    address: String,
    pid: u32,
    _broker: Highwater,
    parts: Parts,
    place: Place,
}

impl World {
    fn start(name: &str, flags: &[&str]) -> Result<Self> {
        let (parts, place) = (Parts::from_environment()?, Place::new(name)?);
        let (data, log) = (place.join("data"), place.log("broker"));
        let mut broker = Highwater::start_with(&highwater_binary()?, &data, log, Store::Directory, flags)?;
        let (address, pid) = (format!("127.0.0.1:{}", broker.port()), broker.process()?.pid());
        Ok(Self { address, pid, _broker: broker, parts, place })
    }

    fn at(&self) -> At<'_> {
        At { broker: &self.address, parts: &self.parts, place: &self.place }
    }

    /// An ordinary client writes and reads, in a topic of its own.
    fn is_served(&self, topic: &str) -> Result<()> {
        const RECORDS: usize = 1_000;
        let input = self.place.join(&format!("{topic}.tsv"));
        let lines: String = (0..RECORDS).map(|number| format!("key-{number}\tvalue-{number}\n")).collect();
        fs::write(&input, lines)?;
        self.at().create_topic(topic, 2)?;
        Client::Kcat.produce(&self.at(), topic, &input, Codec::None)?;
        let mut read = 0;
        Client::Kcat.consume(&self.at(), topic)?.drain(DEADLINE, |_| {
            read += 1;
            Ok(())
        })?;
        ensure!(read == RECORDS, "an ordinary client got {read} of {RECORDS} records {topic}");
        Ok(())
    }
}

/// The same batch many times, a few requests in flight.
fn produce_large(address: &str) -> Result<()> {
    let batch = batch(&vec![7; VALUE_BYTES], |crc| crc);
    let request = frame(&request(PRODUCE, 3, 1, &produce_v3("large", 0, &batch)));
    let mut connection = Connection::open(address)?;
    let (mut sent, mut answered) = (0, 0);
    while answered < BATCHES {
        if sent < BATCHES && sent - answered < IN_FLIGHT {
            connection.send(&request)?;
            sent += 1;
            continue;
        }
        let (_, answer) = connection.answer()?;
        ensure!(produce_v3_error(&answer, "large")? == 0, "a batch was refused");
        answered += 1;
    }
    Ok(())
}

/// Each asks for 50 MiB from a place of its own and takes nothing of it; then all come again.
fn read_nothing(address: &str) -> Result<()> {
    for _ in 0..ROUNDS {
        let mut held = Vec::with_capacity(READERS);
        for reader in 0..READERS {
            let mut connection = Connection::open(address)?;
            let offset = (reader * BATCHES / READERS) as i64;
            connection.request(FETCH, 4, 1, &fetch_v4(offset))?;
            held.push(connection);
        }
        std::thread::sleep(ROUND);
    }
    Ok(())
}

fn fetch_v4(offset: i64) -> Vec<u8> {
    let mut body = Vec::new();
    body.extend((-1_i32).to_be_bytes()); // a consumer, not a replica
    body.extend(500_i32.to_be_bytes()); // longest wait in ms
    body.extend(1_i32.to_be_bytes()); // least bytes
    body.extend(ASKED_BYTES.to_be_bytes()); // most bytes
    body.push(0); // read uncommitted
    body.extend(1_i32.to_be_bytes()); // topics
    put_string(&mut body, "large");
    body.extend(1_i32.to_be_bytes()); // partitions
    body.extend(0_i32.to_be_bytes());
    body.extend(offset.to_be_bytes());
    body.extend(ASKED_BYTES.to_be_bytes());
    body
}

/// Each connection of this process is an open file.
fn raise_open_files(needed: u64) -> Result<()> {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: getrlimit writes one rlimit to the valid pointer that it is given.
    ensure!(unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit) } == 0, "no limit of open files");
    ensure!(limit.rlim_max >= needed, "this test needs {needed} open files, the system allows {}", limit.rlim_max);
    limit.rlim_cur = limit.rlim_cur.max(needed);
    // SAFETY: setrlimit reads one rlimit from the valid pointer that it is given.
    ensure!(unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limit) } == 0, "the limit cannot be raised");
    Ok(())
}
