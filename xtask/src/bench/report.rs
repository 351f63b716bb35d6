//! Medians, ratios and the table.

use std::fmt;
use std::fs;
use std::process::Command;

use anyhow::Result;
use highwater_tests::parts::{KAFKA_VERSION, repository};
use serde::Serialize;

use crate::command;

/// What one round has shown of one broker.
#[derive(Debug, Clone, Copy, Serialize)]
pub(super) struct Figures {
    pub produced_per_second: f64,
    pub produce_p50_ms: f64,
    pub produce_p99_ms: f64,
    pub consumed_per_second: f64,
    pub produce_cpu_per_gib: f64,
    pub consume_cpu_per_gib: f64,
    pub p50_us: Option<f64>,
    pub p99_us: Option<f64>,
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "in {:.0}/s at {:.2} CPU s/GiB, out {:.0}/s at {:.2} CPU s/GiB",
            self.produced_per_second, self.produce_cpu_per_gib, self.consumed_per_second, self.consume_cpu_per_gib
        )
    }
}

#[derive(Debug, Serialize)]
struct Column {
    name: &'static str,
    rounds: Vec<Figures>,
    idle_mib: f64,
    peak_mib: f64,
}

/// One row of the table: a name, how to read a figure of it, and its decimals.
type Row = (&'static str, fn(&Column) -> Option<f64>, usize);

const ROWS: &[Row] = &[
    ("produced, records/s", |c| c.median(|f| Some(f.produced_per_second)), 0),
    ("consumed, records/s", |c| c.median(|f| Some(f.consumed_per_second)), 0),
    ("broker CPU s/GiB produced", |c| c.median(|f| Some(f.produce_cpu_per_gib)), 2),
    ("broker CPU s/GiB consumed", |c| c.median(|f| Some(f.consume_cpu_per_gib)), 2),
    ("p50 at 100/s, ms", |c| c.median(|f| f.p50_us.map(|us| us / 1e3)), 2),
    ("p99 at 100/s, ms", |c| c.median(|f| f.p99_us.map(|us| us / 1e3)), 2),
    ("p50 at full rate, ms", |c| c.median(|f| Some(f.produce_p50_ms)), 0),
    ("p99 at full rate, ms", |c| c.median(|f| Some(f.produce_p99_ms)), 0),
    ("resident when idle, MiB", |c| Some(c.idle_mib), 0),
    ("resident at the peak (VmHWM), MiB", |c| Some(c.peak_mib), 0),
];

impl Column {
    fn median(&self, of: impl Fn(&Figures) -> Option<f64>) -> Option<f64> {
        median(self.rounds.iter().filter_map(of).collect())
    }
}

/// The one in the middle, or what lies between the two.
pub(super) fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let upper = values.get(values.len() / 2)?;
    let lower = values.get((values.len() - 1) / 2)?;
    Some((upper + lower) / 2.0)
}

/// A whole run.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    date: String,
    commit: String,
    machine: String,
    java: String,
    kafka: &'static str,
    gib: f64,
    rounds: u32,
    columns: Vec<Column>,
}

impl Report {
    pub(super) fn new(gib: f64, rounds: u32) -> Result<Self> {
        Ok(Self {
            date: said("date", &["-u", "+%Y-%m-%d"]),
            commit: said("git", &["describe", "--always", "--dirty", "--abbrev=10"]),
            machine: machine()?,
            java: said("java", &["--version"]),
            kafka: KAFKA_VERSION,
            gib,
            rounds,
            columns: Vec::new(),
        })
    }

    pub(super) fn add(&mut self, name: &'static str, rounds: &[Figures], idle: u64, peak: u64) {
        let mib = |bytes: u64| bytes as f64 / f64::from(1 << 20);
        let (idle_mib, peak_mib) = (mib(idle), mib(peak));
        self.columns.push(Column { name, rounds: rounds.to_vec(), idle_mib, peak_mib });
    }

    /// Prints the table, and writes it beside its figures.
    pub(super) fn publish(&self) -> Result<()> {
        let text = self.markdown();
        println!("\n{text}");
        let folder = repository().join("bench/results");
        fs::create_dir_all(&folder)?;
        let name = format!("{}-{}", self.date, self.commit);
        fs::write(folder.join(format!("{name}.md")), &text)?;
        let json = serde_json::to_string_pretty(self)? + "\n";
        fs::write(folder.join(format!("{name}.json")), json)?;
        println!("written to bench/results/{name}.md and .json");
        Ok(())
    }

    fn markdown(&self) -> String {
        let names: Vec<&str> = self.columns.iter().map(|column| column.name).collect();
        let ratio = self.columns.len() == 2;
        let mut text = format!(
            "# {} at {}\n\n{} GiB a round, {} rounds (medians), records of 1 KiB, 4 partitions, \
             acks=all, linger 5 ms, no compression; Kafka's own tools.\n{}; {}.\n\n| | {} |{}\n",
            self.date,
            self.commit,
            self.gib,
            self.rounds,
            self.machine,
            self.java.lines().next().unwrap_or_default(),
            names.join(" | "),
            if ratio { " ratio |" } else { "" }
        );
        text.push_str(&format!("| --- |{}\n", " ---: |".repeat(names.len() + usize::from(ratio))));
        for (name, read, decimals) in ROWS {
            let values: Vec<Option<f64>> = self.columns.iter().map(read).collect();
            let show = |value: &Option<f64>| match value {
                Some(value) => format!("{value:.decimals$}"),
                None => "-".to_owned(),
            };
            let shown = values.iter().map(show).collect::<Vec<_>>().join(" | ");
            text.push_str(&format!("| {name} | {shown} |"));
            if ratio {
                match values.as_slice() {
                    [Some(ours), Some(theirs)] if *theirs > 0.0 => {
                        text.push_str(&format!(" {:.2} |", ours / theirs));
                    }
                    _ => text.push_str(" - |"),
                }
            }
            text.push('\n');
        }
        text
    }
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
