//! `cargo xtask chaos kill`: rounds of kill -9 under load, on each store and in each durability.

use anyhow::Result;
use clap::ValueEnum;
use highwater_tests::clients::At;
use highwater_tests::highwater::Store as BrokerStore;
use highwater_tests::kill::{self, Options, Outcome};
use highwater_tests::localstack::LocalStack;
use highwater_tests::minio::Minio;
use highwater_tests::parts::Parts;
use highwater_tests::place::Place;
use highwater_tests::system::{Broker, System};

use crate::parts;

/// How much, and where.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// How many kills altogether, spread over the stores and durabilities.
    #[arg(long, default_value_t = 60)]
    rounds: u32,
    /// Repeats the moments of an earlier run.
    #[arg(long)]
    seed: Option<u64>,
    /// Where the segments go; all of them if it is not said.
    #[arg(long, value_enum)]
    store: Vec<Store>,
    /// What acknowledges a record; both if it is not said.
    #[arg(long, value_enum)]
    durability: Vec<Durability>,
    /// The broker; Apache Kafka validates the test itself, and has neither stores nor durabilities.
    #[arg(long, value_enum, default_value_t)]
    system: Which,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Store {
    /// The data directory.
    Dir,
    /// A bucket of MinIO.
    Minio,
    /// A bucket of LocalStack.
    Localstack,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Durability {
    /// The broker's disk.
    Local,
    /// The bucket.
    Object,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Which {
    #[default]
    Highwater,
    Kafka,
}

/// Runs them; fails at the first record that is not as it was acknowledged.
pub(super) fn run(arguments: &Arguments) -> Result<()> {
    let parts = parts::prepare_all()?;
    let seed = arguments.seed.unwrap_or_else(|| u64::from(std::process::id()));
    let options = Options { rounds: arguments.rounds, durability: None, seed, progress: true };
    if arguments.system == Which::Kafka {
        let place = Place::new("chaos-kill")?;
        told("Apache Kafka", &rounds(System::Kafka, &parts, &place, BrokerStore::Directory, options)?);
        return Ok(());
    }
    let kinds = kinds(arguments);
    let count = u32::try_from(kinds.len())?;
    let mut kills = 0;
    for (number, (store, durability)) in (0..).zip(&kinds) {
        // What cannot be divided goes to the first ones.
        let share = arguments.rounds / count + u32::from(number < arguments.rounds % count);
        let durability = match durability {
            Durability::Local => "local",
            Durability::Object => "object",
        };
        let options = Options { rounds: share, durability: Some(durability), ..options };
        let place = Place::new("chaos-kill")?;
        let outcome = on(*store, &parts, &place, options)?;
        kills += outcome.rounds;
        told(&format!("{store:?}, {durability}"), &outcome);
    }
    println!("{kills} kills altogether, seed {seed}");
    Ok(())
}

/// Every store with every durability that was asked for.
fn kinds(arguments: &Arguments) -> Vec<(Store, Durability)> {
    let stores = chosen(&arguments.store);
    let durabilities = chosen(&arguments.durability);
    stores.iter().flat_map(|store| durabilities.iter().map(|durability| (*store, *durability))).collect()
}

fn chosen<T: ValueEnum>(chosen: &[T]) -> &[T] {
    if chosen.is_empty() { T::value_variants() } else { chosen }
}

fn on(store: Store, parts: &Parts, place: &Place, options: Options) -> Result<Outcome> {
    let bucket = |endpoint: String| BrokerStore::Bucket { endpoint, prefix: "kill".into() };
    match store {
        Store::Dir => rounds(System::Highwater, parts, place, BrokerStore::Directory, options),
        Store::Minio => {
            let minio = Minio::start(parts, place)?;
            rounds(System::Highwater, parts, place, bucket(minio.endpoint()), options)
        }
        Store::Localstack => {
            let localstack = LocalStack::start(parts, place)?;
            rounds(System::Highwater, parts, place, bucket(localstack.endpoint()), options)
        }
    }
}

fn rounds(system: System, parts: &Parts, place: &Place, store: BrokerStore, options: Options) -> Result<Outcome> {
    let mut broker = Broker::start(system, parts, place, store)?;
    let address = broker.address();
    let at = At { broker: &address, parts, place };
    kill::run(&mut broker, &at, options).inspect_err(|_| place.keep())
}

fn told(what: &str, outcome: &Outcome) {
    println!(
        "{what}: {} rounds, {} records acknowledged and found once and in order, slowest start {:.2} s",
        outcome.rounds,
        outcome.records,
        outcome.slowest_start.as_secs_f64()
    );
}
