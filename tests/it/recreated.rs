//! A topic deleted and created again under load, several times: its readers get the new topic, never the
//! old data, and its producer goes on.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use highwater_tests::clients::{Client, DEADLINE};
use highwater_tests::load::{Errors, Load};
use highwater_tests::records::{Record, Stream};

use crate::stage::{self, Stage};

const TOPIC: &str = "again";
const PARTITION: i32 = 0;
const RECORDS_PER_SECOND: u32 = 1_000;
const GENERATIONS: usize = 5;
/// Acknowledgements between two deletions.
const ENOUGH: usize = 500;
/// Each with a group of its own; they learn of the new topic in different ways.
const READERS: [Client; 3] = [Client::Java, Client::Confluent, Client::KafkaPython];

#[test]
fn a_topic_created_again_has_nothing_of_the_old_one() -> Result<()> {
    stage::on_directory("recreated", deleted_and_created_again)
}

#[test]
fn a_topic_created_again_on_a_bucket_has_nothing_of_the_old_one() -> Result<()> {
    stage::on_bucket("recreated-bucket", deleted_and_created_again)
}

fn deleted_and_created_again(stage: &mut Stage) -> Result<()> {
    stage.at().create_topic(TOPIC, 1)?;
    let mut readers = Vec::new();
    for client in READERS {
        readers.push(Reader { client, stream: client.member(&stage.at(), TOPIC, client.name())?, read: Vec::new() });
    }
    let mut producer = Load::start(&stage.at(), TOPIC, 1, RECORDS_PER_SECOND, Errors::Endure)?;
    for _ in 1..GENERATIONS {
        proceed(&mut producer, &mut readers)?;
        stage.at().delete_topic(TOPIC)?;
        create_again(stage)?;
    }
    proceed(&mut producer, &mut readers)?;
    producer.stop()?;
    let written = Written::new(producer.acknowledged.remove(&PARTITION).unwrap_or_default());
    ensure!(written.generations() == GENERATIONS, "{} generations acknowledged", written.generations());
    for reader in readers {
        reader.finish(&written)?;
    }
    let mut fresh = Vec::new();
    Client::Confluent.consume(&stage.at(), TOPIC)?.drain(DEADLINE, |record| {
        fresh.push(number_and_offset(&record)?);
        Ok(())
    })?;
    written.is_the_last_generation(&fresh)
}

/// A client that merely names the topic may have created it already, with one partition like this.
fn create_again(stage: &Stage) -> Result<()> {
    match stage.at().create_topic(TOPIC, 1) {
        Err(error) if error.to_string().contains("TOPIC_ALREADY_EXISTS") => Ok(()),
        outcome => outcome,
    }
}

/// Waits until enough more is acknowledged, and takes what has been read meanwhile.
fn proceed(producer: &mut Load, readers: &mut [Reader]) -> Result<()> {
    let count = |producer: &Load| producer.acknowledged.get(&PARTITION).map_or(0, Vec::len);
    let until = count(producer) + ENOUGH;
    let deadline = Instant::now() + DEADLINE;
    while count(producer) < until {
        producer.take_acknowledged()?;
        for reader in readers.iter_mut() {
            reader.take_what_is_there()?;
        }
        ensure!(Instant::now() < deadline, "the producer has stopped at {} records", count(producer));
        std::thread::sleep(Duration::from_millis(5));
    }
    Ok(())
}

fn number_and_offset(record: &Record) -> Result<(u64, i64)> {
    let value = std::str::from_utf8(record.value.as_deref().unwrap_or_default())?;
    let number = value.split(' ').nth(1).context("a strange record")?;
    Ok((number.parse()?, record.offset))
}

/// Which topic each acknowledged record went to: the offsets begin again with each.
struct Written {
    /// Number, offset and generation.
    records: Vec<(u64, i64, usize)>,
}

impl Written {
    fn new(acknowledged: Vec<(u64, i64)>) -> Self {
        let mut records: Vec<(u64, i64, usize)> = Vec::with_capacity(acknowledged.len());
        for (number, offset) in acknowledged {
            let generation = match records.last() {
                Some((_, before, generation)) if offset <= *before => generation + 1,
                Some((_, _, generation)) => *generation,
                None => 1,
            };
            records.push((number, offset, generation));
        }
        Self { records }
    }

