//! The task of one led partition: requests, acknowledgements and time go into the machine, its
//! effects out. It ends with the leadership; whoever waits for it then looks for another coordinator.

use std::collections::BTreeMap;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use futures::channel::{mpsc, oneshot};
use futures::future::BoxFuture;
use futures::stream::{FuturesOrdered, Stream};
use futures::{FutureExt, future};
use highwater_env::{Env, Instant};

use super::batch;
use super::load::load;
use super::log::{AppendFailure, OffsetsLog, ReadFailure, Term};
use crate::machine::{Append, AppendId, Command, Coordinator, Effects, Moment, Reply, Token};
use crate::records::KeyValue;
use crate::settings::GroupSettings;

/// Requests whose records go into one batch, if they are there at once.
const MAX_GATHERED: usize = 128;

/// Bytes of records from which on a batch is closed.
const BATCH_BYTES: usize = 256 << 10;

/// Batches on their way; beyond, requests wait in the mailbox.
const MAX_BATCHES_IN_FLIGHT: usize = 256;

/// Time between two tries to read the partition.
const LOAD_RETRY: Duration = Duration::from_secs(1);

/// A command and where its answer goes.
pub(crate) struct Request {
    pub(crate) command: Command,
    pub(crate) reply: oneshot::Sender<Reply>,
}

/// What the task of a partition works with.
pub(crate) struct Seat {
    pub(crate) env: Env,
    pub(crate) log: Arc<dyn OffsetsLog>,
    pub(crate) settings: GroupSettings,
    pub(crate) partition: u32,
    pub(crate) term: Term,
    /// Set when requests are welcome.
    pub(crate) ready: Arc<AtomicBool>,
}

impl Seat {
    pub(crate) fn moment(&self) -> Moment {
        Moment { monotonic: self.env.now(), wall_ms: self.env.wall_ms() }
    }
}

/// Loads the partition, then serves until the term or the requests end.
pub(crate) async fn run(seat: Seat, requests: mpsc::Receiver<Request>) {
    let coordinator = loop {
        match load(&seat).await {
            Ok(coordinator) => break coordinator,
            Err(ReadFailure::NotLeader) => return,
            Err(ReadFailure::Storage(error)) => {
                tracing::error!(partition = seat.partition, error, "group coordinator cannot read; trying again");
                seat.env.sleep(LOAD_RETRY).await;
            }
        }
    };
    Serving::new(seat, coordinator, requests).serve().await;
}

type Fate = (Vec<AppendId>, Result<(), AppendFailure>);

enum Event {
    Appended(Fate),
    Request(Box<Request>),
    Due,
    Closed,
}

struct Serving {
    seat: Seat,
    coordinator: Coordinator,
    requests: mpsc::Receiver<Request>,
    waiting: BTreeMap<Token, oneshot::Sender<Reply>>,
    next_token: u64,
    in_flight: FuturesOrdered<BoxFuture<'static, Fate>>,
    /// Appends of this round, to be put into batches at its end.
    gathered: Vec<Append>,
    timer: Option<(Instant, BoxFuture<'static, ()>)>,
    /// The log says that the term is over.
    deposed: bool,
}

impl Serving {
    fn new(seat: Seat, coordinator: Coordinator, requests: mpsc::Receiver<Request>) -> Self {
        Self {
            seat,
            coordinator,
            requests,
            waiting: BTreeMap::new(),
            next_token: 0,
            in_flight: FuturesOrdered::new(),
            gathered: Vec::new(),
            timer: None,
            deposed: false,
        }
    }

