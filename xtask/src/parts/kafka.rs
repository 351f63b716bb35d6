//! Apache Kafka with its tools, from Maven.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::Result;
use highwater_tests::parts::{KAFKA_VERSION, Parts};

use super::Recipe;
use crate::command;

const POM: &str = include_str!("../../parts/kafka/pom.xml");

pub(super) fn recipe() -> Recipe {
    Recipe {
        name: format!("kafka-{KAFKA_VERSION}"),
        stamp: POM.to_owned(),
        action: "fetching Apache Kafka with Maven (128 MB)",
        make,
    }
}

fn make(folder: &Path, _: &Parts) -> Result<()> {
    fs::write(folder.join("pom.xml"), POM)?;
    let mut maven = Command::new("mvn");
    maven.current_dir(folder).args(["-q", "-B", "dependency:copy-dependencies"]);
    command::output(maven.arg("-DoutputDirectory=libs")).map(drop)
}
