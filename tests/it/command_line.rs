//! `highwater topic`, `produce`, `consume`, `group` and `config` against a running cluster: ours, or
//! Apache Kafka.

use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use highwater_tests::flights::COUNT;
use highwater_tests::highwater::{Highwater, Store, without_settings};
use highwater_tests::parts::highwater_binary;
use highwater_tests::place::Place;
use highwater_tests::said::Said;
use highwater_tests::wait;

use crate::stage::{self, Stage};

#[test]
fn every_command_does_what_it_says() -> Result<()> {
    stage::on_directory("command-line", |stage| {
        topics(stage)?;
        records(stage)?;
        open_pipe(stage)?;
        groups(stage)?;
        configurations(stage)?;
        mistakes(stage)
    })
}

#[test]
fn flights_go_in_and_come_out_by_the_command_line() -> Result<()> {
    stage::on_directory("command-line-flights", |stage| {
        let flights = stage.parts.flights().display().to_string();
        says(stage, &["topic", "create", "flights", "-p", "4"], "", &["created topic flights"])?;
        for codec in ["none", "zstd"] {
            run(stage, &["produce", "flights", &flights, "-K", "\t", "-Z", "-z", codec], "")?;
        }
        let said = run(stage, &["consume", "flights", "--format", "key-value"], "")?;
        let mut read: Vec<&str> = said.lines().collect();
        ensure!(read.len() == 2 * COUNT, "{} lines", read.len());
        let text = std::fs::read_to_string(stage.parts.flights())?;
        let mut sent: Vec<&str> = text.lines().chain(text.lines()).collect();
        read.sort_unstable();
        sent.sort_unstable();
        ensure!(read == sent, "what went in comes out");
        Ok(())
    })
}

#[test]
fn a_topic_that_may_not_be_created_is_told_soon() -> Result<()> {
    if !stage::is_highwater()? {
        return Ok(());
    }
    let place = Place::new("command-line-unknown")?;
    let flags = ["--config", "auto.create.topics.enable=false"];
    let log = place.log("broker");
    let broker = Highwater::start_with(&highwater_binary()?, &place.join("data"), log, Store::Directory, &flags)?;
    let mut produce = without_settings(&highwater_binary()?);
    produce.args(["produce", "none", "-b", &format!("127.0.0.1:{}", broker.port())]).stdin(Stdio::null());
    // Far below the minute that calls are tried again for, far above the five seconds that it takes.
    Said::by(&mut produce, &place, Duration::from_secs(30))?.expect_one_line(1, &["there is no topic 'none'"])
}

/// Each line arrives while the pipe is open, and is there at once for others.
fn open_pipe(stage: &Stage) -> Result<()> {
    says(stage, &["topic", "create", "pipe"], "", &[])?;
    let mut child = command(stage, &["produce", "pipe"])?.stdin(Stdio::piped()).stderr(Stdio::null()).spawn()?;
    let mut stdin = child.stdin.take().context("no standard input")?;
    for lines in 1..=3 {
        std::io::Write::write_all(&mut stdin, b"a line\n")?;
        wait::until(Duration::from_secs(30), "a line of an open pipe to arrive", || {
            Ok(run(stage, &["consume", "pipe"], "")?.lines().count() == lines)
        })?;
        ensure!(child.try_wait()?.is_none(), "it goes on reading");
    }
    drop(stdin);
    ensure!(child.wait()?.success(), "the end of the pipe is its end");
    Ok(())
}

