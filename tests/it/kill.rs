//! A few rounds of `kill -9` under load; `cargo xtask chaos kill` runs as many as wanted.

use anyhow::Result;
use highwater_tests::clients::At;
use highwater_tests::kill::{Options, run};

use crate::stage::{self, Stage};

/// On each of the two: 40 altogether.
const ROUNDS: u32 = 20;

#[test]
fn kill_9_on_a_directory() -> Result<()> {
    stage::on_directory("kill", rounds)
}

#[test]
fn kill_9_on_a_bucket() -> Result<()> {
    stage::on_bucket("kill-bucket", rounds)
}

/// The seed differs from run to run and is printed; HIGHWATER_TEST_SEED repeats one.
fn rounds(stage: &mut Stage) -> Result<()> {
    let seed = match std::env::var("HIGHWATER_TEST_SEED") {
        Ok(seed) => seed.parse()?,
        Err(_) => u64::from(std::process::id()),
    };
    let address = stage.broker.address();
    let at = At { broker: &address, parts: &stage.parts, place: &stage.place };
    let outcome = run(&mut stage.broker, &at, Options { rounds: ROUNDS, durability: None, seed, progress: false })?;
    println!("{outcome:?}");
    Ok(())
}
