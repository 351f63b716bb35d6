//! Starts on what an orderly end has left, and a broker with nothing to do.

use std::thread;
use std::time::Duration;

use anyhow::Result;
use highwater_tests::clients::DEADLINE;
use highwater_tests::led::time_of_start;

use super::contestant::Contestant;
use super::figures::{Kind, Unit, mib};
use super::rounds::{Rounds, WARM_UP};

/// After a start, until a broker has nothing to do; a Java machine still compiles.
const SETTLE: Duration = Duration::from_secs(5);
const IDLE: Duration = Duration::from_secs(10);

/// With no topic.
pub(super) fn run(rounds: &mut Rounds<'_>) -> Result<()> {
    rounds
        .note("The kernel counts processor time in ticks of 10 ms: idle at 0.00 is less than 0.1 % of a core.".into());
    let kinds = kinds("no topic");
    rounds.measure("start", &kinds, |contestant, round| {
        let pause = if round == WARM_UP { Duration::from_secs(1) } else { IDLE };
        again(contestant, 0, pause).map(Vec::from)
    })?;
    Ok(())
}

/// What [`again`] gives.
pub(super) fn kinds(with: &str) -> [Kind; 3] {
    [
        Kind::new(format!("start to the first metadata of all leaders, {with}"), Unit::Seconds),
        Kind::new(format!("idle, {with}"), Unit::PercentOfCore),
        Kind::new(format!("idle, {with}"), Unit::MibResident),
    ]
}

/// Ends a broker and starts it, until so many partitions have a leader; gives the seconds of the start, and
/// what it then uses with nothing to do.
pub(super) fn again(contestant: &mut Contestant<'_>, partitions: usize, idle: Duration) -> Result<[f64; 3]> {
    contestant.broker.process()?.terminate(DEADLINE)?;
    let took = time_of_start(&mut contestant.broker, partitions)?;
    thread::sleep(SETTLE);
    let before = contestant.usage()?;
    thread::sleep(idle);
    let after = contestant.usage()?;
    let share = (after.processor.saturating_sub(before.processor)).as_secs_f64() / idle.as_secs_f64();
    Ok([took.as_secs_f64(), 100.0 * share, mib(after.resident_bytes as f64)])
}
