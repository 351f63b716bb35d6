//! `cargo xtask test`: prepares the parts, builds the binary, and runs every test against them.
//!
//! Unit tests come first, with a real MinIO for those that speak to a bucket, then the store's suite
//! once more on LocalStack and on SeaweedFS, then the end-to-end tests. The last line is `N passed, N failed`.

use std::ffi::OsString;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};
use clap::ValueEnum;
use highwater_tests::localstack::LocalStack;
use highwater_tests::minio::{ACCESS_KEY, BUCKET, Minio, SECRET_KEY};
use highwater_tests::parts::{BINARY_VARIABLE, FAILING_BINARY, PARTS_VARIABLE, Parts};
use highwater_tests::place::Place;
use highwater_tests::seaweedfs::SeaweedFs;
use highwater_tests::system::SYSTEM_VARIABLE;

use crate::metadata::Metadata;
use crate::{command, parts};

/// End-to-end tests at once: each of them keeps a broker and a client busy.
const END_TO_END_THREADS: &str = "2";
/// The store's suite on a bucket. LocalStack checks no signatures, so the tests about credentials are
/// for MinIO alone.
const CONFORMANCE_TEST: &str = "a_bucket_conforms";

/// It needs Kafka's jars, so it does not run with the unit tests.
const ORACLE_TEST: &str = "java_classes_agree_both_ways";

