//! 10,000 topics of one partition: to create them, to start with them, and to have them.
//!
//! They are created once, by a broker that has just started, in requests of 500 topics, one after another.
//! (Apache Kafka takes no request for all of them, nor for one topic of 10,000 partitions.)

use std::time::Duration;

use anyhow::{Context, Result};
use highwater_tests::clients::confluent;

use super::rounds::Rounds;
use super::{figures::Kind, figures::Unit, start};
use crate::command;

const COUNT: usize = 10_000;
const IDLE: Duration = Duration::from_secs(10);

pub(super) fn run(rounds: &mut Rounds<'_>) -> Result<()> {
    let with = format!("{COUNT} partitions");
    let mut kinds = vec![Kind::new(format!("creating {with}, once"), Unit::Seconds)];
    kinds.extend(start::kinds(&with));
    let starts = rounds.rounds;
    rounds.one_by_one(&with, &kinds, |contestant| {
        let created = contestant.at(|at| {
            let said = command::output(confluent(at, "create-topics").args(["many", &COUNT.to_string()]))?;
            said.trim().parse::<f64>().with_context(|| format!("not seconds: {said}"))
        })?;
        let mut values = vec![vec![created], Vec::new(), Vec::new(), Vec::new()];
        for _ in 0..starts {
            let found = start::again(contestant, COUNT, IDLE)?;
            values[1..].iter_mut().zip(found).for_each(|(values, value)| values.push(value));
        }
        Ok(values)
    })
}
