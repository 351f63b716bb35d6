//! `cargo xtask bench scale`: one broker with very many partitions, on a directory.
//!
//! Each partition gets one record, so that all of them are in memory, in the manifest and in segments. One
//! consumer then follows all of them.

use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use highwater_tests::clients::{At, Client, DEADLINE};
use highwater_tests::highwater::{Highwater, Store, without_settings};
use highwater_tests::parts::Parts;
use highwater_tests::place::Place;

use super::build_broker;
use super::usage::Usage;
use crate::{command, parts};

/// Partitions of one topic.
const PER_TOPIC: u32 = 10_000;
/// For the last flush.
const SETTLE: Duration = Duration::from_secs(12);
const IDLE: Duration = Duration::from_secs(20);
/// What the follower is sent.
const RATE: u32 = 1_000;
const SECONDS: u32 = 20;
const BYTES: u32 = 100;
const LINGER_MS: u32 = 0;

/// How many.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Partitions, in topics of 10,000.
    #[arg(long, default_value_t = 10_000)]
    partitions: u32,
}

/// Measures and prints.
pub(super) fn run(arguments: &Arguments) -> Result<()> {
    let parts = parts::prepare_all()?;
    let place = Place::new("bench-scale")?;
    let binary = build_broker()?;
    let data = place.join("broker");
    let mut broker = Highwater::start(&binary, &data, place.log("broker"), Store::Directory)?;
    let topics: Vec<(String, u32)> = (0..arguments.partitions.div_ceil(PER_TOPIC))
        .map(|number| (format!("t{number}"), PER_TOPIC.min(arguments.partitions - number * PER_TOPIC)))
        .collect();
    println!("{} partitions", arguments.partitions);

    let began = Instant::now();
    for (topic, partitions) in &topics {
        let mut create = without_settings(&binary);
        let address = format!("127.0.0.1:{}", broker.port());
        create.args(["topic", "create", topic, "-p", &partitions.to_string(), "--bootstrap", &address]);
        command::output(&mut create)?;
    }
    println!("created in {:.2} s", began.elapsed().as_secs_f64());
    for (topic, partitions) in &topics {
        measure(&parts, &place, &broker, "touch", &[topic, &partitions.to_string()])?;
    }
    thread::sleep(SETTLE);
    idle(&mut broker, "with a record in each")?;
    if let [(topic, partitions)] = topics.as_slice() {
        let numbers = [*partitions, RATE, SECONDS, BYTES, LINGER_MS].map(|number| number.to_string());
        let arguments: Vec<&str> = std::iter::once(topic).chain(&numbers).map(String::as_str).collect();
        let taken = measure(&parts, &place, &broker, "follow", &arguments)?;
        let [p50, p99, _] = taken.as_slice() else { anyhow::bail!("not three numbers: {taken:?}") };
        println!("one consumer of all, {RATE} records/s: end to end p50 {:.1} ms, p99 {:.1}", p50 / 1e3, p99 / 1e3);
    }

    broker.process()?.kill_9()?;
    started(&mut broker, "after kill -9")?;
    broker.process()?.terminate(DEADLINE)?;
    started(&mut broker, "after an orderly end")?;
    idle(&mut broker, "after that start")
}

fn measure(parts: &Parts, place: &Place, broker: &Highwater, role: &str, arguments: &[&str]) -> Result<Vec<f64>> {
    let address = format!("127.0.0.1:{}", broker.port());
    Client::measure(&At { broker: &address, parts, place }, role, arguments).with_context(|| role.to_owned())
}

fn started(broker: &mut Highwater, when: &str) -> Result<()> {
    let began = Instant::now();
    broker.up()?;
    println!("ready {when} in {:.2} s", began.elapsed().as_secs_f64());
    Ok(())
}

fn idle(broker: &mut Highwater, when: &str) -> Result<()> {
    let pid = broker.process()?.pid();
    let before = Usage::of(pid)?;
    thread::sleep(IDLE);
    let after = Usage::of(pid)?;
    let share = (after.processor - before.processor).as_secs_f64() / IDLE.as_secs_f64();
    let mib = |bytes: u64| bytes >> 20;
    println!(
        "idle {when}: {} MiB resident (at most {}), {:.2} % of a core",
        mib(after.resident_bytes),
        mib(after.peak_bytes),
        100.0 * share
    );
    Ok(())
}
