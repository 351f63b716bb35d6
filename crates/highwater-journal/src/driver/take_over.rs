//! Taking a journal over: fence first, then read what the fence made final.

use std::sync::Arc;

use bytes::Bytes;
use highwater_env::Instant;
use highwater_format::entry::{ATTRIBUTES_LIMIT, EntryHeader, EntryKind};
use highwater_store::{Body, StoreError, StoreErrorKind};
use highwater_types::Epoch;

use super::Journal;
use super::found::{EntryRef, FenceRef};
use super::headers::Headers;
use super::retry::pause;
use super::trims::TrimSource;
use super::writer::Writer;
use crate::error::TakeOverError;
use crate::machine::{
    Author, Candidate, Claim, Command, Corruption, Event, Kind, Lead, PutOrder, PutOutcome, Rules, TrimPoint,
};

/// A won leadership.
pub struct TakenOver {
    /// Appends in our epoch.
    pub writer: Writer,
    /// The trim point that `chain` begins at.
    pub from: TrimPoint,
    /// All committed data from there to our fence, in order. It is final.
    pub chain: Vec<EntryRef>,
    /// Fences between `from` and ours, in order.
    pub fences: Vec<FenceRef>,
    /// Our fence.
    pub fence: FenceRef,
    /// What it ended.
    pub ended: Ended,
}

/// The leadership that a fence ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ended {
    /// Its epoch; [`Epoch::NONE`] for the first fence of a journal.
    pub epoch: Epoch,
    /// Its window.
    pub window: u32,
    /// Its own fence, unless that was trimmed away.
    pub fence: Option<FenceRef>,
}

impl Journal {
    /// Becomes the leader: proves, walks, fences. Before it returns the old leader can commit
    /// nothing more, whatever it believes. `attributes` (at most 1,024 bytes) go into the fence.
    ///
    /// Costs one read of the trim point, one LIST for each 1,000 entries since, one read for each,
    /// and one PUT. Under a leader that goes on writing it may have to follow for a while: take
    /// over from leaders that have stopped or are gone. If it is cancelled, our fence may stand or
    /// yet come to stand; the next call goes on from there.
    ///
    /// # Errors
    /// [`TakeOverError`], with what to do about each.
    pub async fn take_over(
        &self,
        trims: Arc<dyn TrimSource>,
        claim: Claim,
        attributes: Bytes,
    ) -> Result<TakenOver, TakeOverError> {
        if attributes.len() > ATTRIBUTES_LIMIT {
            let detail = format!("{} bytes of fence attributes, at most {ATTRIBUTES_LIMIT}", attributes.len());
            return Err(TakeOverError::TooLarge(detail));
        }
        let author = self.author();
        let candidate = Candidate::new(author, claim, self.options().window, self.proof_ms(), Rules::in_force());
        let headers = Headers::default();
        let run = Run {
            journal: self,
            trims,
            author,
            attributes,
            candidate,
            headers,
            from: TrimPoint::GENESIS,
            chain: Vec::new(),
            fences: Vec::new(),
            first_sent: None,
        };
        run.finish().await
    }
}

struct Run<'a> {
    journal: &'a Journal,
    trims: Arc<dyn TrimSource>,
    author: Author,
    attributes: Bytes,
    candidate: Candidate,
    headers: Headers,
    from: TrimPoint,
    chain: Vec<EntryRef>,
    fences: Vec<FenceRef>,
    /// The number of our fence and when it was first sent.
    first_sent: Option<(u64, Instant)>,
}

