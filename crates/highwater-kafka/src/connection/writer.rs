//! Writing answers: in order, several at once, straight from the chunks that they are made of.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::io::{self, IoSlice};
use std::pin::Pin;

use bytes::{Buf, Bytes};
use futures::FutureExt;
use highwater_env::Env;
use tokio::io::AsyncWrite;
use tokio::sync::mpsc;

use super::service::{Pending, Reply};
use crate::budget::Charge;
use crate::config::{UNREAD_LIMIT, UNREAD_LIMIT_WHEN_WANTED};

/// Chunks in one system call.
const SLICES_PER_WRITE: usize = 64;
/// Answers that are ready are gathered up to this size before they are written.
const GATHER_BYTES: usize = 256 << 10;

/// Why a connection's writing ends.
#[derive(Debug)]
pub(super) enum WriteEnd {
    /// Everything is answered and nothing more will come.
    Done,
    /// A handler wants the connection closed.
    Close(String),
    /// The socket failed, or the peer takes nothing.
    Io(io::Error),
}

/// Drives the pending requests one after another and writes their answers.
pub(super) struct Writer<W> {
    env: Env,
    output: W,
    chunks: VecDeque<Bytes>,
    bytes: usize,
    charges: Vec<Charge>,
}

impl<W: AsyncWrite + Unpin> Writer<W> {
    pub(super) fn new(env: Env, output: W) -> Self {
        Self { env, output, chunks: VecDeque::new(), bytes: 0, charges: Vec::new() }
    }

    /// Until the queue ends. `answered` is told of each request that is done.
    pub(super) async fn run(mut self, mut queue: mpsc::Receiver<Pending>, answered: impl Fn()) -> WriteEnd {
        let mut next = None;
        loop {
            let pending = match next.take() {
                Some(pending) => pending,
                None => match queue.recv().await {
                    Some(pending) => pending,
                    None => return WriteEnd::Done,
                },
            };
            let reply = pending.await;
            let closing = self.gather(reply);
            answered();
            let mut closing = closing.err();
            // Answers that are ready by now go out with this one.
            while closing.is_none() && self.bytes < GATHER_BYTES {
                let Ok(mut following) = queue.try_recv() else {
                    break;
                };
                match (&mut following).now_or_never() {
                    Some(reply) => {
                        closing = self.gather(reply).err();
                        answered();
                    }
                    None => {
                        next = Some(following);
                        break;
                    }
                }
            }
            if let Err(error) = self.flush().await {
                return WriteEnd::Io(error);
            }
            if let Some(reason) = closing {
                return WriteEnd::Close(reason);
            }
        }
    }

    fn gather(&mut self, reply: Reply) -> Result<(), String> {
        match reply {
            Reply::Send { chunks, charge } => {
                for chunk in chunks {
                    if !chunk.is_empty() {
                        self.bytes += chunk.len();
                        self.chunks.push_back(chunk);
                    }
                }
                self.charges.extend(charge);
                Ok(())
            }
            Reply::Nothing => Ok(()),
            Reply::Close(reason) => Err(reason),
        }
    }

    async fn flush(&mut self) -> io::Result<()> {
        while !self.chunks.is_empty() {
            let mut written = self.write_some().await?;
            if written == 0 {
                return Err(io::ErrorKind::WriteZero.into());
            }
            while let Some(first) = self.chunks.front_mut() {
                if written < first.len() {
                    first.advance(written);
                    break;
                }
                written -= first.len();
                self.chunks.pop_front();
            }
        }
        self.bytes = 0;
        self.charges.clear();
        Ok(())
    }

    /// One write of as many chunks as fit. A timer exists only while the peer takes nothing.
    async fn write_some(&mut self) -> io::Result<usize> {
        let Self { env, output, chunks, charges, .. } = self;
        let mut write = poll_fn(|context| {
            // Made anew at each attempt: kept between them they would be a third of what an idle
            // connection takes.
            let mut slices = [IoSlice::new(&[]); SLICES_PER_WRITE];
            let mut count = 0;
            for (slice, chunk) in slices.iter_mut().zip(&*chunks) {
                *slice = IoSlice::new(chunk);
                count += 1;
            }
            Pin::new(&mut *output).poll_write_vectored(context, &slices[..count])
        });
        if let Some(result) = (&mut write).now_or_never() {
            return result;
        }
        let started = env.now();
        loop {
            if let Ok(result) = env.timeout(UNREAD_LIMIT_WHEN_WANTED, &mut write).await {
                return result;
            }
            let unread = env.now().since(started);
            if unread >= UNREAD_LIMIT || charges.iter().any(Charge::is_wanted) {
                return Err(io::Error::new(
                    io::ErrorKind::TimedOut,
                    format!("the peer took no byte of its answer for {} s", unread.as_secs()),
                ));
            }
        }
    }
}
