//! `cargo xtask chaos`: the faults of the tests, for as long as wanted.

mod storage;

use anyhow::Result;
use clap::{Subcommand, ValueEnum};
use highwater_tests::clients::At;
use highwater_tests::highwater::Store as BrokerStore;
use highwater_tests::kill::{self, Options};
use highwater_tests::minio::Minio;
use highwater_tests::parts::BINARY_VARIABLE;
use highwater_tests::place::Place;
use highwater_tests::system::{Broker, System};

use crate::{parts, test};

/// The kinds of fault.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// kill -9 at random moments under load; every acknowledged record must be there once.
    Kill {
        /// How many kills on each store.
        #[arg(long, default_value_t = 50)]
        rounds: u32,
        /// Repeats the moments of an earlier run.
        #[arg(long)]
        seed: Option<u64>,
        /// Where the segments go.
        #[arg(long, value_enum, default_value_t)]
        store: Store,
        /// The broker; Apache Kafka validates the test itself.
        #[arg(long, value_enum, default_value_t)]
        system: Which,
    },
    /// Retention, compaction and deletion under load: the bucket follows what is live.
    Storage(storage::Arguments),
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Store {
    /// The data directory.
    Dir,
    /// A bucket of MinIO.
    Minio,
    /// First the one, then the other.
    #[default]
    Both,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Which {
    #[default]
    Highwater,
    Kafka,
}

/// Runs one kind of fault.
pub fn run(command: &Command) -> Result<()> {
    if std::env::var_os(BINARY_VARIABLE).is_none() {
        let binary = test::build_binaries()?;
        // SAFETY: this program has one thread so far.
        unsafe { std::env::set_var(BINARY_VARIABLE, binary) };
    }
    let (rounds, seed, store, system) = match command {
        Command::Kill { rounds, seed, store, system } => (*rounds, *seed, *store, *system),
        Command::Storage(arguments) => return storage::run(arguments),
    };
    let seed = seed.unwrap_or_else(|| u64::from(std::process::id()));
    let options = Options { rounds, seed, progress: true };
    if store != Store::Minio {
        kill_rounds(system, false, options)?;
    }
    if store != Store::Dir {
        kill_rounds(system, true, options)?;
    }
    Ok(())
}

fn kill_rounds(system: Which, on_bucket: bool, options: Options) -> Result<()> {
    let parts = parts::prepare_all()?;
    let place = Place::new("chaos-kill")?;
    let minio = on_bucket.then(|| Minio::start(&parts, &place)).transpose()?;
    let store = match &minio {
        Some(minio) => BrokerStore::Bucket { endpoint: minio.endpoint(), prefix: "kill".into() },
        None => BrokerStore::Directory,
    };
    println!("store: {}", if on_bucket { "MinIO" } else { "directory" });
    let system = match system {
        Which::Highwater => System::Highwater,
        Which::Kafka => System::Kafka,
    };
    let mut broker = Broker::start(system, &parts, &place, store)?;
    let address = broker.address();
    let at = At { broker: &address, parts: &parts, place: &place };
    let outcome = match kill::run(&mut broker, &at, options) {
        Ok(outcome) => outcome,
        Err(error) => {
            place.keep();
            return Err(error);
        }
    };
    println!(
        "{} rounds, {} records acknowledged and found once and in order, slowest start {:.2} s",
        outcome.rounds,
        outcome.records,
        outcome.slowest_start.as_secs_f64()
    );
    Ok(())
}
