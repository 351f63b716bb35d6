//! Random histories of one bucket and two brokers against a simple model.
//!
//! The model keeps, by partition, what was acknowledged (offset and value) and what a consumer has
//! seen. After each step: what was acknowledged is there, in order, exactly once, at its offset;
//! nothing that a consumer saw has changed; no offset holds two values over time. Only the tail
//! of a `local` topic may go, and only when another broker takes over.

use std::collections::BTreeMap;
use std::time::Duration;

use highwater_log::{Acks, AppendTicket, ReadError};
use highwater_store::FaultRates;
use highwater_types::TopicPartition;
use proptest::prelude::*;

use crate::world::{Broker, World, plain};

#[derive(Clone, Debug)]
enum Step {
    /// Append a batch of so many records to a partition, and wait for the acknowledgement.
    Append { partition: usize, records: u8 },
    /// Append small batches to two partitions, one after the other: what there is to compact.
    Burst { partition: usize, batches: u8 },
    /// Append without waiting.
    Send { partition: usize, records: u8 },
    /// Let time pass.
    Tick { ms: u16 },
    /// Read everything from somewhere in the partition.
    Read { partition: usize, part: u8 },
    /// Delete the records below somewhere in the partition.
    Delete { partition: usize, part: u8 },
    /// kill -9, and start again as this broker.
    Kill { broker: u8 },
    /// Power loss (writes that were not synced may be gone or torn), and start again.
    Crash { seed: u64, broker: u8 },
    /// Orderly stop, and start again.
    Stop { broker: u8 },
    /// The bucket begins to misbehave, or stops to.
    Bucket { bad: bool },
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (0..4usize, 1..6u8).prop_map(|(partition, records)| Step::Append { partition, records }),
        2 => (0..4usize, 4..20u8).prop_map(|(partition, batches)| Step::Burst { partition, batches }),
        6 => (0..4usize, 1..40u8).prop_map(|(partition, records)| Step::Send { partition, records }),
        3 => (1..1500u16).prop_map(|ms| Step::Tick { ms }),
        3 => (0..4usize, any::<u8>()).prop_map(|(partition, part)| Step::Read { partition, part }),
        1 => (0..4usize, any::<u8>()).prop_map(|(partition, part)| Step::Delete { partition, part }),
        1 => (0..4u8).prop_map(|broker| Step::Kill { broker }),
        1 => (any::<u64>(), 0..4u8).prop_map(|(seed, broker)| Step::Crash { seed, broker }),
        1 => (0..4u8).prop_map(|broker| Step::Stop { broker }),
        1 => any::<bool>().prop_map(|bad| Step::Bucket { bad }),
    ]
}

#[derive(Default)]
struct Model {
    /// Acknowledged: offset to value.
    acked: BTreeMap<i64, u64>,
    /// Ever seen by a consumer, or acknowledged: never another value at these offsets.
    known: BTreeMap<i64, u64>,
    /// Below it records were deleted, for good.
    log_start: i64,
    /// Below it somebody asked to delete them, without an answer perhaps.
    asked_start: i64,
}

struct Run {
    world: World,
    broker: Option<Broker>,
    /// Which broker leads; another one does not have the tail of `local` topics.
    identity: u128,
    tps: Vec<TopicPartition>,
    models: Vec<Model>,
    sent: Vec<(usize, Vec<u64>, AppendTicket)>,
    next_value: u64,
}

impl Run {
    fn new(seed: u64) -> Self {
        let mut world = World::new(seed);
        world.flush_bytes = 1500;
        // Segments are compacted all along.
        world.upkeep_interval = Duration::from_millis(200);
        world.compaction_bytes = 256 << 10;
        let broker = world.start(1);
        let mut tps = broker.create("local", 2, &[("highwater.durability", "local")]);
        tps.extend(broker.create("object", 2, &[("highwater.durability", "object")]));
        let models = tps.iter().map(|_| Model::default()).collect();
        Self { world, broker: Some(broker), identity: 1, tps, models, sent: Vec::new(), next_value: 0 }
    }

    fn broker(&self) -> &Broker {
        self.broker.as_ref().expect("a broker runs between steps")
    }

    fn send(&mut self, partition: usize, records: u8) -> AppendTicket {
        let values: Vec<u64> = (0..u64::from(records)).map(|n| self.next_value + n).collect();
        self.next_value += u64::from(records);
        let batch = plain(&values);
        self.broker().try_append(self.tps[partition], &batch, Acks::All).expect("room for a small batch")
    }

    fn append(&mut self, partition: usize, records: u8) {
        let first = self.next_value;
        let ticket = self.send(partition, records);
        let appended = self.broker().run(ticket).expect("acknowledged");
        let values: Vec<u64> = (first..self.next_value).collect();
        self.acknowledged(partition, appended.base_offset, &values);
    }

    fn acknowledged(&mut self, partition: usize, first: i64, values: &[u64]) {
        let model = &mut self.models[partition];
        for (offset, value) in (first..).zip(values) {
            let before = model.known.insert(offset, *value);
            assert!(before.is_none_or(|before| before == *value), "offset {offset} was given twice");
            model.acked.insert(offset, *value);
        }
    }

