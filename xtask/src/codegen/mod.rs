//! `cargo xtask codegen [--check]`: writes `crates/highwater-wire/src/generated/` from the schema in
//! `crates/highwater-wire/schema/`. With `--check` it writes nothing and fails if a file would change.

mod api;
mod decode;
mod encode;
mod message;
mod schema;
mod types;

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, anyhow, bail};

/// A generated file of more lines says why.
const LONG_LINES: usize = 500;
const LONG_BECAUSE: &str = "\n// Long because a generator writes it: one file for each API.\n";

/// Writes the generated files that differ; with `check`, fails if any would.
pub fn run(check: bool) -> Result<()> {
    let root = highwater_tests::parts::repository();
    let wire = root.join("crates/highwater-wire");
    let files = render(&read_schema(&wire.join("schema"))?)?;
    let out = wire.join("src/generated");
    let stale = stale_files(&out, &files)?;
    if check {
        return match stale.first() {
            None => Ok(()),
            Some(name) => {
                bail!("{name} is not what the schema says ({} files differ); run cargo xtask codegen", stale.len())
            }
        };
    }
    fs::create_dir_all(&out)?;
    for name in &stale {
        let path = out.join(name);
        match files.get(name) {
            Some(text) => fs::write(&path, text).with_context(|| format!("writing {name}"))?,
            None => fs::remove_file(&path).with_context(|| format!("removing {name}"))?,
        }
    }
    println!("codegen: {} files, {} changed", files.len(), stale.len());
    Ok(())
}

/// Parses every file of the schema, in the order of their names.
fn read_schema(folder: &Path) -> Result<Vec<schema::File>> {
    let mut paths = Vec::new();
    for entry in fs::read_dir(folder).with_context(|| format!("reading {}", folder.display()))? {
        paths.push(entry?.path());
    }
    paths.sort();
    let mut files = Vec::new();
    for path in paths {
        if path.extension().is_some_and(|extension| extension == "schema") {
            let stem = path.file_stem().unwrap_or_default().to_string_lossy();
            let text = fs::read_to_string(&path)?;
            files.push(schema::parse(&stem, &text).map_err(|reason| anyhow!(reason))?);
        }
    }
    Ok(files)
}

/// The text of every generated file, by name.
fn render(files: &[schema::File]) -> Result<BTreeMap<String, String>> {
    let mut texts = BTreeMap::new();
    for file in files {
        if !file.messages.is_empty() {
            texts.insert(format!("{}.rs", file.stem), message::module(file)?);
        }
        if !file.errors.is_empty() {
            texts.insert(format!("{}.rs", file.stem), api::error_codes(file)?);
        }
    }
    texts.insert("api_key.rs".to_owned(), api::api_key(files)?);
    texts.insert("request.rs".to_owned(), api::sum("Request", files)?);
    texts.insert("response.rs".to_owned(), api::sum("Response", files)?);
    texts.insert("mod.rs".to_owned(), api::index(files));
    for (name, text) in &mut texts {
        *text = rustfmt(text).with_context(|| format!("formatting {name}"))?;
        if text.lines().count() > LONG_LINES {
            text.push_str(LONG_BECAUSE);
        }
    }
    Ok(texts)
}

/// The names of the files that differ, are missing, or should not be there.
fn stale_files(out: &Path, files: &BTreeMap<String, String>) -> Result<Vec<String>> {
    let mut stale = Vec::new();
    for (name, text) in files {
        if fs::read_to_string(out.join(name)).ok().as_ref() != Some(text) {
            stale.push(name.clone());
        }
    }
    if out.exists() {
        for entry in fs::read_dir(out)? {
            let name = entry?.file_name().to_string_lossy().into_owned();
            if !files.contains_key(&name) {
                stale.push(name);
            }
        }
    }
    stale.sort();
    Ok(stale)
}

/// Formats one file as `cargo fmt` would.
fn rustfmt(text: &str) -> Result<String> {
    let mut child = Command::new("rustfmt")
        .args(["--edition", "2024", "--emit", "stdout", "--quiet"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .context("starting rustfmt (rustup component add rustfmt)")?;
    let mut input = child.stdin.take().context("rustfmt has no input")?;
    input.write_all(text.as_bytes())?;
    drop(input);
    let output = child.wait_with_output()?;
    if !output.status.success() {
        bail!("rustfmt does not accept what was generated:\n{text}");
    }
    Ok(String::from_utf8(output.stdout)?)
}
