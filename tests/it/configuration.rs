//! What an operator says to a broker: in a file, in variables, in flags; and the listeners that it
//! gives. Promises of Highwater alone.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use highwater_tests::highwater::{Highwater, Store, serve, without_settings};
use highwater_tests::parts::highwater_binary;
use highwater_tests::place::Place;
use highwater_tests::ports;
use highwater_tests::process::Process;
use highwater_tests::raw::{Connection, Cursor};

use crate::stage::is_highwater;

const METADATA: i16 = 3;

#[test]
fn a_client_is_told_the_address_of_its_listener() -> Result<()> {
    if !is_highwater()? {
        return Ok(());
    }
    let place = Place::new("listeners")?;
    let outside = ports::free()?;
    let (listen, advertise) = (format!("outside=0.0.0.0:{outside}"), "outside=broker-1.example:19094");
    let flags = ["--listen", &listen, "--advertise", advertise];
    let (data, log) = (place.join("data"), place.log("broker"));
    let broker = Highwater::start_with(&highwater_binary()?, &data, log, Store::Directory, &flags)?;
    let inside = format!("127.0.0.1:{}", broker.port());
    ensure!(told(&inside)? == ("127.0.0.1".to_owned(), i32::from(broker.port())));
    ensure!(told(&format!("127.0.0.1:{outside}"))? == ("broker-1.example".to_owned(), 19_094));
    Ok(())
}

/// Host and port of the only broker in an answer to Metadata version 0.
fn told(address: &str) -> Result<(String, i32)> {
    let mut connection = Connection::open(address)?;
    connection.request(METADATA, 0, 1, &0_i32.to_be_bytes())?;
    let (_, answer) = connection.answer()?;
    let mut cursor = Cursor::new(&answer);
    ensure!(cursor.i32()? == 1, "more than one broker");
    cursor.i32()?; // its number
    let length = cursor.i16()? as usize;
    let host = String::from_utf8(cursor.take(length)?.to_vec())?;
    Ok((host, cursor.i32()?))
}

#[test]
fn what_is_in_force_is_shown_and_mistakes_are_one_line() -> Result<()> {
    if !is_highwater()? {
        return Ok(());
    }
    let place = Place::new("settings")?;
    let file = place.join("broker.toml");
    fs::write(&file, "wal.max.bytes = '2GiB'\n[kafka]\nnum.partitions = 4\n")?;
    let shown = output(
        without_settings(&highwater_binary()?)
            .args(["config", "show", "--json", "--zone", "z1", "--config-file"])
            .arg(&file)
            .env("HIGHWATER_FLUSH_BYTES", "1MiB")
            .env("HIGHWATER_SERVICE_HOST", "10.0.0.1"),
    )?;
    ensure!(shown.stderr.is_empty(), "{}", shown.stderr);
    let at = file.display();
    for line in [
        format!(r#"{{"at":"{at}:1","name":"wal.max.bytes","source":"file","unit":"bytes","value":2147483648}}"#),
        format!(r#"{{"at":"{at}:3","name":"kafka.num.partitions","source":"file","value":"4"}}"#),
        r#"{"at":"HIGHWATER_FLUSH_BYTES","name":"flush.bytes","source":"variable","unit":"bytes","value":1048576}"#
            .to_owned(),
        r#"{"at":"--zone","name":"zone","source":"flag","value":"z1"}"#.to_owned(),
        r#"{"at":"default","name":"max.connections","source":"default","value":16000}"#.to_owned(),
    ] {
        ensure!(shown.stdout.contains(&line), "{line} is not in {}", shown.stdout);
    }

    fs::write(&file, "zone = 'a'\nwal.max.byte = 1\n")?;
    let mistake = output(without_settings(&highwater_binary()?).args(["serve", "--config-file"]).arg(&file))?;
    let expected = format!("highwater: {at}:2: 'wal.max.byte' is not a setting; did you mean 'wal.max.bytes'?\n");
    ensure!(mistake.code == Some(1) && mistake.stderr == expected, "{mistake:?}");
    let mistake = output(without_settings(&highwater_binary()?).args(["serve", "--wal-max-byte", "1GiB"]))?;
    ensure!(mistake.code == Some(2) && mistake.stderr.contains("--wal-max-bytes"), "{mistake:?}");
    Ok(())
}

#[test]
fn the_number_of_a_broker_stays() -> Result<()> {
    if !is_highwater()? {
        return Ok(());
    }
    let place = Place::new("node-id")?;
    let (binary, data) = (highwater_binary()?, place.join("data"));
    let mut broker = Highwater::start_with(&binary, &data, place.log("first"), Store::Directory, &["--node-id", "7"])?;
    broker.process()?.terminate(Duration::from_secs(25))?;
    let other = output(serve(&binary, &data, ports::free()?, ports::free()?).args(["--node-id", "8"]))?;
    let line = other.stderr.trim_end();
    ensure!(other.code == Some(1) && line.lines().count() == 1, "{other:?}");
    ensure!(line.contains("--node-id is 8") && line.contains("broker 7"), "{line}");
    drop(Highwater::start(&binary, &data, place.log("again"), Store::Directory)?);
    let kept = shown_node_id(&binary, &data)?;
    ensure!(kept.contains(r#""value":7"#) && kept.contains("broker.json"), "{kept}");
    Ok(())
}

fn shown_node_id(binary: &Path, data: &Path) -> Result<String> {
    let shown = output(without_settings(binary).args(["config", "show", "--json", "--data"]).arg(data))?;
    let line = shown.stdout.lines().find(|line| line.contains(r#""node.id""#)).context("no node.id")?;
    Ok(line.to_owned())
}

#[test]
fn warnings_are_logged_and_stop_nothing() -> Result<()> {
    if !is_highwater()? {
        return Ok(());
    }
    let place = Place::new("warnings")?;
    let mut command = serve(&highwater_binary()?, &place.join("data"), ports::free()?, ports::free()?);
    command.env("HIGHWATER_LISTENN", "x").env("HIGHWATER_PORT_9092_TCP", "tcp://10.0.0.1:9092");
    let log = place.log("broker");
    let mut process = Process::start("highwater", &mut command, &log)?;
    highwater_tests::wait::until(Duration::from_secs(30), "the broker to be ready", || {
        Ok(fs::read_to_string(&log)?.contains("is ready"))
    })?;
    process.terminate(Duration::from_secs(25))?;
    let said = fs::read_to_string(&log)?;
    ensure!(said.contains("HIGHWATER_LISTENN is not a setting"), "{said}");
    ensure!(!said.contains("HIGHWATER_PORT_9092_TCP"), "{said}");
    Ok(())
}

/// How a command ended and what it said.
#[derive(Debug)]
struct Said {
    code: Option<i32>,
    stdout: String,
    stderr: String,
}

fn output(command: &mut Command) -> Result<Said> {
    let output = command.output()?;
    Ok(Said {
        code: output.status.code(),
        stdout: String::from_utf8(output.stdout)?,
        stderr: String::from_utf8(output.stderr)?,
    })
}
