//! Rounds of `kill -9` under load: every acknowledged record is there exactly once, in order, whole.
//!
//! An idempotent producer never stops; a second client reads the topic from its beginning all along.
//! At a random moment of each round the broker is killed and started again. Checked:
//!
//! - in each round, that the reader gets every record acknowledged before the kill, at its
//!   acknowledged offset, and never meets an offset or a record twice, a gap in a partition's numbers,
//!   or other bytes than were sent (a gap in the offsets is allowed: they are never given twice);
//! - at the end, by a fresh reader that verifies checksums, the same for the whole topic, and that it
//!   sees exactly what the first reader saw.

use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use crate::clients::{At, Client, confluent};
use crate::dice::Dice;
use crate::history::History;
use crate::load::{Errors, Load};
use crate::records::Stream;
use crate::system::Broker;

const TOPIC: &str = "kill";
const PARTITIONS: usize = 4;
/// Bytes enough that a kill meets half-written batches, few enough that a hundred rounds fit a disk.
const RECORDS_PER_SECOND: u32 = 4_000;
/// How long a round lasts before the kill, in milliseconds, counted from the first acknowledgement.
const ROUND_MS: u64 = 1_000;
/// One round in so many is killed without waiting for an acknowledgement: a recovery is cut off too.
const IMPATIENT: u64 = 4;
/// For a reader to arrive at what was acknowledged before a kill.
const CATCH_UP: Duration = Duration::from_secs(60);

/// How often, and with which dice.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// Kills.
    pub rounds: u32,
    /// The topic's durability, or the broker's default.
    pub durability: Option<&'static str>,
    /// Decides the moment of each kill.
    pub seed: u64,
    /// Whether to print a line every ten rounds.
    pub progress: bool,
}

/// What a run has shown.
#[derive(Debug, Clone, Copy)]
pub struct Outcome {
    /// Kills.
    pub rounds: u32,
    /// Records acknowledged and found.
    pub records: u64,
    /// The slowest start of a killed broker until it was ready.
    pub slowest_start: Duration,
}

/// Runs the rounds on a fresh broker.
pub fn run(broker: &mut Broker, at: &At<'_>, options: Options) -> Result<Outcome> {
    println!("kill -9: {} rounds, seed {}", options.rounds, options.seed);
    match options.durability {
        Some(durability) => {
            at.create_configured(TOPIC, PARTITIONS as u32, &format!("highwater.durability={durability}"))?;
        }
        None => at.create_topic(TOPIC, PARTITIONS as u32)?,
    }
    let mut producer = Load::start(at, TOPIC, PARTITIONS, RECORDS_PER_SECOND, Errors::End)?;
    let mut command = confluent(at, "tail");
    command.args([TOPIC, &PARTITIONS.to_string()]);
    let mut reader = Stream::start("tail", &mut command, &at.place.log("tail"))?;
    let mut dice = Dice(options.seed);
    let mut read = History::default();
    let mut slowest_start = Duration::ZERO;
    for round in 1..=options.rounds {
        let patient = !dice.roll().is_multiple_of(IMPATIENT);
        if patient {
            producer.wait_for_acknowledgement()?;
        }
        thread::sleep(Duration::from_millis(dice.roll() % ROUND_MS));
        broker.kill_9()?;
        let begun = Instant::now();
        broker.up()?;
        slowest_start = slowest_start.max(begun.elapsed());
        producer.take_acknowledged()?;
        read.catch_up(&mut reader, &producer.acknowledged, CATCH_UP)
            .with_context(|| format!("round {round}, seed {}", options.seed))?;
        if options.progress && round % 10 == 0 {
            println!("round {round}: {} records", read.count);
        }
    }
    producer.stop()?;
    read.catch_up(&mut reader, &producer.acknowledged, CATCH_UP).context("after the last round")?;
    reader.stop(|record| read.take(&record))?;
    let mut fresh = History::default();
    Client::Confluent.consume(at, TOPIC)?.drain(Duration::from_secs(600), |record| fresh.take(&record))?;
    fresh.contains(&producer.acknowledged)?;
    ensure!(fresh.offsets == read.offsets, "a fresh reader sees another topic than the first");
    fresh.is_all_of(&producer.acknowledged)?;
    Ok(Outcome { rounds: options.rounds, records: fresh.count, slowest_start })
}
