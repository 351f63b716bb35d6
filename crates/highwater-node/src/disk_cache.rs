//! The read cache on disk: how large it may be here.

use std::ffi::CString;
use std::io;
use std::mem::MaybeUninit;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::Arc;

use highwater_cache::{DiskCache, LEAST_BYTES};

use crate::config::{ServeConfig, size};
use crate::errors::StartError;

/// Opens it, if there is to be one. It gets no more than half of what the disk has to give: the
/// write-ahead log may lie there, too.
pub async fn open(config: &ServeConfig) -> Result<Option<Arc<DiskCache>>, StartError> {
    let Some((dir, wanted)) = &config.disk_cache else {
        return Ok(None);
    };
    let room = room(dir).unwrap_or(*wanted) / 2;
    let bytes = (*wanted).min(room);
    if bytes < LEAST_BYTES {
        let (free, dir) = (size::show(room), dir.display());
        tracing::warn!(%dir, half_of_free = free, "no read cache on disk: there is too little room for one");
        return Ok(None);
    }
    if bytes < *wanted {
        let (bytes, wanted, dir) = (size::show(bytes), size::show(*wanted), dir.display());
        tracing::warn!(%dir, bytes, wanted, "the read cache on disk is smaller than asked for: half of what is free");
    }
    let cache = DiskCache::open(dir, bytes).await?;
    tracing::info!(dir = %dir.display(), bytes, "read cache on disk");
    Ok(Some(Arc::new(cache)))
}

/// Bytes that a cache in this directory could have: those that are free, and those that it has already.
fn room(dir: &Path) -> io::Result<u64> {
    std::fs::create_dir_all(dir)?;
    let taken: u64 = std::fs::read_dir(dir)?
        .filter_map(|file| file.ok()?.metadata().ok())
        .map(|file| std::os::unix::fs::MetadataExt::blocks(&file) * 512)
        .sum();
    let path = CString::new(dir.as_os_str().as_bytes())?;
    let mut found = MaybeUninit::<libc::statvfs>::zeroed();
    // SAFETY: the path ends with a zero, and the result is written whole or an error is returned.
    let found = unsafe {
        if libc::statvfs(path.as_ptr(), found.as_mut_ptr()) != 0 {
            return Err(io::Error::last_os_error());
        }
        found.assume_init()
    };
    Ok(taken + found.f_bavail * found.f_frsize)
}