fn topics(stage: &Stage) -> Result<()> {
    says(stage, &["topic", "create", "a", "-p", "3", "-c", "retention.ms=1000000"], "", &["created topic a"])?;
    says(stage, &["topic", "create", "a", "--if-not-exists"], "", &["topic a is there"])?;
    says(stage, &["topic", "alter", "a", "-p", "5", "-c", "segment.bytes=2000000"], "", &["altered topic a"])?;
    says(stage, &["topic", "list"], "", &["a               5         1"])?;
    let described = run(stage, &["topic", "describe", "a", "--json"], "")?;
    for part in ["\"partition\":4", "\"segment.bytes\":{\"source\":\"topic\",\"value\":\"2000000\"}"] {
        ensure!(described.contains(part), "{part} in {described}");
    }
    says(stage, &["topic", "create", "gone"], "", &[])?;
    says(stage, &["topic", "delete", "gone"], "", &["deleted topic gone"])?;
    let listed = run(stage, &["topic", "list", "--json"], "")?;
    ensure!(!listed.contains("gone"), "{listed}");
    Ok(())
}

fn records(stage: &Stage) -> Result<()> {
    let lines: String = (0..500).map(|number| format!("key-{}:{number}\n", number % 7)).collect();
    for codec in ["none", "gzip", "snappy", "lz4", "zstd"] {
        run(stage, &["produce", "a", "-K", ":", "-H", "from=test", "--codec", codec], &lines)?;
    }
    let said = run(stage, &["consume", "a"], "")?;
    ensure!(said.lines().count() == 2500, "{} lines", said.lines().count());
    let said = run(stage, &["consume", "a", "--json", "-n", "10"], "")?;
    ensure!(said.lines().count() == 10, "{said}");
    ensure!(said.contains("\"headers\":[[\"from\",\"test\"]]") && said.contains("\"key\":\"key-"), "{said}");

    run(stage, &["produce", "a", "-p", "4", "--acks", "1"], "last\n")?;
    let end = run(stage, &["topic", "describe", "a", "--json"], "")?;
    let before_end = end.rsplit("\"end\":").next().and_then(|rest| rest.split([',', '}']).next());
    let last: i64 = before_end.context("the end of the last partition")?.parse::<i64>()? - 1;
    says(stage, &["consume", "a", "-p", "4", "--from", &last.to_string()], "", &["last"])?;
    let said = run(stage, &["consume", "a", "--from", "end"], "")?;
    ensure!(said.is_empty(), "{said}");
    let said = run(stage, &["consume", "a", "--from", "-1h"], "")?;
    ensure!(said.lines().count() == 2501, "all of the last hour: {}", said.lines().count());

    // Whoever reads only the beginning closes the pipe.
    let mut consumer = command(stage, &["consume", "a"])?.stdin(Stdio::null()).stdout(Stdio::piped()).spawn()?;
    drop(consumer.stdout.take());
    ensure!(consumer.wait()?.success(), "a closed pipe is a quiet end");
    Ok(())
}

fn groups(stage: &Stage) -> Result<()> {
    let said = run(stage, &["consume", "a", "--group", "g", "-n", "100"], "")?;
    ensure!(said.lines().count() == 100, "{}", said.lines().count());
    let said = run(stage, &["consume", "a", "--group", "g"], "")?;
    ensure!(said.lines().count() == 2401, "goes on behind what was committed: {}", said.lines().count());
    says(stage, &["group", "list"], "", &["g"])?;
    let described = run(stage, &["group", "describe", "g", "--json"], "")?;
    ensure!(described.contains("\"lag\":0") && !described.contains("\"lag\":1"), "{described}");
    says(stage, &["group", "reset-offsets", "g", "--to-earliest"], "", &["nothing was changed"])?;
    says(stage, &["group", "reset-offsets", "g", "--to-earliest", "--execute"], "", &["0"])?;
    let said = run(stage, &["consume", "a", "--group", "g"], "")?;
    ensure!(said.lines().count() == 2501, "from the beginning again: {}", said.lines().count());
    says(stage, &["group", "delete", "g"], "", &["deleted group g"])?;

    // Whose pipe is closed commits nothing, and leaves: the next member need not wait for its session.
    let mut member = command(stage, &["consume", "a", "--group", "closed"])?;
    let mut member = member.stdin(Stdio::null()).stdout(Stdio::piped()).spawn()?;
    drop(member.stdout.take());
    ensure!(member.wait()?.success(), "a closed pipe is a quiet end");
    let described = run(stage, &["group", "describe", "closed"], "")?;
    ensure!(described.contains("Empty, 0 members"), "{described}");
    let said = run(stage, &["consume", "a", "--group", "closed"], "")?;
    ensure!(said.lines().count() == 2501, "nothing was committed: {}", said.lines().count());
    Ok(())
}

