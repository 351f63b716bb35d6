//! `highwater config show`: what is in force, and where each value came from.

use std::io::{self, Write};

use serde_json::{Value, json};

use super::key::{Facts, Fallback, Shape};
use super::keys::{ALL, NODE_ID};
use super::serve::ServeConfig;
use super::settings::{Given, Origin, Settings};
use super::{BrokerFlags, kafka};
use crate::errors::StartError;
use crate::identity;

/// What stands for a value that is not for people's eyes.
const HIDDEN: &str = "[hidden]";

/// Flags of `highwater config show`: those of `highwater serve`, and the form.
#[derive(Clone, Debug, clap::Args)]
pub struct ShowArgs {
    /// The settings to show.
    #[command(flatten)]
    pub flags: BrokerFlags,
    /// For programs: a JSON array with an object for each setting.
    #[arg(long)]
    pub json: bool,
}

/// One setting in force.
struct Row {
    name: String,
    /// `None` where nothing is set.
    value: Option<(String, Value)>,
    /// What holds where nothing is set.
    unset: &'static str,
    unit: Option<&'static str>,
    source: &'static str,
    place: String,
}

/// Prints the settings that `highwater serve` would have with the same flags, variables and file.
///
/// # Errors
/// What `highwater serve` would refuse.
pub fn run(args: ShowArgs, log: Option<String>) -> Result<(), StartError> {
    let settings = Settings::read(&args.flags.with_log(log), std::env::vars_os())?;
    let config = ServeConfig::resolve(&settings)?;
    let rows = rows(&settings, &config);
    let text = if args.json { as_json(&rows) } else { as_table(&rows) };
    let warnings = settings.warnings.iter().fold(String::new(), |all, line| all + "highwater: " + line + "\n");
    // A closed output is no reason for an error.
    let _ = io::stderr().write_all(warnings.as_bytes());
    let _ = io::stdout().write_all(text.as_bytes());
    Ok(())
}

fn rows(settings: &Settings, config: &ServeConfig) -> Vec<Row> {
    let mut rows = Vec::new();
    for facts in ALL {
        if facts.shape == Shape::Table {
            rows.extend(settings.kafka().iter().map(|(name, given)| of_kafka(facts, name, given)));
            continue;
        }
        let mut given = settings.given(facts);
        if given.is_empty() && facts.name == NODE_ID.facts.name {
            given.extend(kept_node_id(config));
        }
        if given.is_empty() {
            let unset = match facts.fallback {
                Fallback::Value(text) | Fallback::Unset(text) => text,
            };
            rows.push(Row { value: None, unset, ..row(facts, facts.name.to_owned(), &Origin::Default) });
        }
        for given in given {
            let value = Some(facts.kind.show(&given.text));
            rows.push(Row { value, ..row(facts, facts.name.to_owned(), &given.origin) });
        }
    }
    rows
}

fn row(facts: &Facts, name: String, origin: &Origin) -> Row {
    let (source, place) = (origin.word(), origin.place().to_owned());
    Row { name, value: None, unset: "", unit: facts.kind.unit(), source, place }
}

fn of_kafka(facts: &Facts, name: &str, given: &Given) -> Row {
    let text = if kafka::is_secret(name) { HIDDEN } else { &given.text };
    let value = Some((text.to_owned(), text.into()));
    Row { value, ..row(facts, format!("{}.{name}", facts.name), &given.origin) }
}

/// The number that the data directory keeps, if it can be read.
fn kept_node_id(config: &ServeConfig) -> Option<Given> {
    let (path, node) = identity::kept_node_id(&config.data)?;
    let origin = Origin::File { at: path.display().to_string(), name: NODE_ID.facts.name.to_owned() };
    Some(Given { text: node.0.to_string(), origin })
}

fn as_table(rows: &[Row]) -> String {
    let value = |row: &Row| row.value.as_ref().map_or_else(|| format!("({})", row.unset), |(text, _)| text.clone());
    let width = |of: &dyn Fn(&Row) -> usize, title: &str| rows.iter().map(of).max().unwrap_or(0).max(title.len());
    let name_width = width(&|row| row.name.chars().count(), "NAME");
    let value_width = width(&|row| value(row).chars().count(), "VALUE");
    let line = |name: &str, value: &str, place: &str| format!("{name:name_width$}  {value:value_width$}  {place}\n");
    let mut text = line("NAME", "VALUE", "SOURCE");
    for row in rows {
        text += &line(&row.name, &value(row), &row.place);
    }
    text
}

fn as_json(rows: &[Row]) -> String {
    let object = |row: &Row| {
        let value = row.value.as_ref().map_or(Value::Null, |(_, value)| value.clone());
        let mut object = json!({ "name": row.name, "value": value, "source": row.source, "at": row.place });
        if let (Some(unit), Some(fields)) = (row.unit, object.as_object_mut()) {
            fields.insert("unit".to_owned(), unit.into());
        }
        object
    };
    let objects: Vec<String> = rows.iter().map(|row| format!("  {}", object(row))).collect();
    format!("[\n{}\n]\n", objects.join(",\n"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test says what went wrong by panicking")]

    use super::super::tests::{given, resolved};
    use super::*;

    #[test]
    fn values_and_sources_but_no_secrets() {
        let file = "wal.max.bytes = 2147483648\n[kafka]\nnum.partitions = 4\n";
        let flags = ["--flush-interval-ms", "1s", "--listen", "a=127.0.0.1:1", "--listen", "b=127.0.0.1:2"];
        let settings = given(&flags, &[("HIGHWATER_ZONE", "z1")], Some(file)).unwrap();
        let config = resolved(&settings).unwrap();
        let rows = rows(&settings, &config);
        let json: Value = serde_json::from_str(&as_json(&rows)).unwrap();
        let of = |name: &str| json.as_array().unwrap().iter().find(|row| row["name"] == name).unwrap().clone();
        let wal =
            json!({"name":"wal.max.bytes","value":2_147_483_648u64,"unit":"bytes","source":"file","at":"test.toml:1"});
        assert_eq!(of("wal.max.bytes"), wal);
        let partitions = json!({"name":"kafka.num.partitions","value":"4","source":"file","at":"test.toml:3"});
        assert_eq!(of("kafka.num.partitions"), partitions);
        let zone = json!({"name":"zone","value":"z1","source":"variable","at":"HIGHWATER_ZONE"});
        assert_eq!(of("zone"), zone);
        let interval = of("flush.interval.ms");
        assert_eq!((&interval["value"], &interval["at"]), (&json!(1000), &json!("--flush-interval-ms")));
        assert_eq!(of("advertise")["value"], Value::Null);
        let table = as_table(&rows);
        assert_eq!(table.matches("\nlisten ").count(), 2);
        assert!(table.contains("(the address of the listener)") && table.contains("2GiB"), "{table}");

        let origin = Origin::Flag("--config ssl.keystore.password=...".to_owned());
        let secret = Given { text: "hunter2".to_owned(), origin };
        let row = of_kafka(ALL[0], "ssl.keystore.password", &secret);
        assert_eq!(row.value.unwrap().0, HIDDEN);
        assert_eq!(row.place, "--config");
    }
}
