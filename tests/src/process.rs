//! A child process that cannot outlive its owner, with its log.
//!
//! Each child leads a process group of its own, which is killed when the handle is dropped; the
//! kernel kills the child as well when the owner dies first (`PR_SET_PDEATHSIG`). The signal is tied
//! to the thread that started the child, so a handle stays on the thread that made it.

use std::fs::{self, File, OpenOptions};
use std::io::{Read, Seek, SeekFrom};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, ExitStatus, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::wait;

/// How much of a log an error shows.
const LOG_TAIL_BYTES: u64 = 2_000;

/// A running (or ended) child process.
#[derive(Debug)]
pub struct Process {
    child: Child,
    name: String,
    log: PathBuf,
}

impl Process {
    /// Starts `command` with both of its outputs appended to `log`.
    pub fn start(name: &str, command: &mut Command, log: &Path) -> Result<Self> {
        let output = append_to(log)?;
        command.stdin(Stdio::null()).stdout(output.try_clone()?).stderr(output);
        Self::spawn(name, command, log)
    }

    /// Starts `command` with a pipe to its standard input and from its standard output; what it
    /// says on standard error is appended to `log`.
    pub fn piped(name: &str, command: &mut Command, log: &Path) -> Result<Self> {
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(append_to(log)?);
        Self::spawn(name, command, log)
    }

    fn spawn(name: &str, command: &mut Command, log: &Path) -> Result<Self> {
        command.process_group(0);
        // SAFETY: between fork and exec only prctl is called, which is async-signal-safe.
        unsafe {
            command.pre_exec(|| {
                libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL);
                Ok(())
            });
        }
        let child = command.spawn().with_context(|| format!("cannot start {name}"))?;
        Ok(Self { child, name: name.to_owned(), log: log.to_path_buf() })
    }

    /// The process id, which is that of its group, too.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Takes the reading end of standard output, once.
    pub fn take_stdout(&mut self) -> Result<ChildStdout> {
        let stdout = self.child.stdout.take();
        stdout.with_context(|| format!("{} has no standard output to read", self.name))
    }

    /// Takes the writing end of standard input, once.
    pub fn take_stdin(&mut self) -> Result<ChildStdin> {
        let stdin = self.child.stdin.take();
        stdin.with_context(|| format!("{} has no standard input to write", self.name))
    }

    /// The status it ended with, or nothing while it runs.
    pub fn ended(&mut self) -> Result<Option<ExitStatus>> {
        Ok(self.child.try_wait()?)
    }

    /// Waits for its end.
    ///
    /// # Errors
    /// When it still runs at the deadline; it is then left running.
    pub fn wait(&mut self, deadline: Duration) -> Result<ExitStatus> {
        let name = self.name.clone();
        wait::until_some(deadline, &format!("the end of {name}"), || self.ended()).with_context(|| self.log_tail())
    }

    /// Waits for its end and refuses a status other than 0.
    pub fn wait_for_success(&mut self, deadline: Duration) -> Result<()> {
        let status = self.wait(deadline)?;
        if status.success() {
            return Ok(());
        }
        bail!("{} ended with {status}: {}", self.name, self.log_tail())
    }

    /// Sends a signal to the process alone.
    pub fn signal(&mut self, signal: i32) -> Result<()> {
        if self.ended()?.is_some() {
            bail!("{} had already ended: {}", self.name, self.log_tail());
        }
        // SAFETY: the child has not been waited for, so the id is still its own.
        if unsafe { libc::kill(self.child.id() as libc::pid_t, signal) } != 0 {
            return Err(std::io::Error::last_os_error()).with_context(|| format!("cannot signal {}", self.name));
        }
        Ok(())
    }

    /// `kill -9`, and waits until the kernel has taken it away.
    pub fn kill_9(&mut self) -> Result<()> {
        self.signal(libc::SIGKILL)?;
        self.wait(Duration::from_secs(20)).map(drop)
    }

    /// SIGTERM, and the status it ended with.
    pub fn terminate(&mut self, deadline: Duration) -> Result<ExitStatus> {
        self.signal(libc::SIGTERM)?;
        self.wait(deadline)
    }

    /// The file that holds what it said.
    pub fn log(&self) -> &Path {
        &self.log
    }

    /// The end of what it said, for an error.
    pub fn log_tail(&self) -> String {
        let text = tail_of(&self.log).unwrap_or_else(|error| error.to_string());
        format!("{} said, in {}: {text}", self.name, self.log.display())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(Some(_))) {
            return;
        }
        // SAFETY: the child has not been waited for, so the group is still its own.
        unsafe { libc::kill(-(self.child.id() as libc::pid_t), libc::SIGKILL) };
        // An error here means that it is gone, which is what was wanted.
        let _ = self.child.wait();
    }
}

fn append_to(log: &Path) -> Result<File> {
    if let Some(folder) = log.parent() {
        fs::create_dir_all(folder)?;
    }
    let file = OpenOptions::new().create(true).append(true).open(log);
    file.with_context(|| format!("cannot write {}", log.display()))
}

fn tail_of(log: &Path) -> Result<String> {
    let mut file = File::open(log)?;
    let size = file.metadata()?.len();
    file.seek(SeekFrom::Start(size.saturating_sub(LOG_TAIL_BYTES)))?;
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).trim_end().to_owned())
}
