//! Records at a steady rate, and how long each takes: to its acknowledgement, or to a consumer.

use std::sync::Mutex;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use rdkafka::Offset;
use rdkafka::client::ClientContext;
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::{DeliveryResult, Message};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer, ProducerContext};

use crate::bulk::{FILL_BYTES, NOISE_BYTES, everywhere, noise};
use crate::{FLUSH, queue};

/// What a follower of many partitions sees at first: its requests grow with them.
const WARM_UP: Duration = Duration::from_secs(5);
/// After the last record was sent, for those that are under way.
const LAST: Duration = Duration::from_secs(10);

/// How long each record took to be acknowledged, in microseconds.
#[derive(Default)]
struct Acknowledged(Mutex<Vec<u64>>);

impl ClientContext for Acknowledged {}

impl ProducerContext for Acknowledged {
    type DeliveryOpaque = Box<Instant>;

    fn delivery(&self, result: &DeliveryResult<'_>, sent: Box<Instant>) {
        if let (Ok(_), Ok(mut taken)) = (result, self.0.lock()) {
            taken.push(micros(*sent));
        }
    }
}

/// `pace TOPIC PARTITIONS RATE SECONDS`: records of 1 KiB; prints p50 and p99 of acknowledgements in
/// microseconds.
pub fn pace(broker: &str, topic: &str, partitions: i32, rate: u32, seconds: u64) -> Result<()> {
    let noise = noise();
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", broker).set("acks", "all").set("linger.ms", "5");
    let producer: BaseProducer<Acknowledged> = config.create_with_context(Acknowledged::default())?;
    let mut number = 0usize;
    steadily(rate, seconds, || {
        let at = number.wrapping_mul(FILL_BYTES - 1) % (NOISE_BYTES - FILL_BYTES);
        let record = BaseRecord::with_opaque_to(topic, Box::new(Instant::now()));
        queue(&producer, record.partition(number as i32 % partitions).payload(&noise[at..at + FILL_BYTES]))?;
        number += 1;
        producer.poll(Duration::ZERO);
        Ok(())
    })?;
    producer.flush(FLUSH)?;
    let taken = producer.context().0.lock().map(|taken| taken.clone()).unwrap_or_default();
    ensure!(taken.len() == number, "{} of {number} were acknowledged", taken.len());
    print(taken)
}

/// `follow TOPIC PARTITIONS RATE SECONDS`: one consumer of all partitions, and records of 100 bytes spread
/// over them; prints p50 and p99 from the sending to the consumer in microseconds.
pub fn follow(broker: &str, topic: &str, partitions: i32, rate: u32, seconds: u64) -> Result<()> {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", broker).set("group.id", "follow").set("enable.auto.commit", "false");
    let consumer: BaseConsumer = config.create()?;
    consumer.assign(&everywhere(topic, partitions, Offset::End)?)?;
    let origin = Instant::now();
    let expected = u64::from(rate) * seconds;
    let following = thread::spawn(move || -> Result<Vec<u64>> {
        let mut taken = Vec::new();
        let end = Instant::now() + WARM_UP + Duration::from_secs(seconds) + LAST;
        while (taken.len() as u64) < expected && Instant::now() < end {
            let Some(message) = consumer.poll(Duration::from_millis(100)) else { continue };
            let message = message?;
            let payload = message.payload().and_then(|payload| payload.first_chunk::<8>()).context("not ours")?;
            taken.push(micros(origin) - u64::from_be_bytes(*payload));
        }
        Ok(taken)
    });
    // The consumer has to know where the ends are before records come.
    thread::sleep(WARM_UP);
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", broker).set("acks", "all").set("linger.ms", "0");
    let producer: BaseProducer = config.create()?;
    let mut number = 0u32;
    steadily(rate, seconds, || {
        let mut payload = [b'x'; 100];
        payload[..8].copy_from_slice(&micros(origin).to_be_bytes());
        let partition = (number.wrapping_mul(7_919) % partitions.unsigned_abs()) as i32;
        number += 1;
        queue(&producer, BaseRecord::to(topic).partition(partition).payload(&payload[..]))?;
        producer.poll(Duration::ZERO);
        Ok(())
    })?;
    producer.flush(FLUSH)?;
    let taken = following.join().map_err(|_| anyhow::anyhow!("the consumer failed"))??;
    ensure!(taken.len() as u64 == expected, "{} of {expected} came", taken.len());
    print(taken)
}

/// Calls so often a second, for so long; a call that is late is made up for.
fn steadily(rate: u32, seconds: u64, mut each: impl FnMut() -> Result<()>) -> Result<()> {
    let began = Instant::now();
    for number in 0..u64::from(rate) * seconds {
        let due = began + Duration::from_secs_f64(number as f64 / f64::from(rate));
        if let Some(early) = due.checked_duration_since(Instant::now()) {
            thread::sleep(early);
        }
        each()?;
    }
    Ok(())
}

fn micros(since: Instant) -> u64 {
    u64::try_from(since.elapsed().as_micros()).unwrap_or(u64::MAX)
}

fn print(mut taken: Vec<u64>) -> Result<()> {
    taken.sort_unstable();
    let at = |part: f64| taken.get((taken.len() as f64 * part) as usize).or(taken.last()).context("no records");
    println!("{} {}", at(0.5)?, at(0.99)?);
    Ok(())
}
