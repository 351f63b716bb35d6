//! README word for word: its commands on a fresh folder, its programs in five languages.
//!
//! `cargo run --release --` stands for the binary under test, and kcat for the one of the parts; ports are
//! those of README, so nothing else may listen there.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use highwater_tests::clients::DEADLINE;
use highwater_tests::highwater::without_settings;
use highwater_tests::minio::Minio;
use highwater_tests::parts::{Parts, beside_highwater, highwater_binary, repository};
use highwater_tests::place::Place;
use highwater_tests::process::Process;
use highwater_tests::said::Said;
use highwater_tests::{http, wait};

use crate::stage::in_place;

/// Where README says that a broker serves HTTP.
const HTTP_PORT: u16 = 8090;
/// What the second command produces; every program then finds it first.
const FIRST: &str = "hello";

#[test]
fn its_commands_and_programs_do_what_it_says() -> Result<()> {
    in_place("readme", word_for_word)
}

fn word_for_word(parts: &Parts, place: &Place) -> Result<()> {
    let readme = fs::read_to_string(repository().join("README.md"))?;
    let shell = blocks(&readme, "sh");
    let [serve, first_records, on_a_bucket] = shell.as_slice() else {
        anyhow::bail!("{} blocks of commands instead of three", shell.len());
    };
    stand_ins(parts, place)?;

    let broker = up(serve, place)?;
    run_shell(first_records, place)?.expect(0, &[FIRST])?;
    programs(&readme, parts, place)?;
    drop(broker);

    let _minio = Minio::start_by_default(parts, place)?;
    let broker = up(on_a_bucket, place)?;
    run_shell(first_records, place)?.expect(0, &[FIRST])?;
    drop(broker);
    Ok(())
}

/// What stands between the fences of this language.
fn blocks(readme: &str, language: &str) -> Vec<String> {
    let fence = format!("```{language}\n");
    readme.split(&fence).skip(1).map(|rest| rest.split("```").next().unwrap_or_default().to_owned()).collect()
}

fn block(readme: &str, language: &str) -> Result<String> {
    let mut found = blocks(readme, language);
    ensure!(found.len() == 1, "{} blocks of {language}", found.len());
    found.pop().context("one block")
}

fn stand_ins(parts: &Parts, place: &Place) -> Result<()> {
    let binary = highwater_binary()?;
    let cargo = format!(
        "#!/bin/sh\nif [ \"$1 $2 $3\" != 'run --release --' ]; then exit 64; fi\nshift 3\nexec '{}' \"$@\"\n",
        binary.display()
    );
    let root = parts.kcat_root();
    let libraries = format!("{0}/usr/lib/{1}-linux-gnu:{0}/lib/{1}-linux-gnu", root.display(), std::env::consts::ARCH);
    let kcat = format!("#!/bin/sh\nLD_LIBRARY_PATH='{libraries}' exec '{}/usr/bin/kcat' \"$@\"\n", root.display());
    let folder = place.join("bin");
    fs::create_dir_all(&folder)?;
    for (name, script) in [("cargo", cargo), ("kcat", kcat)] {
        let path = folder.join(name);
        fs::write(&path, script)?;
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755))?;
    }
    Ok(())
}

fn shell(commands: &str, place: &Place) -> Result<Command> {
    let path = std::env::var("PATH").context("PATH is not set")?;
    let mut shell = without_settings(Path::new("bash"));
    shell.args(["-euo", "pipefail", "-c", commands]).current_dir(place.path());
    shell.env("PATH", format!("{}:{path}", place.join("bin").display())).env("AWS_EC2_METADATA_DISABLED", "true");
    Ok(shell)
}

fn run_shell(commands: &str, place: &Place) -> Result<Said> {
    Said::by(&mut shell(commands, place)?, place, DEADLINE)
}

/// Starts commands that end with a broker, and waits until it is ready.
fn up(commands: &str, place: &Place) -> Result<Process> {
    let mut process = Process::start("readme", &mut shell(commands, place)?, &place.fresh_log("serve"))?;
    wait::until(Duration::from_secs(60), "the broker of README", || {
        ensure!(process.ended()?.is_none(), "{}", process.log_tail());
        Ok(http::status(HTTP_PORT, "/readyz") == Some(200))
    })?;
    Ok(process)
}

fn programs(readme: &str, parts: &Parts, place: &Place) -> Result<()> {
    let write = |name: &str, text: &str| -> Result<()> {
        let path = place.join(name);
        fs::create_dir_all(path.parent().context("a folder")?)?;
        Ok(fs::write(path, text)?)
    };
    write("hello.py", &block(readme, "python")?)?;
    write("java/Hello.java", &block(readme, "java")?)?;
    write("hello.js", &block(readme, "js")?)?;
    write("go/main.go", &block(readme, "go")?)?;
    for name in ["go.mod", "go.sum"] {
        fs::copy(repository().join("tests/go").join(name), place.join("go").join(name))?;
    }
    let example = fs::read_to_string(repository().join("tests/rdkafka-client/examples/readme.rs"))?;
    ensure!(
        example.ends_with(&block(readme, "rust")?),
        "tests/rdkafka-client/examples/readme.rs is not README's program"
    );

    let mut python = Command::new(parts.python());
    python.arg(place.join("hello.py"));
    let mut java = Command::new("java");
    java.arg("-cp").arg(parts.kafka_jars().join("*")).arg(place.join("java/Hello.java"));
    let mut node = Command::new("node");
    node.arg(place.join("hello.js")).env("NODE_PATH", parts.node_client().with_file_name("node_modules"));
    let mut go = Command::new("go");
    go.args(["run", "."]).current_dir(place.join("go")).env("GOTOOLCHAIN", "local");
    let rust = Command::new(beside_highwater("examples/readme")?);
    for (language, mut program) in
        [("Python", python), ("Java", java), ("JavaScript", node), ("Go", go), ("Rust", rust)]
    {
        let said = Said::by(&mut program, place, DEADLINE)?;
        ensure!(said.code == 0 && said.out.lines().any(|line| line == FIRST), "{language}: {said:?}");
    }
    Ok(())
}
