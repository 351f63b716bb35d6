//! One connection: frames in, answers out, in order.
//!
//! Stage one of a request ([`Service::begin`]) runs as soon as its frame is read, stage two when it
//! is at the head of the connection's queue. So the appends of pipelined Produce requests are in
//! the log, in order, before the first of them is acknowledged, and every other request sees what
//! the requests before it did, as with Kafka, which handles one at a time.
//!
//! - [`frame`]: reading. - `writer`: driving and writing. - [`service`]: the layer above.

pub mod frame;
pub mod service;
mod writer;

#[cfg(test)]
mod tests;

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures::future::{BoxFuture, Either};
use highwater_env::{Elapsed, Env, Instant};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use self::frame::{Announced, FrameError, FrameReader};
use self::service::{Peer, Pending, Service};
use self::writer::{WriteEnd, Writer};
use highwater_wire::ApiKey;

use crate::budget::ByteBudget;
use crate::config::{MAX_IN_FLIGHT_PER_CONNECTION, STALL_LIMIT};

/// What all connections of a listener share.
pub struct Shared<S> {
    /// Time.
    pub env: Env,
    /// The layer above.
    pub service: Arc<S>,
    /// Memory for request frames.
    pub requests: ByteBudget,
    /// Memory for the frames of Produce: those wait for room in the log, and must not keep fetches
    /// and heartbeats waiting with them.
    pub appends: ByteBudget,
    /// `socket.request.max.bytes`.
    pub max_request_bytes: usize,
    /// `connections.max.idle.ms`.
    pub max_idle: Duration,
    /// Cancelled when no more requests are to be taken.
    pub draining: CancellationToken,
}

/// Why a connection ended.
#[derive(Debug, PartialEq, Eq)]
pub enum End {
    /// By the peer, between two requests; or by us, idle or draining, with everything answered.
    Quiet(&'static str),
    /// The peer broke the protocol, or the socket failed.
    Fault(String),
}

/// Serves one connection until it ends.
pub async fn serve<S: Service>(
    shared: &Shared<S>,
    peer: Peer,
    input: impl AsyncRead + Unpin + Send,
    output: impl AsyncWrite + Unpin + Send,
) -> End {
    let (sender, queue) = mpsc::channel(MAX_IN_FLIGHT_PER_CONNECTION);
    let in_flight = AtomicUsize::new(0);
    let reader = Reader {
        shared,
        peer: &peer,
        frames: FrameReader::new(input, shared.max_request_bytes),
        idle: shared.env.sleep(shared.max_idle),
        last_activity: shared.env.now(),
        in_flight: &in_flight,
    };
    let answered = || {
        in_flight.fetch_sub(1, Ordering::AcqRel);
    };
    // Pinned where they are made: a future that is moved once more takes its place twice.
    let writer = pin!(Writer::new(shared.env.clone(), output).run(queue, answered));
    let reader = pin!(reader.run(sender));
    // One task for both: when either ends for good the other is dropped with it.
    match futures::future::select(writer, reader).await {
        Either::Left((end, _)) => written(end, "closed"),
        Either::Right((ReadEnd::Dead(end), _)) => end,
        Either::Right((ReadEnd::NoMore(why), writer)) => written(writer.await, why),
    }
}

fn written(end: WriteEnd, why: &'static str) -> End {
    match end {
        WriteEnd::Done => End::Quiet(why),
        WriteEnd::Close(reason) => End::Fault(reason),
        WriteEnd::Io(error) => End::Fault(error.to_string()),
    }
}

/// Why reading ended.
enum ReadEnd {
    /// Nobody takes answers any more: what is in flight is dropped.
    Dead(End),
    /// No more requests are taken; those in flight are answered.
    NoMore(&'static str),
}

struct Reader<'a, S, R> {
    shared: &'a Shared<S>,
    peer: &'a Peer,
    frames: FrameReader<R>,
    idle: BoxFuture<'static, ()>,
    last_activity: Instant,
    in_flight: &'a AtomicUsize,
}

impl<S: Service, R: AsyncRead + Unpin + Send> Reader<'_, S, R> {
    async fn run(mut self, queue: mpsc::Sender<Pending>) -> ReadEnd {
        let mut draining = pin!(self.shared.draining.cancelled());
        loop {
            // A place in the queue first: a peer that does not read answers is not read from.
            let Ok(place) = queue.reserve().await else {
                return ReadEnd::NoMore("closed");
            };
            let announced = loop {
                tokio::select! {
                    biased;
                    () = &mut draining => return ReadEnd::NoMore("draining"),
                    announced = self.frames.announced() => match announced {
                        Ok(announced) => break announced,
                        Err(error) => return ReadEnd::Dead(ended(error)),
                    },
                    () = &mut self.idle => if self.is_idle() {
                        return ReadEnd::NoMore("idle");
                    },
                }
            };
            match self.take(announced).await {
                Ok(pending) => {
                    self.in_flight.fetch_add(1, Ordering::AcqRel);
                    place.send(pending);
                }
                Err(end) => return ReadEnd::Dead(end),
            }
        }
    }

    /// Reads one frame and begins its request.
    async fn take(&mut self, announced: Announced) -> Result<Pending, End> {
        let length = announced.length;
        let memory = self.shared.service.memory_of(announced);
        // Memory first, then bytes: while there is none the peer waits in its own socket.
        let append = announced.key == ApiKey::Produce.code();
        let budget = if append { &self.shared.appends } else { &self.shared.requests };
        let charge = match budget.try_take(memory) {
            Some(charge) => Some(charge),
            None => budget.take(memory).await,
        };
        let charge = charge.ok_or(End::Quiet("closed"))?;
        let frame = match self.frames.body_at_hand(length) {
            Some(frame) => frame,
            None => match self.shared.env.timeout(stall_limit(length), self.frames.body(length)).await {
                Ok(body) => body.map_err(ended)?,
                Err(Elapsed) => {
                    return Err(End::Fault(format!("a request of {length} bytes did not arrive in time")));
                }
            },
        };
        self.last_activity = self.shared.env.now();
        self.shared.service.begin(self.peer, frame, charge).await.map_err(End::Fault)
    }

    /// Called when the idle timer fires; starts it again unless the connection is idle.
    fn is_idle(&mut self) -> bool {
        let quiet = self.shared.env.now().since(self.last_activity);
        if quiet >= self.shared.max_idle && self.in_flight.load(Ordering::Acquire) == 0 {
            return true;
        }
        // With a request in flight (a long poll, a join) it looks again a whole period later.
        let rest = self.shared.max_idle.saturating_sub(quiet);
        self.idle = self.shared.env.sleep(if rest.is_zero() { self.shared.max_idle } else { rest });
        false
    }
}

/// Time for a frame to arrive: the stall limit, and more for a large one, at 64 KiB/s.
fn stall_limit(length: usize) -> Duration {
    STALL_LIMIT + Duration::from_secs(u64::try_from(length >> 16).unwrap_or(0))
}

fn ended(error: FrameError) -> End {
    match error {
        FrameError::Closed => End::Quiet("closed by the peer"),
        FrameError::Io(error) if error.kind() == std::io::ErrorKind::ConnectionReset => End::Quiet("reset by the peer"),
        error => End::Fault(error.to_string()),
    }
}
