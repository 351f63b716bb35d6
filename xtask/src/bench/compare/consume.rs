//! Consumers: one that follows producers, one that comes afterwards, and eight at once.
//!
//! Records of 1 KiB. All of a topic fits the memory of the machine, so both systems read what the kernel
//! keeps, or what they keep themselves. The consumer that comes afterwards is Kafka's ConsumerPerformance;
//! the others are librdkafka's.

use std::thread;
use std::time::Duration;

use anyhow::Result;
use highwater_tests::clients::{At, Client};

use super::super::{RECORD_BYTES, RECORDS_PER_GIB, tools};
use super::PARTITIONS;
use super::contestant::Contestant;
use super::figures::{Kind, Unit, gib, mib};
use super::rounds::Rounds;

const PRODUCERS: u64 = 4;
const CONSUMERS: u64 = 8;
/// For the consumer at the tail to know its partitions' leaders and to wait for records.
const READY: Duration = Duration::from_secs(2);
/// Of the GiB: each of the consumers reads all of it.
const FAN_OUT_PART: f64 = 0.25;

/// One consumer of one topic, at its tail and then from its beginning.
pub(super) fn one(rounds: &mut Rounds<'_>) -> Result<()> {
    let count = (rounds.gib * RECORDS_PER_GIB as f64) as u64;
    let tail = format!("tail: a consumer beside {PRODUCERS} producers");
    let catch_up = "catch-up: a consumer from the beginning";
    let kinds = [
        Kind::new(&tail, Unit::MibPerSecond),
        Kind::new(format!("{tail}, both"), Unit::CpuPerGib),
        Kind::new(catch_up, Unit::MibPerSecond),
        Kind::new(catch_up, Unit::CpuPerGib),
    ];
    rounds.measure("consume", &kinds, |contestant, round| {
        let topic = format!("consumed-{round}");
        contestant.with_topic(&topic, |contestant| {
            let (tail, tail_processor) = contestant.charged(|at| follow(at, &topic, count))?;
            let (late, late_processor) = contestant.charged(|at| tools::consume(at, &topic, count))?;
            let gib = gib((count * RECORD_BYTES) as f64);
            let [tail, late] = [tail, late].map(|rate| mib(rate * RECORD_BYTES as f64));
            Ok(vec![tail, tail_processor.as_secs_f64() / gib, late, late_processor.as_secs_f64() / gib])
        })
    })?;
    Ok(())
}

/// Records a second of a consumer that is there before the producers are.
fn follow(at: &At<'_>, topic: &str, count: u64) -> Result<f64> {
    thread::scope(|scope| {
        let consumer =
            scope.spawn(|| Contestant::rate(at, "drain-together", topic, &[u64::from(PARTITIONS), count, 1]));
        thread::sleep(READY);
        Contestant::rate(at, "fill-together", topic, &[PRODUCERS, RECORD_BYTES, count])?;
        consumer.join().map_err(|_| anyhow::anyhow!("the consumer's thread failed"))?
    })
}

/// Several consumers of one topic from its beginning at once.
pub(super) fn many(rounds: &mut Rounds<'_>) -> Result<()> {
    let count = (rounds.gib * FAN_OUT_PART * RECORDS_PER_GIB as f64) as u64;
    let what = format!("fan-out to {CONSUMERS} consumers, {FAN_OUT_PART} of the GiB to each");
    let kinds = [Unit::MibPerSecond, Unit::CpuPerGib].map(|unit| Kind::new(what.as_str(), unit));
    rounds.measure("fan-out", &kinds, |contestant, round| {
        let topic = format!("fanned-out-{round}");
        contestant.with_topic(&topic, |contestant| {
            contestant.at(|at| Client::fill(at, &topic, PARTITIONS, count))?;
            let numbers = [u64::from(PARTITIONS), count, CONSUMERS];
            let (rate, processor) =
                contestant.charged(|at| Contestant::rate(at, "drain-together", &topic, &numbers))?;
            let delivered = (count * RECORD_BYTES * CONSUMERS) as f64;
            Ok(vec![mib(rate * RECORD_BYTES as f64), processor.as_secs_f64() / gib(delivered)])
        })
    })?;
    Ok(())
}
