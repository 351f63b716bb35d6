//! MinIO, built from its Go module.

use std::path::Path;
use std::process::Command;

use anyhow::Result;
use highwater_tests::parts::Parts;

use super::Recipe;
use crate::command;

const MODULE: &str = "github.com/minio/minio@v0.0.0-20260212201848-7aac2a2c5b7c";

pub(super) fn recipe() -> Recipe {
    Recipe {
        name: "minio".to_owned(),
        stamp: MODULE.to_owned(),
        action: "building MinIO with Go (about five minutes when cold)",
        make,
    }
}

fn make(folder: &Path, _: &Parts) -> Result<()> {
    let mut go = Command::new("go");
    go.args(["install", "-trimpath", "-ldflags", "-s -w", MODULE]).current_dir(folder);
    go.env("GOBIN", folder).envs([
        ("CGO_ENABLED", "0"),
        ("GOTOOLCHAIN", "local"),
        ("GOFLAGS", "-buildvcs=false -modcacherw"),
    ]);
    command::output(&mut go).map(drop)
}
