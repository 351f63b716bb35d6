//! What an operator meets: a quick start, a clean end, and one line for each mistake.
//!
//! These are promises of Highwater alone; against Apache Kafka there is nothing to check.

use std::fs;
use std::net::TcpListener;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use highwater_tests::highwater::{Highwater, Store, bucket_flags, serve, without_settings};
use highwater_tests::minio::{BUCKET, Minio};
use highwater_tests::parts::{Parts, highwater_binary};
use highwater_tests::place::Place;
use highwater_tests::ports;
use highwater_tests::process::Process;

use crate::stage::is_highwater;

const READY_WITHIN: Duration = Duration::from_millis(500);
/// The best of so many counts: the machine of a test does other things, too.
const STARTS: usize = 5;
/// For a broker to refuse: a bucket's answer may take a few tries.
const REFUSED_WITHIN: Duration = Duration::from_secs(40);

#[test]
fn a_broker_is_ready_in_half_a_second() -> Result<()> {
    if !is_highwater()? {
        return Ok(());
    }
    let place = Place::new("start")?;
    let mut best = Duration::MAX;
    for start in 0..STARTS {
        let begun = Instant::now();
        let data = place.join(&format!("data-{start}"));
        let mut broker = Highwater::start(&highwater_binary()?, &data, place.log("broker"), Store::Directory)?;
        best = best.min(begun.elapsed());
        let status = broker.process()?.terminate(Duration::from_secs(25))?;
        ensure!(status.success(), "{status} after SIGTERM");
    }
    ensure!(best < READY_WITHIN, "ready after {best:?}");
    Ok(())
}

#[test]
fn mistakes_on_the_command_line_get_one_line() -> Result<()> {
    if !is_highwater()? {
        return Ok(());
    }
    let place = Place::new("mistakes")?;
    let taken = TcpListener::bind("127.0.0.1:0")?;
    let port = taken.local_addr()?.port();
    let mut command = serve(&highwater_binary()?, &place.join("a"), port, ports::free()?);
    refused(&place, "a port in use", &mut command, &[&port.to_string()])?;
    let mut command = serve(&highwater_binary()?, &place.join("b"), ports::free()?, port);
    refused(&place, "an HTTP port in use", &mut command, &[&port.to_string()])?;

    let file = place.join("file");
    fs::write(&file, "not a folder")?;
    for data in [file.join("below"), file, Path::new("/proc/highwater").to_path_buf()] {
        let mut command = serve(&highwater_binary()?, &data, ports::free()?, ports::free()?);
        refused(&place, "an unwritable directory", &mut command, &[&data.display().to_string()])?;
    }

    let mut command = without_settings(&highwater_binary()?);
    command.arg("serve").arg("--data").arg(place.join("c"));
    command.args(["--listen", &format!("0.0.0.0:{}", ports::free()?)]);
    command.args(["--http", &format!("127.0.0.1:{}", ports::free()?)]);
    refused(&place, "a wildcard address", &mut command, &["--advertise"])?;

    let mut command = serve(&highwater_binary()?, &place.join("d"), ports::free()?, ports::free()?);
    command.args(["--store", "ftp://nowhere/at/all"]);
    refused(&place, "a strange store", &mut command, &["ftp"])
}

#[test]
fn a_data_directory_in_use_is_refused_and_a_dead_owners_is_taken() -> Result<()> {
    if !is_highwater()? {
        return Ok(());
    }
    let place = Place::new("in-use")?;
    let data = place.join("data");
    let mut owner = Highwater::start(&highwater_binary()?, &data, place.log("owner"), Store::Directory)?;
    let mut command = serve(&highwater_binary()?, &data, ports::free()?, ports::free()?);
    refused(&place, "a directory in use", &mut command, &[&data.display().to_string()])?;
    owner.process()?.kill_9()?;
    let begun = Instant::now();
    let _next = Highwater::start(&highwater_binary()?, &data, place.log("next"), Store::Directory)?;
    ensure!(begun.elapsed() < Duration::from_secs(5), "opened after {:?}", begun.elapsed());
    Ok(())
}

#[test]
fn mistakes_about_the_bucket_get_one_line() -> Result<()> {
    if !is_highwater()? {
        return Ok(());
    }
    let (parts, place) = (Parts::from_environment()?, Place::new("bucket")?);
    let minio = Minio::start(&parts, &place)?;
    let base =
        || -> Result<Command> { Ok(serve(&highwater_binary()?, &place.join("data"), ports::free()?, ports::free()?)) };

    let mut command = base()?;
    command.args(bucket_flags(&minio.endpoint(), "no-such-bucket", "p"));
    refused(&place, "a wrong bucket", &mut command, &["no-such-bucket"])?;

    let mut command = base()?;
    command.args(bucket_flags(&minio.endpoint(), BUCKET, "p"));
    command.env("AWS_SECRET_ACCESS_KEY", "not-the-secret");
    refused(&place, "wrong credentials", &mut command, &["redential", BUCKET])?;

    let mut command = base()?;
    command.args(bucket_flags(&minio.endpoint(), BUCKET, "p"));
    command.env_remove("AWS_SECRET_ACCESS_KEY").env_remove("AWS_ACCESS_KEY_ID");
    refused(&place, "no credentials", &mut command, &["AWS_ACCESS_KEY_ID"])?;

    let mut command = base()?;
    let nobody = format!("http://127.0.0.1:{}", ports::free()?);
    command.args(bucket_flags(&nobody, BUCKET, "p"));
    refused(&place, "no server at the endpoint", &mut command, &[&nobody])
}

/// The broker must end by itself, with a status other than 0 and exactly one line on standard error
/// that holds each of `words`.
fn refused(place: &Place, what: &str, command: &mut Command, words: &[&str]) -> Result<()> {
    let refusal = observe_refusal(place, what, command, words);
    refusal.inspect_err(|_| place.keep())
}

fn observe_refusal(place: &Place, what: &str, command: &mut Command, words: &[&str]) -> Result<()> {
    let log = place.fresh_log("refused");
    let mut process = Process::piped("highwater", command, &log)?;
    let status = process.wait(REFUSED_WITHIN).with_context(|| what.to_owned())?;
    let said = fs::read_to_string(&log)?;
    ensure!(status.code().is_some_and(|code| code != 0), "{what}: ended with {status}: {said}");
    let lines: Vec<&str> = said.lines().filter(|line| !line.trim().is_empty()).collect();
    ensure!(lines.len() == 1, "{what}: {} lines on standard error: {said}", lines.len());
    for word in words {
        ensure!(said.contains(word), "{what}: {word:?} is not in {said}");
    }
    Ok(())
}
