//! One broker of a comparison, and its topics.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};
use highwater_tests::apache::Apache;
use highwater_tests::clients::{At, Client};
use highwater_tests::highwater::Store;
use highwater_tests::parts::Parts;
use highwater_tests::place::Place;
use highwater_tests::system::{Broker, System};
use highwater_tests::wait;

use super::super::usage::Usage;
use super::super::{measured, name};
use super::PARTITIONS;

/// So that Kafka's deletions end in the turn that they belong to; its default is a minute.
const DELETE_SOON: &str = "log.segment.delete.delay.ms=1000";
/// The first deletion of a Kafka comes half a minute after its start at the earliest.
const DELETED: Duration = Duration::from_secs(60);

/// A broker in a folder of its own.
pub(super) struct Contestant<'a> {
    pub(super) system: System,
    // The broker goes before its folder.
    pub(super) broker: Broker,
    pub(super) place: Place,
    parts: &'a Parts,
}

impl<'a> Contestant<'a> {
    /// Its folder is in `folder`.
    pub(super) fn start(system: System, parts: &'a Parts, folder: &Path) -> Result<Self> {
        let place = Place::below(folder, "broker")?;
        let broker = match system {
            System::Highwater => Broker::start(system, parts, &place, Store::Directory),
            System::Kafka => {
                Apache::start_with(parts, &place.join("broker"), place.log("broker"), &[DELETE_SOON]).map(Broker::Kafka)
            }
        };
        let broker = broker.with_context(|| format!("starting {}", name(system)))?;
        Ok(Self { system, broker, place, parts })
    }

    pub(super) fn name(&self) -> &'static str {
        name(self.system)
    }

    /// Does the work with a new topic, which is gone with its files afterwards.
    pub(super) fn with_topic<T>(&mut self, topic: &str, work: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        self.at(|at| at.create_topic(topic, PARTITIONS))?;
        let outcome = work(self)?;
        self.at(|at| at.delete_topic(topic))?;
        self.wait_until_gone(topic).with_context(|| format!("deleting {topic}"))?;
        Ok(outcome)
    }

    /// Work of clients.
    pub(super) fn at<T>(&self, work: impl FnOnce(&At<'_>) -> Result<T>) -> Result<T> {
        let address = self.broker.address();
        work(&At { broker: &address, parts: self.parts, place: &self.place })
    }

    /// Work of clients, and the processor time that the broker has used for it.
    pub(super) fn charged<T>(&mut self, work: impl FnOnce(&At<'_>) -> Result<T>) -> Result<(T, Duration)> {
        let pid = self.broker.process()?.pid();
        measured(pid, || self.at(work))
    }

    /// The first number that a role of the librdkafka client prints.
    pub(super) fn rate(at: &At<'_>, role: &str, topic: &str, numbers: &[u64]) -> Result<f64> {
        let numbers: Vec<String> = numbers.iter().map(u64::to_string).collect();
        let arguments: Vec<&str> = std::iter::once(topic).chain(numbers.iter().map(String::as_str)).collect();
        Client::measure(at, role, &arguments)?.first().copied().with_context(|| format!("{role} gave no rate"))
    }

    pub(super) fn usage(&mut self) -> Result<Usage> {
        Usage::of(self.broker.process()?.pid())
    }

    /// Kafka renames the folders of a deleted topic, and removes them later.
    fn wait_until_gone(&self, topic: &str) -> Result<()> {
        let Broker::Kafka(kafka) = &self.broker else { return Ok(()) };
        let (data, prefix): (PathBuf, String) = (kafka.data(), format!("{topic}-"));
        wait::until(DELETED, "Kafka to remove the files", || {
            let mut there = false;
            for folder in fs::read_dir(&data)? {
                there |= folder?.file_name().to_string_lossy().starts_with(&prefix);
            }
            Ok(!there)
        })
    }
}
