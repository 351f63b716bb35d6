//! kcat and the libraries it needs.

use std::path::Path;
use std::process::Command;

use anyhow::Result;
use highwater_tests::parts::Parts;

use super::{Recipe, debian};
use crate::command;

/// Every machine has these, and a second C library beside the first does no good.
const OF_THE_MACHINE: &[&str] = &["libc6", "libgcc-s1", "libgcc1", "libstdc++6", "libcrypt1"];

pub(super) fn recipe() -> Recipe {
    Recipe {
        name: "kcat".to_owned(),
        stamp: "kcat with its libraries, 1".to_owned(),
        action: "fetching kcat with apt-get",
        make,
    }
}

fn make(folder: &Path, _: &Parts) -> Result<()> {
    debian::unpack(folder, "kcat", with_libraries)
}

fn with_libraries() -> Result<Vec<String>> {
    let mut dependencies = Command::new("apt-cache");
    dependencies.args(["depends", "--recurse", "--no-recommends", "--no-suggests"]);
    dependencies.args(["--no-conflicts", "--no-breaks", "--no-replaces", "--no-enhances", "kcat"]);
    let listed = command::output(&mut dependencies)?;
    // Packages stand at the start of a line; their own dependencies are indented.
    let library = |name: &&str| name.starts_with("lib") || *name == "zlib1g" || *name == "kcat";
    let names = listed.lines().filter(library).filter(|name| !OF_THE_MACHINE.contains(name));
    Ok(names.map(str::to_owned).collect())
}
