//! The classes of `tests/java`, compiled against Kafka's jars.

use std::path::Path;
use std::process::Command;

use anyhow::Result;
use highwater_tests::parts::{KAFKA_VERSION, Parts, repository};

use super::Recipe;
use crate::command;

const SOURCE: &str = include_str!("../../../tests/java/highwater/Client.java");

pub(super) fn recipe() -> Recipe {
    Recipe {
        name: "java-client".to_owned(),
        stamp: format!("{KAFKA_VERSION}\n{SOURCE}"),
        action: "compiling the Java test client",
        make,
    }
}

fn make(folder: &Path, parts: &Parts) -> Result<()> {
    let mut javac = Command::new("javac");
    javac.args(["--release", "17", "-cp"]).arg(parts.kafka_jars().join("*"));
    javac.arg("-d").arg(folder.join("classes"));
    javac.arg(repository().join("tests/java/highwater/Client.java"));
    command::output(&mut javac).map(drop)
}
