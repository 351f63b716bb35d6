//! The real `highwater` binary on loopback, over a directory or a bucket.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::minio::{ACCESS_KEY, BUCKET, SECRET_KEY};
use crate::process::Process;
use crate::{http, ports, raw, wait};

/// Far above the promise of half a second, which has a test of its own: a recovery is longer, and the
/// machine of a test is a busy one.
const READY_DEADLINE: Duration = Duration::from_secs(30);

/// Where a broker keeps its segments.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Store {
    /// Its data directory.
    Directory,
    /// A prefix in the bucket of a MinIO.
    Bucket {
        /// The address of the MinIO.
        endpoint: String,
        /// The prefix within the bucket.
        prefix: String,
    },
}

impl Store {
    /// The flags that name this store.
    pub fn flags(&self) -> Vec<String> {
        match self {
            Self::Directory => Vec::new(),
            Self::Bucket { endpoint, prefix } => bucket_flags(endpoint, BUCKET, prefix),
        }
    }
}

/// The flags for any bucket behind any endpoint.
pub fn bucket_flags(endpoint: &str, bucket: &str, prefix: &str) -> Vec<String> {
    let url = format!("s3://{bucket}/{prefix}");
    let pairs = ["--store", &url, "--s3-endpoint", endpoint, "--s3-region", "us-east-1"];
    let switches = ["--s3-path-style", "--s3-allow-http"];
    pairs.into_iter().chain(switches).map(str::to_owned).collect()
}

/// One broker: running, or down between two starts.
#[derive(Debug)]
pub struct Highwater {
    binary: PathBuf,
    data: PathBuf,
    log: PathBuf,
    store: Store,
    flags: Vec<String>,
    port: u16,
    http_port: u16,
    process: Option<Process>,
}

impl Highwater {
    /// Starts a broker with its data in `data` and waits until it is ready.
    pub fn start(binary: &Path, data: &Path, log: PathBuf, store: Store) -> Result<Self> {
        Self::start_with(binary, data, log, store, &[])
    }

    /// As [`Highwater::start`], with more flags.
    pub fn start_with(binary: &Path, data: &Path, log: PathBuf, store: Store, flags: &[&str]) -> Result<Self> {
        let mut broker = Self::launch(binary, data, log, store, flags)?;
        broker.wait_until_ready()?;
        Ok(broker)
    }

    /// As [`Highwater::start_with`], without waiting: for a broker that another one keeps waiting.
    pub fn launch(binary: &Path, data: &Path, log: PathBuf, store: Store, flags: &[&str]) -> Result<Self> {
        fs::create_dir_all(data)?;
        let mut broker = Self {
            binary: binary.to_path_buf(),
            data: data.to_path_buf(),
            log,
            store,
            flags: flags.iter().map(|flag| (*flag).to_owned()).collect(),
            port: ports::free()?,
            http_port: ports::free()?,
            process: None,
        };
        broker.spawn()?;
        Ok(broker)
    }

    /// Starts it on its data and waits until it is ready.
    pub fn up(&mut self) -> Result<()> {
        self.spawn()?;
        self.wait_until_ready()
    }

    /// Starts it on its data.
    fn spawn(&mut self) -> Result<()> {
        let mut command = serve(&self.binary, &self.data, self.port, self.http_port);
        command.args(self.store.flags()).args(&self.flags);
        self.process = Some(Process::start("highwater", &mut command, &self.log)?);
        Ok(())
    }

    /// Waits until it serves.
    pub fn wait_until_ready(&mut self) -> Result<()> {
        self.wait_until_ready_by(READY_DEADLINE)
    }

    /// As [`Highwater::wait_until_ready`], with a deadline of one's own.
    pub fn wait_until_ready_by(&mut self, deadline: Duration) -> Result<()> {
        let (address, http_port) = (self.address(), self.http_port);
        let process = self.process()?;
        wait::until(deadline, "Highwater to be ready", || {
            if let Some(status) = process.ended()? {
                bail!("ended with {status}: {}", process.log_tail());
            }
            Ok(http::status(http_port, "/readyz") == Some(200) && raw::answers(&address))
        })
        .with_context(|| process.log_tail())
    }

    /// `host:port` for Kafka's clients.
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Where Kafka's clients connect.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Where it serves HTTP.
    pub fn http_port(&self) -> u16 {
        self.http_port
    }

    /// The running process.
    pub fn process(&mut self) -> Result<&mut Process> {
        self.process.as_mut().context("Highwater is down")
    }
}

/// `highwater` without any setting that this process has in its environment: a test says all that its
/// broker gets, and the variables of the tests themselves are none of its settings.
pub fn without_settings(binary: &Path) -> Command {
    let mut command = Command::new(binary);
    for (name, _) in std::env::vars_os() {
        if name.to_str().is_some_and(|name| name.starts_with("HIGHWATER_")) {
            command.env_remove(name);
        }
    }
    command
}

/// `highwater serve` with the credentials of the tests' MinIO in its environment.
pub fn serve(binary: &Path, data: &Path, port: u16, http_port: u16) -> Command {
    let mut command = without_settings(binary);
    command
        .arg("serve")
        .arg("--data")
        .arg(data)
        .args(["--listen", &format!("127.0.0.1:{port}")])
        .args(["--http", &format!("127.0.0.1:{http_port}")])
        .env("AWS_ACCESS_KEY_ID", ACCESS_KEY)
        .env("AWS_SECRET_ACCESS_KEY", SECRET_KEY)
        // Whatever machine this is, it is not asked for keys.
        .env("AWS_EC2_METADATA_DISABLED", "true");
    command
}
