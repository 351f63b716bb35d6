//! Clients that are cut off in the middle of a frame, that send slowly, and that stop: their connections
//! and memory come back, and nobody else notices.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use highwater_tests::clients::{At, Client, DEADLINE};
use highwater_tests::highwater::{Highwater, Store};
use highwater_tests::history::History;
use highwater_tests::load::{Errors, Load};
use highwater_tests::memory;
use highwater_tests::pages::{page, value};
use highwater_tests::parts::highwater_binary;
use highwater_tests::raw::{Connection, PRODUCE, batch, frame, produce_v3, request};
use highwater_tests::wait;

use crate::stage::in_place;

const TOPIC: &str = "load";
const PARTITIONS: usize = 4;
const RECORDS_PER_SECOND: u32 = 200;
/// What the load itself may leave in memory is little.
const CACHES: &[&str] =
    &["--tail-memory-bytes", "1MiB", "--cache-memory-bytes", "8MiB", "--unflushed-memory-bytes", "8MiB"];
/// Connections of each round.
const CUT: usize = 60;
const ROUNDS: usize = 8;
const STALLED: usize = 30;
/// Connections that the load may have.
const OWN: usize = 3;
/// Of a request that no topic is there for.
const VALUE_BYTES: usize = 500_000;
/// What all these requests come to is 15 times as much: a leak of one in ten would be seen.
const MAY_GROW_BYTES: u64 = 10 << 20;
const GONE: Duration = Duration::from_secs(30);
/// A frame has half a minute to arrive, and more for its size.
const STALLED_FOR: Duration = Duration::from_secs(60);

#[test]
fn connections_that_are_cut_or_stall_leave_nothing() -> Result<()> {
    in_place("cut-connections", |parts, place| {
        let (binary, data) = (highwater_binary()?, place.join("data"));
        let mut broker = Highwater::start_with(&binary, &data, place.log("broker"), Store::Directory, CACHES)?;
        let (address, pid, http) = (broker.address(), broker.process()?.pid(), broker.http_port());
        let at = At { broker: &address, parts, place };
        at.create_topic(TOPIC, PARTITIONS as u32)?;
        let mut producer = Load::start(&at, TOPIC, PARTITIONS, RECORDS_PER_SECOND, Errors::End)?;
        producer.wait_for_acknowledgement()?;
        let open = || value(&page(http, "/metrics")?, "highwater_kafka_connections");
        let records = batch(&vec![7; VALUE_BYTES], |crc| crc);
        let whole = frame(&request(PRODUCE, 3, 1, &produce_v3("nowhere", 0, &records)));
        // Never less than the length: without one there is no frame that is late.
        let part = |number: usize| &whole[..8 + number * 104_729 % (whole.len() - 8)];
        // These say a part and no more, until the broker ends them.
        let mut stalled = Vec::new();
        for number in 0..STALLED {
            let mut connection = Connection::open(&address)?;
            connection.send(part(number))?;
            stalled.push(connection);
        }
        let mut first = None;
        for round in 0..ROUNDS {
            for number in 0..CUT {
                let mut connection = Connection::open(&address)?;
                // Cut in the middle of a frame, or before the answer.
                connection.send(if number % 2 == 0 { part(round * CUT + number) } else { &whole })?;
            }
            producer.take_acknowledged()?;
            producer.wait_for_acknowledgement().context("the load waits for bad clients")?;
            wait::until(GONE, "the cut connections to end", || Ok(open()? <= (STALLED + OWN) as f64))?;
            // The first round pays for what the allocator keeps.
            let resident = memory::resident_bytes(pid)?;
            first.get_or_insert(resident);
        }
        wait::until(STALLED_FOR, "the stalled connections to end", || Ok(open()? <= OWN as f64))?;
        for connection in &mut stalled {
            connection.expect_hang_up()?;
        }
        producer.stop()?;
        let (first, last) = (first.context("no round")?, memory::resident_bytes(pid)?);
        println!("resident after the first round {first}, after the last {last}");
        ensure!(last <= first + MAY_GROW_BYTES, "{last} bytes after {ROUNDS} rounds, {first} after one");
        let mut read = History::default();
        Client::Confluent.consume(&at, TOPIC)?.drain(DEADLINE, |record| read.take(&record))?;
        read.is_all_of(&producer.acknowledged)?;
        ensure!(broker.process()?.terminate(DEADLINE)?.success(), "a clean end");
        Ok(())
    })
}