    /// Takes the acknowledgements that have come in.
    fn collect(&mut self) {
        let sent = std::mem::take(&mut self.sent);
        for (partition, values, mut ticket) in sent {
            match futures::FutureExt::now_or_never(&mut ticket) {
                Some(Ok(appended)) => self.acknowledged(partition, appended.base_offset, &values),
                Some(Err(_)) => {}
                None => self.sent.push((partition, values, ticket)),
            }
        }
    }

    /// Reads a partition from an offset and holds it against the model.
    fn check(&mut self, partition: usize, from: i64) {
        let start = self.log_start(partition);
        let from = from.max(start);
        let seen = self.broker().read_from(self.tps[partition], from).expect("within the range");
        self.collect();
        let model = &mut self.models[partition];
        let mut before = from - 1;
        let mut found = BTreeMap::new();
        for record in seen {
            assert!(record.offset > before, "in order");
            before = record.offset;
            let known = model.known.insert(record.offset, record.value);
            assert!(known.is_none_or(|known| known == record.value), "offset {} changed", record.offset);
            found.insert(record.offset, record.value);
        }
        for (offset, value) in model.acked.range(from..) {
            assert_eq!(found.get(offset), Some(value), "acknowledged at {offset} in partition {partition}");
        }
    }

    /// Where the partition begins now: nothing that was deleted comes back, nothing goes unasked.
    fn log_start(&self, partition: usize) -> i64 {
        let start = self.broker().partition(self.tps[partition]).marks().expect("led").log_start;
        let model = &self.models[partition];
        assert!((model.log_start..=model.asked_start).contains(&start), "log start {start} of partition {partition}");
        if start > 0 {
            let below = self.broker().read_from(self.tps[partition], start - 1);
            assert!(matches!(below, Err(ReadError::OutOfRange(_))), "deleted records are not read");
        }
        start
    }

    fn delete(&mut self, partition: usize, part: u8) {
        let handle = self.broker().partition(self.tps[partition]);
        let offset = handle.marks().expect("led").high_watermark * i64::from(part) / 256;
        let deleted = self.broker().run(async move { handle.delete_records(Some(offset)).await });
        self.collect();
        let model = &mut self.models[partition];
        model.asked_start = model.asked_start.max(offset);
        if let Ok(start) = deleted {
            assert_eq!(start, model.log_start.max(offset).max(start));
            model.log_start = start;
            model.acked.retain(|offset, _| *offset >= start);
        }
        self.check(partition, 0);
    }

    /// Ends the broker in some way and starts one, mostly the same.
    fn restart(&mut self, broker: u8, end: impl FnOnce(&mut World, Broker)) {
        self.collect();
        let identity = if broker == 0 { 3 - self.identity } else { self.identity };
        let running = self.broker.take().expect("a broker runs between steps");
        end(&mut self.world, running);
        // Acknowledged in the last moment, before the end.
        self.collect();
        self.sent.clear();
        self.broker = Some(self.world.start(identity));
        if identity != self.identity {
            self.identity = identity;
            for partition in 0..2 {
                // What only the other broker's disk had may be gone; what is there must be right.
                let start = self.log_start(partition);
                let seen = self.broker().read_from(self.tps[partition], start).expect("from the start");
                let left: BTreeMap<i64, u64> = seen.iter().map(|record| (record.offset, record.value)).collect();
                let model = &mut self.models[partition];
                let end = left.last_key_value().map_or(-1, |(offset, _)| *offset);
                model.acked.retain(|offset, _| *offset <= end);
            }
        }
        for partition in 0..self.tps.len() {
            self.check(partition, 0);
        }
    }

    fn step(&mut self, step: Step) {
        match step {
            Step::Append { partition, records } => self.append(partition, records),
            Step::Burst { partition, batches } => {
                for records in 1..batches {
                    self.append(partition, records % 4 + 1);
                    self.append((partition + 1) % self.tps.len(), 1);
                }
            }
            Step::Send { partition, records } => {
                let first = self.next_value;
                let ticket = self.send(partition, records);
                self.sent.push((partition, (first..self.next_value).collect(), ticket));
            }
            Step::Tick { ms } => {
                self.broker().tick(u64::from(ms));
                self.collect();
            }
            Step::Read { partition, part } => {
                let end = self.broker().partition(self.tps[partition]).marks().expect("led").high_watermark;
                self.check(partition, end * i64::from(part) / 256);
            }
            Step::Delete { partition, part } => self.delete(partition, part),
            Step::Kill { broker } => self.restart(broker, |_, running| running.kill()),
            Step::Crash { seed, broker } => self.restart(broker, |world, running| {
                running.kill();
                world.sim.disk.crash(seed);
            }),
            Step::Stop { broker } => self.restart(broker, |world, running| {
                world.bucket.heal();
                running.stop();
            }),
            Step::Bucket { bad: false } => self.world.bucket.heal(),
            Step::Bucket { bad: true } => self.world.rates(FaultRates {
                unavailable: 50,
                throttled: 50,
                request_lost: 50,
                response_lost: 100,
                delayed: 200,
                longest_delay: Duration::from_millis(800),
                ..FaultRates::default()
            }),
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { max_shrink_iters: 200, ..ProptestConfig::default() })]

    #[test]
    fn what_was_acknowledged_is_there_whatever_happens(
        seed in any::<u64>(),
        steps in proptest::collection::vec(step(), 1..60),
    ) {
        let mut run = Run::new(seed);
        for step in steps {
            run.step(step);
        }
        run.world.bucket.heal();
        run.restart(1, |_, running| running.stop());
    }
}
