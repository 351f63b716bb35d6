//! Many producers or consumers of one process, as fast as they go.

use std::sync::Barrier;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use rdkafka::config::ClientConfig;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};

use crate::bulk::{NOISE_BYTES, RUN, drainer, next, noise};
use crate::{Deliveries, FLUSH, queue};

/// As much as Kafka's own producer holds by default (`buffer.memory`): many producers with librdkafka's
/// gigabyte each would not fit a small machine.
const QUEUE_KIB: &str = "32768";

/// `fill-together TOPIC PRODUCERS BYTES COUNT`: so many producers with a thread and connections of their own,
/// and so many records of all together; prints how many a second. Apart from their queues they have
/// librdkafka's defaults: linger 5 ms, batches of at most 1 MB, a partition for a while and then another.
pub fn fill(broker: &str, topic: &str, producers: u64, bytes: usize, count: u64) -> Result<()> {
    ensure!(producers > 0 && (1..NOISE_BYTES).contains(&bytes), "{producers} producers, {bytes} bytes");
    let noise = &noise();
    let began = Instant::now();
    thread::scope(|scope| {
        let shares = (0..producers).map(|number| count / producers + u64::from(number < count % producers));
        let start = |share| scope.spawn(move || fill_share(broker, topic, noise, bytes, share));
        let all: Vec<_> = shares.map(start).collect();
        all.into_iter().try_for_each(|one| one.join().map_err(|_| anyhow::anyhow!("a producer failed"))?)
    })?;
    println!("{:.1}", count as f64 / began.elapsed().as_secs_f64());
    Ok(())
}

fn fill_share(broker: &str, topic: &str, noise: &[u8], bytes: usize, count: u64) -> Result<()> {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", broker).set("acks", "all").set("linger.ms", "5");
    config.set("queue.buffering.max.kbytes", QUEUE_KIB);
    let producer: BaseProducer<Deliveries> = config.create_with_context(Deliveries::default())?;
    for number in 0..count {
        let at = (number as usize).wrapping_mul(bytes - 1) % (NOISE_BYTES - bytes);
        queue(&producer, BaseRecord::<[u8], [u8]>::to(topic).payload(&noise[at..at + bytes]))?;
        if number.is_multiple_of(RUN) {
            producer.poll(Duration::ZERO);
        }
    }
    producer.flush(FLUSH)?;
    match producer.context().failed.load(Ordering::Relaxed) {
        0 => Ok(()),
        failed => bail!("{failed} were not delivered"),
    }
}

/// `drain-together TOPIC PARTITIONS COUNT CONSUMERS`: each consumer reads so many records from the beginning;
/// prints how many a second they read together, from the first record that one of them got to the last.
pub fn drain(broker: &str, topic: &str, partitions: i32, count: u64, consumers: usize) -> Result<()> {
    ensure!(consumers > 0 && count > 1, "{consumers} consumers, {count} records");
    let together = Barrier::new(consumers);
    let drain_one = || -> Result<(Instant, Instant)> {
        let consumer = drainer(broker, topic, partitions);
        together.wait();
        let consumer = consumer?;
        next(&consumer)?;
        let first = Instant::now();
        (1..count).try_for_each(|_| next(&consumer))?;
        Ok((first, Instant::now()))
    };
    let times = thread::scope(|scope| {
        let all: Vec<_> = (0..consumers).map(|_| scope.spawn(drain_one)).collect();
        let end =
            |one: thread::ScopedJoinHandle<'_, Result<_>>| one.join().map_err(|_| anyhow::anyhow!("it failed"))?;
        all.into_iter().map(end).collect::<Result<Vec<_>>>()
    })?;
    let first = times.iter().map(|(first, _)| *first).min().context("nobody has read")?;
    let last = times.iter().map(|(_, last)| *last).max().context("nobody has read")?;
    println!("{:.1}", count as f64 * consumers as f64 / (last - first).as_secs_f64());
    Ok(())
}
