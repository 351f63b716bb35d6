//! `cargo xtask bench compare`: every figure that is said of Highwater beside Apache Kafka, from one run.
//!
//! For each measurement both brokers start anew, with their defaults and on directories of one disk, and take
//! turns; who begins changes from round to round. The first, whole round of each warms it up and does not
//! count. A turn makes a topic of 4 partitions and deletes it; what is dirty is written back before it begins.
//! Kafka is waited for until its files are gone, a second after the deletion instead of its default minute, so
//! that they do not go in the other's turn; Highwater's go with the broker, since it keeps them for longer than
//! a measurement takes. Payloads do not compress.
//!
//! One producer is Kafka's own perf tool; 16 producers are one process of `tests/rdkafka-client` with 16
//! instances, since 16 Java machines would be all that a small machine does. Latency is measured by that
//! client, too: Kafka's tool counts whole milliseconds only. The clients run on the brokers' machine and are
//! the same for both.
//!
//! With its defaults it is meant for about half an hour on a quiet machine of two cores, and for 26 GiB of disk.

mod chart;
mod consume;
mod contestant;
mod disk;
mod figures;
mod latency;
mod partitions;
mod produce;
mod rounds;
mod start;
mod table;

use anyhow::{Result, ensure};
use clap::ValueEnum;
use highwater_tests::place::Place;

use super::build_broker;
use crate::parts;
use rounds::Rounds;

/// Partitions of each topic, but for the part that is about them.
const PARTITIONS: u32 = 4;

/// How much to measure.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// GiB of each figure of throughput; a fraction of it where the table says so.
    #[arg(long, default_value_t = 4.0)]
    gib: f64,
    /// Rounds that count; the table gives their medians.
    #[arg(long, default_value_t = 3)]
    rounds: u32,
    /// Only this part.
    #[arg(long, value_enum)]
    only: Option<Part>,
    /// Leaves the 10,000 partitions out.
    #[arg(long)]
    no_partitions: bool,
}

/// What can be measured by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Part {
    /// Producers as fast as they go, by their number and by the size of their records.
    Produce,
    /// A consumer that follows producers, and one that comes afterwards.
    Consume,
    /// Many consumers of one topic.
    FanOut,
    /// From producer to consumer, at a low rate and at half of what can be produced.
    Latency,
    /// Starts, and a broker with nothing to do.
    Start,
    /// 10,000 partitions.
    Partitions,
}

impl Arguments {
    fn has(&self, part: Part) -> bool {
        match self.only {
            Some(only) => only == part,
            None => part != Part::Partitions || !self.no_partitions,
        }
    }
}

/// Measures, prints the table, and writes it with its figures and its chart into bench/results/.
pub(super) fn run(arguments: &Arguments) -> Result<()> {
    ensure!(arguments.gib > 0.0 && arguments.rounds > 0, "there is nothing to measure");
    let parts = parts::prepare_all()?;
    build_broker()?;
    let files = Place::new("bench-compare")?;
    disk::ensure_room(files.path(), arguments.gib, arguments.rounds)?;
    disk::lay_out_apart(files.path());
    let mut rounds = Rounds::new(&parts, &files, arguments.gib, arguments.rounds)?;
    let outcome = measure(&mut rounds, arguments);
    if outcome.is_err() {
        rounds.note("Incomplete: a measurement has failed.".to_owned());
    }
    // What was measured before an error has taken its time.
    table::publish(rounds.finish())?;
    outcome
}

fn measure(rounds: &mut Rounds<'_>, arguments: &Arguments) -> Result<()> {
    let peak = match arguments.has(Part::Produce) {
        true => Some(produce::run(rounds)?),
        false => None,
    };
    if arguments.has(Part::Consume) {
        consume::one(rounds)?;
    }
    if arguments.has(Part::FanOut) {
        consume::many(rounds)?;
    }
    if arguments.has(Part::Latency) {
        latency::run(rounds, peak)?;
    }
    if arguments.has(Part::Start) {
        start::run(rounds)?;
    }
    if arguments.has(Part::Partitions) {
        partitions::run(rounds)?;
    }
    Ok(())
}
