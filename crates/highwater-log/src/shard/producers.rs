//! Idempotent producers of one partition: sequences, duplicates, expiry (KIP-98, KIP-360).
//!
//! Pure: time comes in as milliseconds. Kafka's rules, as its ProducerStateManager documents them:
//! the last five batches of a producer are remembered, a batch equal to one of them in epoch and
//! sequences is a duplicate and answered with its offset; otherwise the next sequence is expected
//! (it wraps after 2^31 - 1); a new epoch starts at 0; an unknown producer may start anywhere.

use std::collections::BTreeMap;

use highwater_types::Offset;

/// Batches remembered per producer: the most that a client keeps in flight.
pub const REMEMBERED_BATCHES: usize = 5;

/// Producers remembered per partition; the longest idle ones are forgotten beyond it, as if they
/// had expired. 64 bytes and five batches each bound the partition's share of memory.
pub const MAX_PRODUCERS: usize = 10_000;

/// One batch of a producer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SequencedBatch {
    pub first_sequence: i32,
    pub last_sequence: i32,
    pub first_offset: Offset,
    pub last_offset: Offset,
}

/// What a partition knows of one producer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Producer {
    pub epoch: i16,
    /// Milliseconds since 1970 of the last batch, for expiry.
    pub last_timestamp_ms: i64,
    /// Oldest first, at most [`REMEMBERED_BATCHES`].
    pub batches: Vec<SequencedBatch>,
}

/// What a batch header says of its producer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sequence {
    pub producer_id: i64,
    pub epoch: i16,
    pub first: i32,
    pub last: i32,
}

/// A batch that may be appended, or was before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Checked {
    /// Append it, then call [`Producers::appended`].
    New,
    /// It is in the log already, at these offsets.
    Duplicate(SequencedBatch),
}

/// Why a batch may not be appended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SequenceError {
    /// Another sequence was expected.
    OutOfOrder { expected: i32 },
    /// The producer was fenced by a newer epoch.
    OldEpoch { current: i16 },
}

/// All producers of one partition.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Producers {
    known: BTreeMap<i64, Producer>,
}

/// The sequence after `last`, wrapping as Kafka does.
const fn following(last: i32) -> i32 {
    if last == i32::MAX { 0 } else { last + 1 }
}

impl Producers {
    /// Looks whether a batch may be appended at `now_ms`; changes nothing but expiry.
    pub fn check(&mut self, sequence: Sequence, now_ms: i64, expiration_ms: i64) -> Result<Checked, SequenceError> {
        let expired = |producer: &Producer| now_ms.saturating_sub(producer.last_timestamp_ms) >= expiration_ms;
        if self.known.get(&sequence.producer_id).is_some_and(expired) {
            self.known.remove(&sequence.producer_id);
        }
        let Some(producer) = self.known.get(&sequence.producer_id) else {
            return Ok(Checked::New);
        };
        if sequence.epoch < producer.epoch {
            return Err(SequenceError::OldEpoch { current: producer.epoch });
        }
        if sequence.epoch > producer.epoch {
            return if sequence.first == 0 { Ok(Checked::New) } else { Err(SequenceError::OutOfOrder { expected: 0 }) };
        }
        let same =
            |batch: &&SequencedBatch| batch.first_sequence == sequence.first && batch.last_sequence == sequence.last;
        if let Some(batch) = producer.batches.iter().find(same) {
            return Ok(Checked::Duplicate(*batch));
        }
        match producer.batches.last().map(|batch| following(batch.last_sequence)) {
            Some(expected) if expected != sequence.first => Err(SequenceError::OutOfOrder { expected }),
            _ => Ok(Checked::New),
        }
    }

