//! The table of a comparison in Markdown, with its figures and its chart beside it.

use anyhow::Result;
use serde::Serialize;

use super::super::origin::{self, Origin};
use super::chart;
use super::figures::Figure;

/// A whole run.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    #[serde(flatten)]
    pub origin: Origin,
    pub gib: f64,
    pub rounds: u32,
    pub notes: Vec<String>,
    pub figures: Vec<Figure>,
}

/// Prints the table and writes everything.
pub(super) fn publish(report: Report) -> Result<()> {
    let text = markdown(&report);
    println!("\n{text}");
    let chart = chart::draw(&report);
    report.origin.publish("-compare", &[("md", text), ("json", origin::json(&report)?), ("svg", chart)])
}

fn markdown(report: &Report) -> String {
    let mut text = format!(
        "# {}: Highwater beside Apache Kafka {}\n\n{}.\n\nMedians of {} rounds in which both took turns after one \
         that does not count, least and most in brackets; {} GiB in each turn where nothing else is said, topics of \
         4 partitions, records of 1 KiB, acks=all, no compression, random payloads, Highwater on a directory.\n\n\
         The one producer and the catch-up are Kafka's perf tools, all other clients librdkafka's: 16 producers \
         are instances of one process. A tail's processor time is for producing and following, a fan-out's by GiB \
         delivered. The peak is the most that was ever resident (VmHWM) in any measurement but those of 10,000 \
         partitions.\n",
        report.origin.title(),
        report.origin.kafka(),
        report.origin.machine(),
        report.rounds,
        report.gib,
    );
    for note in &report.notes {
        text.push_str(&format!("\n{note}\n"));
    }
    text.push_str("\n| | | Highwater | Apache Kafka | Highwater / Kafka | better |\n");
    text.push_str("| --- | --- | ---: | ---: | ---: | --- |\n");
    for figure in &report.figures {
        text.push_str(&row(figure));
    }
    text
}

fn row(figure: &Figure) -> String {
    let (unit, [ours, theirs]) = (figure.kind.unit, figure.medians().unwrap_or([f64::NAN; 2]));
    let show = |median: f64, values: &[f64]| {
        let decimals = unit.decimals();
        let least = values.iter().copied().fold(f64::INFINITY, f64::min);
        let most = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        match values {
            [_, _, ..] => format!("{median:.decimals$} ({least:.decimals$}..{most:.decimals$})"),
            _ => format!("{median:.decimals$}"),
        }
    };
    let ratio = match figure.ratio() {
        Some(ratio) if ratio >= 0.1 => format!("{ratio:.2}"),
        Some(ratio) if ratio > 0.0 => format!("{ratio:.4}"),
        _ => "-".to_owned(),
    };
    format!(
        "| {} | {} | {} | {} | {ratio} | {} |\n",
        figure.kind.name,
        unit.name(),
        show(ours, &figure.highwater),
        show(theirs, &figure.kafka),
        if unit.more_is_better() { "more" } else { "less" }
    )
}

#[cfg(test)]
mod tests {
    use super::super::figures::{Kind, Unit};
    use super::*;

    #[test]
    fn a_row_has_medians_spread_and_ratio() {
        let kind = Kind::new("tail", Unit::MibPerSecond);
        let figure = Figure { kind, highwater: vec![30.0, 10.0, 20.0], kafka: vec![40.0] };
        assert_eq!(row(&figure), "| tail | MiB/s | 20.0 (10.0..30.0) | 40.0 | 0.50 | more |\n");
    }
}
