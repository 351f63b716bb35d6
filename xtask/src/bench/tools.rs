//! Kafka's own perf tools, and what they print.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};
use highwater_tests::apache;
use highwater_tests::clients::{At, confluent};

use crate::command;

/// Bytes of different payloads, of which the producer takes one at random each time: 20,000 of 1 KiB.
const PAYLOAD_BYTES: u64 = 20_000 << 10;
/// Records a second when latency is measured.
const SLOW_RATE: u32 = 100;

/// What the producer has seen.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Produced {
    pub records_per_second: f64,
    /// In whole milliseconds: the tool counts no finer.
    pub p50_ms: f64,
    pub p99_ms: f64,
}

/// From the call that sends a record to its acknowledgement.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Latency {
    pub p50_us: f64,
    pub p99_us: f64,
}

/// Writes lines of random printable text; the producer reads text only.
pub(super) fn write_payloads(path: &Path, bytes: u64) -> Result<()> {
    let mut out = BufWriter::new(File::create(path)?);
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    for _ in 0..PAYLOAD_BYTES / bytes.max(1) {
        for _ in 0..bytes {
            // xorshift64; 93 of the printable characters from `!` on.
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            out.write_all(&[b'!' + ((state >> 32) % 93) as u8])?;
        }
        out.write_all(b"\n")?;
    }
    Ok(out.flush()?)
}

/// ProducerPerformance, as fast as it goes.
pub(super) fn produce(at: &At<'_>, topic: &str, records: u64, payloads: &Path) -> Result<Produced> {
    produce_with(at, topic, records, payloads, &["acks=all", "linger.ms=5"])
}

/// As [`produce`], with these settings of the producer.
pub(super) fn produce_with(
    at: &At<'_>,
    topic: &str,
    records: u64,
    payloads: &Path,
    settings: &[&str],
) -> Result<Produced> {
    let mut tool = tool(at, "ProducerPerformance");
    tool.args(["--topic", topic, "--num-records", &records.to_string(), "--throughput", "-1"]);
    tool.arg("--payload-file").arg(payloads).args(["--reporting-interval", "600000"]);
    tool.args(["--command-property", &format!("bootstrap.servers={}", at.broker)]);
    tool.args(settings);
    let said = command::output(&mut tool)?;
    let line = said.lines().rfind(|line| line.contains(" 99th")).unwrap_or_default();
    parse_produced(line).with_context(|| format!("cannot read ProducerPerformance: {said}"))
}

/// ConsumerPerformance over the whole topic; gives records a second without the joining of its group.
pub(super) fn consume(at: &At<'_>, topic: &str, records: u64) -> Result<f64> {
    let mut tool = tool(at, "ConsumerPerformance");
    tool.args(["--bootstrap-server", at.broker, "--topic", topic, "--hide-header"]);
    tool.args(["--num-records", &records.to_string(), "--timeout", "60000"]);
    let said = command::output(&mut tool)?;
    let parsed = said.lines().filter_map(parse_consumed).next_back();
    let (count, per_second) = parsed.with_context(|| format!("cannot read ConsumerPerformance: {said}"))?;
    anyhow::ensure!(count >= records, "{count} of {records} records consumed");
    Ok(per_second)
}

/// The client of tests/python at 100 records a second.
pub(super) fn latency(at: &At<'_>, topic: &str, records: u32) -> Result<Latency> {
    let mut client = confluent(at, "latency");
    client.args([topic, &records.to_string(), &SLOW_RATE.to_string()]);
    parse_latency(&command::output(&mut client)?)
}

/// What that client prints.
pub(super) fn parse_latency(said: &str) -> Result<Latency> {
    let mut numbers = said.split_whitespace().map(str::parse);
    let mut number = || numbers.next().context("too few numbers")?.context("not a number");
    Ok(Latency { p50_us: number()?, p99_us: number()? })
}

fn tool(at: &At<'_>, name: &str) -> Command {
    let flags = ["-Xmx1G", "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn"];
    let mut command = apache::java(&at.parts.kafka_jars(), &flags);
    command.arg(format!("org.apache.kafka.tools.{name}"));
    command
}

/// `N records sent, R records/sec (M MB/sec), A ms avg latency, X ms max latency, P ms 50th, …`.
fn parse_produced(line: &str) -> Option<Produced> {
    let before = |words: &str| -> Option<f64> {
        let text = line[..line.find(words)?].trim_end();
        text.rsplit([' ', '(']).next()?.parse().ok()
    };
    Some(Produced {
        records_per_second: before(" records/sec")?,
        p50_ms: before(" ms 50th")?,
        p99_ms: before(" ms 99th")?,
    })
}

/// `start, end, MB, MB/s, records, records/s, rebalance ms, fetch ms, fetch MB/s, fetch records/s`.
fn parse_consumed(line: &str) -> Option<(u64, f64)> {
    let fields: Vec<&str> = line.split(", ").collect();
    match fields.as_slice() {
        [_, _, _, _, count, _, _, _, _, per_second] => Some((count.parse().ok()?, per_second.trim().parse().ok()?)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tools_lines_are_read() {
        let line = "1000 records sent, 39370.1 records/sec (38.45 MB/sec), 4.27 ms avg latency, \
                    25.00 ms max latency, 3 ms 50th, 9 ms 95th, 11 ms 99th, 12 ms 99.9th.";
        let expected = Produced { records_per_second: 39_370.1, p50_ms: 3.0, p99_ms: 11.0 };
        assert_eq!(parse_produced(line), Some(expected));
        let line = "2026-01-01 00:00:00:000, 2026-01-01 00:00:02:000, 97.6, 48.8, 100000, 50000.0, \
                    300, 1700, 57.4, 58823.5";
        assert_eq!(parse_consumed(line), Some((100_000, 58_823.5)));
        assert_eq!(parse_consumed("WARNING: something, else"), None);
    }
}
