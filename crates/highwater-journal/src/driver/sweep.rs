//! Deleting what was trimmed, once the grace has passed.
//!
//! A log of edits is done with below its trim point: [`Journal::sweep`]. The entries of a data journal
//! are referred to for as long as somebody may read them: [`Journal::sweep_unreferenced`].

use std::collections::{BTreeMap, HashSet};

use highwater_store::{BucketTime, StoreError};

use super::Journal;
use super::headers::number_of;
use crate::machine::{Date, TrimPoint};

/// Deletes at once.
const AT_ONCE: usize = 8;

/// Names of one page of a listing.
const PAGE: usize = 1_000;
/// Deletes of one pass.
const DELETES: usize = 1_000;
/// Names that are remembered while their grace passes; those beyond are met again by a later pass.
const REMEMBERED: usize = 100_000;

/// Which entries below a point of the chain somebody refers to, by a commit that is durable.
#[derive(Clone, Debug)]
pub struct References {
    /// Entries from here on are not looked at.
    pub point: TrimPoint,
    /// The bucket's date of that commit: what nobody refers to was left behind then or before.
    pub left_at: BucketTime,
    /// Numbers that are referred to.
    pub numbers: HashSet<u64>,
}

/// Entries that nobody refers to any more, while their grace passes. What is left behind stays so: a
/// number below the trim point never comes back.
#[derive(Debug, Default)]
pub struct Unreferenced {
    /// When each was left behind, at the latest.
    since: BTreeMap<u64, BucketTime>,
    /// Where the next pass begins.
    next: u64,
}

impl Unreferenced {
    /// Whether the next pass begins at the first name again.
    #[must_use]
    pub const fn round_is_done(&self) -> bool {
        self.next == 0
    }
}

/// What a sweep did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Swept {
    /// Objects deleted.
    pub deleted: usize,
    /// Whether there is more to delete, now or when the grace has passed.
    pub more: bool,
}

impl Journal {
    /// Deletes objects below `point`, at most `limit` of them (at most 1,000), when `gc.grace` and
    /// a tenth (the skew of the bucket's clocks) have passed since `left_at`: the bucket's date of
    /// the commit that moved the trim point there. One LIST, then one DELETE each, lowest first.
    /// Safe to repeat, from anywhere.
    ///
    /// # Errors
    /// The store's; what was deleted stays deleted.
    pub async fn sweep(&self, point: TrimPoint, left_at: BucketTime, limit: usize) -> Result<Swept, StoreError> {
        let limit = limit.clamp(1, 1000);
        let prefix = format!("{}/", self.shared.options.prefix);
        let sent = self.shared.env.now();
        let page = self.shared.store.list(&prefix, None, limit).await?;
        self.shared.clock.observe(page.date, sent);
        let below = |name: &str| number_of(&prefix, name).is_some_and(|number| number < point.number);
        let names: Vec<&str> =
            page.objects.iter().map(|object| object.name.as_str()).take_while(|name| below(name)).collect();
        if !self.grace_has_passed(left_at, page.date) {
            return Ok(Swept { deleted: 0, more: !names.is_empty() });
        }
        let more = page.more && names.len() == page.objects.len();
        self.delete_all(&names).await?;
        Ok(Swept { deleted: names.len(), more })
    }

    /// Looks through one page of the names below `references.point`, remembers those that are not
    /// referred to, and deletes those whose grace has passed, fences and late puts of abandoned numbers
    /// included. One LIST, then one DELETE each. Safe from anywhere, also for a leader that was deposed:
    /// what `references` does not know of is above its point.
    ///
    /// `more` says that names were not looked at in this round, or that a grace has not passed.
    ///
    /// # Errors
    /// The store's; what was deleted stays deleted.
    pub async fn sweep_unreferenced(
        &self,
        found: &mut Unreferenced,
        references: &References,
    ) -> Result<Swept, StoreError> {
        let prefix = format!("{}/", self.shared.options.prefix);
        let after = found.next.checked_sub(1).map(|number| self.name(number));
        let sent = self.shared.env.now();
        let page = self.shared.store.list(&prefix, after.as_deref(), PAGE).await?;
        self.shared.clock.observe(page.date, sent);
        let numbers = page.objects.iter().filter_map(|object| number_of(&prefix, &object.name));
        let mut last = None;
        let mut beyond = false;
        for number in numbers {
            if number >= references.point.number {
                beyond = true;
                break;
            }
            last = Some(number);
            if !references.numbers.contains(&number) && found.since.len() < REMEMBERED {
                found.since.entry(number).or_insert(references.left_at);
            }
        }
        let whole = beyond || !page.more;
        found.next = if whole { 0 } else { last.map_or(found.next, |last| last + 1) };
        let due: Vec<u64> = found
            .since
            .iter()
            .filter(|(_, left_at)| self.grace_has_passed(**left_at, page.date))
            .map(|(number, _)| *number)
            .take(DELETES)
            .collect();
        let names: Vec<String> = due.iter().map(|number| self.name(*number)).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        self.delete_all(&names).await?;
        for number in &due {
            found.since.remove(number);
        }
        Ok(Swept { deleted: due.len(), more: !whole || !found.since.is_empty() })
    }

    /// Whether what was left behind at `left_at` may be deleted at `now`.
    pub(crate) fn grace_has_passed(&self, left_at: BucketTime, now: BucketTime) -> bool {
        let grace = Date::try_from(self.shared.options.gc_grace.as_millis()).unwrap_or(Date::MAX);
        now.0.saturating_sub(left_at.0) >= grace.saturating_add(grace / 10)
    }

    pub(crate) async fn delete_all(&self, names: &[&str]) -> Result<(), StoreError> {
        for group in names.chunks(AT_ONCE) {
            let deletes: Vec<_> = group.iter().map(|name| self.shared.store.delete(name)).collect();
            futures::future::try_join_all(deletes).await?;
        }
        Ok(())
    }
}