    fn generations(&self) -> usize {
        self.records.last().map_or(0, |(_, _, generation)| *generation)
    }

    /// The generation that a record was acknowledged in, at which offset; nothing for one whose
    /// acknowledgement was lost with its topic.
    fn find(&self, number: u64) -> Option<(usize, i64)> {
        let at = self.records.binary_search_by_key(&number, |(number, _, _)| *number).ok()?;
        let (_, offset, generation) = self.records[at];
        Some((generation, offset))
    }

    /// A reader meets the generations in their order, and each record where it was acknowledged.
    fn is_met_in_order(&self, read: &[(u64, i64)]) -> Result<()> {
        let mut last = 0;
        for (number, offset) in read {
            let Some((generation, acknowledged)) = self.find(*number) else {
                continue;
            };
            ensure!(*offset == acknowledged, "{number} acknowledged at {acknowledged}, read at {offset}");
            ensure!(generation >= last, "{number} of topic {generation} was read after records of topic {last}");
            last = generation;
        }
        ensure!(last == self.generations(), "nothing was read of the last topic, only of {last}");
        Ok(())
    }

    /// All of the last topic and nothing else.
    fn is_the_last_generation(&self, read: &[(u64, i64)]) -> Result<()> {
        self.is_met_in_order(read)?;
        let old = read.iter().find(|(number, _)| self.find(*number).is_some_and(|(of, _)| of < self.generations()));
        ensure!(old.is_none(), "a record of an old topic: {old:?}");
        let last = self.records.iter().filter(|(_, _, of)| *of == self.generations());
        let missing = last.map(|(number, offset, _)| (*number, *offset)).find(|record| !read.contains(record));
        ensure!(missing.is_none(), "an acknowledged record is missing: {missing:?}");
        Ok(())
    }
}

/// A group of one member, and what it has read: numbers and offsets.
struct Reader {
    client: Client,
    stream: Stream,
    read: Vec<(u64, i64)>,
}

impl Reader {
    fn take_what_is_there(&mut self) -> Result<()> {
        while let Some(record) = self.stream.poll(Duration::ZERO)? {
            self.read.push(number_and_offset(&record)?);
        }
        let ended = self.stream.process.ended()?;
        ensure!(ended.is_none(), "{:?}: {}", self.client, self.stream.process.log_tail());
        Ok(())
    }

    /// Reads on until the last record that was acknowledged.
    fn finish(mut self, written: &Written) -> Result<()> {
        let last = written.records.last().map(|(number, offset, _)| (*number, *offset));
        let deadline = Instant::now() + DEADLINE;
        while self.read.last().copied() < last {
            self.take_what_is_there()?;
            ensure!(Instant::now() < deadline, "{:?} is stuck: {}", self.client, self.stream.process.log_tail());
            std::thread::sleep(Duration::from_millis(5));
        }
        written.is_met_in_order(&self.read).with_context(|| format!("{:?}", self.client))
    }
}

#[test]
fn old_records_and_moved_ones_are_found() -> Result<()> {
    // Three records of a first topic, two of a second; the one between was never acknowledged.
    let written = Written::new(vec![(0, 0), (1, 1), (2, 2), (4, 0), (5, 1)]);
    ensure!(written.generations() == 2, "the offsets begin again once");
    written.is_met_in_order(&[(1, 1), (2, 2), (3, 0), (4, 0), (5, 1)])?;
    ensure!(written.is_met_in_order(&[(4, 0), (2, 2), (5, 1)]).is_err(), "an old record after a new one");
    ensure!(written.is_met_in_order(&[(4, 1), (5, 2)]).is_err(), "records at other offsets");
    ensure!(written.is_met_in_order(&[(0, 0), (1, 1)]).is_err(), "nothing of the new topic");
    written.is_the_last_generation(&[(4, 0), (5, 1)])?;
    ensure!(written.is_the_last_generation(&[(2, 2), (4, 0), (5, 1)]).is_err(), "the new topic has an old record");
    ensure!(written.is_the_last_generation(&[(5, 1)]).is_err(), "an acknowledged record is missing");
    Ok(())
}
