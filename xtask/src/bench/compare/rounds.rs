//! Rounds in which both systems take turns, and what they have shown so far.

use std::time::Instant;

use anyhow::{Context, Result, ensure};
use highwater_tests::parts::Parts;
use highwater_tests::place::Place;
use highwater_tests::system::System;

use super::super::origin::Origin;
use super::contestant::Contestant;
use super::figures::{Figure, Kind, Unit, mib};
use super::table::Report;

const SYSTEMS: [System; 2] = [System::Highwater, System::Kafka];
/// The round that warms up.
pub(super) const WARM_UP: u32 = 0;

/// A run under way.
pub(super) struct Rounds<'a> {
    pub(super) parts: &'a Parts,
    /// For files of the clients.
    pub(super) files: &'a Place,
    pub(super) gib: f64,
    pub(super) rounds: u32,
    began: Instant,
    report: Report,
    /// The most that each has had resident while it was loaded.
    peaks: [f64; 2],
}

impl<'a> Rounds<'a> {
    pub(super) fn new(parts: &'a Parts, files: &'a Place, gib: f64, rounds: u32) -> Result<Self> {
        let report = Report { origin: Origin::new()?, gib, rounds, notes: Vec::new(), figures: Vec::new() };
        Ok(Self { parts, files, gib, rounds, began: Instant::now(), report, peaks: [0.0; 2] })
    }

    /// Starts both brokers and lets them take turns; a turn gives a value of each kind. Gives the figures.
    pub(super) fn measure(
        &mut self,
        what: &str,
        kinds: &[Kind],
        mut turn: impl FnMut(&mut Contestant<'a>, u32) -> Result<Vec<f64>>,
    ) -> Result<&[Figure]> {
        let [highwater, kafka] = SYSTEMS.map(|system| Contestant::start(system, self.parts, self.files.path()));
        let mut pair = [highwater?, kafka?];
        let first = self.report.figures.len();
        self.report.figures.extend(kinds.iter().map(|kind| empty(kind.clone())));
        for round in WARM_UP..=self.rounds {
            let order = if round.is_multiple_of(2) { [0, 1] } else { [1, 0] };
            for index in order {
                let contestant = &mut pair[index];
                let values = turn(contestant, round).with_context(|| format!("{what}, {}", contestant.name()))?;
                ensure!(values.len() == kinds.len(), "{what}: {} values", values.len());
                self.say(&format!("{what}, {} {}", contestant.name(), ordinal(round)), kinds, &values);
                if round != WARM_UP {
                    self.keep(first, contestant.system, &values);
                }
            }
        }
        for (contestant, peak) in pair.iter_mut().zip(&mut self.peaks) {
            *peak = peak.max(mib(contestant.usage()?.peak_bytes as f64));
        }
        Ok(&self.report.figures[first..])
    }

    /// Lets each broker be alone; what it does gives a list of values for each kind.
    pub(super) fn one_by_one(
        &mut self,
        what: &str,
        kinds: &[Kind],
        mut work: impl FnMut(&mut Contestant<'a>) -> Result<Vec<Vec<f64>>>,
    ) -> Result<()> {
        let first = self.report.figures.len();
        self.report.figures.extend(kinds.iter().map(|kind| empty(kind.clone())));
        for system in SYSTEMS {
            let mut contestant = Contestant::start(system, self.parts, self.files.path())?;
            let occasions = work(&mut contestant).with_context(|| format!("{what}, {}", contestant.name()))?;
            ensure!(occasions.len() == kinds.len(), "{what}: {} lists of values", occasions.len());
            for (kind, (at, values)) in kinds.iter().zip(occasions.into_iter().enumerate()) {
                let of_kind = vec![kind.clone(); values.len()];
                self.say(&format!("{what}, {}", contestant.name()), &of_kind, &values);
                for value in values {
                    self.keep(first + at, system, &[value]);
                }
            }
        }
        Ok(())
    }

    /// Something that a reader of the table has to know.
    pub(super) fn note(&mut self, note: String) {
        self.report.notes.push(note);
    }

    /// What has been measured of both.
    pub(super) fn finish(mut self) -> Report {
        self.report.figures.retain(|figure| figure.medians().is_some());
        let [highwater, kafka] = self.peaks;
        if highwater > 0.0 && kafka > 0.0 {
            let kind = Kind::new("peak under load", Unit::MibResident);
            self.report.figures.push(Figure { kind, highwater: vec![highwater], kafka: vec![kafka] });
        }
        self.report
    }

    fn keep(&mut self, first: usize, system: System, values: &[f64]) {
        for (figure, value) in self.report.figures[first..].iter_mut().zip(values) {
            match system {
                System::Highwater => figure.highwater.push(*value),
                System::Kafka => figure.kafka.push(*value),
            }
        }
    }

    /// A line of progress.
    fn say(&self, what: &str, kinds: &[Kind], values: &[f64]) {
        let shown = kinds.iter().zip(values).map(|(kind, value)| {
            let decimals = kind.unit.decimals();
            format!("{value:.decimals$} {}", kind.unit.name())
        });
        let shown = shown.collect::<Vec<_>>().join(", ");
        let seconds = self.began.elapsed().as_secs();
        println!("[{:02}:{:02}] {what}: {shown}", seconds / 60, seconds % 60);
    }
}

fn empty(kind: Kind) -> Figure {
    Figure { kind, highwater: Vec::new(), kafka: Vec::new() }
}

fn ordinal(round: u32) -> String {
    match round {
        WARM_UP => "warming up".to_owned(),
        round => format!("round {round}"),
    }
}
