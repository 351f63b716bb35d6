//! Reads a topic from its beginning to its end, again and again, while records come and go.

use std::collections::BTreeMap;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use rdkafka::Offset;
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::message::Message;

use crate::bulk::everywhere;

const TIMEOUT: Duration = Duration::from_secs(60);
/// Between two rounds: a consumer without an end to its hunger would be all that a small machine does.
const PAUSE: Duration = Duration::from_secs(10);

/// `reread TOPIC PARTITIONS SECONDS`: fails at the first error and at an offset that is missing, unless the
/// log start has passed it; prints rounds, records, and how often the reader was overtaken so.
pub fn reread(broker: &str, topic: &str, partitions: i32, seconds: u64) -> Result<()> {
    let end = Instant::now() + Duration::from_secs(seconds);
    let (mut rounds, mut records, mut overtaken) = (0, 0, 0);
    while Instant::now() < end {
        let (read, jumps) = once(broker, topic, partitions)?;
        rounds += 1;
        records += read;
        overtaken += jumps;
        thread::sleep(PAUSE);
    }
    println!("{rounds} {records} {overtaken}");
    Ok(())
}

/// From the beginning to where the end was at first.
fn once(broker: &str, topic: &str, partitions: i32) -> Result<(u64, u64)> {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", broker).set("group.id", "reread").set("enable.auto.commit", "false");
    config.set("auto.offset.reset", "earliest").set("check.crcs", "true").set("enable.partition.eof", "true");
    let consumer: BaseConsumer = config.create()?;
    consumer.assign(&everywhere(topic, partitions, Offset::Beginning)?)?;
    let mut next: BTreeMap<i32, i64> = BTreeMap::new();
    let mut at_end = vec![false; partitions.unsigned_abs() as usize];
    let (mut records, mut overtaken) = (0, 0);
    while at_end.iter().any(|at_end| !at_end) {
        match consumer.poll(TIMEOUT).context("nothing for a minute")? {
            Ok(message) => {
                let (partition, offset) = (message.partition(), message.offset());
                let expected = next.insert(partition, offset + 1).unwrap_or(offset);
                ensure!(offset >= expected, "{topic} [{partition}]: offset {offset} after {}", expected - 1);
                if offset > expected {
                    let (start, _) = consumer.fetch_watermarks(topic, partition, TIMEOUT)?;
                    ensure!(
                        start >= offset,
                        "{topic} [{partition}]: {expected}..{offset} are missing, from {start} on"
                    );
                    overtaken += 1;
                }
                records += 1;
            }
            Err(KafkaError::PartitionEOF(partition)) => {
                if let Some(at_end) = at_end.get_mut(partition.unsigned_abs() as usize) {
                    *at_end = true;
                }
            }
            Err(error) => bail!("{topic}: {error}"),
        }
    }
    Ok((records, overtaken))
}
