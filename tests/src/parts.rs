//! Where the prepared real parts lie, and which binary is under test.
//!
//! `cargo xtask parts` fills the folder and `cargo xtask test` names it in the environment. A test
//! that finds no name fails with one line: a test that skips itself proves nothing.

use std::env;
use std::path::{Path, PathBuf};

use anyhow::{Result, bail};

/// Names the folder of the prepared parts.
pub const PARTS_VARIABLE: &str = "HIGHWATER_TEST_PARTS";
/// Names the `highwater` binary under test.
pub const BINARY_VARIABLE: &str = "HIGHWATER_BIN";
/// The build of `highwater` whose disk and bucket fail on purpose, beside the one under test.
pub const FAILING_BINARY: &str = "highwater-faults";
/// The release of Apache Kafka that is the yardstick.
pub const KAFKA_VERSION: &str = "4.3.1";

/// The layout of the folder of parts; every path is absolute.
#[derive(Debug, Clone)]
pub struct Parts {
    root: PathBuf,
}

impl Parts {
    /// The layout below `root`, whether or not the parts exist yet.
    pub fn at(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    /// The folder that the environment names.
    ///
    /// # Errors
    /// When the variable is missing: the caller should run `cargo xtask test`.
    pub fn from_environment() -> Result<Self> {
        match env::var_os(PARTS_VARIABLE) {
            Some(root) => Ok(Self::at(root)),
            None => bail!("{PARTS_VARIABLE} is not set: run these tests with `cargo xtask test`"),
        }
    }

    /// The folder that holds one folder per part.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The folder of one part.
    pub fn folder(&self, part: &str) -> PathBuf {
        self.root.join(part)
    }

    /// The folder of Kafka's jars.
    pub fn kafka_jars(&self) -> PathBuf {
        self.folder(&format!("kafka-{KAFKA_VERSION}")).join("libs")
    }

    /// The MinIO server.
    pub fn minio(&self) -> PathBuf {
        self.folder("minio").join("minio")
    }

    /// The root of an unpacked kcat with its libraries.
    pub fn kcat_root(&self) -> PathBuf {
        self.folder("kcat").join("root")
    }

    /// promtool, which judges metrics and alert rules.
    pub fn promtool(&self) -> PathBuf {
        self.folder("promtool").join("root/usr/bin/promtool")
    }

    /// The interpreter that has confluent-kafka, kafka-python and aiokafka.
    pub fn python(&self) -> PathBuf {
        self.folder("python").join("venv/bin/python")
    }

    /// The interpreter that has LocalStack.
    pub fn localstack_python(&self) -> PathBuf {
        self.folder("localstack").join("venv/bin/python")
    }

    /// The SeaweedFS server.
    pub fn seaweedfs(&self) -> PathBuf {
        self.folder("seaweedfs").join("venv/bin/weed")
    }

    /// The classes of `tests/java`.
    pub fn java_client(&self) -> PathBuf {
        self.folder("java-client").join("classes")
    }

    /// The program of `tests/node`, which lies beside its packages.
    pub fn node_client(&self) -> PathBuf {
        self.folder("node-client").join("client.js")
    }

    /// The flights: lines of `key TAB json`, with an empty key where the tail number is unknown.
    pub fn flights(&self) -> PathBuf {
        self.folder("flights").join("flights.tsv")
    }
}

/// The `highwater` binary under test.
///
/// # Errors
/// When neither the variable nor a built binary exists.
pub fn highwater_binary() -> Result<PathBuf> {
    if let Some(path) = env::var_os(BINARY_VARIABLE) {
        return Ok(PathBuf::from(path));
    }
    let target = match env::var_os("CARGO_TARGET_DIR") {
        Some(target) => PathBuf::from(target),
        None => repository().join("target"),
    };
    let path = target.join("release/highwater");
    if path.is_file() {
        return Ok(path);
    }
    bail!("no binary to test: run `cargo xtask test`, or name one in {BINARY_VARIABLE}")
}

/// Another binary of the workspace, built into the same folder as [`highwater_binary`].
///
/// # Errors
/// When there is none.
pub fn beside_highwater(name: &str) -> Result<PathBuf> {
    let path = highwater_binary()?.with_file_name(name);
    match path.is_file() {
        true => Ok(path),
        false => bail!("{} is not built: run `cargo xtask test`", path.display()),
    }
}

/// The build of `highwater` that fails on purpose.
///
/// # Errors
/// When there is none.
pub fn failing_binary() -> Result<PathBuf> {
    beside_highwater(FAILING_BINARY)
}

/// The root of the repository that this program runs for. Checkouts may share a target directory, and
/// then one runs what another has built, so cargo is asked while it runs and not when it compiled.
pub fn repository() -> PathBuf {
    let built_from = || env!("CARGO_MANIFEST_DIR").into();
    let package = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").unwrap_or_else(built_from));
    let root = package.ancestors().find(|folder| folder.join("Cargo.lock").is_file());
    root.unwrap_or(&package).to_path_buf()
}
