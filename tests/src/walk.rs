//! `highwater verify`: what a walk through the whole bucket finds, which must be nothing wrong.

use std::path::Path;

use anyhow::{Context, Result};
use serde_json::Value;

use crate::clients::DEADLINE;
use crate::highwater::{Store, without_settings};
use crate::minio::{ACCESS_KEY, SECRET_KEY};
use crate::parts::highwater_binary;
use crate::place::Place;
use crate::said::Said;

/// What it found.
#[derive(Clone, Copy, Debug)]
pub struct Walk {
    /// Bytes of segments that hold records.
    pub kept: u64,
    /// Those segments.
    pub segments: u64,
    /// Objects that nobody needs.
    pub unneeded: u64,
}

impl Walk {
    /// Through the bucket of a broker, which may be at work.
    pub fn of(data: &Path, place: &Place, store: &Store) -> Result<Self> {
        let mut command = without_settings(&highwater_binary()?);
        command.arg("verify").arg("--json").arg("--data").arg(data).args(store.flags());
        command.env("AWS_ACCESS_KEY_ID", ACCESS_KEY).env("AWS_SECRET_ACCESS_KEY", SECRET_KEY);
        let said = Said::by(&mut command, place, DEADLINE)?;
        said.expect(0, &["\"ok\":true"])?;
        let found: Value = serde_json::from_str(&said.out)?;
        let number = |name: &str| found[name].as_u64().with_context(|| format!("{name} in {}", said.out));
        Ok(Self { kept: number("bytes")?, segments: number("segments")?, unneeded: number("unneeded_objects")? })
    }
}
