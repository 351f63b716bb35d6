//! One broker configuration: what it takes, when it may change, and what it does here.

use crate::config::definition::{Check, Definition, Kind};

/// When a broker configuration may change (Kafka's update modes, KIP-226).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Update {
    /// At a start only.
    ReadOnly,
    /// While a broker runs, for that broker alone.
    PerBroker,
    /// While brokers run, for all of them or one.
    ClusterWide,
}

/// What a broker configuration does here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// What Kafka says it does.
    Acts,
    /// It is the default of a topic configuration, which says what it does.
    TopicDefault,
    /// It shows a setting that is given to the broker when it starts, in this system's own form.
    StartUp,
    /// It is kept and shown, and does nothing.
    Stored(Reason),
}

/// Why a configuration does nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reason {
    /// Authentication, authorisation, TLS.
    Security,
    /// The controllers' quorum and its log.
    Quorum,
    /// Copies on other brokers.
    Replication,
    /// A second tier of storage.
    Tiering,
    /// Quotas.
    Quotas,
    /// Transactions.
    Transactions,
    /// Group protocols beside the classic one.
    NewGroups,
    /// Compaction.
    Compaction,
    /// The layout of files on disk.
    Files,
    /// Java classes.
    Java,
    /// Threads and buffers of Kafka's own making.
    Internals,
}

impl Reason {
    /// One sentence for people.
    pub const fn text(self) -> &'static str {
        match self {
            Self::Security => "Stored only: listeners have no authentication and no TLS yet.",
            Self::Quorum => "Stored only: there is no controller quorum, the bucket keeps the metadata.",
            Self::Replication => "Stored only: brokers hold no copies of each other's data, the bucket does.",
            Self::Tiering => "Stored only: every topic is in the bucket, there is no second tier.",
            Self::Quotas => "Stored only: there are no quotas yet.",
            Self::Transactions => "Stored only: there are no transactions yet.",
            Self::NewGroups => "Stored only: groups speak the classic protocol so far.",
            Self::Compaction => "Stored only: nothing is compacted yet.",
            Self::Files => "Stored only: a broker's files have another layout.",
            Self::Java => "Stored only: there is no Java virtual machine to load classes.",
            Self::Internals => "Stored only: this broker's threads and buffers size themselves.",
        }
    }
}

/// One broker configuration.
#[derive(Clone, Copy, Debug)]
pub struct BrokerConfig {
    /// What it takes. Its synonyms are none: the topic configurations name those.
    pub definition: Definition,
    /// When it may change.
    pub update: Update,
    /// What it does here.
    pub effect: Effect,
}

/// One row of a table.
pub(super) const fn row(
    name: &'static str,
    kind: Kind,
    default: Option<&'static str>,
    check: Check,
    update: Update,
    effect: Effect,
    doc: &'static str,
) -> BrokerConfig {
    let definition = Definition { name, kind, default, check, synonyms: &[], doc, hidden: false };
    BrokerConfig { definition, update, effect }
}

impl BrokerConfig {
    /// Not shown by DescribeConfigs: Kafka's internal ones.
    pub(super) const fn hidden(self) -> Self {
        Self { definition: Definition { hidden: true, ..self.definition }, ..self }
    }

    /// What a person is told of it.
    pub fn documentation(&self) -> String {
        match self.effect {
            Effect::Stored(reason) => format!("{} {}", self.definition.doc, reason.text()),
            _ => self.definition.doc.to_owned(),
        }
    }
}
