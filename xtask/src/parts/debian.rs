//! Programs from the packages of a Debian or Ubuntu, unpacked beside the system: nothing is installed.
//!
//! Where there is no apt-get, the machine's own program is used.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::{command, prerequisites};

/// Unpacks the packages that `names` gives into `root` of `folder`; without apt-get, puts a link to the
/// machine's own `program` where the package would have it.
pub(super) fn unpack(folder: &Path, program: &str, names: impl Fn() -> Result<Vec<String>>) -> Result<()> {
    let root = folder.join("root");
    if !prerequisites::works("apt-get", &["--version"]) {
        return link_installed(&root, program);
    }
    let archives = folder.join("archives");
    fs::create_dir_all(&archives)?;
    if download(&archives, &names).is_err() {
        // The package lists of a fresh machine are empty, or name versions that are gone.
        command::output(Command::new("apt-get").arg("update"))?;
        download(&archives, &names)?;
    }
    for archive in fs::read_dir(&archives)? {
        let mut unpack = Command::new("dpkg");
        command::output(unpack.arg("-x").arg(archive?.path()).arg(&root))?;
    }
    Ok(fs::remove_dir_all(&archives)?)
}

fn download(archives: &Path, names: &impl Fn() -> Result<Vec<String>>) -> Result<()> {
    let mut fetch = Command::new("apt-get");
    fetch.current_dir(archives).arg("download").args(names()?);
    command::output(&mut fetch).map(drop)
}

fn link_installed(root: &Path, program: &str) -> Result<()> {
    let path = std::env::var_os("PATH").context("PATH is not set")?;
    let candidates = std::env::split_paths(&path).map(|folder| folder.join(program));
    let Some(found) = candidates.into_iter().find(|candidate: &PathBuf| candidate.is_file()) else {
        bail!("neither apt-get nor {program} is on the PATH");
    };
    let folder = root.join("usr/bin");
    fs::create_dir_all(&folder)?;
    Ok(symlink(found, folder.join(program))?)
}
