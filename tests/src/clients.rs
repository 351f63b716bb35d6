//! Kafka's clients behind one interface.
//!
//! All of them produce lines of `key TAB value` (an empty key is null) and print what they consume in
//! the form of [`crate::records`]. But for kcat each is a program of `tests/`: `python`, `java`, `node`
//! or `rdkafka-client`. Members of kcat, confluent-kafka and Java use the range assignor, so that the three
//! can share a group.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use crate::highwater::without_settings;
use crate::parts::{self, Parts, highwater_binary};
use crate::place::Place;
use crate::process::Process;
use crate::records::Stream;
use crate::said::Said;

/// How kcat prints a record; see [`crate::records`].
const KCAT_FORMAT: &str = "%p %o %K %S %h\n%k%s\n";
/// For a client that sends or reads a whole data set on a busy machine.
pub const DEADLINE: Duration = Duration::from_secs(180);

/// One of Kafka's clients.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Client {
    /// kcat 1.7 over librdkafka 2.0.
    Kcat,
    /// confluent-kafka for Python over a current librdkafka.
    Confluent,
    /// Apache Kafka's own client.
    Java,
    /// kafka-python, a client of its own.
    KafkaPython,
    /// aiokafka, a client of its own.
    AioKafka,
    /// kafkajs, a client of its own.
    KafkaJs,
    /// The rdkafka crate over its librdkafka.
    RdKafka,
}

/// The clients that have every role of [`Client`] and can share a group.
pub const SHARING: [Client; 3] = [Client::Kcat, Client::Confluent, Client::Java];

/// The clients that are programmed with: those of the languages, each of which can choose its codec.
pub const PROGRAMMED: [Client; 6] =
    [Client::Confluent, Client::Java, Client::KafkaPython, Client::AioKafka, Client::KafkaJs, Client::RdKafka];

/// How a producer compresses its batches; every client of [`PROGRAMMED`] has all of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Codec {
    /// Not at all.
    None,
    /// RFC 1952.
    Gzip,
    /// Framed as xerial does, or bare: kafkajs.
    Snappy,
    /// LZ4's frame format.
    Lz4,
    /// RFC 8878.
    Zstd,
}

/// Every codec of a record batch.
pub const CODECS: [Codec; 5] = [Codec::None, Codec::Gzip, Codec::Snappy, Codec::Lz4, Codec::Zstd];

impl Codec {
    /// Its name in `compression.type`.
    pub fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Gzip => "gzip",
            Self::Snappy => "snappy",
            Self::Lz4 => "lz4",
            Self::Zstd => "zstd",
        }
    }
}

