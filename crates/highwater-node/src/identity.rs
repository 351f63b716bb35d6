//! Who this broker is, over its restarts: `broker.json` in the data directory.
//!
//! A random identity, made at the first start. With it a broker takes its own leases up again at
//! once, and its own unflushed log is its own to replay. Beside it the number that clients know the
//! broker by (`node.id`): a start with another number is refused, as Kafka refuses it, so that data
//! directories that were mixed up are found out before anything is replayed or served from them.
//!
//! Layout: JSON, `{"format":1,"identity":"UUID","node_id":1}`; without the number where an earlier
//! release wrote it. Written to a temporary name, synced, renamed.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use highwater_env::Random;
use highwater_lease::BrokerIdentity;
use highwater_meta::uuid_text;
use highwater_types::NodeId;
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
    #[serde(default, skip_serializing_if = "Option::is_none")]
    node_id: Option<i32>,
}

/// Who a broker is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The random one.
    pub broker: BrokerIdentity,
    /// The number.
    pub node_id: NodeId,
}

/// The number of a broker that nobody gave one.
const FIRST_NODE_ID: NodeId = NodeId(1);

/// Reads the identity in a data directory that this process has locked, or makes one. `asked`: the
/// number that the configuration asks for, and how it is called there.
pub fn load_or_create(
    data: &Path,
    asked: Option<&(NodeId, String)>,
    random: &dyn Random,
) -> Result<Identity, StartError> {
    let path = data.join(FILE);
    let failed =
        |path: PathBuf, error: io::Error| StartError::Identity { path, why: format!("cannot be used ({error})") };
    match fs::read(&path) {
        Ok(bytes) => {
            let (broker, kept) = read(&bytes).map_err(|why| StartError::Identity { path: path.clone(), why })?;
            let node_id = kept.or(asked.map(|(node, _)| *node)).unwrap_or(FIRST_NODE_ID);
            if let Some((asked, spelled)) = asked
                && *asked != node_id
            {
                let (data, asked, spelled) = (data.to_path_buf(), asked.0, spelled.clone());
                return Err(StartError::OtherNode { data, kept: node_id.0, asked, spelled });
            }
            let identity = Identity { broker, node_id };
            if kept.is_none() {
                write(data, &path, identity).map_err(|error| failed(path, error))?;
            }
            Ok(identity)
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let node_id = asked.map_or(FIRST_NODE_ID, |(node, _)| *node);
            let identity = Identity { broker: BrokerIdentity(uuid_text::random(random)), node_id };
            write(data, &path, identity).map_err(|error| failed(path, error))?;
            Ok(identity)
        }
        Err(error) => Err(failed(path, error)),
    }
}

/// The file of a data directory and the number in it, if both can be read.
pub fn kept_node_id(data: &Path) -> Option<(PathBuf, NodeId)> {
    let path = data.join(FILE);
    let (_, node_id) = read(&fs::read(&path).ok()?).ok()?;
    node_id.map(|node_id| (path, node_id))
}

fn read(bytes: &[u8]) -> Result<(BrokerIdentity, Option<NodeId>), String> {
    let damaged = "is damaged".to_owned();
    let form: Form = serde_json::from_slice(bytes).map_err(|_| damaged.clone())?;
    if form.format != FORMAT {
        return Err(format!("has format {}, and this release knows {FORMAT}", form.format));
    }
    if form.node_id.is_some_and(|node| node < 0) {
        return Err(damaged);
    }
    let broker = form.identity.parse().map_err(|_| damaged)?;
    Ok((broker, form.node_id.map(NodeId)))
}

fn write(data: &Path, path: &Path, identity: Identity) -> io::Result<()> {
    let temporary = data.join(format!("{FILE}.new"));
    let mut file = fs::File::create(&temporary)?;
    let form = Form { format: FORMAT, identity: identity.broker.to_string(), node_id: Some(identity.node_id.0) };
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
        let made = load_or_create(dir.path(), None, &random).unwrap();
        assert_eq!(load_or_create(dir.path(), None, &random).unwrap(), made);
        let other = tempfile::tempdir().unwrap();
        assert_ne!(load_or_create(other.path(), None, &random).unwrap(), made);
    }

    #[test]
    fn the_number_is_kept_and_another_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let random = SimRandom::new(1);
        let asked = |node| (NodeId(node), "--node-id".to_owned());
        let made = load_or_create(dir.path(), Some(&asked(7)), &random).unwrap();
        assert_eq!(made.node_id, NodeId(7));
        assert_eq!(load_or_create(dir.path(), None, &random).unwrap(), made);
        assert_eq!(load_or_create(dir.path(), Some(&asked(7)), &random).unwrap(), made);
        assert_eq!(kept_node_id(dir.path()), Some((dir.path().join(FILE), NodeId(7))));
        let line = load_or_create(dir.path(), Some(&asked(8)), &random).unwrap_err().to_string();
        assert!(line.starts_with("--node-id is 8") && line.contains("broker 7") && !line.contains('\n'), "{line}");
        assert_eq!(load_or_create(dir.path(), None, &random).unwrap(), made);
    }

    #[test]
    fn a_file_of_an_earlier_release_gets_its_number() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join(FILE), OLD_GOLDEN).unwrap();
        let asked = (NodeId(5), "--node-id".to_owned());
        let read = load_or_create(dir.path(), Some(&asked), &SimRandom::new(1)).unwrap();
        assert_eq!(read.node_id, NodeId(5));
        assert_eq!(read.broker.to_string(), "00112233-4455-4677-8899-aabbccddeeff");
        assert_eq!(load_or_create(dir.path(), None, &SimRandom::new(2)).unwrap(), read);
    }

    const OLD_GOLDEN: &[u8] = br#"{"format":1,"identity":"00112233-4455-4677-8899-aabbccddeeff"}"#;

    #[test]
    fn golden() {
        let text = br#"{"format":1,"identity":"00112233-4455-4677-8899-aabbccddeeff","node_id":3}"#;
        let (broker, node_id) = read(text).unwrap();
        assert_eq!((broker.to_string().as_str(), node_id), ("00112233-4455-4677-8899-aabbccddeeff", Some(NodeId(3))));
        assert_eq!(read(OLD_GOLDEN).unwrap(), (broker, None));
        let dir = tempfile::tempdir().unwrap();
        write(dir.path(), &dir.path().join(FILE), Identity { broker, node_id: NodeId(3) }).unwrap();
        assert_eq!(fs::read(dir.path().join(FILE)).unwrap(), text);
    }

    #[test]
    fn damage_is_one_line_that_says_what_to_do() {
        let dir = tempfile::tempdir().unwrap();
        for (bytes, why) in
            [("", "is damaged"), ("{}", "is damaged"), (r#"{"format":9,"identity":"x"}"#, "has format 9")]
        {
            fs::write(dir.path().join(FILE), bytes).unwrap();
            let line = load_or_create(dir.path(), None, &SimRandom::new(1)).unwrap_err().to_string();
            assert!(line.contains(why) && line.contains("restore it, or delete it") && !line.contains('\n'), "{line}");
        }
    }
}
