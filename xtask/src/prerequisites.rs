//! What a machine must have before the real parts can be fetched, named one line each.

use std::process::{Command, Stdio};

use anyhow::{Result, bail};

/// A program, how to see that it works, and what it is for.
const PROGRAMS: &[(&str, &[&str], &str)] = &[
    ("python3", &["-m", "venv", "--help"], "Python 3 with venv, for the Python clients and LocalStack"),
    ("java", &["-version"], "Java 17 or newer, for Apache Kafka"),
    ("javac", &["-version"], "a JDK, for the Java test client"),
    ("mvn", &["--version"], "Maven, to fetch Apache Kafka"),
    ("go", &["version"], "Go, to build MinIO and franz-go"),
    ("node", &["--version"], "Node 18 or newer, for kafkajs"),
    ("npm", &["--version"], "npm, to install kafkajs"),
    ("tar", &["--version"], "tar, to unpack the flights"),
];

/// Fails after naming everything that is missing.
pub fn check() -> Result<()> {
    let mut missing = 0;
    for (program, arguments, purpose) in PROGRAMS {
        if !works(program, arguments) {
            eprintln!("missing: {program} ({purpose})");
            missing += 1;
        }
    }
    if !works("apt-get", &["--version"]) && !works("kcat", &["-V"]) {
        eprintln!("missing: kcat (or apt-get, to fetch it)");
        missing += 1;
    }
    match missing {
        0 => Ok(()),
        1 => bail!("install the program named above"),
        _ => bail!("install the {missing} programs named above"),
    }
}

/// Whether a program starts and is content.
pub fn works(program: &str, arguments: &[&str]) -> bool {
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null());
    let status = command.stdout(Stdio::null()).stderr(Stdio::null()).status();
    status.is_ok_and(|status| status.success())
}
