//! Two brokers on one bucket, and the first is stopped for longer than its lease and than the grace of
//! garbage: when it wakes up it acknowledges nothing, and nothing that it acknowledged before is lost.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use highwater_tests::buckets::{Bucket, Service};
use highwater_tests::clients::{At, Client, DEADLINE};
use highwater_tests::highwater::Highwater;
use highwater_tests::history::History;
use highwater_tests::load::{Errors, Load};
use highwater_tests::parts::{Parts, highwater_binary};
use highwater_tests::place::Place;
use highwater_tests::raw::{Connection, PRODUCE, batch, frame, produce_v3, produce_v3_error, request};
use highwater_tests::wait;
use highwater_tests::walk::Walk;

use crate::stage::{create, in_place};

const PREFIX: &str = "paused";
const LOADED: &str = "loaded";
const PARTITIONS: usize = 4;
const RECORDS_PER_SECOND: u32 = 500;
/// The shortest grace that there is, and small segments at a quick pace: numbers go soon.
const SETTINGS: &[&str] = &["--gc-grace-ms", "10s", "--config", "log.retention.check.interval.ms=500"];
/// A lease, its skew and a recovery; then a grace and its tenth, and a sweep; on a busy machine.
const TAKEOVER: Duration = Duration::from_secs(60);
const SWEPT: Duration = Duration::from_secs(60);
/// For the one that wakes up to find out and to end.
const WAKES: Duration = Duration::from_secs(40);
/// Connections with a request that the sleeper finds when it wakes up, for each topic.
const WAITING: usize = 4;

#[test]
fn a_leader_that_was_stopped_wakes_up_and_acknowledges_nothing() -> Result<()> {
    in_place("paused", |parts, place| stopped_and_woken(Service::Minio, parts, place))
}

#[test]
fn a_leader_that_was_stopped_wakes_up_on_localstack_and_acknowledges_nothing() -> Result<()> {
    in_place("paused-localstack", |parts, place| stopped_and_woken(Service::LocalStack, parts, place))
}

fn stopped_and_woken(service: Service, parts: &Parts, place: &Place) -> Result<()> {
    let bucket = Bucket::start(service, parts, place)?;
    let store = || bucket.store(PREFIX);
    let binary = highwater_binary()?;
    let (first_data, second_data) = (place.join("first"), place.join("second"));
    let mut first = Highwater::start_with(&binary, &first_data, place.log("first"), store(), SETTINGS)?;
    let settings = [SETTINGS, &["--node-id", "2"]].concat();
    let mut second = Highwater::launch(&binary, &second_data, place.log("second"), store(), &settings)?;
    wait_for_line(second.process()?.log().to_path_buf().as_path(), "waiting for")?;

    let (first_address, second_address) = (first.address(), second.address());
    let both = format!("{first_address},{second_address}");
    let at = At { broker: &both, parts, place };
    // Acknowledged as `object` last: that flush takes what the shard has of the other topic with it.
    let topics = [("local", "local", PARTITIONS), ("idle", "object", PARTITIONS), (LOADED, "object", 1)];
    for (topic, durability, partitions) in topics {
        let on_first = At { broker: &first_address, parts, place };
        create(&on_first, topic, partitions as u32, &format!("highwater.durability={durability}"))?;
    }
    let mut sleepers = Vec::new();
    for (topic, _, _) in &topics[..2] {
        for number in 0..WAITING {
            let mut connection = Connection::open(&first_address)?;
            connection.send(&produce(topic, number))?;
            let code = produce_v3_error(&connection.answer()?.1, topic)?;
            ensure!(code == 0, "{topic}: error {code} while it led");
            sleepers.push((*topic, number, connection));
        }
    }
    let mut producer = Load::start(&at, LOADED, 1, RECORDS_PER_SECOND, Errors::End)?;
    producer.wait_for_acknowledgement()?;

    first.process()?.signal(libc::SIGSTOP)?;
    let chains = numbers(&bucket)?;
    for (topic, number, connection) in &mut sleepers {
        connection.send(&produce(topic, *number))?;
    }
    second.wait_until_ready_by(TAKEOVER)?;
    producer.take_acknowledged()?;
    producer.wait_for_acknowledgement().context("nothing is acknowledged after the takeover")?;
    // The numbers that the sleeper would use next are taken, and deleted when their grace is over; but
    // for the shard under load, whose next number may hold records.
    let next = next_numbers(&chains);
    let taken = |now: &BTreeSet<Number>| next.iter().filter(|number| now.contains(number)).count();
    ensure!(taken(&numbers(&bucket)?) == next.len(), "next are {next:?}, and there is {:?}", numbers(&bucket)?);
    wait::until(SWEPT, "the sleeper's next numbers to be deleted", || Ok(taken(&numbers(&bucket)?) <= 1))?;

    first.process()?.signal(libc::SIGCONT)?;
    for (topic, number, connection) in &mut sleepers {
        let Ok((_, body)) = connection.answer() else { continue };
        let code = produce_v3_error(&body, topic)?;
        ensure!(code != 0, "{topic}, connection {number}: acknowledged by a deposed leader");
    }
    println!("the first broker ended with {}", first.process()?.wait(WAKES)?);
    producer.wait_for_acknowledgement()?;
    producer.stop()?;
    let mut read = History::default();
    let on_second = At { broker: &second_address, parts, place };
    Client::Confluent.consume(&on_second, LOADED)?.drain(DEADLINE, |record| read.take(&record))?;
    read.is_all_of(&producer.acknowledged)?;
    Walk::of(&second_data, place, &store())?;
    ensure!(second.process()?.terminate(DEADLINE)?.success(), "a clean end");
    Walk::of(&second_data, place, &store())?;
    Ok(())
}

fn produce(topic: &str, number: usize) -> Vec<u8> {
    let records = batch(format!("{topic} {number}").as_bytes(), |crc| crc);
    frame(&request(PRODUCE, 3, 1, &produce_v3(topic, (number % PARTITIONS) as i32, &records)))
}

fn wait_for_line(log: &Path, words: &str) -> Result<()> {
    wait::until(Duration::from_secs(30), words, || Ok(fs::read_to_string(log).unwrap_or_default().contains(words)))
}

/// A number of a shard's data, as the bucket has it: the shard's folder and the name.
type Number = (String, String);

/// The numbers of every shard's data that are in the bucket.
fn numbers(bucket: &Bucket) -> Result<BTreeSet<Number>> {
    let shards = format!("{PREFIX}/shards/");
    let mut found = BTreeSet::new();
    for shard in bucket.names(&shards)? {
        let names = bucket.names(&format!("{shards}{shard}/wal/"))?;
        found.extend(names.into_iter().map(|name| (shard.clone(), name)));
    }
    Ok(found)
}

/// The number after the last of each shard: a name is digits of fixed width.
fn next_numbers(numbers: &BTreeSet<Number>) -> BTreeSet<Number> {
    let shards: BTreeSet<&String> = numbers.iter().map(|(shard, _)| shard).collect();
    let last = |shard: &str| numbers.iter().rfind(|(of, _)| of == shard).map(|(_, name)| name.clone());
    shards.into_iter().filter_map(|shard| Some((shard.clone(), after(&last(shard)?)?))).collect()
}

fn after(name: &str) -> Option<String> {
    let digits = name.bytes().take_while(u8::is_ascii_digit).count();
    let (number, rest) = name.split_at(digits);
    Some(format!("{:0digits$}{rest}", number.parse::<u64>().ok()? + 1))
}
