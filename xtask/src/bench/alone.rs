//! What a MinIO gives without a broker: the examples of highwater-store.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use highwater_tests::minio::{ACCESS_KEY, BUCKET, SECRET_KEY};

use crate::command;

/// The programs, and where they go.
pub(super) struct Alone {
    examples: PathBuf,
    endpoint: String,
}

/// How puts went.
pub(super) struct Puts {
    pub bytes_per_second: f64,
    pub p50_us: f64,
    pub p99_us: f64,
}

impl Alone {
    /// Builds the programs; they land beside the broker's binary.
    pub(super) fn new(binary: &Path, endpoint: String) -> Result<Self> {
        let mut build = command::cargo();
        build.args(["build", "--release", "--quiet", "-p", "highwater-store"]);
        build.args(["--example", "put_rate", "--example", "get_rate"]);
        command::run(&mut build)?;
        Ok(Self { examples: binary.with_file_name("examples"), endpoint })
    }

    /// Conditional puts of so many bytes each; with a gap each waits for that long before it begins.
    pub(super) fn puts(&self, count: u64, bytes: u64, in_flight: u64, gap_ms: u64) -> Result<Puts> {
        let numbers = [count, bytes, in_flight, gap_ms].map(|number| number.to_string());
        match self.run("put_rate", "alone", &numbers)?.as_slice() {
            [bytes_per_second, p50_us, p99_us] => {
                Ok(Puts { bytes_per_second: *bytes_per_second, p50_us: *p50_us, p99_us: *p99_us })
            }
            other => anyhow::bail!("put_rate said {other:?}"),
        }
    }

    /// Bytes a second of reading all objects under a prefix of the bucket, whole.
    pub(super) fn gets(&self, prefix: &str, in_flight: u64) -> Result<f64> {
        let arguments = ["shards/".to_owned(), in_flight.to_string()];
        self.run("get_rate", prefix, &arguments)?.first().copied().context("get_rate said nothing")
    }

    fn run(&self, program: &str, prefix: &str, arguments: &[String]) -> Result<Vec<f64>> {
        let mut command = Command::new(self.examples.join(program));
        command.arg(format!("s3://{BUCKET}/{prefix}")).arg(&self.endpoint).args(arguments);
        command.env("AWS_ACCESS_KEY_ID", ACCESS_KEY).env("AWS_SECRET_ACCESS_KEY", SECRET_KEY);
        let said = command::output(&mut command)?;
        Ok(said.split_whitespace().filter_map(|number| number.parse().ok()).collect())
    }
}
