//! The stream of records that every consuming client prints, read in the background.
//!
//! One record is a line `PARTITION OFFSET KEYLEN VALUELEN HEADERS`, then the bytes of the key, of the
//! value, and a line feed. A length of -1 is a null; headers are `name=value`, joined by commas. It
//! is what kcat can print by `-f`, so the other two clients print it as well.

use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{ChildStdout, Command};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

use crate::process::Process;

/// Records read ahead of the test that looks at them.
const AHEAD: usize = 4_096;
/// Longer keys and values than any test sends.
const FIELD_LIMIT: usize = 16 << 20;
const LINE_LIMIT: u64 = 1 << 20;
/// For the read of the pipe: records come by hundreds of megabytes.
const PIPE_BYTES: usize = 1 << 20;

/// One record as a client saw it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// The partition it came from.
    pub partition: i32,
    /// Its offset there.
    pub offset: i64,
    /// Null is not the same as empty.
    pub key: Option<Vec<u8>>,
    /// Null is not the same as empty.
    pub value: Option<Vec<u8>>,
    /// `name=value`, joined by commas; empty when there are none.
    pub headers: String,
}

/// A consuming client and the records that it has printed.
#[derive(Debug)]
pub struct Stream {
    /// The client.
    pub process: Process,
    records: Receiver<Result<Record>>,
}

impl Stream {
    /// Starts a client that prints records on standard output.
    pub fn start(name: &str, command: &mut Command, log: &Path) -> Result<Self> {
        let mut process = Process::piped(name, command, log)?;
        let stdout = process.take_stdout()?;
        let (sender, records) = sync_channel(AHEAD);
        thread::Builder::new().name(format!("read {name}")).spawn(move || pump(stdout, &sender))?;
        Ok(Self { process, records })
    }

    /// The next record; nothing when the client has ended its output.
    ///
    /// # Errors
    /// At the deadline, and for output that is not a record.
    pub fn next(&mut self, deadline: Duration) -> Result<Option<Record>> {
        match self.records.recv_timeout(deadline) {
            Ok(record) => record.map(Some),
            Err(RecvTimeoutError::Disconnected) => Ok(None),
            Err(RecvTimeoutError::Timeout) => {
                bail!("no record for {deadline:?}; {}", self.process.log_tail())
            }
        }
    }

    /// A record that is there by `quiet`, or nothing: used to see that no more come.
    pub fn poll(&mut self, quiet: Duration) -> Result<Option<Record>> {
        match self.records.recv_timeout(quiet) {
            Ok(record) => record.map(Some),
            Err(_) => Ok(None),
        }
    }

    /// Hands every record to `each` until the client ends, which it must do with status 0.
    pub fn drain(mut self, deadline: Duration, mut each: impl FnMut(Record) -> Result<()>) -> Result<()> {
        let end = Instant::now() + deadline;
        while let Some(record) = self.next(end.saturating_duration_since(Instant::now()))? {
            each(record)?;
        }
        self.process.wait_for_success(Duration::from_secs(30))
    }

    /// Stops the client as an operator would (SIGTERM, so that it commits and leaves its group), and
    /// hands over what it had still printed.
    pub fn stop(mut self, each: impl FnMut(Record) -> Result<()>) -> Result<()> {
        self.process.signal(libc::SIGTERM)?;
        self.drain(Duration::from_secs(30), each)
    }
}

fn pump(stdout: ChildStdout, sender: &SyncSender<Result<Record>>) {
    let mut reader = BufReader::with_capacity(PIPE_BYTES, stdout);
    while let Some(record) = read(&mut reader).transpose() {
        let failed = record.is_err();
        if sender.send(record).is_err() || failed {
            return;
        }
    }
}

/// Reads one record; nothing at the end of the output.
fn read(reader: &mut impl BufRead) -> Result<Option<Record>> {
    let mut line = Vec::new();
    reader.by_ref().take(LINE_LIMIT).read_until(b'\n', &mut line)?;
    if line.is_empty() {
        return Ok(None);
    }
    let line = String::from_utf8(line).context("a line that is not text")?;
    let mut fields = line.trim_end_matches('\n').splitn(5, ' ');
    let mut field = || fields.next().with_context(|| format!("not a record: {line:?}"));
    let (partition, offset) = (field()?.parse()?, field()?.parse()?);
    let (key_len, value_len) = (field()?.parse()?, field()?.parse()?);
    let headers = field()?.to_owned();
    let (key, value) = (bytes(reader, key_len)?, bytes(reader, value_len)?);
    let mut end = [0];
    reader.read_exact(&mut end)?;
    ensure!(end == *b"\n", "a record longer than it says, at offset {offset}");
    Ok(Some(Record { partition, offset, key, value, headers }))
}

fn bytes(reader: &mut impl Read, len: i64) -> Result<Option<Vec<u8>>> {
    if len == -1 {
        return Ok(None);
    }
    let len = usize::try_from(len)?;
    ensure!(len <= FIELD_LIMIT, "a field of {len} bytes");
    let mut bytes = vec![0; len];
    reader.read_exact(&mut bytes).context("a cut record")?;
    Ok(Some(bytes))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failed expectation is the test's failure")]
    use super::read;

    #[test]
    fn nulls_empty_values_and_line_feeds_are_told_apart() {
        let mut bytes: &[u8] = b"3 17 -1 0 seq=1,a=b c\n\n0 1 2 3 \nk\nv\n\x00\n";
        let first = read(&mut bytes).unwrap().unwrap();
        assert_eq!((first.partition, first.offset), (3, 17));
        assert_eq!((first.key, first.value), (None, Some(Vec::new())));
        assert_eq!(first.headers, "seq=1,a=b c");
        let second = read(&mut bytes).unwrap().unwrap();
        assert_eq!(second.key.unwrap(), b"k\n");
        assert_eq!(second.value.unwrap(), b"v\n\x00");
        assert!(read(&mut bytes).unwrap().is_none());
    }

    #[test]
    fn a_cut_record_is_an_error() {
        let mut bytes: &[u8] = b"0 1 2 30 \nkkvv";
        assert!(read(&mut bytes).is_err());
    }
}
