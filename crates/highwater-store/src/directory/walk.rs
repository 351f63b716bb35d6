//! Listings of a directory in the order of the names' bytes, as a bucket gives them.

use std::io;
use std::path::Path;

use futures::FutureExt;
use futures::future::BoxFuture;
use highwater_env::{DirEntry, Disk};

use super::{date_of, etag};
use crate::name::is_component;
use crate::store::Object;

/// The first `want` objects whose names begin with `prefix` and sort behind `after`.
pub(super) async fn list(
    disk: &dyn Disk,
    root: &Path,
    prefix: &str,
    after: &str,
    want: usize,
) -> io::Result<Vec<Object>> {
    let start = prefix.rfind('/').map_or("", |at| &prefix[..=at]);
    let mut walk = Walk { disk, root, prefix, after, want, found: Vec::new() };
    walk.enter(start.to_owned()).await?;
    Ok(walk.found)
}

struct Walk<'a> {
    disk: &'a dyn Disk,
    root: &'a Path,
    prefix: &'a str,
    after: &'a str,
    want: usize,
    found: Vec<Object>,
}

impl Walk<'_> {
    /// `directory` is empty or ends with a slash.
    fn enter(&mut self, directory: String) -> BoxFuture<'_, io::Result<()>> {
        async move {
            for (name, entry) in self.entries(&directory).await? {
                if self.found.len() >= self.want {
                    break;
                }
                if entry.is_dir {
                    self.enter(name).await?;
                } else {
                    let etag = etag(entry.len, entry.modified_ns);
                    self.found.push(Object { name, size: entry.len, etag, modified: date_of(entry.modified_ns) });
                }
            }
            Ok(())
        }
        .boxed()
    }

    /// What can hold names asked for, ascending; the names of directories end with a slash, which
    /// sorts them where the names below them belong.
    async fn entries(&self, directory: &str) -> io::Result<Vec<(String, DirEntry)>> {
        let entries = match self.disk.read_dir(&self.root.join(directory)).await {
            Ok(entries) => entries,
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
                return Ok(Vec::new());
            }
            Err(error) => return Err(error),
        };
        let named = entries.into_iter().filter(|entry| is_component(&entry.name)).map(|entry| {
            let slash = if entry.is_dir { "/" } else { "" };
            (format!("{directory}{}{slash}", entry.name), entry)
        });
        let mut wanted: Vec<_> = named.filter(|(name, entry)| self.may_hold(name, entry.is_dir)).collect();
        wanted.sort_by(|(one, _), (other, _)| one.cmp(other));
        Ok(wanted)
    }

    fn may_hold(&self, name: &str, is_dir: bool) -> bool {
        if is_dir {
            let inside = name.starts_with(self.prefix) || self.prefix.starts_with(name);
            inside && (self.after < name || self.after.starts_with(name))
        } else {
            name.starts_with(self.prefix) && self.after < name
        }
    }
}
