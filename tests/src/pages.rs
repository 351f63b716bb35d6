//! The pages that a broker shows to operators, and the metrics on one of them.

use anyhow::{Context, Result, ensure};

use crate::http;

/// The body of a page.
pub fn page(http_port: u16, path: &str) -> Result<String> {
    body(http::get(http_port, path), path)
}

/// Changes what a page shows.
pub fn set(http_port: u16, path: &str, wanted: &str) -> Result<()> {
    body(http::put(http_port, path, wanted), path).map(drop)
}

fn body(answer: Option<String>, path: &str) -> Result<String> {
    let answer = answer.with_context(|| format!("no answer to {path}"))?;
    let (head, body) = answer.split_once("\r\n\r\n").context("an answer with a body")?;
    ensure!(head.starts_with("HTTP/1.1 200"), "{path}: {head}: {body}");
    Ok(body.to_owned())
}

/// One metric of `/metrics`, by its name with its labels.
pub fn value(page: &str, name: &str) -> Result<f64> {
    let line = page.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    line.with_context(|| format!("{name} is not there"))?.parse().context("a number")
}