impl Run<'_> {
    async fn finish(mut self) -> Result<TakenOver, TakeOverError> {
        let mut commands = Vec::new();
        self.candidate.start(&mut commands);
        loop {
            let mut event = None;
            for command in std::mem::take(&mut commands) {
                match command {
                    Command::ReadTrim => event = Some(self.read_trim().await?),
                    Command::ReadHeader { number } => event = Some(self.read_header(number).await?),
                    Command::Put(order) => event = Some(self.put(order).await?),
                    Command::Begin { point } => {
                        self.from = point;
                        self.chain.clear();
                        self.fences.clear();
                        self.headers.restart(point.number, true);
                    }
                    Command::Entry { kind, .. } => self.pass(kind),
                    Command::Lead(lead) => return Ok(self.lead(&lead)),
                    // Reading on and fencing again would depose the winner at once: the caller
                    // looks at the lease first.
                    Command::Lost { by } => return Err(TakeOverError::Lost { by }),
                    Command::StepDown { by } => {
                        return Err(TakeOverError::Lost { by: by.unwrap_or_default() });
                    }
                    Command::Trimmed { point } => {
                        return Err(TakeOverError::Lost { by: point.epoch });
                    }
                    Command::Halt(corruption) => return Err(self.halt(corruption)),
                    Command::AtEnd | Command::Committed { .. } => {}
                }
            }
            // The candidate always waits for exactly one thing.
            let Some(event) = event else {
                return Err(TakeOverError::Lost { by: self.from.epoch });
            };
            self.candidate.handle(self.journal.now(), &event, &mut commands);
        }
    }

    async fn read_trim(&self) -> Result<Event, TakeOverError> {
        let inner = &self.journal.shared;
        let sent = inner.env.now();
        let (point, date) = self.trims.newest().await?;
        Ok(Event::Trim { point, date: inner.clock.observe(date, sent) })
    }

    async fn read_header(&mut self, number: u64) -> Result<Event, TakeOverError> {
        let found = self.headers.get(self.journal, number).await?;
        let seen = match found {
            Some(found) => Some(found.seen().map_err(TakeOverError::Corrupt)?),
            None => {
                let window = self.fences.last().map_or(self.from.window, |fence| fence.window);
                let missing = self.headers.missing(self.journal, &*self.trims, number, window).await?;
                if let Some(corruption) = missing {
                    return Err(self.halt(corruption));
                }
                None
            }
        };
        Ok(Event::Header { number, seen })
    }

    /// One attempt, or the pause before the next.
    async fn put(&mut self, order: PutOrder) -> Result<Event, TakeOverError> {
        let inner = &self.journal.shared;
        let number = order.number;
        let body = self.fence_body(&order)?;
        let sent = inner.env.now();
        let first = match self.first_sent {
            Some((at, first)) if at == number => first,
            _ => sent,
        };
        self.first_sent = Some((number, first));
        let left = inner.options.put_deadline.saturating_sub(sent.since(first));
        let name = self.journal.name(number);
        let answer = inner.env.timeout(left, inner.store.create(&name, body)).await;
        let failed = match answer {
            Ok(Ok(put)) => {
                let outcome = PutOutcome::Created { date: inner.clock.observe(put.date, sent) };
                return Ok(Event::Put { number, outcome });
            }
            Ok(Err(error)) if error.kind == StoreErrorKind::AlreadyExists => {
                return Ok(Event::Put { number, outcome: PutOutcome::Exists });
            }
            Ok(Err(error)) if !error.kind.is_transient() => return Err(error.into()),
            Ok(Err(error)) => error,
            Err(_) => StoreError::new(StoreErrorKind::Unknown, name, "no answer to the fence before the deadline"),
        };
        if inner.env.now().since(first) >= inner.options.put_deadline {
            return Err(failed.into());
        }
        inner.env.sleep(pause(&inner.env, 2)).await;
        Ok(match failed.kind {
            StoreErrorKind::Unknown => Event::Put { number, outcome: PutOutcome::Unknown },
            _ => Event::Resend { number },
        })
    }

    fn fence_body(&self, order: &PutOrder) -> Result<Body, TakeOverError> {
        let header = EntryHeader {
            kind: EntryKind::Fence,
            number: order.number,
            epoch: order.epoch,
            window: order.window,
            incarnation: self.author.incarnation,
            put_id: order.put_id,
            payload_len: 0,
            payload_crc: None,
            attributes: self.attributes.clone(),
        };
        let (front, _) = header.encode().map_err(|error| TakeOverError::TooLarge(error.to_string()))?;
        Ok(Body::from(front))
    }

    fn pass(&mut self, kind: Kind) {
        match (kind, self.headers.last()) {
            (Kind::Data, Some(found)) => self.chain.push(found.entry()),
            (Kind::Fence, Some(found)) => self.fences.push(found.fence()),
            (_, None) => {}
        }
    }

    fn lead(mut self, lead: &Lead) -> TakenOver {
        // Our own fence, met on a second walk, is not one of those before it.
        self.fences.retain(|fence| fence.number < lead.number);
        let fence = FenceRef {
            number: lead.number,
            epoch: lead.start.epoch,
            window: lead.start.window,
            incarnation: self.author.incarnation,
            attributes: self.attributes.clone(),
        };
        let before = self.fences.last().filter(|fence| fence.epoch == lead.ended.epoch).cloned();
        let ended = Ended { epoch: lead.ended.epoch, window: lead.ended.window, fence: before };
        tracing::info!(
            journal = %self.journal.options().prefix,
            epoch = %lead.start.epoch,
            fence = lead.number,
            entries = self.chain.len(),
            "journal taken over"
        );
        let writer = Writer::lead(self.journal.clone(), self.trims, &self.candidate, lead, self.author);
        TakenOver { writer, from: self.from, chain: self.chain, fences: self.fences, fence, ended }
    }

    fn halt(&self, corruption: Corruption) -> TakeOverError {
        tracing::error!(journal = %self.journal.options().prefix, %corruption, "journal is corrupt");
        TakeOverError::Corrupt(corruption)
    }
}
