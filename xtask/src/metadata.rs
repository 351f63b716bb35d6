//! What cargo knows about the workspace.

use std::path::PathBuf;

use anyhow::{Context, Result};
use serde::Deserialize;

use crate::command;

/// The part of `cargo metadata` that is looked at here.
#[derive(Debug, Deserialize)]
pub struct Metadata {
    /// Every package of the tree, members first or not.
    pub packages: Vec<Package>,
    workspace_members: Vec<String>,
    /// Where binaries land.
    pub target_directory: PathBuf,
}

/// One package.
#[derive(Debug, Deserialize)]
pub struct Package {
    id: String,
    /// As in its Cargo.toml.
    pub name: String,
    /// As in its Cargo.toml.
    pub version: String,
    /// The SPDX expression, if it names one.
    pub license: Option<String>,
    /// The path of its Cargo.toml.
    pub manifest_path: PathBuf,
    /// What it names, of every kind.
    pub dependencies: Vec<Dependency>,
    /// Its libraries, binaries, tests and so on.
    pub targets: Vec<Target>,
}

/// One line of a `[dependencies]` table.
#[derive(Debug, Deserialize)]
pub struct Dependency {
    /// The package it names.
    pub name: String,
    /// Nothing for an ordinary one, else `dev` or `build`.
    pub kind: Option<String>,
}

impl Dependency {
    /// Whether only tests see it.
    pub fn is_dev(&self) -> bool {
        self.kind.as_deref() == Some("dev")
    }
}

/// One thing that cargo builds.
#[derive(Debug, Deserialize)]
pub struct Target {
    /// Its root file.
    pub src_path: PathBuf,
}

impl Metadata {
    /// Asks cargo.
    pub fn read() -> Result<Self> {
        let mut cargo = command::cargo();
        let json = command::output(cargo.args(["metadata", "--format-version", "1"]))?;
        serde_json::from_str(&json).context("cannot read what cargo metadata says")
    }

    /// The packages of the workspace.
    pub fn members(&self) -> impl Iterator<Item = &Package> {
        let is_member = |package: &&Package| self.workspace_members.contains(&package.id);
        self.packages.iter().filter(is_member)
    }
}
