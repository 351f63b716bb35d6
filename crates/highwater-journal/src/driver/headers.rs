//! Headers of the chain: read one by one, or ahead of a walk in parallel.
//!
//! A walk through what a LIST showed reads up to [`AHEAD`] headers at once. What was read ahead is
//! as good as a fresh read: an object never changes, and the machine believes it only with a proof
//! that its number was not deleted. That a number is *absent* is never taken from the LIST.

use std::collections::{BTreeMap, VecDeque};

use futures::StreamExt;
use highwater_store::{ReadRange, StoreError};

use super::Journal;
use super::found::{Found, LookError, absent};
use super::trims::TrimSource;
use crate::machine::Corruption;

/// Headers read at once.
const AHEAD: usize = 32;
/// Names asked for at once; one request.
const PAGE: usize = 1000;

/// Headers in the order of a walk.
#[derive(Default)]
pub(crate) struct Headers {
    /// Numbers that a LIST showed and that were not read yet, ascending.
    listed: VecDeque<u64>,
    /// Where the next page begins, while there may be one: behind this number.
    next_page: Option<u64>,
    /// Read ahead.
    ready: BTreeMap<u64, Found>,
    /// The last one handed out.
    last: Option<Found>,
}

impl Headers {
    /// Forgets everything; with `list`, reads ahead what a LIST shows from `number` on.
    pub(crate) fn restart(&mut self, number: u64, list: bool) {
        *self = Self { next_page: list.then_some(number), ..Self::default() };
    }

    /// The header at `number` if something stands there. Kept until the next call.
    pub(crate) async fn get(&mut self, journal: &Journal, number: u64) -> Result<Option<&Found>, LookError> {
        self.last = self.next(journal, number).await?;
        Ok(self.last.as_ref())
    }

    /// Whether `number`, where nothing stands, cannot be the end of the chain: the LIST has shown a number
    /// that is not below `number` + `window` (rule 3), and what is below the end was not deleted.
    pub(crate) async fn missing(
        &self,
        journal: &Journal,
        trims: &dyn TrimSource,
        number: u64,
        window: u32,
    ) -> Result<Option<Corruption>, LookError> {
        let limit = number.saturating_add(u64::from(window));
        let Some(beyond) = self.listed.back().copied().filter(|last| *last >= limit) else { return Ok(None) };
        // It was there before the LIST if it ever was; the trim point is read after it was looked for.
        if journal.look(number).await?.is_some() {
            return Ok(None);
        }
        let (point, _) = trims.newest().await.map_err(LookError::Store)?;
        Ok((point.number <= number).then_some(Corruption::Missing { number, beyond }))
    }

    /// The last header handed out.
    pub(crate) fn last(&self) -> Option<&Found> {
        self.last.as_ref()
    }

    async fn next(&mut self, journal: &Journal, number: u64) -> Result<Option<Found>, LookError> {
        self.ready = self.ready.split_off(&number);
        if let Some(found) = self.ready.remove(&number) {
            return Ok(Some(found));
        }
        self.turn_page(journal, number).await.map_err(LookError::Store)?;
        if self.listed.front() != Some(&number) {
            return journal.look(number).await;
        }
        let batch: Vec<u64> = self.listed.drain(..self.listed.len().min(AHEAD)).collect();
        let mut reads = futures::stream::iter(batch)
            .map(|number| async move { (number, journal.look(number).await) })
            .buffered(AHEAD);
        while let Some((at, found)) = reads.next().await {
            match found {
                Ok(Some(found)) => {
                    self.ready.insert(at, found);
                }
                Ok(None) => {}
                // An orphan may be anything; only what the walk comes to matters.
                Err(error) if at == number => return Err(error),
                Err(_) => {}
            }
        }
        drop(reads);
        Ok(self.ready.remove(&number))
    }

    /// Drops listed numbers below `number`; lists on when none are left.
    async fn turn_page(&mut self, journal: &Journal, number: u64) -> Result<(), StoreError> {
        loop {
            while self.listed.front().is_some_and(|listed| *listed < number) {
                self.listed.pop_front();
            }
            let (true, Some(from)) = (self.listed.is_empty(), self.next_page) else {
                return Ok(());
            };
            let from = from.max(number);
            let sent = journal.shared.env.now();
            let prefix = format!("{}/", journal.shared.options.prefix);
            let after = from.checked_sub(1).map(|before| journal.name(before));
            let page = journal.shared.store.list(&prefix, after.as_deref(), PAGE).await?;
            journal.shared.clock.observe(page.date, sent);
            self.listed.extend(page.objects.iter().filter_map(|object| number_of(&prefix, &object.name)));
            self.next_page = match self.listed.back() {
                Some(last) if page.more => last.checked_add(1),
                _ => None,
            };
        }
    }
}

/// The name of a number under `prefix` (with its slash).
pub(crate) fn name_of(prefix: &str, number: u64) -> String {
    format!("{prefix}{number:020}")
}

/// The number that a name under `prefix` (with its slash) has.
pub(crate) fn number_of(prefix: &str, name: &str) -> Option<u64> {
    let digits = name.strip_prefix(prefix)?;
    (digits.len() == 20 && digits.bytes().all(|byte| byte.is_ascii_digit())).then(|| digits.parse().ok())?
}

impl Journal {
    /// Reads what stands at `number`: one request.
    pub(crate) async fn look(&self, number: u64) -> Result<Option<Found>, LookError> {
        self.look_at(number, self.name(number)).await
    }

    pub(crate) async fn look_at(&self, number: u64, name: String) -> Result<Option<Found>, LookError> {
        let sent = self.shared.env.now();
        match self.shared.store.read(&name, ReadRange::Bounded(0..self.shared.probe_len), None).await {
            Ok(read) => {
                self.shared.clock.observe(read.date, sent);
                Found::decode(number, name, read).map(Some).map_err(LookError::Corrupt)
            }
            Err(error) => absent(number, error),
        }
    }
}
