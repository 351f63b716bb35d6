//! `cargo xtask tidy`: what no compiler checks.
//!
//! It looks at every file that git knows or would add. Each check gives lines of
//! `path:line: what is wrong`; nothing is changed.

mod layout;
mod reachable;
mod words;

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, bail};
use highwater_tests::parts::repository;

use crate::command;
use crate::metadata::Metadata;

/// The only licence of this repository's own packages.
const LICENSE: &str = "Apache-2.0";

/// One text file of the repository.
struct Source {
    /// Relative to the root, with `/`.
    path: String,
    text: String,
}

impl Source {
    fn is_rust(&self) -> bool {
        self.path.ends_with(".rs")
    }

    /// Whether a program wrote it; the first line says so.
    fn is_generated(&self) -> bool {
        self.text.lines().next().is_some_and(|line| line.contains("@generated"))
    }
}

/// Runs every check and fails if any of them found something.
pub fn run() -> Result<()> {
    let sources = sources()?;
    let metadata = Metadata::read()?;
    let mut found = Vec::new();
    for source in &sources {
        words::check(source, &mut found);
        layout::check(source, &mut found);
    }
    reachable::check(&sources, &metadata, &mut found)?;
    licences(&metadata, &mut found);
    for line in &found {
        eprintln!("{line}");
    }
    match found.len() {
        0 => Ok(()),
        count => bail!("{count} untidy places"),
    }
}

fn sources() -> Result<Vec<Source>> {
    let mut git = Command::new("git");
    git.current_dir(repository());
    git.args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"]);
    let listed = command::output(&mut git)?;
    let mut sources = Vec::new();
    for path in listed.split_terminator('\0') {
        let Ok(bytes) = fs::read(repository().join(path)) else {
            continue; // deleted, and not yet committed
        };
        // What is not text is data, such as a golden file.
        if let Ok(text) = String::from_utf8(bytes) {
            sources.push(Source { path: path.to_owned(), text });
        }
    }
    Ok(sources)
}

fn licences(metadata: &Metadata, found: &mut Vec<String>) {
    for package in metadata.members() {
        if package.license.as_deref() != Some(LICENSE) {
            found.push(format!("{}: its licence field is not {LICENSE}", package.name));
        }
        let folder = package.manifest_path.parent().and_then(|folder| folder.file_name());
        let outside = package.name == "highwater-tests";
        if !outside && folder.is_none_or(|folder| folder != package.name.as_str()) {
            found.push(format!("{}: its folder has another name", package.name));
        }
    }
}

/// The path of a file relative to the root of the repository.
fn relative(path: &std::path::Path) -> Result<String> {
    let relative = path.strip_prefix(repository()).context("a path outside the repository")?;
    let relative: PathBuf = relative.components().collect();
    Ok(relative.to_string_lossy().into_owned())
}
