//! The disk of a comparison, before it begins: whether it has room, and that no broker meets what another one left.

use std::ffi::CString;
use std::mem::MaybeUninit;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail, ensure};

/// Of what was produced, for indexes, write-ahead logs and batches that are not full.
const OVERHEAD: f64 = 1.25;

/// Refuses rounds that would fill the disk below `folder`: a Highwater keeps what was deleted until its
/// measurement is over, Kafka has the topic of one turn.
pub(super) fn ensure_room(folder: &Path, gib: f64, rounds: u32) -> Result<()> {
    let turns = f64::from(rounds) + 2.0;
    let needed_gib = turns * gib * OVERHEAD + 1.0;
    let free_gib = super::figures::gib(free_bytes(folder)? as f64);
    ensure!(
        free_gib >= needed_gib,
        "{needed_gib:.0} GiB are needed below {}, {free_gib:.0} are free: take fewer --rounds or --gib",
        folder.display()
    );
    Ok(())
}

/// Has each folder made in `folder` laid out in a part of the disk of its own, where the file system can: an
/// ext4 without a journal goes through every inode that was deleted in the last minutes before it takes one
/// (a quarter of a broker's time, behind the thousands of files of the one before). Best effort: it is said
/// when it cannot be done.
pub(super) fn lay_out_apart(folder: &Path) {
    let done = Command::new("chattr").arg("+T").arg(folder).stderr(Stdio::null()).status();
    if !done.is_ok_and(|status| status.success()) {
        println!("folders are not laid out apart (chattr +T): deletions of one broker may cost the next one time");
    }
}

fn free_bytes(folder: &Path) -> Result<u64> {
    let path = CString::new(folder.as_os_str().as_bytes()).context("a strange folder")?;
    let mut found = MaybeUninit::<libc::statvfs>::uninit();
    // SAFETY: the path ends with a zero, and the kernel fills what it says that it has filled.
    let found = unsafe {
        if libc::statvfs(path.as_ptr(), found.as_mut_ptr()) != 0 {
            bail!("cannot ask for the room of {}: {}", folder.display(), std::io::Error::last_os_error());
        }
        found.assume_init()
    };
    Ok(found.f_bavail.saturating_mul(found.f_frsize))
}
