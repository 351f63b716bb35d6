//! A bucket of a test, in whichever service it is to be.

use std::collections::BTreeSet;
use std::fs;
use std::io::ErrorKind;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;

use anyhow::{Context, Result};

use crate::highwater::Store;
use crate::localstack::LocalStack;
use crate::minio::{BUCKET, Minio};
use crate::parts::Parts;
use crate::place::Place;

/// The services that a test may choose.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Service {
    /// Checks signatures, locks a name while its body arrives, answers in milliseconds.
    Minio,
    /// Answers slower, in other words and orders.
    LocalStack,
}

/// A running service with one bucket, empty at first.
#[derive(Debug)]
pub struct Bucket {
    running: Running,
}

#[derive(Debug)]
enum Running {
    Minio { server: Minio, folder: PathBuf },
    LocalStack(LocalStack),
}

impl Bucket {
    /// Starts a service with its data in `place`.
    pub fn start(service: Service, parts: &Parts, place: &Place) -> Result<Self> {
        let running = match service {
            Service::Minio => {
                Running::Minio { server: Minio::start(parts, place)?, folder: place.join("minio").join(BUCKET) }
            }
            Service::LocalStack => Running::LocalStack(LocalStack::start(parts, place)?),
        };
        Ok(Self { running })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        match &self.running {
            Running::Minio { server, .. } => (Ipv4Addr::LOCALHOST, server.port()).into(),
            Running::LocalStack(server) => (Ipv6Addr::LOCALHOST, server.port()).into(),
        }
    }

    /// The address that an S3 client is given.
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address())
    }

    /// A prefix of it, for a broker.
    pub fn store(&self, prefix: &str) -> Store {
        Store::Bucket { endpoint: self.endpoint(), prefix: prefix.to_owned() }
    }

    /// The names right below a prefix, which ends with a slash: of objects, and of what is like a folder.
    pub fn names(&self, prefix: &str) -> Result<BTreeSet<String>> {
        match &self.running {
            // An object is a folder there, too, and its name the same.
            Running::Minio { folder, .. } => match fs::read_dir(folder.join(prefix)) {
                Ok(entries) => entries.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned())).collect(),
                Err(error) if error.kind() == ErrorKind::NotFound => Ok(BTreeSet::new()),
                Err(error) => Err(error).context(prefix.to_owned()),
            },
            Running::LocalStack(server) => server.names(prefix),
        }
    }
}
