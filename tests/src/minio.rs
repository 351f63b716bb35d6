//! A real MinIO on loopback: the bucket of the tests.

use std::fs;
use std::process::Command;
use std::time::Duration;

use anyhow::Result;

use crate::parts::Parts;
use crate::place::Place;
use crate::process::Process;
use crate::{http, ports, wait};

/// The credentials of a server that lives for minutes on loopback.
pub const ACCESS_KEY: &str = "highwater";
/// See [`ACCESS_KEY`].
pub const SECRET_KEY: &str = "highwater-secret";
/// The bucket that exists when the server is ready.
pub const BUCKET: &str = "highwater";

/// A running MinIO with one empty bucket, [`BUCKET`].
#[derive(Debug)]
pub struct Minio {
    /// The server; it keeps its folder alive.
    pub process: Process,
    port: u16,
}

impl Minio {
    /// Starts a server with its data in `place` and waits until it is ready.
    pub fn start(parts: &Parts, place: &Place) -> Result<Self> {
        let data = place.join("minio");
        // On a single drive a folder is a bucket.
        fs::create_dir_all(data.join(BUCKET))?;
        let port = ports::free()?;
        let mut command = Command::new(parts.minio());
        command
            .args(["server", "--quiet", "--address", &format!("127.0.0.1:{port}")])
            .arg(&data)
            .env("MINIO_ROOT_USER", ACCESS_KEY)
            .env("MINIO_ROOT_PASSWORD", SECRET_KEY)
            .envs([
                ("MINIO_BROWSER", "off"),
                ("MINIO_UPDATE", "off"),
                ("MINIO_CALLHOME_ENABLE", "off"),
                ("MINIO_CI_CD", "1"),
            ]);
        let mut process = Process::start("minio", &mut command, &place.log("minio"))?;
        wait::until(Duration::from_secs(30), "MinIO to be ready", || {
            if process.ended()?.is_some() {
                anyhow::bail!(process.log_tail());
            }
            Ok(http::status(port, "/minio/health/ready") == Some(200))
        })?;
        Ok(Self { process, port })
    }

    /// The address that an S3 client is given.
    pub fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }
}
