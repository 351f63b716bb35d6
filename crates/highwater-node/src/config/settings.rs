//! The layers put together: what is in force, and where it came from.

use std::collections::BTreeMap;
use std::ffi::OsString;

use super::file;
use super::flags::BrokerFlags;
use super::kafka::{self, Meaning};
use super::key::{Facts, Fallback, Key};
use super::keys::{self, CONFIG_FILE};
use super::kind::without_password;
use super::variables::{self, Variables};
use crate::errors::StartError;

/// Where a value came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Nobody said anything.
    Default,
    /// The file.
    File {
        /// The file and the line, as `highwater.toml:3`.
        at: String,
        /// The name that it has there.
        name: String,
    },
    /// A variable of this name.
    Variable(String),
    /// A flag, with its dashes.
    Flag(String),
}

impl Origin {
    /// For programs.
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Default => "default",
            Self::File { .. } => "file",
            Self::Variable(_) => "variable",
            Self::Flag(_) => "flag",
        }
    }

    /// The place, for people.
    pub fn place(&self) -> &str {
        match self {
            Self::Default => "default",
            Self::File { at, .. } => at,
            Self::Variable(name) => name,
            // A setting of Kafka's stands there with its name and value.
            Self::Flag(name) => name.split_once(' ').map_or(name, |(flag, _)| flag),
        }
    }

    /// How the setting is called there, to begin a line with.
    pub fn spelled(&self, name: &str) -> String {
        match self {
            Self::Default => name.to_owned(),
            Self::File { at, name } => format!("{at}: {name}"),
            Self::Variable(name) | Self::Flag(name) => name.clone(),
        }
    }
}

/// A value as somebody wrote it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Given {
    /// The text.
    pub text: String,
    /// Who wrote it.
    pub origin: Origin,
}

/// What one source gives.
#[derive(Debug, Default)]
pub struct Layer {
    /// Settings of ours; one of several values stands here several times.
    pub ours: Vec<(&'static Facts, Given)>,
    /// Settings by Kafka's names.
    pub kafka: Vec<(String, Given)>,
}

/// Everything that was given and was not overruled.
#[derive(Debug, Default)]
pub struct Settings {
    ours: BTreeMap<&'static str, Vec<Given>>,
    kafka: BTreeMap<String, Given>,
    /// What is odd and no error: one line each.
    pub warnings: Vec<String>,
}

impl Settings {
    /// Reads the file (if one is named), the variables and the flags.
    ///
    /// # Errors
    /// One line: a file that cannot be read, a name in it that is no setting, a value of Kafka's that
    /// is not legal.
    pub fn read(
        flags: &BrokerFlags,
        environment: impl Iterator<Item = (OsString, OsString)>,
    ) -> Result<Self, StartError> {
        let (flags, variables) = (flags.layer()?, variables::read(environment)?);
        let name = CONFIG_FILE.facts.name;
        let named =
            |layer: &Layer| layer.ours.iter().find(|(facts, _)| facts.name == name).map(|(_, given)| given.clone());
        let file = match named(&flags).or_else(|| named(&variables.ours)) {
            Some(given) => file::read(&read(&CONFIG_FILE, &given)?, &given.origin.spelled(name))?,
            None => Layer::default(),
        };
        Self::of(file, variables, flags)
    }

    /// Puts the layers over each other.
    ///
    /// # Errors
    /// As [`Settings::read`], but for those of the file itself.
    pub fn of(file: Layer, variables: Variables, flags: Layer) -> Result<Self, StartError> {
        let mut settings = Self { warnings: variables.warnings, ..Self::default() };
        settings.put(variables.others)?;
        settings.put(file)?;
        settings.put(variables.ours)?;
        settings.put(flags)?;
        Ok(settings)
    }

