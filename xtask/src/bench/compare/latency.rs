//! From a producer to a consumer of the same topic, records of 1 KiB, acks=all.
//!
//! At 100 records a second (linger 0), and at half of the peak (linger 5 ms) of the slower of the two systems:
//! the same absolute rate for both, so that neither is asked for a smaller share of another load. A record
//! that the producer had to hold back counts from when it was due.

use anyhow::{Context, Result};
use highwater_tests::clients::{At, Client};

use super::PARTITIONS;
use super::figures::{Kind, Unit};
use super::produce::PEAK_BYTES;
use super::rounds::{Rounds, WARM_UP};

const SLOW_RATE: u32 = 100;
const SLOW_SECONDS: u32 = 20;
const SLOW_LINGER_MS: u32 = 0;
const HALF_SECONDS: u32 = 15;
const HALF_LINGER_MS: u32 = 5;
/// At the low rate, which warms nothing up; the client leaves out its first seconds by itself.
const WARM_UP_SECONDS: u32 = 5;
/// Where nothing was produced in this run.
const SUPPOSED_PEAK: f64 = 200_000.0;

pub(super) fn run(rounds: &mut Rounds<'_>, peak: Option<f64>) -> Result<()> {
    let half = (peak.unwrap_or(SUPPOSED_PEAK) / 2.0) as u32;
    let whose = match peak {
        Some(_) => "the slower system's peak of this run",
        None => "a supposed peak, since none was measured",
    };
    rounds.note(format!("End to end at half of {whose}: {half} records of 1 KiB a second for both."));
    let percentiles = ["p50", "p99", "p99.9"];
    let kinds_at =
        |rate: String| percentiles.map(|part| Kind::new(format!("end to end at {rate}: {part}"), Unit::Milliseconds));
    let kinds = [kinds_at(format!("{SLOW_RATE} records/s")), kinds_at("half of the peak".to_owned())].concat();
    rounds.measure("latency", &kinds, |contestant, round| {
        let slow_seconds = if round == WARM_UP { WARM_UP_SECONDS } else { SLOW_SECONDS };
        let slow = format!("slow-{round}");
        let numbers = [SLOW_RATE, slow_seconds, SLOW_LINGER_MS];
        let mut values = contestant.with_topic(&slow, |contestant| contestant.at(|at| follow(at, &slow, numbers)))?;
        let fast = format!("half-{round}");
        let numbers = [half, HALF_SECONDS, HALF_LINGER_MS];
        values.extend(contestant.with_topic(&fast, |contestant| contestant.at(|at| follow(at, &fast, numbers)))?);
        Ok(values)
    })?;
    Ok(())
}

/// p50, p99 and p99.9 in milliseconds.
fn follow(at: &At<'_>, topic: &str, [rate, seconds, linger_ms]: [u32; 3]) -> Result<Vec<f64>> {
    let bytes = u32::try_from(PEAK_BYTES)?;
    let numbers = [PARTITIONS, rate, seconds, bytes, linger_ms].map(|number| number.to_string());
    let arguments: Vec<&str> = std::iter::once(topic).chain(numbers.iter().map(String::as_str)).collect();
    let taken_us = Client::measure(at, "follow", &arguments).with_context(|| format!("{rate} records/s"))?;
    Ok(taken_us.into_iter().map(|us| us / 1e3).collect())
}
