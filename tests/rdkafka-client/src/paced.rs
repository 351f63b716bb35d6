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

/// For a follower to learn where the ends are, and more for each partition: its requests grow with them.
const SETTLE: Duration = Duration::from_secs(2);
const SETTLE_OF_EACH: Duration = Duration::from_micros(300);
/// Seconds at the beginning that pay for connections and compilers.
const UNCOUNTED: u64 = 2;
/// What a record says whose time does not count.
const NOT_COUNTED: u64 = u64::MAX;
/// A record begins with when it was sent.
const TIME_BYTES: usize = size_of::<u64>();
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

/// `pace TOPIC PARTITIONS RATE SECONDS`: records of 1 KiB; prints p50, p99 and p99.9 of acknowledgements
/// in microseconds.
pub fn pace(broker: &str, topic: &str, partitions: i32, rate: u32, seconds: u64) -> Result<()> {
    let noise = noise();
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", broker).set("acks", "all").set("linger.ms", "5");
    let producer: BaseProducer<Acknowledged> = config.create_with_context(Acknowledged::default())?;
    let mut number = 0usize;
    steadily(rate, seconds, |_| {
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

/// What a follower is sent.
pub struct Stream {
    pub partitions: i32,
    /// Records a second, over all partitions.
    pub rate: u32,
    pub seconds: u64,
    /// Of each record; at least the 8 of its time.
    pub bytes: usize,
}

/// `follow TOPIC PARTITIONS RATE SECONDS BYTES LINGER_MS`: one consumer of all partitions, and records spread
/// over them; prints p50, p99 and p99.9 from the sending to the consumer in microseconds.
///
/// A record that is sent late, since the producer has waited for room or for the processor, counts from when
/// it was due. The records of the first [`UNCOUNTED`] seconds do not count.
pub fn follow(broker: &str, topic: &str, stream: Stream, linger_ms: &str) -> Result<()> {
    ensure!((TIME_BYTES..NOISE_BYTES).contains(&stream.bytes), "records of {} bytes", stream.bytes);
    let noise = noise();
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", broker).set("group.id", "follow").set("enable.auto.commit", "false");
    let consumer: BaseConsumer = config.create()?;
    consumer.assign(&everywhere(topic, stream.partitions, Offset::End)?)?;
    let origin = Instant::now();
    let seconds = stream.seconds + UNCOUNTED;
    let expected = u64::from(stream.rate) * seconds;
    let settle = SETTLE + SETTLE_OF_EACH * stream.partitions.unsigned_abs();
    let last = origin + settle + Duration::from_secs(seconds) + LAST;
    let following = thread::spawn(move || arrivals(&consumer, origin, expected, last));
    // The consumer has to know where the ends are before records come.
    thread::sleep(settle);
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", broker).set("acks", "all").set("linger.ms", linger_ms);
    let producer: BaseProducer = config.create()?;
    let mut payload = vec![0; stream.bytes];
    let mut number = 0usize;
    let first_counted = origin + settle + Duration::from_secs(UNCOUNTED);
    steadily(stream.rate, seconds, |due| {
        let at = number.wrapping_mul(stream.bytes - 1) % (NOISE_BYTES - stream.bytes);
        payload.copy_from_slice(&noise[at..at + stream.bytes]);
        let sent = if due < first_counted { NOT_COUNTED } else { micros_between(origin, due) };
        payload[..TIME_BYTES].copy_from_slice(&sent.to_be_bytes());
        let partition = (number.wrapping_mul(7_919) % stream.partitions.unsigned_abs() as usize) as i32;
        number += 1;
        queue(&producer, BaseRecord::to(topic).partition(partition).payload(&payload[..]))?;
        producer.poll(Duration::ZERO);
        Ok(())
    })?;
    producer.flush(FLUSH)?;
    print(following.join().map_err(|_| anyhow::anyhow!("the consumer failed"))??)
}

/// How long each record that counts took, once as many have come as are expected.
fn arrivals(consumer: &BaseConsumer, origin: Instant, expected: u64, last: Instant) -> Result<Vec<u64>> {
    let (mut taken, mut came) = (Vec::new(), 0);
    while came < expected && Instant::now() < last {
        let Some(message) = consumer.poll(Duration::from_millis(100)) else { continue };
        let message = message?;
        let sent = message.payload().and_then(|payload| payload.first_chunk::<TIME_BYTES>()).context("not ours")?;
        came += 1;
        match u64::from_be_bytes(*sent) {
            NOT_COUNTED => {}
            sent => taken.push(micros(origin).saturating_sub(sent)),
        }
    }
    ensure!(came == expected, "{came} of {expected} came");
    Ok(taken)
}

/// Calls so often a second, for so long, with the moment that the call counts from: now, or when it was due
/// if that has passed; a call that is late is made up for.
fn steadily(rate: u32, seconds: u64, mut each: impl FnMut(Instant) -> Result<()>) -> Result<()> {
    let began = Instant::now();
    for number in 0..u64::from(rate) * seconds {
        let due = began + Duration::from_secs_f64(number as f64 / f64::from(rate));
        match due.checked_duration_since(Instant::now()) {
            Some(early) => {
                thread::sleep(early);
                // That the machine wakes it late is nobody's fault.
                each(Instant::now())?;
            }
            None => each(due)?,
        }
    }
    Ok(())
}

fn micros(since: Instant) -> u64 {
    micros_between(since, Instant::now())
}

fn micros_between(since: Instant, until: Instant) -> u64 {
    u64::try_from(until.saturating_duration_since(since).as_micros()).unwrap_or(u64::MAX)
}

fn print(mut taken: Vec<u64>) -> Result<()> {
    taken.sort_unstable();
    let at = |part: f64| taken.get((taken.len() as f64 * part) as usize).or(taken.last()).context("no records");
    println!("{} {} {}", at(0.5)?, at(0.99)?, at(0.999)?);
    Ok(())
}
