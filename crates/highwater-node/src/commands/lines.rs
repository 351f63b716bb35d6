//! Lines of a file or of standard input, read on a thread of their own: whoever waits for the next one
//! goes on answering brokers.

use std::io::{self, BufRead, BufReader, Read};

use tokio::sync::mpsc::{Receiver, Sender, channel};

use super::session::CommandError;

/// Longest line, bytes: no broker takes more without being asked to.
const MAX_LINE_BYTES: usize = 64 << 20;
const READ_BYTES: usize = 1 << 20;
/// Lines that are handed over together, at most; and how many such hands are full at once.
const TOGETHER: usize = 1_000;
const AHEAD: usize = 4;

/// Lines without their ends, as many as are there.
pub struct Lines {
    receiver: Receiver<Result<Vec<Vec<u8>>, LineError>>,
}

/// Why there is no next line.
#[derive(Debug)]
pub enum LineError {
    /// It cannot be read.
    Read(io::Error),
    /// It has no end that could be meant.
    TooLong {
        /// Which one, from 1 on.
        number: u64,
    },
}

impl LineError {
    /// What a person is told who gave `source`.
    pub fn told(self, source: &str) -> CommandError {
        match self {
            Self::Read(error) => CommandError::io(source)(error),
            Self::TooLong { number } => {
                CommandError::Usage(format!("line {number} of {source} is longer than {MAX_LINE_BYTES} bytes"))
            }
        }
    }
}

impl Lines {
    /// Reads `source` from now on.
    pub fn read(source: impl Read + Send + 'static) -> Self {
        let (sender, receiver) = channel(AHEAD);
        // Not one of the runtime's threads: nobody waits for a read that may never end.
        std::thread::spawn(move || pump(BufReader::with_capacity(READ_BYTES, source), &sender));
        Self { receiver }
    }

    /// The next lines; nothing at the end.
    pub async fn next(&mut self) -> Option<Result<Vec<Vec<u8>>, LineError>> {
        self.receiver.recv().await
    }
}

fn pump(mut source: BufReader<impl Read>, sender: &Sender<Result<Vec<Vec<u8>>, LineError>>) {
    let (mut lines, mut number) = (Vec::new(), 0);
    loop {
        number += 1;
        let next = line(&mut source, number);
        let ends = !matches!(next, Ok(Some(_)));
        let failed = match next {
            Ok(line) => {
                lines.extend(line);
                None
            }
            Err(error) => Some(error),
        };
        // What has arrived goes on at once; nobody knows when there will be more.
        let hand_over = ends || lines.len() == TOGETHER || source.buffer().is_empty();
        if hand_over && !lines.is_empty() && sender.blocking_send(Ok(std::mem::take(&mut lines))).is_err() {
            return;
        }
        if ends {
            if let Some(error) = failed {
                let _ = sender.blocking_send(Err(error));
            }
            return;
        }
    }
}

/// The next line, or nothing at the end.
fn line(source: &mut impl BufRead, number: u64) -> Result<Option<Vec<u8>>, LineError> {
    let mut line = Vec::new();
    let mut limited = source.take(MAX_LINE_BYTES as u64 + 1);
    if limited.read_until(b'\n', &mut line).map_err(LineError::Read)? == 0 {
        return Ok(None);
    }
    if line.last() == Some(&b'\n') {
        line.pop();
    } else if line.len() > MAX_LINE_BYTES {
        return Err(LineError::TooLong { number });
    }
    Ok(Some(line))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failed expectation is the test's failure")]
    use super::*;

    #[tokio::test]
    async fn lines_come_in_order_and_the_last_needs_no_end() {
        let mut lines = Lines::read(&b"a\n\nb\nlast"[..]);
        let mut all = Vec::new();
        while let Some(some) = lines.next().await {
            all.extend(some.unwrap());
        }
        assert_eq!(all, [&b"a"[..], b"", b"b", b"last"]);
    }

    #[tokio::test]
    async fn a_line_without_end_is_refused_before_it_fills_the_memory() {
        let endless = io::Cursor::new(b"first\n".to_vec()).chain(io::repeat(b'x'));
        let mut lines = Lines::read(endless);
        assert_eq!(lines.next().await.unwrap().unwrap(), [b"first"]);
        assert!(matches!(lines.next().await.unwrap(), Err(LineError::TooLong { number: 2 })));
        assert!(lines.next().await.is_none());
    }
}
