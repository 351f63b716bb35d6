//! Apache Kafka itself, one KRaft node on loopback: the yardstick of every test.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::parts::Parts;
use crate::process::Process;
use crate::{ports, raw, wait};

/// What `bin/kafka-server-start.sh` of the release gives the virtual machine.
const JVM_FLAGS: &[&str] = &[
    "-Xmx1G",
    "-Xms1G",
    "-server",
    "-XX:+UseG1GC",
    "-XX:MaxGCPauseMillis=20",
    "-XX:InitiatingHeapOccupancyPercent=35",
    "-XX:+ExplicitGCInvokesConcurrent",
    "-Djava.awt.headless=true",
];
/// Any fixed id serves: the node is alone.
const CLUSTER_ID: &str = "aGlnaHdhdGVyLXRlc3RzMQ";
/// A start with 10,000 partitions takes more than a minute on a small machine.
const READY_DEADLINE: Duration = Duration::from_secs(240);

/// One node of Apache Kafka: running, or down between two starts.
#[derive(Debug)]
pub struct Apache {
    jars: PathBuf,
    folder: PathBuf,
    log: PathBuf,
    port: u16,
    process: Option<Process>,
}

impl Apache {
    /// Formats a new node below `folder` and starts it.
    pub fn start(parts: &Parts, folder: &Path, log: PathBuf) -> Result<Self> {
        Self::start_with(parts, folder, log, &[])
    }

    /// As [`Apache::start`], with more lines in its `server.properties`.
    pub fn start_with(parts: &Parts, folder: &Path, log: PathBuf, settings: &[&str]) -> Result<Self> {
        let (port, controller) = (ports::free()?, ports::free()?);
        fs::create_dir_all(folder)?;
        let properties = properties(folder, port, controller) + &settings.join("\n");
        fs::write(folder.join("server.properties"), properties)?;
        let mut node = Self { jars: parts.kafka_jars(), folder: folder.to_path_buf(), log, port, process: None };
        node.format()?;
        node.up()?;
        Ok(node)
    }

    fn format(&self) -> Result<()> {
        let mut command = java(&self.jars, &["-Xmx256M", "-XX:TieredStopAtLevel=1"]);
        command
            .args(["kafka.tools.StorageTool", "format", "--standalone"])
            .args(["--cluster-id", CLUSTER_ID, "--config"])
            .arg(self.folder.join("server.properties"));
        Process::start("kafka format", &mut command, &self.log)?.wait_for_success(READY_DEADLINE)
    }

    /// Starts it on its data and waits until it answers.
    pub fn up(&mut self) -> Result<()> {
        let mut command = java(&self.jars, JVM_FLAGS);
        command.arg("kafka.Kafka").arg(self.folder.join("server.properties"));
        let process = self.process.insert(Process::start("kafka", &mut command, &self.log)?);
        let address = format!("127.0.0.1:{}", self.port);
        wait::until(READY_DEADLINE, "Apache Kafka to be ready", || {
            if let Some(status) = process.ended()? {
                bail!("ended with {status}: {}", process.log_tail());
            }
            Ok(raw::answers(&address))
        })
    }

    /// Where its partitions have a folder each.
    pub fn data(&self) -> PathBuf {
        data(&self.folder)
    }

    /// Where clients connect.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The running process.
    pub fn process(&mut self) -> Result<&mut Process> {
        self.process.as_mut().context("Apache Kafka is down")
    }
}

/// A Java command over Kafka's jars.
pub fn java(jars: &Path, flags: &[&str]) -> Command {
    let mut command = Command::new("java");
    command.args(flags).arg("-cp").arg(jars.join("*"));
    command
}

fn data(folder: &Path) -> PathBuf {
    folder.join("data")
}

fn properties(folder: &Path, port: u16, controller: u16) -> String {
    format!(
        "process.roles=broker,controller\n\
         node.id=1\n\
         controller.quorum.bootstrap.servers=127.0.0.1:{controller}\n\
         listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}\n\
         advertised.listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}\n\
         controller.listener.names=CONTROLLER\n\
         listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT\n\
         inter.broker.listener.name=PLAINTEXT\n\
         log.dirs={}\n\
         offsets.topic.replication.factor=1\n\
         transaction.state.log.replication.factor=1\n\
         transaction.state.log.min.isr=1\n\
         share.coordinator.state.topic.replication.factor=1\n\
         share.coordinator.state.topic.min.isr=1\n\
         group.initial.rebalance.delay.ms=0\n",
        data(folder).display()
    )
}
