//! `cargo xtask bench`: Highwater beside Apache Kafka in one run, with Kafka's own tools.
//!
//! Both brokers are up and take turns; the first, whole round of each warms it up and does not count
//! (with less, a third of Kafka's processor time is its compiler's). A round makes a topic of 4 partitions, produces into
//! it (acks=all, linger 5 ms, records of 1 KiB of random text, no compression), consumes it from the
//! beginning, and deletes it, so that the disk stays bounded. Dirty pages are written back before each
//! turn: nobody pays for the other's. The table gives medians over the rounds.
//!
//! Latency is measured at 100 records a second by the client of tests/python, since Kafka's tools
//! count whole milliseconds only.

mod alone;
mod catch_up;
mod compare;
mod object;
mod origin;
mod report;
mod scale;
mod tools;
mod usage;

use std::path::PathBuf;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result};
use clap::ValueEnum;
use highwater_tests::clients::At;
use highwater_tests::highwater::Store;
use highwater_tests::parts::{BINARY_VARIABLE, Parts};
use highwater_tests::place::Place;
use highwater_tests::system::{Broker, System};

use crate::{parts, test};
use report::{Figures, Report};
use usage::Usage;

/// The size of each record.
const RECORD_BYTES: u64 = 1024;
const RECORDS_PER_GIB: u64 = (1 << 30) / RECORD_BYTES;
/// How long a broker has nothing to do before its idle memory is read.
const IDLE: Duration = Duration::from_secs(10);
/// For work that a broker does after its last answer, such as a flush; it is charged to the turn.
const SETTLE: Duration = Duration::from_secs(2);

/// How much to measure.
#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct Arguments {
    #[command(subcommand)]
    other: Option<Other>,
    /// GiB to produce and to consume in each round.
    #[arg(long, default_value_t = 4.0)]
    gib: f64,
    /// Rounds; the table gives their medians.
    #[arg(long, default_value_t = 3)]
    rounds: u32,
    /// Which brokers to measure.
    #[arg(long, value_enum, default_value_t)]
    system: Which,
    /// Records at 100 a second for the latencies of each round; 0 leaves them out.
    #[arg(long, default_value_t = 2_000)]
    latency_records: u32,
}

#[derive(Debug, clap::Subcommand)]
enum Other {
    /// Durability `object` on MinIO, beside what MinIO gives by itself.
    Object(object::Arguments),
    /// A consumer that reads everything beside a producer that goes on; Kafka's beside it.
    CatchUp(catch_up::Arguments),
    /// Everything that is said of the two: throughput by record size, consumers, latency, start, memory.
    Compare(compare::Arguments),
    /// Very many partitions on one broker.
    Scale(scale::Arguments),
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Which {
    #[default]
    Both,
    Highwater,
    Kafka,
}

/// Measures, prints the table, and writes it with its figures into bench/results/.
pub fn run(arguments: &Arguments) -> Result<()> {
    match &arguments.other {
        Some(Other::Object(arguments)) => return object::run(arguments),
        Some(Other::CatchUp(arguments)) => return catch_up::run(arguments),
        Some(Other::Compare(arguments)) => return compare::run(arguments),
        Some(Other::Scale(arguments)) => return scale::run(arguments),
        None => {}
    }
    let parts = parts::prepare_all()?;
    let place = Place::new("bench")?;
    let mut contestants = Vec::new();
    for (which, system) in [(Which::Highwater, System::Highwater), (Which::Kafka, System::Kafka)] {
        if arguments.system == Which::Both || arguments.system == which {
            contestants.push(Contestant::start(system, &parts)?);
        }
    }
    let payloads = place.join("payloads");
    tools::write_payloads(&payloads, RECORD_BYTES)?;
    let bench = Bench { parts: &parts, place: &place, payloads: &payloads };
    let records = (arguments.gib * RECORDS_PER_GIB as f64) as u64;
    for contestant in &mut contestants {
        println!("{}: warming up", contestant.name);
        bench.turn(contestant, "warm-up", records, 0)?;
        contestant.figures.clear();
    }
    for round in 1..=arguments.rounds {
        for contestant in &mut contestants {
            let topic = format!("round-{round}");
            bench.turn(contestant, &topic, records, arguments.latency_records)?;
            if let Some(figures) = contestant.figures.last() {
                println!("{} round {round}: {figures}", contestant.name);
            }
        }
    }
    let mut report = Report::new(arguments.gib, arguments.rounds)?;
    for contestant in &mut contestants {
        let pid = contestant.broker.process()?.pid();
        let peak = Usage::of(pid)?.peak_bytes;
        report.add(contestant.name, &contestant.figures, contestant.idle_bytes, peak);
    }
    report.publish()
}

/// One broker with what has been measured of it.
struct Contestant {
    name: &'static str,
    figures: Vec<Figures>,
    idle_bytes: u64,
    // The broker goes before its folder.
    broker: Broker,
    _place: Place,
}

impl Contestant {
    fn start(system: System, parts: &Parts) -> Result<Self> {
        let name = name(system);
        if system == System::Highwater {
            build_broker()?;
        }
        let place = Place::new("bench-broker")?;
        let mut broker = Broker::start(system, parts, &place, Store::Directory)?;
        thread::sleep(IDLE);
        let idle_bytes = Usage::of(broker.process()?.pid())?.resident_bytes;
        Ok(Self { name, figures: Vec::new(), idle_bytes, broker, _place: place })
    }
}

/// What a table calls a broker.
fn name(system: System) -> &'static str {
    match system {
        System::Highwater => "Highwater",
        System::Kafka => "Apache Kafka 4.3.1",
    }
}

