//! Producers as fast as they go: one and 16, with records of 100 B, 1 KiB and 10 KiB, acks=all, linger 5 ms.
//!
//! One producer is Kafka's ProducerPerformance with batches of 16 KiB, its default. 16 producers are
//! instances in one process of the librdkafka client, each with its own thread and connections.

use std::path::Path;

use anyhow::{Context, Result};

use super::super::tools;
use super::contestant::Contestant;
use super::figures::{Kind, Unit, gib, mib};
use super::rounds::Rounds;

/// Bytes of a record, its name, and its part of the GiB: a client is busy for minutes with the smallest, and a
/// whole run has to end in about half an hour. With the defaults the rounds of a figure are 4 GiB at least.
const SIZES: [(u64, &str, f64); 3] = [(100, "100 B", 0.35), (PEAK_BYTES, "1 KiB", 1.0), (10 << 10, "10 KiB", 0.5)];
/// The records of the peak.
pub(super) const PEAK_BYTES: u64 = 1 << 10;
const MANY: u64 = 16;

/// Gives the peak in records of 1 KiB a second: the slower system's, with the number of producers that is
/// better for it.
pub(super) fn run(rounds: &mut Rounds<'_>) -> Result<f64> {
    let mut peaks = [0.0_f64; 2];
    for (bytes, name, part) in SIZES {
        let count = (rounds.gib * part * f64::from(1 << 30)) as u64 / bytes;
        let of_the_gib = if part < 1.0 { format!(", {part} of the GiB") } else { String::new() };
        let payloads = rounds.files.join(&format!("payloads-{bytes}"));
        tools::write_payloads(&payloads, bytes)?;
        for producers in [1, MANY] {
            let what = match producers {
                1 => format!("1 producer, {name}{of_the_gib}"),
                many => format!("{many} producers, {name}{of_the_gib}"),
            };
            let kinds =
                [Unit::MibPerSecond, Unit::RecordsPerSecond, Unit::CpuPerGib].map(|unit| Kind::new(&what, unit));
            let figures = rounds.measure(&what, &kinds, |contestant, round| {
                contestant.with_topic(&format!("produced-{round}"), |contestant| {
                    turn(contestant, &format!("produced-{round}"), (producers, bytes, count), &payloads)
                })
            })?;
            if bytes == PEAK_BYTES {
                let rates = figures.iter().find(|figure| figure.kind.unit == Unit::RecordsPerSecond);
                let medians = rates.and_then(|figure| figure.medians()).context("no rate")?;
                peaks = [peaks[0].max(medians[0]), peaks[1].max(medians[1])];
            }
        }
    }
    Ok(peaks[0].min(peaks[1]))
}

fn turn(
    contestant: &mut Contestant<'_>,
    topic: &str,
    (producers, bytes, count): (u64, u64, u64),
    payloads: &Path,
) -> Result<Vec<f64>> {
    let (rate, processor) = contestant.charged(|at| match producers {
        1 => Ok(tools::produce(at, topic, count, payloads)?.records_per_second),
        many => Contestant::rate(at, "fill-together", topic, &[many, bytes, count]),
    })?;
    Ok(vec![mib(rate * bytes as f64), rate, processor.as_secs_f64() / gib((count * bytes) as f64)])
}