impl Client {
    /// A name for logs, topics and groups.
    pub fn name(self) -> &'static str {
        match self {
            Self::Kcat => "kcat",
            Self::Confluent => "confluent",
            Self::Java => "java",
            Self::KafkaPython => "kafka-python",
            Self::AioKafka => "aiokafka",
            Self::KafkaJs => "kafkajs",
            Self::RdKafka => "rdkafka",
        }
    }

    /// Fills a topic with `count` records of 1 KiB in large batches, and gives how many a second: a role
    /// of the rdkafka crate, which leaves most of a small machine to the others.
    pub fn fill(at: &At<'_>, topic: &str, partitions: u32, count: u64) -> Result<f64> {
        Self::measure(at, "fill", &[topic, &partitions.to_string(), &count.to_string()])?
            .first()
            .copied()
            .context("no rate")
    }

    /// The numbers that a role of `rdkafka-client` for benchmarks prints.
    pub fn measure(at: &At<'_>, role: &str, arguments: &[&str]) -> Result<Vec<f64>> {
        let output = Self::RdKafka.program(at, role)?.args(arguments).output()?;
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        let complaint = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "{role} ended with {}: {complaint}", output.status);
        said.split_whitespace().map(|word| word.parse().with_context(|| format!("not numbers: {said}"))).collect()
    }

    /// Whether each record carries its number in the header `seq`. kcat sets one header for all the
    /// records of a run, so it sends `client=kcat`; the number is in the value as well.
    pub fn numbers_headers(self) -> bool {
        self != Self::Kcat
    }

    /// Produces the lines of `input` and waits until all of them are acknowledged.
    pub fn produce(self, at: &At<'_>, topic: &str, input: &Path, codec: Codec) -> Result<()> {
        let mut command = match self {
            Self::Kcat => {
                let mut command = kcat(at);
                command.args(["-P", "-t", topic, "-K", "\t", "-Z", "-H", "client=kcat"]);
                command.args(["-X", "linger.ms=5", "-z", codec.name(), "-l"]).arg(input);
                command
            }
            _ => {
                let mut command = self.program(at, "produce")?;
                command.arg(topic).arg(input).arg(codec.name());
                command
            }
        };
        let name = format!("{}-produce", self.name());
        Process::start(&name, &mut command, &at.place.log(&name))?.wait_for_success(DEADLINE)
    }

    /// Reads a topic from its beginning to its present end: a role of the clients of [`SHARING`].
    pub fn consume(self, at: &At<'_>, topic: &str) -> Result<Stream> {
        let command = match self {
            Self::Kcat => {
                let mut command = kcat(at);
                command.args(["-C", "-t", topic, "-o", "beginning", "-e", "-q"]);
                command.args(["-X", "check.crcs=true", "-f", KCAT_FORMAT]);
                command
            }
            _ => {
                let mut command = self.program(at, "consume")?;
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
            _ => {
                let mut command = self.program(at, "member")?;
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

    fn program(self, at: &At<'_>, role: &str) -> Result<Command> {
        let mut command = match self {
            Self::Kcat => return Ok(kcat(at)),
            Self::Confluent => python(at, "client.py"),
            Self::KafkaPython => python(at, "kafka_python_client.py"),
            Self::AioKafka => python(at, "aiokafka_client.py"),
            Self::Java => java(at.parts, "highwater.Client"),
            Self::KafkaJs => {
                let mut command = Command::new("node");
                command.arg(at.parts.node_client());
                command
            }
            Self::RdKafka => Command::new(parts::beside_highwater("rdkafka-client")?),
        };
        command.args([role, at.broker]);
        Ok(command)
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

    /// Creates one with a configuration, `key=value`, by our own command line.
    pub fn create_configured(&self, topic: &str, partitions: u32, config: &str) -> Result<()> {
        let mut command = without_settings(&highwater_binary()?);
        command.args(["topic", "create", topic, "-p", &partitions.to_string(), "-c", config]);
        command.args(["--bootstrap", self.broker]);
        Said::by(&mut command, self.place, DEADLINE)?.expect(0, &["created topic"])
    }

    /// Deletes a topic.
    pub fn delete_topic(&self, topic: &str) -> Result<()> {
        self.administer("delete-topic", &[topic])
    }

    fn administer(&self, role: &str, arguments: &[&str]) -> Result<()> {
        let mut command = confluent(self, role);
        command.args(arguments);
        Process::start(role, &mut command, &self.place.log(role))?.wait_for_success(DEADLINE)
    }
}

/// A role of confluent-kafka's program that the other clients do not have.
pub fn confluent(at: &At<'_>, role: &str) -> Command {
    let mut command = python(at, "client.py");
    command.args([role, at.broker]);
    command
}

/// A program of `tests/python`.
pub fn python(at: &At<'_>, program: &str) -> Command {
    let mut command = Command::new(at.parts.python());
    command.arg(parts::repository().join("tests/python").join(program));
    command.env("PYTHONDONTWRITEBYTECODE", "1");
    command
}

/// A class of `tests/java`.
pub fn java(parts: &Parts, class: &str) -> Command {
    let jars = parts.kafka_jars().join("*");
    let path = [parts.java_client(), jars].map(|path| path.display().to_string());
    let mut command = Command::new("java");
    command.args(["-Xmx512M", "-XX:TieredStopAtLevel=1", "-cp", &path.join(":"), class]);
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
