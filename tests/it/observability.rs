//! What operators see: metrics that promtool finds well formed and that move with the clients, pages,
//! and a dashboard and alerts that name only what there is.

use std::collections::BTreeSet;
use std::fs;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};
use highwater_tests::clients::{At, Client, Codec, DEADLINE};
use highwater_tests::flights::{COUNT, Flights};
use highwater_tests::highwater::{Highwater, Store};
use highwater_tests::pages::{page, value};
use highwater_tests::parts::{Parts, highwater_binary, repository};
use highwater_tests::place::Place;

use crate::stage::is_highwater;

#[test]
fn metrics_move_with_the_clients_and_are_well_formed() -> Result<()> {
    if !is_highwater()? {
        return Ok(());
    }
    let (parts, place) = (Parts::from_environment()?, Place::new("metrics")?);
    let mut broker =
        Highwater::start(&highwater_binary()?, &place.join("data"), place.log("broker"), Store::Directory)?;
    let address = format!("127.0.0.1:{}", broker.port());
    let at = At { broker: &address, parts: &parts, place: &place };
    at.create_topic("flights", 4)?;
    Client::Kcat.produce(&at, "flights", &parts.flights(), Codec::None)?;
    let flights = Flights::read(&parts.flights())?;
    ensure!(flights.len() == COUNT, "the data set");
    let mut read = 0;
    Client::Confluent.consume(&at, "flights")?.drain(DEADLINE, |_| {
        read += 1;
        Ok(())
    })?;
    ensure!(read == COUNT, "{read} read");

    let text = page(broker.http_port(), "/metrics")?;
    promtool(&parts, &["check", "metrics"], Some(&text))?;
    let produced = value(&text, "highwater_appended_bytes_total")?;
    let fetched = value(&text, "highwater_kafka_fetched_bytes_total")?;
    ensure!(produced > 50e6, "{produced} bytes produced");
    // Its clients' own groups and offsets are part of neither.
    ensure!((fetched / produced - 1.0).abs() < 0.05, "{produced} bytes in, {fetched} out");
    ensure!(value(&text, "highwater_kafka_request_seconds_count{api=\"Produce\"}")? > 10.0, "Produce requests");
    ensure!(value(&text, "highwater_wal_sync_seconds_count")? > 10.0, "syncs");
    ensure!(value(&text, "highwater_partitions")? >= 4.0, "partitions");
    ensure!(value(&text, "highwater_memory_bytes{budget=\"requests\"}")? == 0.0, "idle: no request holds memory");

    named_metrics_exist(&text)?;
    for (path, words) in [("/debug/", "tasks"), ("/debug/tasks", "flusher"), ("/debug/memory", "unflushed")] {
        ensure!(page(broker.http_port(), path)?.contains(words), "{path} says {words}");
    }
    ensure!(page(broker.http_port(), "/debug/shards")?.lines().count() > 4, "shards");
    ensure!(broker.process()?.terminate(DEADLINE)?.success(), "a clean end");
    Ok(())
}

#[test]
fn alert_rules_hold_what_they_promise() -> Result<()> {
    if !is_highwater()? {
        return Ok(());
    }
    let parts = Parts::from_environment()?;
    let folder = repository().join("deploy/prometheus");
    let path = |name: &str| folder.join(name).display().to_string();
    promtool(&parts, &["check", "rules", &path("alerts.yaml")], None)?;
    promtool(&parts, &["test", "rules", &path("alerts_test.yaml")], None)
}

/// Every metric that the dashboard and the alerts name is in the page.
fn named_metrics_exist(page: &str) -> Result<()> {
    let there: BTreeSet<&str> = page
        .lines()
        .filter_map(|line| line.strip_prefix("# TYPE "))
        .filter_map(|rest| rest.split(' ').next())
        .collect();
    for file in ["deploy/grafana/highwater.json", "deploy/prometheus/alerts.yaml"] {
        let text = fs::read_to_string(repository().join(file))?;
        for name in text.split(|letter: char| !(letter.is_ascii_alphanumeric() || letter == '_')) {
            if !name.starts_with("highwater_") && !name.starts_with("process_") {
                continue;
            }
            let base = ["_bucket", "_count", "_sum"].iter().find_map(|suffix| name.strip_suffix(suffix));
            let known = there.contains(name) || base.is_some_and(|base| there.contains(base));
            ensure!(known, "{file} names {name}, which is not in /metrics");
        }
    }
    Ok(())
}

fn promtool(parts: &Parts, arguments: &[&str], input: Option<&str>) -> Result<()> {
    let mut command = Command::new(parts.promtool());
    let piped = command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = piped.spawn().context("cannot run promtool")?;
    let mut stdin = child.stdin.take().context("promtool has no standard input")?;
    std::io::Write::write_all(&mut stdin, input.unwrap_or_default().as_bytes())?;
    drop(stdin);
    let done = child.wait_with_output()?;
    let said = format!("{}{}", String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr));
    ensure!(done.status.success(), "promtool {arguments:?}: {said}");
    Ok(())
}
