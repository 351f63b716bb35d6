//! Runs other programs and says what failed.

use std::ffi::OsStr;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

/// How much of a failed program's output an error shows.
const OUTPUT_TAIL_BYTES: usize = 4_000;

/// The cargo that runs this program, at the root of the repository.
pub fn cargo() -> Command {
    let program = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(program);
    command.current_dir(highwater_tests::parts::repository());
    command
}

/// Runs a program whose output belongs on the terminal.
pub fn run(command: &mut Command) -> Result<()> {
    let name = describe(command);
    let status = command.status().with_context(|| format!("cannot run {name}"))?;
    if !status.success() {
        bail!("{name}: {status}");
    }
    Ok(())
}

/// Runs a program quietly and gives its standard output; on failure the error shows both outputs.
pub fn output(command: &mut Command) -> Result<String> {
    let name = describe(command);
    command.stdin(Stdio::null());
    let output = command.output().with_context(|| format!("cannot run {name}"))?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    if !output.status.success() {
        let complaint = String::from_utf8_lossy(&output.stderr);
        let all = format!("{}\n{}", tail(&said), tail(&complaint));
        bail!("{name}: {}\n{}", output.status, all.trim());
    }
    Ok(said)
}

fn tail(text: &str) -> &str {
    let mut start = text.len().saturating_sub(OUTPUT_TAIL_BYTES);
    while !text.is_char_boundary(start) {
        start += 1;
    }
    &text[start..]
}

/// The program and its first few arguments.
fn describe(command: &Command) -> String {
    let arguments = command.get_args().take(6);
    let words = std::iter::once(command.get_program()).chain(arguments);
    words.map(OsStr::to_string_lossy).collect::<Vec<_>>().join(" ")
}