/// Builds the broker and the client of the benchmarks, and has the tests' helpers find them; where the
/// environment names a broker, that one is measured, with the client beside it.
fn build_broker() -> Result<PathBuf> {
    if let Some(binary) = std::env::var_os(BINARY_VARIABLE) {
        return Ok(PathBuf::from(binary));
    }
    let binary = test::build_binaries()?;
    // SAFETY: this program has one thread.
    unsafe { std::env::set_var(BINARY_VARIABLE, &binary) };
    Ok(binary)
}

struct Bench<'a> {
    parts: &'a Parts,
    place: &'a Place,
    payloads: &'a std::path::Path,
}

impl Bench<'_> {
    /// One topic in, out, and away.
    fn turn(&self, who: &mut Contestant, topic: &str, records: u64, slow: u32) -> Result<()> {
        let address = who.broker.address();
        let at = At { broker: &address, parts: self.parts, place: self.place };
        let pid = who.broker.process()?.pid();
        at.create_topic(topic, 4)?;
        let (produced, produce_cpu) = measured(pid, || tools::produce(&at, topic, records, self.payloads))
            .with_context(|| format!("producing to {}", who.name))?;
        let (consumed, consume_cpu) = measured(pid, || tools::consume(&at, topic, records))
            .with_context(|| format!("consuming from {}", who.name))?;
        at.delete_topic(topic)?;
        let latency = match slow {
            0 => None,
            count => {
                let topic = format!("{topic}-slow");
                at.create_topic(&topic, 4)?;
                let latency = tools::latency(&at, &topic, count)?;
                at.delete_topic(&topic)?;
                Some(latency)
            }
        };
        let gib = records as f64 / RECORDS_PER_GIB as f64;
        who.figures.push(Figures {
            produced_per_second: produced.records_per_second,
            produce_p50_ms: produced.p50_ms,
            produce_p99_ms: produced.p99_ms,
            consumed_per_second: consumed,
            produce_cpu_per_gib: produce_cpu.as_secs_f64() / gib,
            consume_cpu_per_gib: consume_cpu.as_secs_f64() / gib,
            p50_us: latency.map(|latency| latency.p50_us),
            p99_us: latency.map(|latency| latency.p99_us),
        });
        Ok(())
    }
}

/// The processor time that a broker has used while `work` was done and for [`SETTLE`] afterwards.
fn measured<T>(pid: u32, work: impl FnOnce() -> Result<T>) -> Result<(T, Duration)> {
    // SAFETY: sync takes nothing and gives nothing.
    unsafe { libc::sync() };
    let before = Usage::of(pid)?.processor;
    let outcome = work()?;
    thread::sleep(SETTLE);
    Ok((outcome, Usage::of(pid)?.processor.saturating_sub(before)))
}
