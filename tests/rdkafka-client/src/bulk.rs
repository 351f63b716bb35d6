//! Many records as fast as it goes, in and out.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use rdkafka::{Offset, TopicPartitionList};

use crate::{Deliveries, FLUSH, queue};

/// Bytes of a record of `fill`, and of the noise that they are cut from.
pub const FILL_BYTES: usize = 1 << 10;
pub const NOISE_BYTES: usize = 32 << 20;
/// As many records as make a batch go to one partition after another.
pub const RUN: u64 = 900;

/// `fill TOPIC PARTITIONS COUNT`: records of 1 KiB as fast as it goes, in large batches; prints how many a
/// second.
pub fn fill(broker: &str, topic: &str, partitions: i32, count: u64) -> Result<()> {
    let noise = noise();
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", broker).set("acks", "all");
    config.set("linger.ms", "50").set("batch.num.messages", "100000");
    config.set("queue.buffering.max.messages", "200000").set("queue.buffering.max.kbytes", "262144");
    let producer: BaseProducer<Deliveries> = config.create_with_context(Deliveries::default())?;
    let began = Instant::now();
    for number in 0..count {
        let at = (number as usize).wrapping_mul(FILL_BYTES - 1) % (NOISE_BYTES - FILL_BYTES);
        let partition = (number / RUN % partitions.unsigned_abs() as u64) as i32;
        queue(&producer, BaseRecord::to(topic).partition(partition).payload(&noise[at..at + FILL_BYTES]))?;
        if number.is_multiple_of(RUN) {
            producer.poll(Duration::ZERO);
        }
    }
    producer.flush(FLUSH)?;
    let seconds = began.elapsed().as_secs_f64();
    match producer.context().failed.load(Ordering::Relaxed) {
        0 => println!("{:.1}", count as f64 / seconds),
        failed => bail!("{failed} were not delivered"),
    }
    Ok(())
}

/// `touch TOPIC PARTITIONS`: one record of 100 bytes to each partition; prints the seconds it took.
pub fn touch(broker: &str, topic: &str, partitions: i32) -> Result<()> {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", broker).set("acks", "all").set("linger.ms", "50");
    let producer: BaseProducer<Deliveries> = config.create_with_context(Deliveries::default())?;
    let began = Instant::now();
    for partition in 0..partitions {
        queue(&producer, BaseRecord::to(topic).partition(partition).payload(&[b'x'; 100][..]))?;
        producer.poll(Duration::ZERO);
    }
    producer.flush(FLUSH)?;
    match producer.context().failed.load(Ordering::Relaxed) {
        0 => println!("{:.3}", began.elapsed().as_secs_f64()),
        failed => bail!("{failed} were not delivered"),
    }
    Ok(())
}

/// `drain TOPIC PARTITIONS COUNT`: reads so many records from the beginning; prints how many a second.
pub fn drain(broker: &str, topic: &str, partitions: i32, count: u64) -> Result<()> {
    let consumer = drainer(broker, topic, partitions)?;
    let began = Instant::now();
    for _ in 0..count {
        next(&consumer)?;
    }
    println!("{:.1}", count as f64 / began.elapsed().as_secs_f64());
    Ok(())
}

/// Longest wait for a record.
const PATIENCE: Duration = Duration::from_secs(60);

/// A consumer of all partitions from the beginning, in large fetches.
pub fn drainer(broker: &str, topic: &str, partitions: i32) -> Result<BaseConsumer> {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", broker).set("group.id", "drain").set("enable.auto.commit", "false");
    config.set("fetch.message.max.bytes", "8388608").set("fetch.max.bytes", "67108864");
    let consumer: BaseConsumer = config.create()?;
    consumer.assign(&everywhere(topic, partitions, Offset::Beginning)?)?;
    Ok(consumer)
}

/// Waits for the next record, and lets it go.
pub fn next(consumer: &BaseConsumer) -> Result<()> {
    consumer.poll(PATIENCE).context("no record for a minute")??;
    Ok(())
}

/// All partitions, from the same place.
pub fn everywhere(topic: &str, partitions: i32, from: Offset) -> Result<TopicPartitionList> {
    let mut list = TopicPartitionList::new();
    for partition in 0..partitions {
        list.add_partition_offset(topic, partition, from)?;
    }
    Ok(list)
}

/// Bytes that do not compress.
pub fn noise() -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut word = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    };
    (0..NOISE_BYTES / 8).flat_map(|_| word()).collect()
}
