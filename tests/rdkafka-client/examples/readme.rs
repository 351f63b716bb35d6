//! The Rust program of README, word for word but for this line and the next.
#![allow(clippy::print_stdout, reason = "it is what a reader types")]
use std::time::Duration;

use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::Message;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let producer: BaseProducer = ClientConfig::new().set("bootstrap.servers", "127.0.0.1:9092").create()?;
    producer.send(BaseRecord::<str, str>::to("greetings").payload("hello from Rust")).map_err(|(error, _)| error)?;
    producer.flush(Duration::from_secs(10))?;

    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", "127.0.0.1:9092")
        .set("group.id", "rust")
        .set("auto.offset.reset", "earliest")
        .create()?;
    consumer.subscribe(&["greetings"])?;
    let first = consumer.iter().next().ok_or("nothing came")??;
    println!("{}", String::from_utf8_lossy(first.payload().unwrap_or_default()));
    Ok(())
}
