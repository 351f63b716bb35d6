//! The program of `tests/node` beside its packages: kafkajs and codecs.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::Result;
use highwater_tests::parts::Parts;

use super::Recipe;
use crate::command;

const PACKAGES: &str = include_str!("../../../tests/node/package.json");
const PROGRAM: &str = include_str!("../../../tests/node/client.js");

pub(super) fn recipe() -> Recipe {
    Recipe {
        name: "node-client".to_owned(),
        stamp: format!("{PACKAGES}\n{PROGRAM}"),
        action: "installing kafkajs with npm",
        make,
    }
}

fn make(folder: &Path, _: &Parts) -> Result<()> {
    fs::write(folder.join("package.json"), PACKAGES)?;
    fs::write(folder.join("client.js"), PROGRAM)?;
    let mut npm = Command::new("npm");
    npm.current_dir(folder).args(["install", "--no-audit", "--no-fund", "--no-package-lock"]);
    command::output(npm.args(["--loglevel", "error"])).map(drop)
}
