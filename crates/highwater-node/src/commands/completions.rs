//! `highwater completions SHELL`: what a shell needs to complete the other commands.

use clap::CommandFactory;
use clap_complete::Shell;

use crate::cli::Cli;

/// The script for a shell.
pub fn script(shell: Shell) -> String {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "highwater", &mut script);
    String::from_utf8_lossy(&script).into_owned()
}
