//! The admin clients of Java, confluent-kafka and kafka-python: every call about topics, configurations,
//! records and groups, with its errors. Each program prints one line a call; what must come out is what
//! Apache Kafka 4.3.1 answers.

use std::process::Command;

use anyhow::{Result, ensure};
use highwater_tests::clients;

use crate::stage::{self, Stage};

/// Every call and what comes of it; an error by its code on the wire.
const EXPECTED: &[(&str, &str)] = &[
    ("create", "ok"),
    ("create again", "error 36"),
    ("create with a space", "error 17"),
    ("create x.y", "ok"),
    ("create x_y", "error 17"),
    ("create without partitions", "error 37"),
    ("create with an unknown config", "error 40"),
    ("create with a bad config", "error 40"),
    ("validate", "ok"),
    ("validate again", "error 36"),
    ("create assigned", "2 partitions led by [1]"),
    ("create assigned to nobody", "error 39"),
    ("describe", "3 partitions led by [1]"),
    ("describe nothing", "error 3"),
    ("describe by id", "3 partitions led by [1]"),
    ("describe by no id", "error 100"),
    ("more partitions", "5 partitions led by [1]"),
    ("fewer partitions", "error 37"),
    ("more partitions of nothing", "error 3"),
    ("list", "a assigned x.y"),
    ("delete", "ok"),
    ("delete nothing", "error 3"),
    ("delete by no id", "error 100"),
    ("list after", "a x.y"),
    ("config", "604800000 of DEFAULT_CONFIG"),
    ("config of nothing", "error 3"),
    ("set", "1234567 of DYNAMIC_TOPIC_CONFIG"),
    ("set badly", "error 40"),
    ("set the unknown", "error 40"),
    ("set of nothing", "error 3"),
    ("append", "delete,compact of DYNAMIC_TOPIC_CONFIG"),
    ("subtract", "compact of DYNAMIC_TOPIC_CONFIG"),
    ("append to a number", "error 40"),
    ("unset", "604800000 of DEFAULT_CONFIG"),
    ("replace all", "delete of DEFAULT_CONFIG, 3000000 of DYNAMIC_TOPIC_CONFIG"),
    ("broker's config", "1048588 of DEFAULT_CONFIG"),
    ("broker's dynamic config", "ok"),
    ("broker's unset config", "ok"),
    ("broker's fixed config", "error 42"),
    ("create for records", "ok"),
    ("earliest", "0"),
    ("latest", "20"),
    ("earliest here", "0"),
    ("of a time", "13"),
    ("of a time to come", "-1"),
    ("of the latest time", "19"),
    ("offset of nothing", "error 3"),
    ("producers", "1 producers"),
    ("logs", "some bytes"),
    ("delete records", "from 7 on"),
    ("delete fewer records", "from 7 on"),
    ("delete records beyond", "error 1"),
    ("delete records of nothing", "error 3"),
    ("earliest after", "7"),
    ("delete all records", "from 20 on"),
    ("list groups", "EMPTY"),
    ("describe group", "EMPTY with 0 members"),
    ("describe no group", "error 69"),
    ("committed", "11"),
    ("alter committed", "5"),
    ("delete group", "ok"),
    ("delete group again", "error 69"),
    ("cluster", "1 nodes, controller 1"),
];

/// Where a program says something else, with any broker.
struct Difference {
    /// Calls that its client does not have, or gives up on after a minute only.
    absent: &'static [&'static str],
    /// Calls that its client words in its own way.
    other: &'static [(&'static str, &'static str)],
}

const OF_JAVA_ALONE: &[&str] = &[
    "describe by id",
    "describe by no id",
    "delete by no id",
    "create for records",
    "earliest here",
    "producers",
    "logs",
    "describe no group",
];

#[test]
fn javas_admin_client() -> Result<()> {
    let difference = Difference { absent: &["replace all", "delete records of nothing"], other: &[] };
    stage::on_directory("admin-java", |stage| {
        let mut program = clients::java(&stage.parts, "highwater.Admin");
        check(stage, &mut program, &[], &difference)
    })
}

#[test]
fn confluent_kafkas_admin_client() -> Result<()> {
    // It knows by its metadata that there is no such partition, and asks no broker.
    let other = &[("offset of nothing", "error -156"), ("delete records of nothing", "error -156")];
    stage::on_directory("admin-confluent", |stage| {
        let mut program = clients::python(&stage.at(), "admin.py");
        check(stage, &mut program, OF_JAVA_ALONE, &Difference { absent: &[], other })
    })
}

#[test]
fn kafka_pythons_admin_client() -> Result<()> {
    let difference = Difference {
        absent: &["config of nothing", "replace all"],
        other: &[("delete group again", "error GroupIdNotFoundError")],
    };
    stage::on_directory("admin-kafka-python", |stage| {
        let mut program = clients::python(&stage.at(), "kafka_python_admin.py");
        check(stage, &mut program, OF_JAVA_ALONE, &difference)
    })
}

fn check(stage: &Stage, program: &mut Command, absent: &[&str], difference: &Difference) -> Result<()> {
    let output = program.args([stage.at().broker, "admin-"]).output()?;
    let (said, complaint) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    ensure!(output.status.success(), "{}\n{said}\n{complaint}", output.status);
    let expected: String = EXPECTED
        .iter()
        .filter(|(call, _)| !absent.contains(call) && !difference.absent.contains(call))
        .map(|expected| difference.other.iter().find(|other| other.0 == expected.0).unwrap_or(expected))
        .map(|(call, outcome)| format!("{call}: {outcome}\n"))
        .collect();
    let wrong = said.lines().zip(expected.lines()).filter(|(said, expected)| said != expected);
    let wrong: String = wrong.map(|(said, expected)| format!("\n  {said}\ninstead of\n  {expected}")).collect();
    ensure!(wrong.is_empty(), "it said{wrong}");
    ensure!(said == expected, "it said no more than\n{said}");
    Ok(())
}
