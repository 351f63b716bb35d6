//! The broker under test, whichever it is: every scenario must also hold on Apache Kafka.

use std::time::Duration;

use anyhow::{Result, bail};

use crate::apache::Apache;
use crate::highwater::{Highwater, Store};
use crate::parts::{self, Parts};
use crate::place::Place;
use crate::process::Process;

/// Chooses the system: `highwater`, which is the default, or `kafka`.
pub const SYSTEM_VARIABLE: &str = "HIGHWATER_TEST_SYSTEM";

/// Which broker a scenario runs on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum System {
    /// Ours.
    Highwater,
    /// Apache Kafka, which validates the scenario itself.
    Kafka,
}

impl System {
    /// The choice of the environment.
    pub fn from_environment() -> Result<Self> {
        match std::env::var(SYSTEM_VARIABLE).as_deref() {
            Err(_) | Ok("" | "highwater") => Ok(Self::Highwater),
            Ok("kafka") => Ok(Self::Kafka),
            Ok(other) => bail!("{SYSTEM_VARIABLE} is {other}; it takes highwater or kafka"),
        }
    }
}

/// A broker of either kind.
#[derive(Debug)]
pub enum Broker {
    /// Ours.
    Highwater(Highwater),
    /// Apache Kafka.
    Kafka(Apache),
}

impl Broker {
    /// Starts a broker with its data and its log in `place`. Apache Kafka has no bucket: it ignores
    /// `store`.
    pub fn start(system: System, parts: &Parts, place: &Place, store: Store) -> Result<Self> {
        let (data, log) = (place.join("broker"), place.log("broker"));
        Ok(match system {
            System::Highwater => {
                let binary = parts::highwater_binary()?;
                Self::Highwater(Highwater::start(&binary, &data, log, store)?)
            }
            System::Kafka => Self::Kafka(Apache::start(parts, &data, log)?),
        })
    }

    /// The address for clients; it stays the same over restarts.
    pub fn address(&self) -> String {
        let port = match self {
            Self::Highwater(broker) => broker.port(),
            Self::Kafka(broker) => broker.port(),
        };
        format!("127.0.0.1:{port}")
    }

    /// The running process.
    pub fn process(&mut self) -> Result<&mut Process> {
        match self {
            Self::Highwater(broker) => broker.process(),
            Self::Kafka(broker) => broker.process(),
        }
    }

    /// Starts it again after it has ended.
    pub fn up(&mut self) -> Result<()> {
        match self {
            Self::Highwater(broker) => broker.up(),
            Self::Kafka(broker) => broker.up(),
        }
    }

    /// SIGTERM; it must drain within 25 seconds. Ours ends with status 0, the Java virtual machine
    /// with 143.
    pub fn terminate(&mut self) -> Result<()> {
        let status = self.process()?.terminate(Duration::from_secs(25))?;
        let expected = match self {
            Self::Highwater(_) => 0,
            Self::Kafka(_) => 143,
        };
        if status.code() != Some(expected) {
            let said = self.process()?.log_tail();
            bail!("ended with {status} after SIGTERM, expected {expected}: {said}");
        }
        Ok(())
    }

    /// `kill -9`.
    pub fn kill_9(&mut self) -> Result<()> {
        self.process()?.kill_9()
    }
}
