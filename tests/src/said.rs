//! A command that does one thing and ends, and what it said.

use std::fs;
use std::io::Read;
use std::process::Command;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use crate::minio::{ACCESS_KEY, SECRET_KEY};
use crate::parts::{Parts, repository};
use crate::place::Place;
use crate::process::Process;

/// For one request to a service on loopback.
const REQUEST_DEADLINE: Duration = Duration::from_secs(30);

/// What a command said, and how it ended.
#[derive(Debug)]
pub struct Said {
    /// Its exit code.
    pub code: i32,
    /// Standard output.
    pub out: String,
    /// Standard error.
    pub err: String,
}

impl Said {
    /// Runs `command` to its end.
    ///
    /// # Errors
    /// When it still runs at the deadline, or a signal has ended it.
    pub fn by(command: &mut Command, place: &Place, deadline: Duration) -> Result<Self> {
        let log = place.fresh_log("said");
        let mut process = Process::piped("highwater", command, &log)?;
        let mut stdout = process.take_stdout()?;
        // Read while it runs: a pipe that is full would stop it.
        let reader = thread::spawn(move || {
            let mut out = String::new();
            stdout.read_to_string(&mut out).map(|_| out)
        });
        let status = process.wait(deadline)?;
        let out = reader.join().ok().context("the reader of its output failed")??;
        let err = fs::read_to_string(&log)?;
        let code = status.code().with_context(|| format!("ended by a signal: {status}"))?;
        Ok(Self { code, out, err })
    }

    /// Refuses another exit code, or output (of either kind) that lacks one of `words`.
    pub fn expect(&self, code: i32, words: &[&str]) -> Result<()> {
        ensure!(self.code == code, "exit code {} instead of {code}: {self:?}", self.code);
        for word in words {
            ensure!(self.out.contains(word) || self.err.contains(word), "{word:?} was not said: {self:?}");
        }
        Ok(())
    }

    /// As [`Said::expect`] for a mistake: exactly one line, of both outputs together.
    pub fn expect_one_line(&self, code: i32, words: &[&str]) -> Result<()> {
        let lines = self.out.lines().chain(self.err.lines()).filter(|line| !line.trim().is_empty()).count();
        ensure!(lines == 1, "{lines} lines instead of one: {self:?}");
        self.expect(code, words)
    }
}

/// The body of the answer to one request that is signed with the tests' keys, but not by us.
pub fn signed_request(place: &Place, method: &str, url: &str, service: &str, body: &str) -> Result<String> {
    let mut command = Command::new(Parts::from_environment()?.python());
    command.arg(repository().join("tests/python/signed_request.py"));
    command.args([method, url, service, ACCESS_KEY, SECRET_KEY, body]);
    let said = Said::by(&mut command, place, REQUEST_DEADLINE)?;
    said.expect(0, &[])?;
    Ok(said.out)
}
