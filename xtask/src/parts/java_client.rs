//! The classes of `tests/java`, compiled against Kafka's jars.

use std::path::Path;
use std::process::Command;

use anyhow::Result;
use highwater_tests::parts::{KAFKA_VERSION, Parts, repository};

use super::Recipe;
use crate::command;

const SOURCES: &[(&str, &str)] = &[
    ("Admin.java", include_str!("../../../tests/java/highwater/Admin.java")),
    ("Client.java", include_str!("../../../tests/java/highwater/Client.java")),
    ("Messages.java", include_str!("../../../tests/java/highwater/Messages.java")),
];

pub(super) fn recipe() -> Recipe {
    let sources: String = SOURCES.iter().map(|(_, source)| *source).collect();
    Recipe {
        name: "java-client".to_owned(),
        stamp: format!("{KAFKA_VERSION}\n{sources}"),
        action: "compiling the Java test programs",
        make,
    }
}

fn make(folder: &Path, parts: &Parts) -> Result<()> {
    let mut javac = Command::new("javac");
    javac.args(["--release", "17", "-cp"]).arg(parts.kafka_jars().join("*"));
    javac.arg("-d").arg(folder.join("classes"));
    let sources = repository().join("tests/java/highwater");
    javac.args(SOURCES.iter().map(|(name, _)| sources.join(name)));
    command::output(&mut javac).map(drop)
}
