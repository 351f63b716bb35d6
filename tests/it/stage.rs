//! What every test stands on: a place, the parts, a broker and, if wanted, a bucket.

use std::path::Path;

use anyhow::Result;
use highwater_tests::buckets::{Bucket, Service};
use highwater_tests::clients::{At, Client, Codec};
use highwater_tests::flights::Flights;
use highwater_tests::highwater::{Highwater, Store};
use highwater_tests::parts::{Parts, highwater_binary};
use highwater_tests::place::Place;
use highwater_tests::system::{Broker, System};

/// A broker with all that belongs to it. Fields are dropped in this order: the folder last.
pub struct Stage {
    pub broker: Broker,
    address: String,
    _bucket: Option<Bucket>,
    pub parts: Parts,
    pub place: Place,
}

impl Stage {
    /// Where clients run.
    pub fn at(&self) -> At<'_> {
        At { broker: &self.address, parts: &self.parts, place: &self.place }
    }
}

/// Runs a test on a broker whose bucket is its data directory.
pub fn on_directory(name: &str, test: impl FnOnce(&mut Stage) -> Result<()>) -> Result<()> {
    let (parts, place) = (Parts::from_environment()?, Place::new(name)?);
    on_stage(parts, place, None, Store::Directory, test)
}

/// Runs a test on a broker whose bucket is a prefix in a MinIO of its own. Apache Kafka has no
/// bucket: there it would be the same test once more, so nothing runs.
pub fn on_bucket(name: &str, test: impl FnOnce(&mut Stage) -> Result<()>) -> Result<()> {
    on_bucket_of(Service::Minio, name, test)
}

/// As [`on_bucket`], in a LocalStack of its own.
pub fn on_localstack(name: &str, test: impl FnOnce(&mut Stage) -> Result<()>) -> Result<()> {
    on_bucket_of(Service::LocalStack, name, test)
}

fn on_bucket_of(service: Service, name: &str, test: impl FnOnce(&mut Stage) -> Result<()>) -> Result<()> {
    if !is_highwater()? {
        return Ok(());
    }
    let (parts, place) = (Parts::from_environment()?, Place::new(name)?);
    let bucket = Bucket::start(service, &parts, &place)?;
    let store = bucket.store(name);
    on_stage(parts, place, Some(bucket), store, test)
}

fn on_stage(
    parts: Parts,
    place: Place,
    bucket: Option<Bucket>,
    store: Store,
    test: impl FnOnce(&mut Stage) -> Result<()>,
) -> Result<()> {
    let broker = Broker::start(System::from_environment()?, &parts, &place, store);
    let broker = broker.inspect_err(|_| place.keep())?;
    let address = broker.address();
    let mut stage = Stage { broker, address, _bucket: bucket, parts, place };
    test(&mut stage).inspect_err(|_| stage.place.keep())
}

/// Runs a test that starts brokers of its own, which only ours are.
pub fn in_place(name: &str, test: impl FnOnce(&Parts, &Place) -> Result<()>) -> Result<()> {
    if !is_highwater()? {
        return Ok(());
    }
    let (parts, place) = (Parts::from_environment()?, Place::new(name)?);
    test(&parts, &place).inspect_err(|_| place.keep())
}

/// Whether the broker under test is ours: only ours has a bucket and the operator's lines.
pub fn is_highwater() -> Result<bool> {
    Ok(System::from_environment()? == System::Highwater)
}

/// Creates a topic with one setting of its own.
pub fn create(at: &At<'_>, topic: &str, partitions: u32, config: &str) -> Result<()> {
    at.create_configured(topic, partitions, config)
}

/// A broker on a directory with so many flights in a new topic.
pub fn with_flights(
    parts: &Parts,
    place: &Place,
    data: &Path,
    (topic, partitions): (&str, u32),
    flights: usize,
) -> Result<Highwater> {
    let broker = Highwater::start(&highwater_binary()?, data, place.log("broker"), Store::Directory)?;
    let address = broker.address();
    let at = At { broker: &address, parts, place };
    let input = place.join("input.tsv");
    Flights::read(&parts.flights())?.write(0..flights, &input)?;
    at.create_topic(topic, partitions)?;
    Client::Kcat.produce(&at, topic, &input, Codec::None)?;
    Ok(broker)
}
