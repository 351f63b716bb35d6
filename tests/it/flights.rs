//! 336,776 flights through every client, read by every client: equal, and in order.

use anyhow::{Context, Result};
use highwater_tests::clients::{Client, Codec, DEADLINE, SHARING};
use highwater_tests::flights::{COUNT, Flights, Ledger};

use crate::stage::{self, Stage};

const PARTITIONS: usize = 4;

#[test]
fn flights_on_a_directory() -> Result<()> {
    stage::on_directory("flights", through_all_clients)
}

#[test]
fn flights_on_a_bucket() -> Result<()> {
    stage::on_bucket("flights-bucket", through_all_clients)
}

fn through_all_clients(stage: &mut Stage) -> Result<()> {
    let flights = Flights::read(&stage.parts.flights())?;
    assert_eq!(flights.len(), COUNT);
    for producer in SHARING {
        stage.at().create_topic(&topic(producer), PARTITIONS as u32)?;
        producer.produce(&stage.at(), &topic(producer), &stage.parts.flights(), Codec::None)?;
    }
    read_by_all(stage, &flights).context("fresh")?;
    stage.broker.terminate()?;
    stage.broker.up()?;
    read_by_all(stage, &flights).context("after SIGTERM")?;
    stage.broker.kill_9()?;
    stage.broker.up()?;
    read_by_all(stage, &flights).context("after kill -9")
}

fn topic(producer: Client) -> String {
    format!("flights-{}", producer.name())
}

fn read_by_all(stage: &Stage, flights: &Flights) -> Result<()> {
    for producer in SHARING {
        for consumer in SHARING {
            let mut ledger = Ledger::new(flights, producer, 0..COUNT);
            let stream = consumer.consume(&stage.at(), &topic(producer))?;
            let read = stream.drain(DEADLINE, |record| ledger.take(&record));
            read.and_then(|()| ledger.finish(PARTITIONS))
                .with_context(|| format!("produced by {producer:?}, read by {consumer:?}"))?;
        }
    }
    Ok(())
}
