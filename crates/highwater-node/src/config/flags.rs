//! The flags of `highwater serve`, made from the definitions of the settings.

use clap::{Arg, ArgAction, ArgMatches, Args, Command, Error, FromArgMatches};

use super::kafka;
use super::key::{Facts, Fallback, Shape};
use super::keys::{ALL, KAFKA, LOG};
use super::kind::Kind;
use super::settings::{Given, Layer, Origin, read};
use crate::errors::StartError;

/// What was given on the command line: texts, checked later, together with those of the file and the
/// variables.
#[derive(Clone, Debug, Default)]
pub struct BrokerFlags {
    given: Vec<(&'static Facts, String)>,
}

impl BrokerFlags {
    /// The filter of `--log`, a flag that all commands have.
    #[must_use]
    pub fn with_log(mut self, filter: Option<String>) -> Self {
        self.given.extend(filter.map(|filter| (&LOG.facts, filter)));
        self
    }

    /// As a layer of the settings.
    ///
    /// # Errors
    /// One line: a broker setting of Kafka's that is not NAME=VALUE.
    pub fn layer(&self) -> Result<Layer, StartError> {
        let mut layer = Layer::default();
        for (facts, text) in &self.given {
            let origin = Origin::Flag(facts.flag());
            let given = Given { text: text.clone(), origin };
            if facts.shape == Shape::Table {
                let (name, text) = read(&KAFKA, &given)?;
                let shown = if kafka::is_secret(&name) { "..." } else { &text };
                let origin = Origin::Flag(format!("{} {name}={shown}", facts.flag()));
                layer.kafka.push((name, Given { text, origin }));
            } else {
                layer.ours.push((facts, given));
            }
        }
        Ok(layer)
    }
}

/// Those that are made here; `--log` is every command's.
fn made() -> impl Iterator<Item = &'static Facts> {
    ALL.iter().copied().filter(|facts| facts.name != LOG.facts.name)
}

fn arg(facts: &'static Facts) -> Arg {
    let fallback = match facts.fallback {
        Fallback::Value(text) | Fallback::Unset(text) => text,
    };
    let variable = facts.variable();
    let star = if facts.shape == Shape::Table { "*" } else { "" };
    let help = format!("{} [default: {fallback}] [variable: {variable}{star}]", facts.doc());
    let arg = Arg::new(facts.name).long(facts.long()).value_name(facts.kind.value_name()).help(help);
    let arg = match facts.shape {
        Shape::One => arg.action(ArgAction::Set),
        Shape::Many | Shape::Table => arg.action(ArgAction::Append),
    };
    if facts.kind == Kind::Switch {
        return arg.num_args(0..=1).require_equals(true).default_missing_value("true");
    }
    arg
}

impl Args for BrokerFlags {
    fn augment_args(command: Command) -> Command {
        command.args(made().map(arg))
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for BrokerFlags {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, Error> {
        let values = |facts: &'static Facts| {
            let values = matches.get_many::<String>(facts.name).into_iter().flatten();
            values.map(move |value| (facts, value.clone()))
        };
        Ok(Self { given: made().flat_map(values).collect() })
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}
