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

use std::collections::BTreeMap;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

use crate::clients::{At, Client, confluent};
use crate::load::{Acknowledged, Errors, Load, filler};
use crate::records::{Record, Stream};
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
    at.create_topic(TOPIC, PARTITIONS as u32)?;
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
        catch_up(&mut reader, &mut read, &producer.acknowledged)
            .with_context(|| format!("round {round}, seed {}", options.seed))?;
        if options.progress && round % 10 == 0 {
            println!("round {round}: {} records", read.count);
        }
    }
    producer.stop()?;
    catch_up(&mut reader, &mut read, &producer.acknowledged).context("after the last round")?;
    reader.stop(|record| read.take(&record))?;
    let mut fresh = History::default();
    Client::Confluent.consume(at, TOPIC)?.drain(Duration::from_secs(600), |record| fresh.take(&record))?;
    fresh.contains(&producer.acknowledged)?;
    ensure!(fresh.offsets == read.offsets, "a fresh reader sees another topic than the first");
    ensure!(
        fresh.count == producer.acknowledged.values().map(|acks| acks.len() as u64).sum::<u64>(),
        "records in the topic that were never acknowledged, though the producer waited for all"
    );
    Ok(Outcome { rounds: options.rounds, records: fresh.count, slowest_start })
}

fn catch_up(reader: &mut Stream, read: &mut History, acknowledged: &Acknowledged) -> Result<()> {
    let deadline = Instant::now() + CATCH_UP;
    while !read.reaches(acknowledged) {
        let left = deadline.saturating_duration_since(Instant::now());
        match reader.next(left).context("a reader that lags behind the acknowledgements")? {
            Some(record) => read.take(&record)?,
            None => bail!("the reader ended: {}", reader.process.log_tail()),
        }
    }
    read.contains(acknowledged)
}

/// What one reader has seen, in order.
#[derive(Debug, Default)]
struct History {
    count: u64,
    /// The offset of each record of a partition; its place in the list is its number.
    offsets: BTreeMap<i32, Vec<i64>>,
}

impl History {
    /// Takes the next record of its partition: the next number, a greater offset, the bytes as sent.
    fn take(&mut self, record: &Record) -> Result<()> {
        let (partition, offset) = (record.partition, record.offset);
        let offsets = self.offsets.entry(partition).or_default();
        let number = offsets.len() as u64;
        let value = record.value.as_deref().unwrap_or_default();
        let expected = format!("{partition} {number} {}", filler(partition, number));
        if value != expected.as_bytes() {
            let found = String::from_utf8_lossy(&value[..value.len().min(40)]).into_owned();
            bail!("partition {partition} offset {offset}: {found:?} where number {number} belongs");
        }
        if let Some(last) = offsets.last() {
            ensure!(*last < offset, "partition {partition}: offset {offset} came after {last}");
        }
        offsets.push(offset);
        self.count += 1;
        Ok(())
    }

    /// Whether every acknowledged number has been read.
    fn reaches(&self, acknowledged: &Acknowledged) -> bool {
        acknowledged.iter().all(|(partition, acks)| {
            let read = self.offsets.get(partition).map_or(0, Vec::len) as u64;
            acks.last().is_none_or(|(number, _)| *number < read)
        })
    }

    /// Whether every acknowledged record is where the acknowledgement said.
    fn contains(&self, acknowledged: &Acknowledged) -> Result<()> {
        for (partition, acks) in acknowledged {
            let offsets = self.offsets.get(partition).context("an empty partition")?;
            for (number, offset) in acks {
                let found = offsets.get(usize::try_from(*number)?);
                ensure!(
                    found == Some(offset),
                    "partition {partition}: {number} acknowledged at {offset}, found at {found:?}"
                );
            }
        }
        Ok(())
    }
}

/// A small generator (splitmix64): enough for moments, and the same everywhere.
struct Dice(u64);

impl Dice {
    fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(partition: i32, offset: i64, number: u64) -> Record {
        let value = format!("{partition} {number} {}", filler(partition, number));
        let value = Some(value.into_bytes());
        Record { partition, offset, key: None, value, headers: String::new() }
    }

    #[test]
    fn losses_repeats_and_changed_bytes_are_found() {
        let mut history = History::default();
        assert!(history.take(&record(1, 0, 0)).is_ok());
        assert!(history.take(&record(1, 1, 2)).is_err(), "a loss");
        assert!(history.take(&record(1, 1, 0)).is_err(), "a repeat");
        let mut changed = record(1, 1, 1);
        if let Some(byte) = changed.value.as_mut().and_then(|value| value.last_mut()) {
            *byte ^= 1;
        }
        assert!(history.take(&changed).is_err(), "changed bytes");
        assert!(history.take(&record(1, 0, 1)).is_err(), "an offset given twice");
        assert!(history.take(&record(1, 7, 1)).is_ok(), "a gap in the offsets");
        let acknowledged = BTreeMap::from([(1, vec![(0, 0), (1, 7)])]);
        assert!(history.contains(&acknowledged).is_ok());
        let moved = BTreeMap::from([(1, vec![(0, 0), (1, 1)])]);
        assert!(history.contains(&moved).is_err(), "acknowledged elsewhere");
        let lost = BTreeMap::from([(1, vec![(2, 8)])]);
        assert!(!history.reaches(&lost) && history.contains(&lost).is_err());
    }
}
