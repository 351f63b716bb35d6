//! Medians, ratios and the table.

use std::fmt;

use anyhow::Result;
use serde::Serialize;

use super::origin::Origin;

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
    #[serde(flatten)]
    origin: Origin,
    gib: f64,
    rounds: u32,
    columns: Vec<Column>,
}

impl Report {
    pub(super) fn new(gib: f64, rounds: u32) -> Result<Self> {
        Ok(Self { origin: Origin::new()?, gib, rounds, columns: Vec::new() })
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
        self.origin.publish("", &[("md", text), ("json", super::origin::json(self)?)])
    }

    fn markdown(&self) -> String {
        let names: Vec<&str> = self.columns.iter().map(|column| column.name).collect();
        let ratio = self.columns.len() == 2;
        let mut text = format!(
            "# {}\n\n{} GiB a round, {} rounds (medians), records of 1 KiB, 4 partitions, \
             acks=all, linger 5 ms, no compression; Kafka's own tools.\n{}.\n\n| | {} |{}\n",
            self.origin.title(),
            self.gib,
            self.rounds,
            self.origin.machine(),
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
