//! What was measured of both systems: values by round, their median, spread and ratio.

use serde::Serialize;

use super::super::report::median;

/// What a figure is counted in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub(super) enum Unit {
    #[serde(rename = "MiB/s")]
    MibPerSecond,
    #[serde(rename = "records/s")]
    RecordsPerSecond,
    #[serde(rename = "broker CPU s/GiB")]
    CpuPerGib,
    #[serde(rename = "ms")]
    Milliseconds,
    #[serde(rename = "s")]
    Seconds,
    #[serde(rename = "% of a core")]
    PercentOfCore,
    #[serde(rename = "MiB resident")]
    MibResident,
}

impl Unit {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::MibPerSecond => "MiB/s",
            Self::RecordsPerSecond => "records/s",
            Self::CpuPerGib => "broker CPU s/GiB",
            Self::Milliseconds => "ms",
            Self::Seconds => "s",
            Self::PercentOfCore => "% of a core",
            Self::MibResident => "MiB resident",
        }
    }

    pub(super) fn decimals(self) -> usize {
        match self {
            Self::RecordsPerSecond | Self::MibResident => 0,
            Self::MibPerSecond => 1,
            Self::CpuPerGib | Self::Milliseconds | Self::Seconds | Self::PercentOfCore => 2,
        }
    }

    pub(super) fn more_is_better(self) -> bool {
        matches!(self, Self::MibPerSecond | Self::RecordsPerSecond)
    }
}

/// What a figure is about.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Kind {
    pub name: String,
    pub unit: Unit,
}

impl Kind {
    pub(super) fn new(name: impl Into<String>, unit: Unit) -> Self {
        Self { name: name.into(), unit }
    }
}

/// One row of the table.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Figure {
    #[serde(flatten)]
    pub kind: Kind,
    /// By round; one value where there was one occasion only.
    pub highwater: Vec<f64>,
    pub kafka: Vec<f64>,
}

impl Figure {
    /// The medians, Highwater's first.
    pub(super) fn medians(&self) -> Option<[f64; 2]> {
        Some([median(self.highwater.clone())?, median(self.kafka.clone())?])
    }

    /// Highwater's median by Kafka's.
    pub(super) fn ratio(&self) -> Option<f64> {
        let [ours, theirs] = self.medians()?;
        (theirs > 0.0).then(|| ours / theirs)
    }
}

pub(super) fn mib(bytes: f64) -> f64 {
    bytes / f64::from(1 << 20)
}

pub(super) fn gib(bytes: f64) -> f64 {
    bytes / f64::from(1 << 30)
}
