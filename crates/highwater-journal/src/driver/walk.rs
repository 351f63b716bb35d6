//! Reading a journal without leading it.

use std::sync::Arc;

use highwater_store::BucketTime;

use super::Journal;
use super::found::{EntryRef, FenceRef, Found};
use super::headers::Headers;
use super::retry::pause;
use super::trims::TrimSource;
use crate::error::WalkError;
use crate::machine::{Command, Event, Kind, Reader, Rules, TrimPoint};

/// What a pass found, in the order of the chain.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Advanced {
    /// Data.
    pub entries: Vec<EntryRef>,
    /// Fences.
    pub fences: Vec<FenceRef>,
}

/// A walk from a point to the present end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Walk {
    /// Where it began.
    pub from: TrimPoint,
    /// Data, in order.
    pub entries: Vec<EntryRef>,
    /// Fences, in order.
    pub fences: Vec<FenceRef>,
    /// Where the next walk begins.
    pub end: TrimPoint,
    /// A date of the bucket at which nothing below `from` had been deleted for a grace: when the
    /// trim point was read.
    pub date: BucketTime,
}

/// A tailing reader: walks to the present end, again and again. It passes on only what stands on
/// the chain behind everything before it.
pub struct Tail {
    journal: Journal,
    trims: Arc<dyn TrimSource>,
    reader: Reader,
    headers: Headers,
    /// Found by a pass that has not returned yet; it may have been cancelled.
    found: Vec<Found>,
    list: bool,
}

impl Journal {
    /// A reader that stands at `from`, a point on the chain. Each pass to the end costs one read
    /// for each entry and one for the end; the trim point is read again when the proof grows old.
    #[must_use]
    pub fn tail(&self, trims: Arc<dyn TrimSource>, from: TrimPoint) -> Tail {
        let reader = Reader::new(from, self.shared.epochs, self.proof_ms(), Rules::in_force());
        Tail { journal: self.clone(), trims, reader, headers: Headers::default(), found: Vec::new(), list: false }
    }

    /// Walks to the present end, from `from` or else from the trim point. Beside the trim point one
    /// LIST for each 1,000 numbers and one read for each.
    ///
    /// # Errors
    /// [`WalkError`]; nothing is changed.
    pub async fn walk(&self, trims: Arc<dyn TrimSource>, from: Option<TrimPoint>) -> Result<Walk, WalkError> {
        let sent = self.shared.env.now();
        let (point, date) = trims.newest().await?;
        let proof = self.shared.clock.observe(date, sent);
        if let Some(from) = from
            && from.number < point.number
        {
            return Err(WalkError::Trimmed { point });
        }
        let from = from.unwrap_or(point);
        let mut tail = self.tail(trims, from).listing();
        tail.prove(BucketTime(proof));
        let Advanced { entries, fences } = tail.advance().await?;
        Ok(Walk { from, entries, fences, end: tail.position(), date: BucketTime(proof) })
    }
}

impl Tail {
    /// Reads ahead what a LIST shows, once: for a first pass that has far to go.
    #[must_use]
    pub(crate) fn listing(mut self) -> Self {
        self.list = true;
        self
    }

    /// A proof learnt elsewhere: a date at which the position had not been trimmed.
    pub(crate) fn prove(&mut self, date: BucketTime) {
        self.reader.handle(self.journal.now(), &Event::Prove { date: date.0 }, &mut Vec::new());
    }

    /// The next number to be read, with the epoch and window in force before it.
    #[must_use]
    pub const fn position(&self) -> TrimPoint {
        self.reader.position()
    }

    /// Walks to the present end. May be cancelled: what it found comes with the next call.
    ///
    /// # Errors
    /// [`WalkError::Trimmed`] and [`WalkError::Corrupt`] are final. After [`WalkError::Store`] call
    /// again.
    pub async fn advance(&mut self) -> Result<Advanced, WalkError> {
        let found = self.advance_found().await?;
        let mut advanced = Advanced::default();
        for found in &found {
            match found.seen()?.kind {
                Kind::Data => advanced.entries.push(found.entry()),
                Kind::Fence => advanced.fences.push(found.fence()),
            }
        }
        Ok(advanced)
    }

    pub(crate) async fn advance_found(&mut self) -> Result<Vec<Found>, WalkError> {
        self.headers.restart(self.position().number, std::mem::take(&mut self.list));
        let mut commands = Vec::new();
        self.reader.handle(self.journal.now(), &Event::Poll, &mut commands);
        let mut proofs = 0;
        loop {
            let mut event = None;
            for command in std::mem::take(&mut commands) {
                match command {
                    Command::ReadTrim => {
                        // A proof that was too old when it came: the bucket is slow.
                        if proofs > 0 {
                            self.journal.shared.env.sleep(pause(&self.journal.shared.env, proofs)).await;
                        }
                        proofs += 1;
                        let sent = self.journal.shared.env.now();
                        let (point, date) = self.trims.newest().await?;
                        let date = self.journal.shared.clock.observe(date, sent);
                        event = Some(Event::Trim { point, date });
                    }
                    Command::ReadHeader { number } => {
                        proofs = 0;
                        let found = self.headers.get(&self.journal, number).await?;
                        let seen = found.map(Found::seen).transpose()?;
                        event = Some(Event::Header { number, seen });
                    }
                    Command::Entry { .. } => self.found.extend(self.headers.last().cloned()),
                    Command::AtEnd => {
                        let TrimPoint { number, window, .. } = self.position();
                        match self.headers.missing(&self.journal, &*self.trims, number, window).await? {
                            Some(corruption) => return Err(WalkError::Corrupt(corruption)),
                            None => return Ok(std::mem::take(&mut self.found)),
                        }
                    }
                    Command::Trimmed { point } => return Err(WalkError::Trimmed { point }),
                    Command::Halt(corruption) => return Err(WalkError::Corrupt(corruption)),
                    Command::Put(_)
                    | Command::Begin { .. }
                    | Command::Lead(_)
                    | Command::Lost { .. }
                    | Command::Committed { .. }
                    | Command::StepDown { .. } => {}
                }
            }
            // After Trimmed or Halt the machine says nothing more: the position is what it was.
            let Some(event) = event else {
                return Err(WalkError::Trimmed { point: self.position() });
            };
            self.reader.handle(self.journal.now(), &event, &mut commands);
        }
    }
}
