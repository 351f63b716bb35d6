//! kcat, confluent-kafka and the Java client behind one interface.
//!
//! All of them produce lines of `key TAB value` (an empty key is null) and print what they consume in
//! the form of [`crate::records`]. The programs of the latter two stand in `tests/python` and
//! `tests/java`. Every group member uses the range assignor, so that all three can share a group.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result};

use crate::parts::{self, Parts};
use crate::place::Place;
use crate::process::Process;
use crate::records::Stream;

/// How kcat prints a record; see [`crate::records`].
const KCAT_FORMAT: &str = "%p %o %K %S %h\n%k%s\n";
/// For a client that sends or reads a whole data set on a busy machine.
pub const DEADLINE: Duration = Duration::from_secs(180);

/// One of the three clients.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Client {
    /// kcat 1.7 over librdkafka 2.0.
    Kcat,
    /// confluent-kafka for Python over a current librdkafka.
    Confluent,
    /// Apache Kafka's own client.
    Java,
}

/// Every client.
pub const ALL: [Client; 3] = [Client::Kcat, Client::Confluent, Client::Java];

impl Client {
    /// A name for logs, topics and groups.
    pub fn name(self) -> &'static str {
        match self {
            Self::Kcat => "kcat",
            Self::Confluent => "confluent",
            Self::Java => "java",
        }
    }

    /// Whether each record carries its number in the header `seq`. kcat sets one header for all the
    /// records of a run, so it sends `client=kcat`; the number is in the value as well.
    pub fn numbers_headers(self) -> bool {
        self != Self::Kcat
    }

    /// Produces the lines of `input` and waits until all of them are acknowledged.
    pub fn produce(self, at: &At<'_>, topic: &str, input: &Path) -> Result<()> {
        let mut command = match self {
            Self::Kcat => {
                let mut command = kcat(at);
                command.args(["-P", "-t", topic, "-K", "\t", "-Z", "-H", "client=kcat"]);
                command.args(["-X", "linger.ms=5", "-l"]).arg(input);
                command
            }
            Self::Confluent | Self::Java => {
                let mut command = self.program(at, "produce");
                command.arg(topic).arg(input);
                command
            }
        };
        let name = format!("{}-produce", self.name());
        Process::start(&name, &mut command, &at.place.log(&name))?.wait_for_success(DEADLINE)
    }

    /// Reads a topic from its beginning to its present end.
    pub fn consume(self, at: &At<'_>, topic: &str) -> Result<Stream> {
        let command = match self {
            Self::Kcat => {
                let mut command = kcat(at);
                command.args(["-C", "-t", topic, "-o", "beginning", "-e", "-q"]);
                command.args(["-X", "check.crcs=true", "-f", KCAT_FORMAT]);
                command
            }
            Self::Confluent | Self::Java => {
                let mut command = self.program(at, "consume");
                command.arg(topic);
                command
            }
        };
        self.stream(at, command, "consume")
    }

    /// Joins a group and reads until it is stopped, then commits.
    pub fn member(self, at: &At<'_>, topic: &str, group: &str) -> Result<Stream> {
        let command = match self {
            Self::Kcat => {
                let mut command = kcat(at);
                command.args(["-G", group, "-u", "-f", KCAT_FORMAT]);
                command.args(["-X", "auto.offset.reset=earliest"]);
                command.args(["-X", "partition.assignment.strategy=range"]);
                command.arg(topic);
                command
            }
            Self::Confluent | Self::Java => {
                let mut command = self.program(at, "member");
                command.args([topic, group]);
                command
            }
        };
        self.stream(at, command, &format!("member-{group}"))
    }

    fn stream(self, at: &At<'_>, mut command: Command, role: &str) -> Result<Stream> {
        let name = format!("{}-{role}", self.name());
        Stream::start(&name, &mut command, &at.place.fresh_log(&name))
    }

    fn program(self, at: &At<'_>, role: &str) -> Command {
        match self {
            Self::Kcat => kcat(at),
            Self::Confluent => python(at, role),
            Self::Java => {
                let mut command = Command::new("java");
                let jars = at.parts.kafka_jars().join("*");
                let path = [at.parts.java_client(), jars].map(|path| path.display().to_string());
                command.args(["-Xmx512M", "-XX:TieredStopAtLevel=1", "-cp", &path.join(":")]);
                command.args(["highwater.Client", role, at.broker]);
                command
            }
        }
    }
}

/// Where a client runs: against which broker, with which parts, with its logs in which place.
#[derive(Debug, Clone, Copy)]
pub struct At<'a> {
    /// `host:port`.
    pub broker: &'a str,
    /// The prepared parts.
    pub parts: &'a Parts,
    /// Where the logs go.
    pub place: &'a Place,
}

impl At<'_> {
    /// Creates a topic and waits until its partitions have leaders.
    pub fn create_topic(&self, topic: &str, partitions: u32) -> Result<()> {
        self.administer("create-topic", &[topic, &partitions.to_string()])
    }

    /// Deletes a topic.
    pub fn delete_topic(&self, topic: &str) -> Result<()> {
        self.administer("delete-topic", &[topic])
    }

    fn administer(&self, role: &str, arguments: &[&str]) -> Result<()> {
        let mut command = python(self, role);
        command.args(arguments);
        Process::start(role, &mut command, &self.place.log(role))?.wait_for_success(DEADLINE)
    }
}

/// A program of `tests/python/client.py`.
pub fn python(at: &At<'_>, role: &str) -> Command {
    let mut command = Command::new(at.parts.python());
    command.arg(parts::repository().join("tests/python/client.py"));
    command.args([role, at.broker]);
    command.env("PYTHONDONTWRITEBYTECODE", "1");
    command
}

fn kcat(at: &At<'_>) -> Command {
    let root = at.parts.kcat_root();
    let libraries = ["usr/lib", "lib"].map(|folder| {
        let folder = root.join(folder).join(format!("{}-linux-gnu", std::env::consts::ARCH));
        folder.display().to_string()
    });
    let mut command = Command::new(root.join("usr/bin/kcat"));
    command.env("LD_LIBRARY_PATH", libraries.join(":"));
    command.args(["-b", at.broker]);
    command
}

/// How many partitions a group member has, as it last said in its log; nothing before it said so.
pub fn assigned_partitions(log: &Path) -> Result<Option<usize>> {
    let text = fs::read_to_string(log).with_context(|| format!("cannot read {}", log.display()))?;
    Ok(last_assignment(&text))
}

/// Reads `… assigned: topic [0], topic [2]` and `… revoked: …`, which kcat says in these words and
/// the other two clients repeat.
fn last_assignment(log: &str) -> Option<usize> {
    let said = |line: &&str| line.contains("assigned:") || line.contains("revoked:");
    let line = log.lines().rfind(said)?;
    Some(match line.split_once("assigned:") {
        Some((_, partitions)) => partitions.matches('[').count(),
        None => 0,
    })
}

#[cfg(test)]
mod tests {
    use super::last_assignment;

    #[test]
    fn the_last_word_on_the_assignment_counts() {
        assert_eq!(last_assignment("% Waiting for group rebalance\n"), None);
        let assigned = "% Group g rebalanced (memberid m-1): assigned: t [0], t [1]\n";
        assert_eq!(last_assignment(assigned), Some(2));
        let revoked = format!("{assigned}% Group g rebalanced (memberid m-1): revoked: t [0]\n");
        assert_eq!(last_assignment(&revoked), Some(0));
    }
}