/// What to run.
#[derive(Debug, Default, clap::Args)]
pub struct Arguments {
    /// Only the unit tests, without any real part.
    #[arg(long)]
    quick: bool,
    /// Only the end-to-end tests whose name contains this.
    #[arg(long, value_name = "NAME")]
    only: Option<String>,
    /// The broker of the end-to-end tests; Apache Kafka validates the tests themselves.
    #[arg(long, value_enum, default_value_t)]
    system: System,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum System {
    #[default]
    Highwater,
    Kafka,
}

/// Runs them; fails when any test has failed, or when cargo has.
pub fn run(arguments: &Arguments) -> Result<()> {
    let mut counts = Counts::default();
    if arguments.quick {
        unit_tests(&mut counts, &[])?;
        return counts.conclude();
    }
    let parts = parts::prepare_all()?;
    let everything = arguments.only.is_none() && arguments.system == System::Highwater;
    if everything {
        beside_java(&parts, &mut counts)?;
        on_minio(&parts, &mut counts)?;
        on_localstack(&parts, &mut counts)?;
        on_seaweedfs(&parts, &mut counts)?;
    }
    end_to_end(arguments, &parts, &mut counts)?;
    counts.conclude()
}

/// What the property tests start from.
const PROPERTY_SEED_VARIABLE: &str = "PROPTEST_RNG_SEED";
/// The same cases each time, so that a change is judged by itself; a search for new ones sets another.
const PROPERTY_SEED: &str = "20261122";

/// Builds `highwater`, in the profile that serves everything, and the rdkafka client beside it; says where
/// the former lies. Always the two together: cargo would build them anew for another choice.
pub fn build_binaries() -> Result<PathBuf> {
    build(&[])
}

/// The same, and beside them the build of `highwater` that fails on purpose. Both are the binary `highwater`
/// to cargo, which keeps what it compiled of each; so this one is copied away before the other is put there.
fn build_test_binaries() -> Result<PathBuf> {
    let failing = build(&["--features", "highwater-node/faults"])?;
    let aside = failing.with_file_name(FAILING_BINARY);
    fs::copy(&failing, &aside).with_context(|| aside.display().to_string())?;
    build_binaries()
}

fn build(features: &[&str]) -> Result<PathBuf> {
    let mut cargo = command::cargo();
    cargo.args(["build", "--release", "--quiet", "--bins", "--examples"]);
    command::run(cargo.args(["-p", "highwater-node", "-p", "rdkafka-client"]).args(features))?;
    Ok(Metadata::read()?.target_directory.join("release/highwater"))
}

fn on_minio(parts: &Parts, counts: &mut Counts) -> Result<()> {
    let place = Place::new("unit-tests")?;
    let minio = Minio::start(parts, &place)?;
    unit_tests(counts, &bucket_environment(&minio.endpoint()))
}

/// The codec beside Kafka's own message classes.
fn beside_java(parts: &Parts, counts: &mut Counts) -> Result<()> {
    let mut cargo = command::cargo();
    cargo.args(["test", "--package", "highwater-wire", "--release", "--test", "it", "--"]);
    cargo.args(["--ignored", ORACLE_TEST]).env(PARTS_VARIABLE, parts.root());
    counts.run("messages beside Kafka's classes", &mut cargo)
}

fn unit_tests(counts: &mut Counts, environment: &[(&str, String)]) -> Result<()> {
    let mut cargo = command::cargo();
    cargo.args(["test", "--workspace", "--exclude", "highwater-tests", "--release"]);
    cargo.arg("--no-fail-fast").envs(environment.iter().map(|(name, value)| (name, value)));
    let seed = std::env::var(PROPERTY_SEED_VARIABLE).unwrap_or_else(|_| PROPERTY_SEED.to_owned());
    println!("property tests with {PROPERTY_SEED_VARIABLE}={seed} (set it to search elsewhere)");
    cargo.env(PROPERTY_SEED_VARIABLE, seed);
    counts.run("unit tests", &mut cargo)
}

/// LocalStack and SeaweedFS answer in other words than MinIO, so the store's suite runs on all three.
fn on_localstack(parts: &Parts, counts: &mut Counts) -> Result<()> {
    let place = Place::new("localstack")?;
    let localstack = LocalStack::start(parts, &place)?;
    store_suite("the store on LocalStack", bucket_environment(&localstack.endpoint()), counts)
}

fn on_seaweedfs(parts: &Parts, counts: &mut Counts) -> Result<()> {
    let place = Place::new("seaweedfs")?;
    let seaweedfs = SeaweedFs::start(parts, &place)?;
    let mut environment = bucket_environment(&seaweedfs.endpoint());
    environment.push(("HIGHWATER_TEST_S3_ORDER", "components".to_owned()));
    store_suite("the store on SeaweedFS", environment, counts)
}

fn store_suite(what: &'static str, environment: Vec<(&str, String)>, counts: &mut Counts) -> Result<()> {
    let mut cargo = command::cargo();
    cargo.args(["test", "--package", "highwater-store", "--release", "--no-fail-fast"]);
    cargo.args(["--", CONFORMANCE_TEST]).envs(environment);
    counts.run(what, &mut cargo)
}

/// What a test that wants a bucket looks for.
fn bucket_environment(endpoint: &str) -> Vec<(&'static str, String)> {
    vec![
        ("HIGHWATER_TEST_S3_ENDPOINT", endpoint.to_owned()),
        ("HIGHWATER_TEST_S3_BUCKET", BUCKET.to_owned()),
        ("HIGHWATER_TEST_REQUIRE_S3", "1".to_owned()),
        ("AWS_ACCESS_KEY_ID", ACCESS_KEY.to_owned()),
        ("AWS_SECRET_ACCESS_KEY", SECRET_KEY.to_owned()),
    ]
}

fn end_to_end(arguments: &Arguments, parts: &Parts, counts: &mut Counts) -> Result<()> {
    let mut cargo = command::cargo();
    cargo.args(["test", "--package", "highwater-tests", "--release", "--no-fail-fast"]);
    let binary = build_test_binaries()?;
    let mut environment: Vec<(&str, OsString)> =
        vec![(PARTS_VARIABLE, parts.root().into()), (BINARY_VARIABLE, binary.into())];
    if arguments.system == System::Kafka {
        environment.push((SYSTEM_VARIABLE, "kafka".into()));
    }
    // The errors of these tests say where; the stack of the test runner would bury them.
    cargo.env("RUST_LIB_BACKTRACE", "0").envs(environment).arg("--");
    cargo.args(["--test-threads", END_TO_END_THREADS]).args(&arguments.only);
    counts.run("end-to-end tests", &mut cargo)
}

/// What cargo's test binaries have said so far.
#[derive(Debug, Default)]
struct Counts {
    passed: u64,
    failed: u64,
    broken: Vec<&'static str>,
}

impl Counts {
    /// Runs one `cargo test`, shows what it says, and counts its results.
    fn run(&mut self, what: &'static str, cargo: &mut Command) -> Result<()> {
        println!("== {what}");
        let mut child = cargo.stdout(Stdio::piped()).spawn().context("cannot run cargo")?;
        let stdout = child.stdout.take().context("cargo has no standard output")?;
        let (passed_before, failed_before) = (self.passed, self.failed);
        for line in BufReader::new(stdout).lines() {
            let line = line?;
            println!("{line}");
            self.take(&line);
        }
        // Without a failed test it is the build, or a test binary that was killed; without any test
        // it is a filter that no longer names one.
        let silent = !child.wait()?.success() && self.failed == failed_before;
        if silent || (self.passed, self.failed) == (passed_before, failed_before) {
            self.broken.push(what);
        }
        Ok(())
    }

    /// Reads `test result: ok. 12 passed; 0 failed; 1 ignored; …`.
    fn take(&mut self, line: &str) {
        let Some(result) = line.trim().strip_prefix("test result: ") else {
            return;
        };
        let numbered = result.split([';', '.']).map(str::trim);
        for (number, word) in numbered.filter_map(|part| part.split_once(' ')) {
            let number = number.parse().unwrap_or(0);
            match word {
                "passed" => self.passed += number,
                "failed" => self.failed += number,
                _ => {}
            }
        }
    }

    fn conclude(self) -> Result<()> {
        for broken in &self.broken {
            println!("{broken}: did not run to their end");
        }
        println!("{} passed, {} failed", self.passed, self.failed);
        if self.failed > 0 || !self.broken.is_empty() {
            bail!("not all tests have passed");
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::Counts;

    #[test]
    fn results_are_counted() {
        let mut counts = Counts::default();
        counts.take("test result: ok. 12 passed; 0 failed; 1 ignored; 0 measured; 2 filtered out");
        counts.take("test result: FAILED. 3 passed; 2 failed; 0 ignored; finished in 0.00s");
        counts.take("test some::name ... ok");
        assert_eq!((counts.passed, counts.failed), (15, 2));
    }
}