    /// Takes a batch into account that is in the log: appended now, or found by recovery.
    pub fn appended(&mut self, sequence: Sequence, first_offset: Offset, last_offset: Offset, timestamp_ms: i64) {
        let batch =
            SequencedBatch { first_sequence: sequence.first, last_sequence: sequence.last, first_offset, last_offset };
        let producer = self.known.entry(sequence.producer_id).or_insert_with(|| Producer {
            epoch: sequence.epoch,
            last_timestamp_ms: timestamp_ms,
            batches: Vec::new(),
        });
        if producer.epoch != sequence.epoch {
            producer.epoch = sequence.epoch;
            producer.batches.clear();
        }
        producer.last_timestamp_ms = producer.last_timestamp_ms.max(timestamp_ms);
        if producer.batches.len() == REMEMBERED_BATCHES {
            producer.batches.remove(0);
        }
        producer.batches.push(batch);
        if self.known.len() > MAX_PRODUCERS {
            self.forget_longest_idle();
        }
    }

    /// A tenth at a time, so that a flood of producers costs a scan per thousand, not per batch.
    fn forget_longest_idle(&mut self) {
        let mut ages: Vec<(i64, i64)> = self.known.iter().map(|(id, p)| (p.last_timestamp_ms, *id)).collect();
        ages.sort_unstable();
        for (_, id) in ages.into_iter().take(MAX_PRODUCERS / 10) {
            self.known.remove(&id);
        }
    }

    /// In the order of producer ids, for persisting and for DescribeProducers.
    pub fn iter(&self) -> impl Iterator<Item = (i64, &Producer)> {
        self.known.iter().map(|(id, producer)| (*id, producer))
    }

    /// Puts back what was persisted.
    pub fn restore(&mut self, producer_id: i64, producer: Producer) {
        self.known.insert(producer_id, producer);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: i64 = 86_400_000;

    fn sequence(epoch: i16, first: i32, last: i32) -> Sequence {
        Sequence { producer_id: 7, epoch, first, last }
    }

    #[test]
    fn an_unknown_producer_starts_anywhere_then_in_order() {
        let mut producers = Producers::default();
        assert_eq!(producers.check(sequence(0, 42, 43), 0, DAY), Ok(Checked::New));
        producers.appended(sequence(0, 42, 43), 10, 11, 0);
        assert_eq!(producers.check(sequence(0, 44, 44), 0, DAY), Ok(Checked::New));
        assert_eq!(producers.check(sequence(0, 45, 45), 0, DAY), Err(SequenceError::OutOfOrder { expected: 44 }));
    }

    #[test]
    fn the_last_five_batches_are_duplicates_and_older_ones_out_of_order() {
        let mut producers = Producers::default();
        for n in 0..7 {
            producers.appended(sequence(0, n, n), i64::from(n), i64::from(n), 0);
        }
        for n in 2..7 {
            let found = producers.check(sequence(0, n, n), 0, DAY);
            assert!(matches!(found, Ok(Checked::Duplicate(batch)) if batch.first_offset == i64::from(n)));
        }
        assert_eq!(producers.check(sequence(0, 1, 1), 0, DAY), Err(SequenceError::OutOfOrder { expected: 7 }));
    }

    #[test]
    fn sequences_wrap_and_epochs_restart() {
        let mut producers = Producers::default();
        producers.appended(sequence(3, i32::MAX, i32::MAX), 0, 0, 0);
        assert_eq!(producers.check(sequence(3, 0, 0), 0, DAY), Ok(Checked::New));
        assert_eq!(producers.check(sequence(2, 0, 0), 0, DAY), Err(SequenceError::OldEpoch { current: 3 }));
        assert_eq!(producers.check(sequence(4, 1, 1), 0, DAY), Err(SequenceError::OutOfOrder { expected: 0 }));
        assert_eq!(producers.check(sequence(4, 0, 0), 0, DAY), Ok(Checked::New));
    }

    #[test]
    fn idle_producers_expire_and_the_cap_holds() {
        let mut producers = Producers::default();
        producers.appended(sequence(0, 5, 5), 0, 0, 0);
        assert_eq!(producers.check(sequence(0, 9, 9), DAY, DAY), Ok(Checked::New));
        for id in 0..=MAX_PRODUCERS as i64 {
            producers.appended(Sequence { producer_id: id, epoch: 0, first: 0, last: 0 }, id, id, id);
        }
        assert!(producers.iter().count() <= MAX_PRODUCERS);
        assert!(producers.iter().any(|(id, _)| id == MAX_PRODUCERS as i64));
    }
}
