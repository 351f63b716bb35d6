//! The rdkafka crate as a program for the end-to-end tests and the benchmarks.
//!
//! Usage: `rdkafka-client ROLE BROKER ARGUMENTS...`, with the roles `produce TOPIC FILE CODEC` and
//! `member TOPIC GROUP` of `tests/python/client.py`, and those of the benchmarks: `fill`, `touch`, `drain`
//! ([`bulk`]), `fill-together` and `drain-together` ([`together`]), `pace` and `follow` ([`paced`]), `reread`
//! ([`reread`]). The form of a printed record is that of `tests/src/records.rs`.

mod bulk;
mod paced;
mod reread;
mod together;

use std::fs::File;
use std::io::{BufRead, BufReader, BufWriter, Write};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use rdkafka::client::ClientContext;
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext, Rebalance};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{BorrowedMessage, DeliveryResult, Header, Headers, Message, OwnedHeaders};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer, ProducerContext};

const POLL: Duration = Duration::from_millis(100);
const FLUSH: Duration = Duration::from_secs(120);
const BEFORE_NUMBER: &[u8] = b"{\"seq\":";

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments.as_slice() {
        ["produce", broker, topic, file, codec] => produce(broker, topic, file, codec),
        ["member", broker, topic, group] => member(broker, topic, group),
        ["fill", broker, topic, partitions, count] => bulk::fill(broker, topic, partitions.parse()?, count.parse()?),
        ["touch", broker, topic, partitions] => bulk::touch(broker, topic, partitions.parse()?),
        ["drain", broker, topic, partitions, count] => bulk::drain(broker, topic, partitions.parse()?, count.parse()?),
        ["fill-together", broker, topic, producers, bytes, count] => {
            together::fill(broker, topic, producers.parse()?, bytes.parse()?, count.parse()?)
        }
        ["drain-together", broker, topic, partitions, count, consumers] => {
            together::drain(broker, topic, partitions.parse()?, count.parse()?, consumers.parse()?)
        }
        ["reread", broker, topic, partitions, seconds] => {
            reread::reread(broker, topic, partitions.parse()?, seconds.parse()?)
        }
        ["pace", broker, topic, partitions, rate, seconds] => {
            paced::pace(broker, topic, partitions.parse()?, rate.parse()?, seconds.parse()?)
        }
        ["follow", broker, topic, partitions, rate, seconds, bytes, linger_ms] => {
            let stream = paced::Stream {
                partitions: partitions.parse()?,
                rate: rate.parse()?,
                seconds: seconds.parse()?,
                bytes: bytes.parse()?,
            };
            paced::follow(broker, topic, stream, linger_ms)
        }
        _ => bail!("no such role: {arguments:?}"),
    }
}

/// Counts the records that could not be delivered.
#[derive(Default)]
struct Deliveries {
    failed: AtomicUsize,
}

impl ClientContext for Deliveries {}

impl ProducerContext for Deliveries {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, (): ()) {
        if let Err((error, _)) = result {
            eprintln!("not delivered: {error}");
            self.failed.fetch_add(1, Ordering::Relaxed);
        }
    }
}

fn produce(broker: &str, topic: &str, file: &str, codec: &str) -> Result<()> {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", broker).set("enable.idempotence", "true");
    config.set("compression.type", codec).set("linger.ms", "5");
    let producer: BaseProducer<Deliveries> = config.create_with_context(Deliveries::default())?;
    for line in BufReader::new(File::open(file)?).split(b'\n') {
        let line = line?;
        let tab = line.iter().position(|byte| *byte == b'\t').context("a line without a tab")?;
        let (key, value) = (&line[..tab], &line[tab + 1..]);
        send(&producer, topic, (!key.is_empty()).then_some(key), value)?;
        producer.poll(Duration::ZERO);
    }
    producer.flush(FLUSH)?;
    match producer.context().failed.load(Ordering::Relaxed) {
        0 => Ok(()),
        failed => bail!("{failed} were not delivered"),
    }
}

fn send(producer: &BaseProducer<Deliveries>, topic: &str, key: Option<&[u8]>, value: &[u8]) -> Result<()> {
    let number = value.strip_prefix(BEFORE_NUMBER).context("not a flight")?;
    let number = number.split(|byte| *byte == b',').next();
    let headers = OwnedHeaders::new().insert(Header { key: "seq", value: number });
    let mut record = BaseRecord::<[u8], [u8]>::to(topic).payload(value).headers(headers);
    record.key = key;
    queue(producer, record)
}

/// Queues a record, once there is room.
fn queue<C: ProducerContext>(
    producer: &BaseProducer<C>,
    mut record: BaseRecord<'_, [u8], [u8], C::DeliveryOpaque>,
) -> Result<()> {
    while let Err((error, again)) = producer.send(record) {
        if error != KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull) {
            return Err(error.into());
        }
        record = again;
        producer.poll(POLL);
    }
    Ok(())
}

/// Says in kcat's words which partitions it has.
struct Teller;

impl ClientContext for Teller {}

impl ConsumerContext for Teller {
    fn pre_rebalance(&self, _: &BaseConsumer<Self>, rebalance: &Rebalance<'_>) {
        let (what, partitions) = match rebalance {
            Rebalance::Assign(partitions) => ("assigned", partitions),
            Rebalance::Revoke(partitions) => ("revoked", partitions),
            Rebalance::Error(error) => return eprintln!("rebalance: {error}"),
        };
        let partitions = partitions.elements();
        let names = partitions.iter().map(|one| format!("{} [{}]", one.topic(), one.partition()));
        eprintln!("{what}: {}", names.collect::<Vec<_>>().join(", "));
    }
}

fn member(broker: &str, topic: &str, group: &str) -> Result<()> {
    end_on_sigterm();
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", broker).set("group.id", group);
    config.set("auto.offset.reset", "earliest").set("check.crcs", "true");
    let consumer: BaseConsumer<Teller> = config.create_with_context(Teller)?;
    consumer.subscribe(&[topic])?;
    let mut out = BufWriter::with_capacity(1 << 20, std::io::stdout().lock());
    while !STOPPED.load(Ordering::Relaxed) {
        match consumer.poll(POLL) {
            Some(message) => print(&message?, &mut out)?,
            None => out.flush()?,
        }
    }
    Ok(out.flush()?)
}

static STOPPED: AtomicBool = AtomicBool::new(false);

extern "C" fn stop(_: libc::c_int) {
    STOPPED.store(true, Ordering::Relaxed);
}

/// From now on SIGTERM only says that it is time to commit and leave.
fn end_on_sigterm() {
    let handler = stop as extern "C" fn(libc::c_int);
    // SAFETY: the handler only stores into an atomic, which is async-signal-safe.
    unsafe { libc::signal(libc::SIGTERM, handler as libc::sighandler_t) };
}

fn print(message: &BorrowedMessage<'_>, out: &mut impl Write) -> Result<()> {
    let length = |bytes: Option<&[u8]>| bytes.map_or(-1, |bytes| bytes.len() as i64);
    let (key, value) = (message.key(), message.payload());
    let place = (message.partition(), message.offset());
    write!(out, "{} {} {} {} ", place.0, place.1, length(key), length(value))?;
    for (number, header) in message.headers().into_iter().flat_map(Headers::iter).enumerate() {
        let comma = if number == 0 { "" } else { "," };
        write!(out, "{comma}{}={}", header.key, String::from_utf8_lossy(header.value.unwrap_or_default()))?;
    }
    out.write_all(b"\n")?;
    out.write_all(key.unwrap_or_default())?;
    out.write_all(value.unwrap_or_default())?;
    Ok(out.write_all(b"\n")?)
}