    /// Puts a layer over those that are there.
    fn put(&mut self, layer: Layer) -> Result<(), StartError> {
        let mut ours: BTreeMap<&'static str, Vec<Given>> = BTreeMap::new();
        for (facts, given) in layer.ours {
            ours.entry(facts.name).or_default().push(given);
        }
        for (name, given) in layer.kafka {
            let spelled = given.origin.spelled(&name);
            match kafka::meaning(&name) {
                Meaning::Broker => {
                    kafka::check(&name, &given.text).map_err(|why| StartError::Config(format!("{spelled}: {why}")))?;
                    self.kafka.insert(name, given);
                }
                // Its own name, in the same source, is stronger.
                Meaning::Ours(facts) => {
                    ours.entry(facts.name).or_insert_with(|| vec![given]);
                }
                Meaning::Instead(facts) => {
                    return Err(StartError::Config(format!(
                        "{spelled}: this broker takes it as `{}` ({}), which takes {}",
                        facts.name,
                        facts.flag(),
                        facts.kind.takes()
                    )));
                }
            }
        }
        self.ours.extend(ours);
        Ok(())
    }

    /// What was given of a setting, or its default; nothing if it has none.
    pub fn given(&self, facts: &Facts) -> Vec<Given> {
        match (self.ours.get(facts.name), facts.fallback) {
            (Some(given), _) => given.clone(),
            (None, Fallback::Value(text)) => vec![Given { text: text.to_owned(), origin: Origin::Default }],
            (None, Fallback::Unset(_)) => Vec::new(),
        }
    }

    /// Settings by Kafka's names that were given.
    pub const fn kafka(&self) -> &BTreeMap<String, Given> {
        &self.kafka
    }

    /// The first of `keys` that somebody gave, as it is called there.
    pub fn first_given(&self, keys: &[&Facts]) -> Option<String> {
        keys.iter().find_map(|facts| {
            let given = self.ours.get(facts.name)?.first()?;
            // What other programs' variables say is not said to us.
            let foreign = matches!(&given.origin, Origin::Variable(name) if facts.also.contains(&name.as_str()));
            (!foreign).then(|| given.origin.spelled(facts.name))
        })
    }

    /// How a setting is called where it was given, to begin a line with.
    pub fn spelled(&self, facts: &Facts) -> String {
        let given = self.ours.get(facts.name).and_then(|given| given.first());
        given.map_or_else(|| facts.name.to_owned(), |given| given.origin.spelled(facts.name))
    }

    /// The log filter in force.
    ///
    /// # Errors
    /// See [`Settings::get`].
    pub fn log(&self) -> Result<String, StartError> {
        self.value(&keys::LOG)
    }

    /// The value of a setting.
    ///
    /// # Errors
    /// One line that says what it takes.
    pub fn get<T>(&self, key: &Key<T>) -> Result<Option<T>, StartError> {
        self.given(&key.facts).first().map(|given| read(key, given)).transpose()
    }

    /// The value of a setting that has a default.
    ///
    /// # Errors
    /// See [`Settings::get`].
    pub fn value<T>(&self, key: &Key<T>) -> Result<T, StartError> {
        let missing =
            || StartError::Config(format!("{} is not set; it takes {}", key.facts.name, key.facts.kind.takes()));
        self.get(key)?.ok_or_else(missing)
    }
}

/// Reads one value.
///
/// # Errors
/// One line with the name, the place, what was given, and what it takes.
pub fn read<T>(key: &Key<T>, given: &Given) -> Result<T, StartError> {
    (key.read)(&key.facts.kind, &given.text).map_err(|why| {
        let spelled = given.origin.spelled(key.facts.name);
        let got = without_password(&given.text);
        let takes = key.facts.kind.takes();
        let why = if why.is_empty() { why } else { format!(": {why}") };
        StartError::Config(format!("{spelled} takes {takes}; got '{got}'{why}").replace('\n', " "))
    })
}

/// A setting by its name.
pub fn find(name: &str) -> Option<&'static Facts> {
    keys::ALL.iter().copied().find(|facts| facts.name == name)
}
