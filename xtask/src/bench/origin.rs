//! What a result was measured with and on, and where it is kept.

use std::fs;
use std::process::Command;

use anyhow::{Context, Result};
use highwater_tests::parts::{KAFKA_VERSION, repository};
use serde::Serialize;

use crate::command;

/// The day, the versions and the machine.
#[derive(Debug, Serialize)]
pub(super) struct Origin {
    date: String,
    commit: String,
    machine: String,
    java: String,
    kafka: &'static str,
}

impl Origin {
    pub(super) fn new() -> Result<Self> {
        Ok(Self {
            date: said("date", &["-u", "+%Y-%m-%d"]),
            commit: said("git", &["describe", "--always", "--dirty", "--abbrev=10"]),
            machine: machine()?,
            java: said("java", &["--version"]),
            kafka: KAFKA_VERSION,
        })
    }

    /// For the head of a table.
    pub(super) fn title(&self) -> String {
        format!("{} at {}", self.date, self.commit)
    }

    /// The release of Apache Kafka.
    pub(super) fn kafka(&self) -> &'static str {
        self.kafka
    }

    /// The machine and its Java, in one line.
    pub(super) fn machine(&self) -> String {
        format!("{}; {}", self.machine, self.java.lines().next().unwrap_or_default())
    }

    /// Writes texts into bench/results/, each with its extension; `kind` ends the name.
    pub(super) fn publish(&self, kind: &str, texts: &[(&str, String)]) -> Result<()> {
        let folder = repository().join("bench/results");
        fs::create_dir_all(&folder)?;
        for (extension, text) in texts {
            let name = format!("{}-{}{kind}.{extension}", self.date, self.commit);
            let path = folder.join(&name);
            fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
            println!("written to bench/results/{name}");
        }
        Ok(())
    }
}

/// All figures of a report, for a program.
pub(super) fn json(report: &impl Serialize) -> Result<String> {
    Ok(serde_json::to_string_pretty(report)? + "\n")
}

/// What a program says, or nothing: a figure is worth more than its label.
fn said(program: &str, arguments: &[&str]) -> String {
    let mut command = Command::new(program);
    command.current_dir(repository()).args(arguments);
    command::output(&mut command).map_or_else(|_| "unknown".to_owned(), |said| said.trim().to_owned())
}

fn machine() -> Result<String> {
    let processor = fs::read_to_string("/proc/cpuinfo")?;
    let model = processor.lines().find_map(|line| line.strip_prefix("model name"));
    let model = model.unwrap_or_default().trim_start_matches(['\t', ' ', ':']);
    let memory = fs::read_to_string("/proc/meminfo")?;
    let kib = memory.split_whitespace().nth(1).and_then(|kib| kib.parse::<f64>().ok());
    let cores = std::thread::available_parallelism()?;
    let kernel = said("uname", &["-sr"]);
    let gib = kib.unwrap_or_default() / f64::from(1 << 20);
    Ok(format!("{cores} cores of {model}, {gib:.0} GiB of memory, {kernel}"))
}
