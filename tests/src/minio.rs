//! A real MinIO on loopback: the bucket of the tests.

use std::fs;
use std::path::Path;
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
        let minio = Self::launch(parts, place, |_| {})?;
        minio.wait_until_ready()
    }

    /// As [`Minio::start`], with more settings.
    pub fn start_with(parts: &Parts, place: &Place, settings: &[(&str, &str)]) -> Result<Self> {
        let minio = Self::launch(parts, place, |command| {
            command.envs(settings.iter().copied());
        })?;
        minio.wait_until_ready()
    }

    /// Starts a server as its own documentation does: on port 9000, with its default credentials.
    pub fn start_by_default(parts: &Parts, place: &Place) -> Result<Self> {
        let minio = Self::launch_at(9000, parts, place, |command| {
            command.env("MINIO_ROOT_USER", "minioadmin").env("MINIO_ROOT_PASSWORD", "minioadmin");
        })?;
        minio.wait_until_ready()
    }

    /// Starts a server that speaks TLS alone, with the certificate of a folder as MinIO wants it. It
    /// is not waited for: that takes somebody who trusts it.
    pub fn start_tls(parts: &Parts, place: &Place, certificates: &Path) -> Result<Self> {
        Self::launch(parts, place, |command| {
            command.arg("--certs-dir").arg(certificates);
        })
    }

    fn launch(parts: &Parts, place: &Place, more: impl FnOnce(&mut Command)) -> Result<Self> {
        Self::launch_at(ports::free()?, parts, place, more)
    }

    fn launch_at(port: u16, parts: &Parts, place: &Place, more: impl FnOnce(&mut Command)) -> Result<Self> {
        let data = place.join("minio");
        // On a single drive a folder is a bucket.
        fs::create_dir_all(data.join(BUCKET))?;
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
        more(&mut command);
        let process = Process::start("minio", &mut command, &place.log("minio"))?;
        Ok(Self { process, port })
    }

    fn wait_until_ready(mut self) -> Result<Self> {
        wait::until(Duration::from_secs(30), "MinIO to be ready", || {
            if self.process.ended()?.is_some() {
                anyhow::bail!(self.process.log_tail());
            }
            Ok(http::status(self.port, "/minio/health/ready") == Some(200))
        })?;
        Ok(self)
    }

    /// Where it listens, on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The address that an S3 client is given.
    pub fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }
}
