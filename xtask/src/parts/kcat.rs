//! kcat and the libraries it needs, from the packages of a Debian or Ubuntu; nothing is installed.
//!
//! Where there is no apt-get, the kcat of the machine is used.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use highwater_tests::parts::Parts;

use super::Recipe;
use crate::{command, prerequisites};

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
    let root = folder.join("root");
    if !prerequisites::works("apt-get", &["--version"]) {
        return link_installed(&root);
    }
    let archives = folder.join("archives");
    fs::create_dir_all(&archives)?;
    if download(&archives).is_err() {
        // The package lists of a fresh machine are empty, or name versions that are gone.
        command::output(Command::new("apt-get").arg("update"))?;
        download(&archives)?;
    }
    for archive in fs::read_dir(&archives)? {
        let mut unpack = Command::new("dpkg");
        command::output(unpack.arg("-x").arg(archive?.path()).arg(&root))?;
    }
    Ok(fs::remove_dir_all(&archives)?)
}

fn download(archives: &Path) -> Result<()> {
    let mut dependencies = Command::new("apt-cache");
    dependencies.args(["depends", "--recurse", "--no-recommends", "--no-suggests"]);
    dependencies.args(["--no-conflicts", "--no-breaks", "--no-replaces", "--no-enhances", "kcat"]);
    let listed = command::output(&mut dependencies)?;
    // Packages stand at the start of a line; their own dependencies are indented.
    let library = |name: &&str| name.starts_with("lib") || *name == "zlib1g" || *name == "kcat";
    let names = listed.lines().filter(library).filter(|name| !OF_THE_MACHINE.contains(name));
    let mut fetch = Command::new("apt-get");
    fetch.current_dir(archives).arg("download").args(names);
    command::output(&mut fetch).map(drop)
}

fn link_installed(root: &Path) -> Result<()> {
    let path = std::env::var_os("PATH").context("PATH is not set")?;
    let candidates = std::env::split_paths(&path).map(|folder| folder.join("kcat"));
    let Some(found) = candidates.into_iter().find(|candidate: &PathBuf| candidate.is_file()) else {
        bail!("neither apt-get nor kcat is on the PATH");
    };
    let folder = root.join("usr/bin");
    fs::create_dir_all(&folder)?;
    Ok(symlink(found, folder.join("kcat"))?)
}
