//! promtool, which judges metrics and alert rules.

use std::path::Path;

use anyhow::Result;
use highwater_tests::parts::Parts;

use super::{Recipe, debian};

pub(super) fn recipe() -> Recipe {
    Recipe {
        name: "promtool".to_owned(),
        stamp: "promtool of prometheus, 1".to_owned(),
        action: "fetching promtool with apt-get",
        make,
    }
}

fn make(folder: &Path, _: &Parts) -> Result<()> {
    // A program of Go: it needs no libraries.
    debian::unpack(folder, "promtool", || Ok(vec!["prometheus".to_owned()]))
}
