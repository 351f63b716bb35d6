//! What a reader has seen of a topic under [`crate::load`]: every acknowledged record once, in order, whole.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

use crate::load::{Acknowledged, filler};
use crate::records::{Record, Stream};

/// What one reader has seen, in order.
#[derive(Debug, Default)]
pub struct History {
    /// Records seen.
    pub count: u64,
    /// The offset of each record of a partition; its place in the list is its number.
    pub offsets: BTreeMap<i32, Vec<i64>>,
}

impl History {
    /// Takes the next record of its partition: the next number, a greater offset, the bytes as sent.
    pub fn take(&mut self, record: &Record) -> Result<()> {
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
    pub fn reaches(&self, acknowledged: &Acknowledged) -> bool {
        acknowledged.iter().all(|(partition, acks)| {
            let read = self.offsets.get(partition).map_or(0, Vec::len) as u64;
            acks.last().is_none_or(|(number, _)| *number < read)
        })
    }

    /// Whether every acknowledged record is where the acknowledgement said.
    pub fn contains(&self, acknowledged: &Acknowledged) -> Result<()> {
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

    /// Reads on until every acknowledged record was seen, each where its acknowledgement said.
    pub fn catch_up(&mut self, reader: &mut Stream, acknowledged: &Acknowledged, limit: Duration) -> Result<()> {
        let deadline = Instant::now() + limit;
        while !self.reaches(acknowledged) {
            let left = deadline.saturating_duration_since(Instant::now());
            match reader.next(left).context("a reader that lags behind the acknowledgements")? {
                Some(record) => self.take(&record)?,
                None => bail!("the reader ended: {}", reader.process.log_tail()),
            }
        }
        self.contains(acknowledged)
    }

    /// Whether nothing else was seen: so it must be once a producer has waited for all that it sent.
    pub fn is_all_of(&self, acknowledged: &Acknowledged) -> Result<()> {
        self.contains(acknowledged)?;
        let count: u64 = acknowledged.values().map(|acks| acks.len() as u64).sum();
        ensure!(self.count == count, "{} records in the topic, and {count} were acknowledged", self.count);
        Ok(())
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
