//! A million records, through every programming language's client under every codec, read by groups of
//! each: equal, in order, none lost and none twice. The flights, three times over: once on a directory,
//! once on each kind of bucket.

use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, ensure};
use highwater_tests::clients::{CODECS, Client, Codec, DEADLINE, PROGRAMMED, assigned_partitions};
use highwater_tests::flights::{COUNT, Flights, Ledger};
use highwater_tests::records::Stream;
use highwater_tests::wait;

use crate::stage::{self, Stage};

const TOPIC: &str = "every-codec";
const PARTITIONS: usize = 4;
/// Each with half of the partitions.
const MEMBERS: usize = 2;
/// How long a group must stay silent to show that nothing comes twice.
const QUIET: Duration = Duration::from_millis(300);

#[test]
fn every_client_and_codec_on_a_directory() -> Result<()> {
    stage::on_directory("codecs", every_client_and_codec)
}

#[test]
fn every_client_and_codec_on_minio() -> Result<()> {
    stage::on_bucket("codecs-minio", every_client_and_codec)
}

#[test]
fn every_client_and_codec_on_localstack() -> Result<()> {
    stage::on_localstack("codecs-localstack", every_client_and_codec)
}

/// The groups are there before the first record, so that no rebalance falls between a read and its
/// commit: all of these clients promise only "at least once" then.
fn every_client_and_codec(stage: &mut Stage) -> Result<()> {
    let flights = Flights::read(&stage.parts.flights())?;
    stage.at().create_topic(TOPIC, PARTITIONS as u32)?;
    let mut groups = Vec::new();
    for client in PROGRAMMED {
        groups.push(Group::start(stage, client, &flights)?);
    }
    for group in &mut groups {
        group.settle().with_context(|| format!("{:?}", group.client))?;
    }
    let stage = &*stage;
    thread::scope(|scope| {
        let producing = scope.spawn(|| produce_all(stage, &flights));
        while !producing.is_finished() || !groups.iter().all(|group| group.ledger.is_complete()) {
            let mut seen = 0;
            for group in &mut groups {
                seen += group.take_what_is_there()?;
            }
            if seen == 0 {
                let on_time = !producing.is_finished() || groups.iter().all(Group::is_on_time);
                ensure!(on_time, "{}", state(&groups));
                thread::sleep(Duration::from_millis(5));
            }
        }
        producing.join().map_err(|_| anyhow!("the producers have panicked"))?
    })?;
    for group in groups {
        let client = group.client;
        group.finish().with_context(|| format!("{client:?}"))?;
    }
    Ok(())
}

/// Each client sends its part of the flights, a fifth of it under each codec, one after another: so the
/// numbers rise in every partition.
fn produce_all(stage: &Stage, flights: &Flights) -> Result<()> {
    let parts = PROGRAMMED.len() * CODECS.len();
    let pairs = PROGRAMMED.iter().flat_map(|client| CODECS.map(|codec| (*client, codec)));
    for (part, (client, codec)) in pairs.enumerate() {
        produce(stage, flights, COUNT * part / parts..COUNT * (part + 1) / parts, client, codec)
            .with_context(|| format!("{client:?} with {codec:?}"))?;
    }
    Ok(())
}

fn produce(
    stage: &Stage,
    flights: &Flights,
    range: std::ops::Range<usize>,
    client: Client,
    codec: Codec,
) -> Result<()> {
    let input = stage.place.join("part.tsv");
    flights.write(range, &input)?;
    client.produce(&stage.at(), TOPIC, &input, codec)
}

fn state(groups: &[Group<'_>]) -> String {
    let one = |group: &Group<'_>| {
        let said: Vec<String> = group.members.iter().map(|member| member.process.log_tail()).collect();
        format!("{:?}: {} of {COUNT}\n{}", group.client, group.ledger.count(), said.join("\n"))
    };
    groups.iter().filter(|group| !group.ledger.is_complete()).map(one).collect()
}

/// A consumer group of one client, and what its members have read.
struct Group<'a> {
    client: Client,
    members: Vec<Stream>,
    ledger: Ledger<'a>,
    last: Instant,
}

impl<'a> Group<'a> {
    fn start(stage: &Stage, client: Client, flights: &'a Flights) -> Result<Self> {
        let mut members = Vec::new();
        for _ in 0..MEMBERS {
            members.push(client.member(&stage.at(), TOPIC, client.name())?);
        }
        // Every one of the programmed clients numbers its headers, whoever of them sent a record.
        Ok(Self { client, members, ledger: Ledger::new(flights, client, 0..COUNT), last: Instant::now() })
    }

    /// Waits until the members share the partitions.
    fn settle(&mut self) -> Result<()> {
        wait::until(DEADLINE, "the group to settle", || {
            let mut shared = true;
            for member in &mut self.members {
                ensure!(member.process.ended()?.is_none(), member.process.log_tail());
                shared &= assigned_partitions(member.process.log())? == Some(PARTITIONS / MEMBERS);
            }
            Ok(shared)
        })
    }

    /// How many records there were.
    fn take_what_is_there(&mut self) -> Result<usize> {
        let before = self.ledger.count();
        for member in &mut self.members {
            while let Some(record) = member.poll(Duration::ZERO)? {
                self.ledger.take(&record).with_context(|| format!("{:?}", self.client))?;
            }
        }
        let seen = self.ledger.count() - before;
        if seen > 0 {
            self.last = Instant::now();
        }
        Ok(seen)
    }

    fn is_on_time(&self) -> bool {
        self.ledger.is_complete() || self.last.elapsed() < DEADLINE
    }

    fn finish(mut self) -> Result<()> {
        for member in &mut self.members {
            let more = member.poll(QUIET)?;
            ensure!(more.is_none(), "a record after the last one: {more:?}");
        }
        for member in self.members {
            member.stop(|record| self.ledger.take(&record))?;
        }
        self.ledger.finish(PARTITIONS)
    }
}
