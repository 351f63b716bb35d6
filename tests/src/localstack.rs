//! LocalStack's S3 on loopback: a second opinion on what a bucket answers.

use std::collections::BTreeSet;
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
/// A page of a listing is far below it.
const ANSWER_LIMIT: u64 = 4 << 20;
/// Names on a page.
const PAGE: usize = 1_000;

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

    /// Where it listens, on ::1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The address that an S3 client is given.
    pub fn endpoint(&self) -> String {
        format!("http://[::1]:{}", self.port)
    }

    /// The names right below a prefix, which ends with a slash.
    pub fn names(&self, prefix: &str) -> Result<BTreeSet<String>> {
        let mut names = BTreeSet::new();
        let mut after = String::new();
        loop {
            let target = format!("/{BUCKET}?list-type=2&max-keys={PAGE}&delimiter=/&prefix={prefix}{after}");
            let page = ask(self.port, "GET", &target)?;
            // Behind the prefix that was asked for: the objects' keys, and those of what is like a folder.
            let keys = between(&page, "<Key>", "</Key>");
            let folders = between(&page, "<CommonPrefixes><Prefix>", "</Prefix>");
            let found: Vec<&str> = keys.into_iter().chain(folders).collect();
            let name = |key: &&str| key.strip_prefix(prefix).map(|name| name.trim_end_matches('/').to_owned());
            names.extend(found.iter().filter_map(name));
            match found.iter().max() {
                Some(last) if found.len() >= PAGE => after = format!("&start-after={last}"),
                _ => return Ok(names),
            }
        }
    }
}

fn between<'a>(text: &'a str, front: &str, back: &str) -> Vec<&'a str> {
    text.split(front).skip(1).filter_map(|rest| rest.split(back).next()).collect()
}

fn make_bucket(port: u16) -> Result<()> {
    ask(port, "PUT", &format!("/{BUCKET}")).map(drop)
}

/// One request, which must be answered by 200. Signatures are not checked, so a made-up one will do; to
/// HTTP/1.0 a body comes in one piece.
fn ask(port: u16, method: &str, target: &str) -> Result<String> {
    let mut stream = TcpStream::connect(("::1", port))?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let credential = "Credential=test/20260101/us-east-1/s3/aws4_request";
    write!(
        stream,
        "{method} {target} HTTP/1.0\r\nHost: localhost:{port}\r\nContent-Length: 0\r\n\
         Authorization: AWS4-HMAC-SHA256 {credential}, SignedHeaders=host, Signature=none\r\n\
         Connection: close\r\n\r\n"
    )?;
    let mut answer = Vec::new();
    stream.take(ANSWER_LIMIT).read_to_end(&mut answer)?;
    let answer = String::from_utf8_lossy(&answer).into_owned();
    ensure!(answer.split(' ').nth(1) == Some("200"), "{answer}");
    Ok(answer)
}
