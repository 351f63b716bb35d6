//! Decides when a shard's buffer is sealed, and starts the put of its segment.
//!
//! Sealed when it is full, or when an acknowledgement waits for it or its oldest byte is too old
//! and there is a token. One task a shard, so segments go out in the order in which they were
//! sealed; the journal's window lets a few be in flight.

use std::sync::Arc;

use futures::future::{Either, select};
use highwater_env::marks::{Underway, underway};
use highwater_env::watch;
use highwater_env::{Env, Instant};
use highwater_journal::{Pending, Writer};
use highwater_store::Body;
use tokio::sync::mpsc;

use super::pace::Pacer;
use super::seal;
use crate::metrics::FlushReason;
use crate::options::EngineOptions;
use crate::shard::Shard;
use crate::shard::live::Sealed;
use crate::shard::room::Held;
use crate::shared::OFFSET_RESERVE;
use crate::wal::Wal;

/// What the flusher tells the committer, in order.
pub enum Progress {
    /// A segment is on its way.
    Segment(Box<InFlight>),
    /// Everything is on its way: the flusher was asked to drain and has.
    Drained,
}

/// A segment whose put is in flight.
pub struct InFlight {
    pub pending: Pending,
    pub sealed: Sealed,
    pub sealed_at: Instant,
    pub underway: Underway,
    /// The tenure's run before the put began.
    pub run: Option<u64>,
    /// Takes its bytes off the account of what is not flushed, at the latest when this goes.
    _held: Held,
    pub footer: highwater_format::segment::Footer,
}

/// What the flusher works with.
pub struct Flusher {
    pub env: Env,
    pub options: Arc<EngineOptions>,
    pub shard: Arc<Shard>,
    pub wal: Wal,
    pub writer: Writer,
    pub pacer: Arc<Pacer>,
    /// True: seal everything, then end.
    pub draining: watch::Receiver<bool>,
    pub committer: mpsc::Sender<Progress>,
}

enum Decision {
    Seal(FlushReason),
    Until(Instant),
    Idle,
    Done,
}

impl Flusher {
    /// Runs until drained, or until the writer can commit no more (the committer learns why).
    pub async fn run(mut self) {
        loop {
            let notified = self.shard.flush.notified();
            match self.decide() {
                Decision::Seal(reason) => {
                    self.options.metrics.sealed(reason);
                    if !self.flush().await {
                        return;
                    }
                }
                Decision::Done => {
                    // A committer that is gone has said why.
                    let _ = self.committer.send(Progress::Drained).await;
                    return;
                }
                Decision::Until(when) => {
                    let sleep = self.env.clock.sleep_until(when);
                    let changed = self.draining.changed();
                    futures::pin_mut!(notified, changed);
                    if let Either::Right((Either::Right((Err(_), _)), _)) =
                        select(sleep, select(notified, changed)).await
                    {
                        return;
                    }
                }
                Decision::Idle => {
                    let changed = self.draining.changed();
                    futures::pin_mut!(notified, changed);
                    if let Either::Right((Err(_), _)) = select(notified, changed).await {
                        return;
                    }
                }
            }
        }
    }

    fn decide(&self) -> Decision {
        let draining = self.draining.look(|draining| *draining);
        let now = self.env.now();
        let live = self.shard.live.lock();
        let Some(since) = live.open_since else {
            return if draining { Decision::Done } else { Decision::Idle };
        };
        if live.open_bytes >= self.options.flush_bytes {
            return Decision::Seal(FlushReason::Full);
        }
        if draining {
            return Decision::Seal(FlushReason::Drain);
        }
        let reason = if live.ack_waits { FlushReason::Acknowledgement } else { FlushReason::Age };
        let due = if live.ack_waits { now } else { since + self.options.flush_max_age };
        if now < due {
            return Decision::Until(due);
        }
        drop(live);
        match self.pacer.take(now) {
            Ok(()) => Decision::Seal(reason),
            Err(when) => Decision::Until(when),
        }
    }

    /// Seals and starts the put. `false` when the writer has ended.
    async fn flush(&self) -> bool {
        let Some(mut sealed) = self.shard.live.lock().seal() else { return true };
        let sealed_at = self.env.now();
        let run = self.options.tenure.run();
        let held = Held::new(&self.shard.room, sealed.bytes);
        if sealed.runs.is_empty() {
            if let Some(seq) = sealed.wal_seq {
                self.wal.release(self.shard.id, seq);
            }
            return true;
        }
        let draft = match seal::build(self.shard.id, self.writer.epoch(), OFFSET_RESERVE, &mut sealed) {
            Ok(draft) => draft,
            Err(error) => {
                // Our own batches do not fit our own format: nothing may be acked past this point.
                tracing::error!(shard = %self.shard.id, %error, "a segment could not be built; the shard stops");
                return false;
            }
        };
        match self.writer.append(Body::from(draft.chunks), None, bytes::Bytes::new()).await {
            Ok(pending) => {
                let underway = underway("cut-off-in-flush");
                let flight = InFlight { pending, sealed, sealed_at, underway, run, _held: held, footer: draft.footer };
                self.committer.send(Progress::Segment(Box::new(flight))).await.is_ok()
            }
            Err(error) => {
                tracing::debug!(shard = %self.shard.id, %error, "flush refused by the journal");
                false
            }
        }
    }
}
