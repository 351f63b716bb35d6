//! LocalStack's S3 on loopback: a second opinion on what a bucket answers.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::Command;
use std::time::Duration;

use anyhow::{Result, bail, ensure};

use crate::minio::BUCKET;
use crate::parts::Parts;
use crate::place::Place;
use crate::process::Process;
use crate::{ports, wait};

/// A Python server that loads every module it has.
const READY_DEADLINE: Duration = Duration::from_secs(90);
const PATIENCE: Duration = Duration::from_secs(5);

/// A running LocalStack with one empty bucket, [`BUCKET`].
#[derive(Debug)]
pub struct LocalStack {
    _process: Process,
    port: u16,
}

impl LocalStack {
    /// Starts a server with its data in `place` and waits until its bucket exists.
    pub fn start(parts: &Parts, place: &Place) -> Result<Self> {
        let port = ports::free()?;
        let mut command = Command::new(parts.localstack_python());
        command.args(["-m", "localstack.runtime.main"]).envs([
            ("SERVICES", "s3"),
            ("EAGER_SERVICE_LOADING", "1"),
            ("STRICT_SERVICE_LOADING", "1"),
            ("DNS_ADDRESS", "0"),
            ("SKIP_SSL_CERT_DOWNLOAD", "1"),
            ("DISABLE_EVENTS", "1"),
        ]);
        // An address of IPv4 is ignored, and it would listen everywhere.
        command.env("GATEWAY_LISTEN", format!("[::1]:{port}"));
        command.env("FILESYSTEM_ROOT", place.join("localstack"));
        let mut process = Process::start("localstack", &mut command, &place.log("localstack"))?;
        wait::until(READY_DEADLINE, "LocalStack to make a bucket", || {
            if process.ended()?.is_some() {
                bail!(process.log_tail());
            }
            Ok(make_bucket(port).is_ok())
        })?;
        Ok(Self { _process: process, port })
    }

    /// The address that an S3 client is given.
    pub fn endpoint(&self) -> String {
        format!("http://[::1]:{}", self.port)
    }
}

/// It does not check signatures, so a bare PUT will do.
fn make_bucket(port: u16) -> Result<()> {
    let mut stream = TcpStream::connect(("::1", port))?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let credential = "Credential=test/20260101/us-east-1/s3/aws4_request";
    write!(
        stream,
        "PUT /{BUCKET} HTTP/1.1\r\nHost: localhost:{port}\r\nContent-Length: 0\r\n\
         Authorization: AWS4-HMAC-SHA256 {credential}, SignedHeaders=host, Signature=none\r\n\
         Connection: close\r\n\r\n"
    )?;
    let mut answer = Vec::new();
    stream.take(4_096).read_to_end(&mut answer)?;
    ensure!(answer.starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&answer));
    Ok(())
}
