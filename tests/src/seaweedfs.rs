//! SeaweedFS on loopback: a store that shares no code with the others, and checks signatures.

use std::fs;
use std::io::Write;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};

use crate::minio::{ACCESS_KEY, BUCKET, SECRET_KEY};
use crate::parts::Parts;
use crate::place::Place;
use crate::process::Process;
use crate::{http, ports, wait};

/// Four servers in one process, each of which waits for the one before.
const READY_DEADLINE: Duration = Duration::from_secs(60);

/// A running SeaweedFS with one empty bucket, [`BUCKET`].
#[derive(Debug)]
pub struct SeaweedFs {
    _process: Process,
    port: u16,
}

impl SeaweedFs {
    /// Starts a server with its data in `place` and waits until its bucket exists.
    pub fn start(parts: &Parts, place: &Place) -> Result<Self> {
        let data = place.join("seaweedfs");
        fs::create_dir_all(&data)?;
        let identities = place.join("seaweedfs-identities.json");
        fs::write(&identities, identities_json())?;
        let mut command = Command::new(parts.seaweedfs());
        // Its sockets have names made of ports only; in a folder of its own they meet nobody's.
        command.env("TMPDIR", place.path());
        command.args(["server", "-ip=127.0.0.1", "-ip.bind=127.0.0.1", "-filer", "-s3"]);
        command.args(["-volume.max=20", "-master.volumeSizeLimitMB=256", "-master.telemetry=false"]);
        command.args(["-s3.autoCreateBucket=false", "-s3.port.iceberg=0", "-s3.port.lance=0"]);
        let mut port = 0;
        let mut master = String::new();
        for server in ["master", "volume", "filer", "s3"] {
            port = ports::free()?;
            let internal = ports::free()?;
            command.arg(format!("-{server}.port={port}")).arg(format!("-{server}.port.grpc={internal}"));
            if server == "master" {
                master = format!("127.0.0.1:{port}.{internal}");
            }
        }
        command.arg(format!("-dir={}", data.display())).arg(format!("-s3.config={}", identities.display()));
        let mut process = Process::start("seaweedfs", &mut command, &place.log("seaweedfs"))?;
        wait::until(READY_DEADLINE, "SeaweedFS to make a bucket", || {
            if process.ended()?.is_some() {
                bail!(process.log_tail());
            }
            Ok(http::status(port, "/healthz") == Some(200) && make_bucket(parts, &master).is_ok())
        })?;
        Ok(Self { _process: process, port })
    }

    /// The address that an S3 client is given.
    pub fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }
}

fn identities_json() -> String {
    format!(
        r#"{{"identities": [{{"name": "highwater", "actions": ["Admin", "Read", "Write", "List", "Tagging"],
            "credentials": [{{"accessKey": "{ACCESS_KEY}", "secretKey": "{SECRET_KEY}"}}]}}]}}"#
    )
}

/// Through its own shell, which needs no signature.
fn make_bucket(parts: &Parts, master: &str) -> Result<()> {
    let mut shell = Command::new(parts.seaweedfs());
    shell.arg("shell").arg(format!("-master={master}"));
    let mut shell = shell.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    let mut commands = shell.stdin.take().context("the shell has no standard input")?;
    writeln!(commands, "s3.bucket.create -name {BUCKET}")?;
    drop(commands);
    let said = shell.wait_with_output()?;
    let text = String::from_utf8_lossy(&said.stdout).into_owned();
    ensure!(text.contains("created bucket"), "{text}{}", String::from_utf8_lossy(&said.stderr));
    Ok(())
}
