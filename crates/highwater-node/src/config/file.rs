//! The TOML file: names and values with their lines. What it does not know is an error.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use toml::Spanned;
use toml::de::{DeInteger, DeTable, DeValue};

use super::key::{Facts, Shape};
use super::keys::{ALL, CONFIG_FILE};
use super::nearest;
use super::settings::{Given, Layer, Origin, find};
use crate::errors::StartError;

/// Far above any file that a person writes.
const MAX_BYTES: u64 = 1 << 20;

/// Reads a file. `spelled`: what named it.
///
/// # Errors
/// One line with the file and, where one is to blame, the line in it.
pub fn read(path: &Path, spelled: &str) -> Result<Layer, StartError> {
    let name = path.display().to_string();
    let refuse = |why: String| StartError::Config(format!("{spelled} takes a TOML file; got '{name}': {why}"));
    let mut text = String::new();
    let file = File::open(path).map_err(|error| refuse(error.to_string()))?;
    file.take(MAX_BYTES + 1).read_to_string(&mut text).map_err(|error| refuse(error.to_string()))?;
    if text.len() as u64 > MAX_BYTES {
        return Err(refuse(format!("it has more than {MAX_BYTES} bytes")));
    }
    parse(&name, &text)
}

/// Reads the text of a file called `name`.
pub fn parse(name: &str, text: &str) -> Result<Layer, StartError> {
    let mut source = Source { name, text, layer: Layer::default() };
    let table = DeTable::parse(text).map_err(|error| {
        let at = source.at(error.span().map_or(0, |span| span.start));
        StartError::Config(format!("{at}: {}", error.message().replace('\n', " ")))
    })?;
    source.table("", table.get_ref())?;
    Ok(source.layer)
}

struct Source<'a> {
    name: &'a str,
    text: &'a str,
    layer: Layer,
}

impl Source<'_> {
    /// The file and the line of a byte.
    fn at(&self, byte: usize) -> String {
        let before = self.text.as_bytes().get(..byte).unwrap_or(self.text.as_bytes());
        let line = before.iter().filter(|b| **b == b'\n').count() + 1;
        format!("{}:{line}", self.name)
    }

    fn table(&mut self, prefix: &str, table: &DeTable<'_>) -> Result<(), StartError> {
        for (key, value) in table {
            let name = join(prefix, key.get_ref());
            let below = format!("{name}.");
            match (find(&name), value.get_ref()) {
                (Some(facts), _) if facts.name != CONFIG_FILE.facts.name => self.setting(facts, value)?,
                (None, DeValue::Table(table)) if ALL.iter().any(|facts| facts.name.starts_with(&below)) => {
                    self.table(&name, table)?;
                }
                _ => {
                    let known = ALL.iter().map(|facts| facts.name).filter(|name| *name != CONFIG_FILE.facts.name);
                    let hint = nearest::hint(&name, known);
                    return Err(StartError::Config(format!(
                        "{}: '{name}' is not a setting{hint}",
                        self.at(key.span().start)
                    )));
                }
            }
        }
        Ok(())
    }

    fn setting(&mut self, facts: &'static Facts, value: &Spanned<DeValue<'_>>) -> Result<(), StartError> {
        match (facts.shape, value.get_ref()) {
            (Shape::Table, DeValue::Table(table)) => self.kafka(facts, "", table),
            (Shape::Many, DeValue::Array(items)) => items.iter().try_for_each(|item| self.one(facts, None, item)),
            (Shape::Many, DeValue::Table(table)) => {
                table.iter().try_for_each(|(name, item)| self.one(facts, Some(name.get_ref()), item))
            }
            (Shape::One | Shape::Many, _) => self.one(facts, None, value),
            (Shape::Table, _) => Err(self.wrong(facts, value)),
        }
    }

    /// One value, with the name that it has in a table of them.
    fn one(
        &mut self,
        facts: &'static Facts,
        name: Option<&str>,
        value: &Spanned<DeValue<'_>>,
    ) -> Result<(), StartError> {
        let text = scalar(value.get_ref()).ok_or_else(|| self.wrong(facts, value))?;
        let text = name.map_or_else(|| text.clone(), |name| format!("{name}={text}"));
        let origin = Origin::File { at: self.at(value.span().start), name: facts.name.to_owned() };
        self.layer.ours.push((facts, Given { text, origin }));
        Ok(())
    }

    /// Settings by Kafka's names, whose dots TOML takes for tables in tables.
    fn kafka(&mut self, facts: &'static Facts, prefix: &str, table: &DeTable<'_>) -> Result<(), StartError> {
        for (key, value) in table {
            let name = join(prefix, key.get_ref());
            let text = match value.get_ref() {
                DeValue::Table(table) => {
                    self.kafka(facts, &name, table)?;
                    continue;
                }
                DeValue::Array(items) => {
                    let items: Option<Vec<String>> = items.iter().map(|item| scalar(item.get_ref())).collect();
                    items.map(|items| items.join(","))
                }
                value => scalar(value),
            };
            let text = text.ok_or_else(|| self.wrong(facts, value))?;
            let origin = Origin::File { at: self.at(value.span().start), name: join(facts.name, &name) };
            self.layer.kafka.push((name, Given { text, origin }));
        }
        Ok(())
    }

    fn wrong(&self, facts: &Facts, value: &Spanned<DeValue<'_>>) -> StartError {
        let at = self.at(value.span().start);
        let (name, takes, got) = (facts.name, facts.kind.takes(), value.get_ref().type_str());
        StartError::Config(format!("{at}: {name} takes {takes}; got a value of type {got}"))
    }
}

fn join(prefix: &str, name: &str) -> String {
    if prefix.is_empty() { name.to_owned() } else { format!("{prefix}.{name}") }
}

/// The text of a value that is not made of others.
fn scalar(value: &DeValue<'_>) -> Option<String> {
    match value {
        DeValue::String(text) => Some(text.to_string()),
        DeValue::Integer(number) => Some(integer(number)),
        DeValue::Float(number) => Some(number.as_str().to_owned()),
        DeValue::Boolean(yes) => Some(yes.to_string()),
        DeValue::Datetime(_) | DeValue::Array(_) | DeValue::Table(_) => None,
    }
}

/// In decimal, whatever it is written in.
fn integer(number: &DeInteger<'_>) -> String {
    match i128::from_str_radix(number.as_str(), number.radix()) {
        Ok(value) => value.to_string(),
        Err(_) => number.as_str().to_owned(),
    }
}