    async fn serve(mut self) {
        let effects = self.coordinator.loaded(self.seat.moment());
        self.carry_out(effects);
        self.flush();
        self.seat.ready.store(true, Ordering::Release);
        while !self.deposed {
            match poll_fn(|context| self.poll_event(context)).await {
                Event::Appended(fate) => self.appended(fate),
                Event::Request(request) => self.request(*request),
                Event::Due => {
                    self.timer = None;
                    let effects = self.coordinator.tick(self.seat.moment());
                    self.carry_out(effects);
                }
                Event::Closed => break,
            }
            self.gather();
            self.flush();
        }
        tracing::info!(partition = self.seat.partition, epoch = self.seat.term.epoch, "group coordinator ends");
    }

    /// Acknowledgements first: they free what requests wait for.
    fn poll_event(&mut self, context: &mut Context<'_>) -> Poll<Event> {
        if let Poll::Ready(Some(fate)) = Pin::new(&mut self.in_flight).poll_next(context) {
            return Poll::Ready(Event::Appended(fate));
        }
        if let Some((_, sleep)) = &mut self.timer
            && sleep.poll_unpin(context).is_ready()
        {
            return Poll::Ready(Event::Due);
        }
        if self.in_flight.len() >= MAX_BATCHES_IN_FLIGHT {
            return Poll::Pending;
        }
        Pin::new(&mut self.requests)
            .poll_next(context)
            .map(|request| request.map_or(Event::Closed, |request| Event::Request(Box::new(request))))
    }

    /// Takes requests that are there already, so that their records share a batch.
    fn gather(&mut self) {
        for _ in 0..MAX_GATHERED {
            match self.requests.try_recv() {
                Ok(request) => self.request(request),
                Err(_) => return, // nothing there; an end is met by the next poll
            }
        }
    }

    fn request(&mut self, request: Request) {
        let token = Token(self.next_token);
        self.next_token += 1;
        self.waiting.insert(token, request.reply);
        let effects = self.coordinator.handle(self.seat.moment(), token, request.command);
        self.carry_out(effects);
    }

    fn appended(&mut self, (ids, fate): Fate) {
        self.deposed |= fate == Err(AppendFailure::NotLeader);
        for id in ids {
            let effects = self.coordinator.appended(self.seat.moment(), id, fate);
            self.carry_out(effects);
        }
    }

    fn carry_out(&mut self, effects: Effects) {
        for (token, reply) in effects.replies {
            if let Some(waiting) = self.waiting.remove(&token) {
                // Nobody may be waiting any more: the connection is gone.
                let _ = waiting.send(reply);
            }
        }
        self.gathered.extend(effects.appends);
        if self.timer.as_ref().map(|(at, _)| *at) != effects.timer {
            self.timer = effects.timer.map(|at| (at, self.seat.env.clock.sleep_until(at)));
        }
    }

    /// Hands the gathered appends to the log, each whole in one batch.
    fn flush(&mut self) {
        let mut ids = Vec::new();
        let mut records = Vec::new();
        let mut bytes = 0;
        for append in std::mem::take(&mut self.gathered) {
            let size: usize = append.records.iter().map(KeyValue::len).sum();
            if !ids.is_empty() && bytes + size > BATCH_BYTES {
                self.send(std::mem::take(&mut ids), &std::mem::take(&mut records));
                bytes = 0;
            }
            bytes += size;
            ids.push(append.id);
            records.extend(append.records);
        }
        if !ids.is_empty() {
            self.send(ids, &records);
        }
    }

    fn send(&mut self, ids: Vec<AppendId>, records: &[KeyValue]) {
        let appending = match batch::encode(records, self.seat.env.wall_ms()) {
            Ok(batch) => self.seat.log.append(self.seat.partition, self.seat.term, batch),
            Err(error) => {
                tracing::error!(partition = self.seat.partition, %error, "records of groups cannot be encoded");
                Err(AppendFailure::TooLarge)
            }
        };
        // A refusal takes its place in the queue too: fates are reported in order.
        self.in_flight.push_back(match appending {
            Ok(appending) => appending.map(move |fate| (ids, fate)).boxed(),
            Err(failure) => future::ready((ids, Err(failure))).boxed(),
        });
    }
}
