//! The arrows between the crates, and what each of them may name: read from `cargo metadata`.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Result;

use crate::metadata::{Metadata, Package};

/// Dependencies point to the left only; crates that share a step do not see each other.
const STEPS: &[&[&str]] = &[
    &["types"],
    &["env", "batch"],
    &["wire", "format"],
    &["client", "store"],
    &["aws", "journal"],
    &["lease", "meta"],
    &["log"],
    &["groups", "txn"],
    &["kafka", "grpc", "lake"],
    &["cache", "kube"],
    &["node"],
];

/// They may name everything, and only tests may name them.
const OUTSIDE: &[&str] = &["highwater-testkit", "highwater-sim", "highwater-tests", "rdkafka-client", "xtask"];

/// What a crate never names, and why.
const NEVER: &[(&str, &[&str], &str)] = &[
    (
        "highwater-kafka",
        &["highwater-store", "highwater-cache", "highwater-format"],
        "the Kafka layer sees a partition through highwater-log alone",
    ),
    ("highwater-log", &["highwater-wire"], "the engine does not know the protocol that feeds it"),
    ("highwater-groups", &["tokio"], "a coordinator is pure; async comes through highwater-env"),
    ("highwater-txn", &["tokio"], "a coordinator is pure; async comes through highwater-env"),
];

/// What only one crate names, and why.
const ONLY: &[(&str, &str, &str)] = &[
    ("object_store", "highwater-store", "one crate knows how a bucket is spoken to"),
    ("aws-config", "highwater-aws", "the AWS SDK stays in a leaf"),
    ("aws-sdk-s3", "highwater-aws", "the AWS SDK stays in a leaf"),
    ("aws-smithy-http-client", "highwater-aws", "the AWS SDK stays in a leaf"),
    ("aws-types", "highwater-aws", "the AWS SDK stays in a leaf"),
    ("foyer", "highwater-cache", "the cache stays in a leaf"),
    ("kube", "highwater-kube", "Kubernetes stays in a leaf"),
    ("highwater-aws", "highwater-node", "only the node chooses implementations"),
    ("highwater-cache", "highwater-node", "only the node chooses implementations"),
    ("highwater-kube", "highwater-node", "only the node chooses implementations"),
];

/// Two versions of one of these in the tree mean two types of the same name, or twice the build.
const ONE_VERSION: &[&str] = &[
    "arrow",
    "axum",
    "bytes",
    "crc32c",
    "http",
    "hyper",
    "lz4_flex",
    "object_store",
    "parking_lot",
    "parquet",
    "prost",
    "reqwest",
    "rustls",
    "socket2",
    "thiserror",
    "tokio",
    "tokio-util",
    "tonic",
    "tracing",
    "zstd",
];

/// Every violation, one line each.
pub fn violations(metadata: &Metadata) -> Result<Vec<String>> {
    let mut found = Vec::new();
    for package in metadata.members() {
        arrows(package, &mut found);
        names(package, &mut found);
    }
    versions(metadata, &mut found);
    Ok(found)
}

fn step_of(package: &str) -> Option<usize> {
    let name = package.strip_prefix("highwater-")?;
    STEPS.iter().position(|step| step.contains(&name))
}

fn arrows(package: &Package, found: &mut Vec<String>) {
    if OUTSIDE.contains(&package.name.as_str()) {
        return;
    }
    let Some(step) = step_of(&package.name) else {
        found.push(format!("{}: not in the drawing of the crates (boundaries.rs)", package.name));
        return;
    };
    let ours = |name: &str| name.starts_with("highwater-") || name == "xtask";
    for dependency in package.dependencies.iter().filter(|dependency| ours(&dependency.name)) {
        let named = dependency.name.as_str();
        if OUTSIDE.contains(&named) {
            if !dependency.is_dev() {
                found.push(format!("{}: only tests may name {named}", package.name));
            }
        } else if step_of(named).is_none_or(|to| to >= step) {
            found.push(format!("{}: may not name {named}, which stands right of it", package.name));
        }
    }
}

fn names(package: &Package, found: &mut Vec<String>) {
    let outside = OUTSIDE.contains(&package.name.as_str());
    for dependency in package.dependencies.iter().filter(|dependency| !dependency.is_dev()) {
        let named = dependency.name.as_str();
        for (crate_name, never, reason) in NEVER {
            if package.name == *crate_name && never.contains(&named) {
                found.push(format!("{crate_name}: never names {named}: {reason}"));
            }
        }
        for (what, only, reason) in ONLY {
            if named == *what && package.name != *only && !outside {
                found.push(format!("{}: only {only} names {what}: {reason}", package.name));
            }
        }
    }
}

fn versions(metadata: &Metadata, found: &mut Vec<String>) {
    let mut versions: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for package in &metadata.packages {
        versions.entry(&package.name).or_default().insert(&package.version);
    }
    for name in ONE_VERSION {
        if let Some(several) = versions.get(name).filter(|versions| versions.len() > 1) {
            let several = several.iter().copied().collect::<Vec<_>>().join(" and ");
            found.push(format!("{name}: {several} in one tree (cargo tree -i {name})"));
        }
    }
}