fn configurations(stage: &Stage) -> Result<()> {
    let set = ["config", "alter", "--topic", "a", "--set", "cleanup.policy=compact", "--delete", "segment.bytes"];
    says(stage, &set, "", &["altered topic 'a'"])?;
    let described = run(stage, &["config", "describe", "--topic", "a"], "")?;
    ensure!(described.contains("cleanup.policy") && !described.contains("segment.bytes"), "{described}");
    says(stage, &["config", "describe", "--broker", "1", "--all"], "", &["num.partitions"])?;
    says(
        stage,
        &["config", "alter", "--all-brokers", "--set", "log.retention.ms=800000"],
        "",
        &["altered all brokers"],
    )?;
    says(stage, &["config", "describe", "--all-brokers", "--json"], "", &["\"value\":\"800000\""])
}

fn mistakes(stage: &Stage) -> Result<()> {
    for (arguments, code, words) in [
        (&["topic", "create", "a"][..], 1, "already exists"),
        (&["topic", "describe", "none"], 1, "highwater topic list"),
        (&["consume", "none"], 1, "there is no topic 'none'"),
        (&["produce", "a", "-p", "99"], 1, "none is 99"),
        (&["config", "alter", "--topic", "a", "--set", "no.such=1"], 1, "no.such"),
        (&["group", "describe", "none"], 2, "highwater group list"),
        (&["consume", "a", "--from", "middle"], 2, "is no time"),
        (&["topic", "alter", "a"], 2, "takes --partitions"),
        (&["topic", "list", "-b", "127.0.0.1:1"], 1, "is one running"),
        (&["topic", "fly"], 2, "unrecognized subcommand"),
    ] {
        let (ended, said) = start(stage, arguments, "x\n")?;
        ensure!(ended == Some(code) && said.contains(words), "{arguments:?}: {ended:?}, {said}");
    }
    let script = run(stage, &["completions", "bash"], "")?;
    ensure!(script.contains("complete"), "a script for the shell");
    Ok(())
}

fn says(stage: &Stage, arguments: &[&str], input: &str, words: &[&str]) -> Result<()> {
    let said = run(stage, arguments, input)?;
    for word in words {
        ensure!(said.contains(word), "{arguments:?} does not say '{word}': {said}");
    }
    Ok(())
}

/// What a command prints; it has to succeed.
fn run(stage: &Stage, arguments: &[&str], input: &str) -> Result<String> {
    let (code, said) = start(stage, arguments, input)?;
    ensure!(code == Some(0), "{arguments:?} ended with {code:?}: {said}");
    Ok(said)
}

/// Exit code, and what it printed: on standard output if it succeeded, else on standard error.
fn start(stage: &Stage, arguments: &[&str], input: &str) -> Result<(Option<i32>, String)> {
    let mut command = command(stage, arguments)?;
    let piped = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = piped.spawn().context("cannot run highwater")?;
    let mut stdin = child.stdin.take().context("no standard input")?;
    // A command that refuses its flags reads nothing.
    let _ = std::io::Write::write_all(&mut stdin, input.as_bytes());
    drop(stdin);
    let done = child.wait_with_output()?;
    let said = if done.status.success() { &done.stdout } else { &done.stderr };
    Ok((done.status.code(), String::from_utf8_lossy(said).into_owned()))
}

fn command(stage: &Stage, arguments: &[&str]) -> Result<Command> {
    let mut command = without_settings(&highwater_binary()?);
    command.env("HIGHWATER_BOOTSTRAP", stage.at().broker).args(arguments);
    Ok(command)
}
