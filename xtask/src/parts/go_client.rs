//! franz-go, compiled once, for the Go program of README.

use std::path::Path;
use std::process::Command;

use anyhow::Result;
use highwater_tests::parts::{Parts, repository};

use super::Recipe;
use crate::command;

const MODULE: &str = include_str!("../../../tests/go/go.mod");
const PROGRAM: &str = include_str!("../../../tests/go/main.go");

pub(super) fn recipe() -> Recipe {
    Recipe { name: "go-client".to_owned(), stamp: format!("{MODULE}\n{PROGRAM}"), action: "compiling franz-go", make }
}

/// Go keeps what it has compiled in a cache of its own.
fn make(folder: &Path, _: &Parts) -> Result<()> {
    let mut go = Command::new("go");
    go.current_dir(repository().join("tests/go")).env("GOTOOLCHAIN", "local");
    command::output(go.args(["build", "-o"]).arg(folder.join("warm")).arg(".")).map(drop)
}
