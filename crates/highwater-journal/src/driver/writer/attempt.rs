//! One attempt to put one number; looking a number up; reading the trim point.
//!
//! The machine decides whether anything may be sent: a retry or hedge that is due is an event to
//! it, not a request to the store. All of these go on until they have an answer or the leadership
//! has ended; an outage of the store is waited for.

use std::sync::Arc;

use futures::future::{Either, select};
use highwater_env::Instant;
use highwater_env::marks::met;
use highwater_store::{Body, StoreErrorKind};

use super::flying::Landed;
use super::{Inner, Work};
use crate::driver::found::{Found, LookError};
use crate::driver::retry::pause;
use crate::error::WriteError;
use crate::machine::{Corruption, Event, PutOutcome, Seen};

/// An attempt on its way.
struct Attempt {
    number: u64,
    name: String,
    body: Body,
    hedge: bool,
    first_sent: Instant,
    attempt: u32,
}

impl Inner {
    pub(super) fn start(self: &Arc<Self>, work: Work) {
        let inner = self.clone();
        let tasks = &self.journal.shared.env;
        let _running = match work {
            Work::Prove => tasks.spawn("journal-prove", async move { inner.prove().await }),
            Work::Look(number) => tasks.spawn("journal-look", async move { inner.look(number).await }),
            Work::Attempt { order, body, name, hedge, first_sent, attempt } => {
                let attempt = Attempt { number: order.number, name, body, hedge, first_sent, attempt };
                tasks.spawn("journal-put", async move { inner.put(attempt).await })
            }
        };
    }

    async fn put(self: Arc<Self>, attempt: Attempt) {
        let shared = &self.journal.shared;
        let (env, deadline) = (&shared.env, shared.options.put_deadline);
        let number = attempt.number;
        let sent = env.now();
        let hedge_after = if attempt.hedge { None } else { self.core.lock().latency.sent() };
        let hedge_after = hedge_after.filter(|_| shared.options.hedge);
        let left = deadline.saturating_sub(sent.since(attempt.first_sent));
        let answer = env.timeout(left, async {
            let create = shared.store.create(&attempt.name, attempt.body.clone());
            let Some(hedge_after) = hedge_after else {
                return create.await;
            };
            match select(create, env.sleep(hedge_after)).await {
                Either::Left((answer, _)) => answer,
                Either::Right(((), create)) => {
                    if self.core.lock().latency.take_hedge() {
                        met("hedged-put");
                        shared.options.metrics.hedged();
                        self.drive_as(&Event::Resend { number }, None, Some(number));
                    }
                    create.await
                }
            }
        });
        let kind = match answer.await {
            Ok(Ok(put)) => {
                let elapsed = env.now().since(sent);
                self.core.lock().latency.answered(elapsed);
                shared.options.metrics.created(elapsed.as_secs_f64());
                let date = shared.clock.observe(put.date, sent);
                let landed = Landed { etag: put.etag, date: put.date };
                let created = Event::Put { number, outcome: PutOutcome::Created { date } };
                return self.drive(&created, Some((number, landed)));
            }
            Ok(Err(error)) if error.kind == StoreErrorKind::AlreadyExists => {
                shared.options.metrics.not_created(error.kind.as_str());
                return self.drive(&Event::Put { number, outcome: PutOutcome::Exists }, None);
            }
            // The first attempt goes on, and repeats itself if it must.
            _ if attempt.hedge => return,
            Ok(Err(error)) => {
                shared.options.metrics.not_created(error.kind.as_str());
                tracing::debug!(name = %attempt.name, attempt = attempt.attempt, %error, "journal put failed");
                error.kind
            }
            Err(_) => {
                shared.options.metrics.not_created(StoreErrorKind::Unknown.as_str());
                StoreErrorKind::Unknown
            }
        };
        env.sleep(pause(env, attempt.attempt)).await;
        let overdue = env.now().since(attempt.first_sent) >= deadline;
        if overdue {
            met("put-without-answer");
            let journal = &shared.options.prefix;
            tracing::warn!(%journal, number, ?kind, "journal put has no answer before its deadline; looking again");
        }
        let next = if overdue { Event::Put { number, outcome: PutOutcome::Unknown } } else { Event::Resend { number } };
        self.drive(&next, None);
    }

    /// Reads what stands at `number`, until the store tells.
    async fn look(self: Arc<Self>, number: u64) {
        let env = &self.journal.shared.env;
        for attempt in 1.. {
            if self.is_over() {
                return;
            }
            match self.journal.look(number).await {
                Ok(None) => {
                    met("nothing-at-number");
                    return self.drive(&Event::Header { number, seen: None }, None);
                }
                Ok(Some(found)) => {
                    return match self.recognise(number, &found) {
                        Ok((seen, landed)) => self.drive(&Event::Header { number, seen: Some(seen) }, landed),
                        Err(corruption) => self.end(WriteError::Corrupt(corruption)),
                    };
                }
                Err(LookError::Corrupt(corruption)) => {
                    return self.end(WriteError::Corrupt(corruption));
                }
                Err(LookError::Store(error)) => {
                    tracing::debug!(number, %error, "journal header not read; trying again");
                    env.sleep(pause(env, attempt)).await;
                }
            }
        }
    }

    /// What stands at `number`, and whether it is ours: then it must be what we sent.
    fn recognise(&self, number: u64, found: &Found) -> Result<(Seen, Option<(u64, Landed)>), Corruption> {
        let seen = found.seen()?;
        if !self.author.wrote(number, &seen) {
            met("committed-by-another");
            return Ok((seen, None));
        }
        met("lost-response-resolved");
        let sent = self.core.lock().queue.get(number).map(|flying| flying.checksum);
        if sent.is_some_and(|sent| sent != found.checksum) {
            let detail = "it carries our put id but not what we sent".into();
            return Err(Corruption::Unreadable { number, detail });
        }
        Ok((seen, Some((number, Landed { etag: found.etag.clone(), date: found.modified }))))
    }

    /// Reads the trim point, until the store tells.
    async fn prove(self: Arc<Self>) {
        met("proof-renewed");
        let shared = &self.journal.shared;
        for attempt in 1.. {
            if self.is_over() {
                return;
            }
            let sent = shared.env.now();
            match self.trims.newest().await {
                Ok((point, date)) => {
                    let date = shared.clock.observe(date, sent);
                    return self.drive(&Event::Trim { point, date }, None);
                }
                Err(error) => {
                    tracing::warn!(journal = %shared.options.prefix, %error, "trim point not read; trying again");
                    shared.env.sleep(pause(&shared.env, attempt)).await;
                }
            }
        }
    }
}
