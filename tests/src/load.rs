//! A producer under way: idempotent load by confluent-kafka that tells each acknowledgement.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::clients::{At, confluent};
use crate::process::Process;

/// A broker that was just started, on a busy machine.
const FIRST_ACKNOWLEDGEMENT: Duration = Duration::from_secs(60);

/// Number and offset of the acknowledged records of each partition, in the order of the acknowledgements.
pub type Acknowledged = BTreeMap<i32, Vec<(u64, i64)>>;

/// What an error of a record means for the producer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Errors {
    /// It ends: every record is to be acknowledged in the end.
    End,
    /// It goes on with the next one.
    Endure,
}

/// The producer under way.
#[derive(Debug)]
pub struct Load {
    process: Process,
    lines: Receiver<String>,
    /// What has been taken so far.
    pub acknowledged: Acknowledged,
}

impl Load {
    /// Starts to produce to every partition, so many records a second in all.
    pub fn start(at: &At<'_>, topic: &str, partitions: usize, rate: u32, errors: Errors) -> Result<Self> {
        let mut command = confluent(at, "load");
        command.args([topic, &partitions.to_string(), &rate.to_string()]);
        if errors == Errors::Endure {
            command.arg("endure");
        }
        let mut process = Process::piped("load", &mut command, &at.place.log("load"))?;
        let stdout = BufReader::new(process.take_stdout()?);
        let (sender, lines) = channel();
        thread::spawn(move || {
            for line in stdout.lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
        Ok(Self { process, lines, acknowledged: BTreeMap::new() })
    }

    /// Waits until more has been acknowledged than was taken before.
    pub fn wait_for_acknowledgement(&mut self) -> Result<()> {
        self.take_acknowledged()?;
        let line = self.lines.recv_timeout(FIRST_ACKNOWLEDGEMENT);
        let line = line.with_context(|| format!("no load; {}", self.process.log_tail()))?;
        self.acknowledge(&line)
    }

    /// Takes what has been acknowledged so far.
    pub fn take_acknowledged(&mut self) -> Result<()> {
        if self.process.ended()?.is_some() {
            bail!("the producer gave up: {}", self.process.log_tail());
        }
        while let Ok(line) = self.lines.try_recv() {
            self.acknowledge(&line)?;
        }
        Ok(())
    }

    /// Lets it send what it has begun, and takes the rest.
    pub fn stop(&mut self) -> Result<()> {
        self.process.signal(libc::SIGTERM)?;
        while let Ok(line) = self.lines.recv() {
            self.acknowledge(&line)?;
        }
        self.process.wait_for_success(Duration::from_secs(30))
    }

    fn acknowledge(&mut self, line: &str) -> Result<()> {
        let mut fields = line.split(' ');
        let mut field = || fields.next().with_context(|| format!("not an acknowledgement: {line}"));
        let (partition, offset) = (field()?.parse()?, field()?.parse()?);
        let number = field()?.parse()?;
        self.acknowledged.entry(partition).or_default().push((number, offset));
        Ok(())
    }
}

/// The same text as `filler` in tests/python/client.py.
pub fn filler(partition: i32, number: u64) -> String {
    let length = (64 + number * 7_919 % 1_937) as usize;
    let word = format!("{partition}-{number}.");
    word.chars().cycle().take(length).collect()
}
