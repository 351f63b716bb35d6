//! Consumer groups of each client alone and of all three together: everything once, and on from the
//! commit after a restart of the broker.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use highwater_tests::clients::{Client, Codec, DEADLINE, SHARING, assigned_partitions};
use highwater_tests::flights::{Flights, Ledger};
use highwater_tests::records::Stream;
use highwater_tests::wait;

use crate::stage::{self, Stage};

const PARTITIONS: usize = 4;
/// Enough for many fetches of each member, few enough to be quick.
const FLIGHTS: usize = 60_000;
const FIRST_HALF: usize = 30_000;
/// How long a group must stay silent to show that nothing comes twice.
const QUIET: Duration = Duration::from_millis(500);

#[test]
fn each_client_alone_on_a_directory() -> Result<()> {
    stage::on_directory("alone", each_client_alone)
}

#[test]
fn each_client_alone_on_a_bucket() -> Result<()> {
    stage::on_bucket("alone-bucket", each_client_alone)
}

#[test]
fn all_clients_together_on_a_directory() -> Result<()> {
    stage::on_directory("together", all_clients_together)
}

#[test]
fn all_clients_together_on_a_bucket() -> Result<()> {
    stage::on_bucket("together-bucket", all_clients_together)
}

/// Stopped in the middle, restarted broker, and on to the end: each record exactly once.
fn each_client_alone(stage: &mut Stage) -> Result<()> {
    let flights = Flights::read(&stage.parts.flights())?;
    let input = stage.place.join("alone.tsv");
    flights.write(0..FLIGHTS, &input)?;
    stage.at().create_topic("alone", PARTITIONS as u32)?;
    Client::Java.produce(&stage.at(), "alone", &input, Codec::None)?;
    let mut ledgers = Vec::new();
    for client in SHARING {
        let mut ledger = Ledger::new(&flights, Client::Java, 0..FLIGHTS);
        let mut member = client.member(&stage.at(), "alone", &alone(client))?;
        let read = read_until(&mut [&mut member], &mut ledger, FIRST_HALF);
        read.with_context(|| format!("{client:?} alone"))?;
        member.stop(|record| ledger.take(&record))?;
        ensure!(!ledger.is_complete(), "{client:?} was to be stopped in the middle");
        ledgers.push((client, ledger));
    }
    restart(stage)?;
    for (client, mut ledger) in ledgers {
        let mut member = client.member(&stage.at(), "alone", &alone(client))?;
        let read = read_until(&mut [&mut member], &mut ledger, FLIGHTS)
            .and_then(|()| stay_silent(&mut [&mut member]))
            .and_then(|()| member.stop(|record| ledger.take(&record)))
            .and_then(|()| ledger.finish(PARTITIONS));
        read.with_context(|| format!("{client:?} alone, on from its commit"))?;
    }
    Ok(())
}

fn alone(client: Client) -> String {
    format!("alone-{}", client.name())
}

/// One group of three different clients, twice: before and after a restart of the broker.
fn all_clients_together(stage: &mut Stage) -> Result<()> {
    let flights = Flights::read(&stage.parts.flights())?;
    stage.at().create_topic("together", PARTITIONS as u32)?;
    for (name, range) in [("first", 0..FIRST_HALF), ("second", FIRST_HALF..FLIGHTS)] {
        let input = stage.place.join(&format!("{name}.tsv"));
        flights.write(range.clone(), &input)?;
        let mut ledger = Ledger::new(&flights, Client::Confluent, range);
        let mut members = join_all(stage).context(name)?;
        Client::Confluent.produce(&stage.at(), "together", &input, Codec::None)?;
        let mut streams: Vec<&mut Stream> = members.iter_mut().collect();
        read_until(&mut streams, &mut ledger, FIRST_HALF)
            .and_then(|()| stay_silent(&mut streams))
            .with_context(|| format!("all together, {name} half"))?;
        // One by one: whoever takes over a partition goes on from the commit of who has left.
        for member in members {
            member.stop(|record| ledger.take(&record))?;
        }
        ledger.finish(PARTITIONS)?;
        restart(stage)?;
    }
    Ok(())
}

fn restart(stage: &mut Stage) -> Result<()> {
    stage.broker.terminate()?;
    stage.broker.up()
}

/// Starts one member of each client and waits until the group has settled: every member has a
/// partition, and together they have all of them.
fn join_all(stage: &Stage) -> Result<Vec<Stream>> {
    let mut members = Vec::new();
    for client in SHARING {
        members.push(client.member(&stage.at(), "together", "together")?);
    }
    wait::until(Duration::from_secs(60), "the group to settle", || {
        let mut partitions = 0;
        for member in &mut members {
            ensure!(member.process.ended()?.is_none(), member.process.log_tail());
            match assigned_partitions(member.process.log())? {
                None | Some(0) => return Ok(false),
                Some(more) => partitions += more,
            }
        }
        Ok(partitions == PARTITIONS)
    })?;
    Ok(members)
}

/// Reads from all members in turn until `count` records are in the ledger.
fn read_until(members: &mut [&mut Stream], ledger: &mut Ledger<'_>, count: usize) -> Result<()> {
    let end = Instant::now() + DEADLINE;
    while ledger.count() < count {
        let seen = ledger.count();
        for member in members.iter_mut() {
            while let Some(record) = member.poll(Duration::ZERO)? {
                ledger.take(&record)?;
                if ledger.count() == count {
                    return Ok(());
                }
            }
            ensure!(member.process.ended()?.is_none(), member.process.log_tail());
        }
        if ledger.count() == seen {
            let said = members.iter().map(|member| member.process.log_tail());
            let said = || said.collect::<Vec<_>>().join("\n");
            ensure!(Instant::now() < end, "only {seen} of {count} records; {}", said());
            std::thread::sleep(Duration::from_millis(5));
        }
    }
    Ok(())
}

fn stay_silent(members: &mut [&mut Stream]) -> Result<()> {
    for member in members {
        let more = member.poll(QUIET)?;
        ensure!(more.is_none(), "a record after the last one: {more:?}");
    }
    Ok(())
}
