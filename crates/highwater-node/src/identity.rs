//! Who this broker is, over its restarts: `broker.json` in the data directory.
//!
//! A random identity, made at the first start. With it a broker takes its own leases up again at
//! once, and its own unflushed log is its own to replay.
//!
//! Layout: JSON, `{"format":1,"identity":"UUID"}`. Written to a temporary name, synced, renamed.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use highwater_env::Random;
use highwater_lease::BrokerIdentity;
use highwater_meta::uuid_text;
use serde::{Deserialize, Serialize};

use crate::errors::StartError;

/// The format that this release writes, and the only one that it reads.
const FORMAT: u32 = 1;
/// Name of the file in the data directory.
const FILE: &str = "broker.json";

#[derive(Serialize, Deserialize)]
struct Form {
    format: u32,
    identity: String,
}

/// Reads the identity in a data directory that this process has locked, or makes one.
pub fn load_or_create(data: &Path, random: &dyn Random) -> Result<BrokerIdentity, StartError> {
    let path = data.join(FILE);
    let failed =
        |path: PathBuf, error: io::Error| StartError::Identity { path, why: format!("cannot be used ({error})") };
    match fs::read(&path) {
        Ok(bytes) => read(&bytes).map_err(|why| StartError::Identity { path, why }),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let identity = BrokerIdentity(uuid_text::random(random));
            write(data, &path, identity).map_err(|error| failed(path, error))?;
            Ok(identity)
        }
        Err(error) => Err(failed(path, error)),
    }
}

fn read(bytes: &[u8]) -> Result<BrokerIdentity, String> {
    let damaged = "is damaged".to_owned();
    let form: Form = serde_json::from_slice(bytes).map_err(|_| damaged.clone())?;
    if form.format != FORMAT {
        return Err(format!("has format {}, and this release knows {FORMAT}", form.format));
    }
    form.identity.parse().map_err(|_| damaged)
}

fn write(data: &Path, path: &Path, identity: BrokerIdentity) -> io::Result<()> {
    let temporary = data.join(format!("{FILE}.new"));
    let mut file = fs::File::create(&temporary)?;
    let form = Form { format: FORMAT, identity: identity.to_string() };
    file.write_all(&serde_json::to_vec(&form)?)?;
    file.sync_all()?;
    fs::rename(&temporary, path)?;
    fs::File::open(data)?.sync_all()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test says what went wrong by panicking")]

    use highwater_env::sim::SimRandom;

    use super::*;

    #[test]
    fn made_once_and_kept() {
        let dir = tempfile::tempdir().unwrap();
        let random = SimRandom::new(1);
        let made = load_or_create(dir.path(), &random).unwrap();
        assert_eq!(load_or_create(dir.path(), &random).unwrap(), made);
        let other = tempfile::tempdir().unwrap();
        assert_ne!(load_or_create(other.path(), &random).unwrap(), made);
    }

    #[test]
    fn golden() {
        let text = br#"{"format":1,"identity":"00112233-4455-4677-8899-aabbccddeeff"}"#;
        assert_eq!(read(text).unwrap().to_string(), "00112233-4455-4677-8899-aabbccddeeff");
    }

    #[test]
    fn damage_is_one_line_that_says_what_to_do() {
        let dir = tempfile::tempdir().unwrap();
        for (bytes, why) in
            [("", "is damaged"), ("{}", "is damaged"), (r#"{"format":9,"identity":"x"}"#, "has format 9")]
        {
            fs::write(dir.path().join(FILE), bytes).unwrap();
            let line = load_or_create(dir.path(), &SimRandom::new(1)).unwrap_err().to_string();
            assert!(line.contains(why) && line.contains("restore it, or delete it") && !line.contains('\n'), "{line}");
        }
    }
}
