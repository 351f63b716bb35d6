//! The real parts: Kafka, MinIO, clients and data, fetched or built once into the user's cache.
//!
//! A part is built under another name and renamed when it is complete, so a build that was cut off
//! leaves nothing that looks whole. Its stamp says what it was made from; a part with another stamp
//! is made again.

mod debian;
mod flights;
mod go_client;
mod java_client;
mod kafka;
mod kcat;
mod minio;
mod node_client;
mod promtool;
mod python;

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context, Result};
use highwater_tests::parts::Parts;

use crate::prerequisites;

/// The file in a part's folder that says what it was made from.
const STAMP: &str = "stamp";

/// How one part is made.
struct Recipe {
    /// The name of its folder.
    name: String,
    /// Everything that its content depends on.
    stamp: String,
    /// What the progress line says.
    action: &'static str,
    /// Fills an empty folder; the other parts lie in [`Parts`].
    make: fn(&Path, &Parts) -> Result<()>,
}

/// Makes what is missing or out of date, and says where the parts lie.
pub fn prepare_all() -> Result<Parts> {
    let parts = Parts::at(cache_folder()?.join("parts"));
    let recipes = [
        kafka::recipe(),
        minio::recipe(),
        kcat::recipe(),
        promtool::recipe(),
        python::client_recipe(),
        python::localstack_recipe(),
        python::seaweedfs_recipe(),
        node_client::recipe(),
        go_client::recipe(),
        flights::recipe(),
        java_client::recipe(),
    ];
    let missing = recipes.iter().filter(|recipe| !recipe.is_made(&parts));
    if missing.count() > 0 {
        prerequisites::check()?;
    }
    for recipe in &recipes {
        recipe.ensure(&parts)?;
    }
    Ok(parts)
}

/// `highwater` in the user's cache folder.
pub fn cache_folder() -> Result<PathBuf> {
    let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
    let base = match set("XDG_CACHE_HOME") {
        Some(cache) => PathBuf::from(cache),
        None => PathBuf::from(set("HOME").context("neither XDG_CACHE_HOME nor HOME is set")?).join(".cache"),
    };
    Ok(base.join("highwater"))
}

impl Recipe {
    fn is_made(&self, parts: &Parts) -> bool {
        let stamp = fs::read_to_string(parts.folder(&self.name).join(STAMP));
        stamp.is_ok_and(|stamp| stamp == self.stamp)
    }

    fn ensure(&self, parts: &Parts) -> Result<()> {
        if self.is_made(parts) {
            return Ok(());
        }
        print!("part {}: {} ... ", self.name, self.action);
        std::io::stdout().flush()?;
        let begun = Instant::now();
        self.remake(parts).with_context(|| format!("cannot make the part {}", self.name))?;
        println!("{:.1} s", begun.elapsed().as_secs_f64());
        Ok(())
    }

    fn remake(&self, parts: &Parts) -> Result<()> {
        let process = std::process::id();
        let beside = |what: &str| parts.root().join(format!(".{}-{process}.{what}", self.name));
        let (partial, old) = (beside("partial"), beside("old"));
        if partial.exists() {
            fs::remove_dir_all(&partial)?;
        }
        fs::create_dir_all(&partial)?;
        (self.make)(&partial, parts)?;
        fs::write(partial.join(STAMP), &self.stamp)?;
        let folder = parts.folder(&self.name);
        if folder.exists() {
            fs::rename(&folder, &old)?;
        }
        fs::rename(&partial, &folder)?;
        if old.exists() {
            fs::remove_dir_all(&old)?;
        }
        Ok(())
    }
}
