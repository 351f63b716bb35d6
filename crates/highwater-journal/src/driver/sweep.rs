//! Deleting what was trimmed, once the grace has passed.
//!
//! A log of edits is done with below its trim point: [`Journal::sweep`]. The entries of a data journal
//! are referred to for as long as somebody may read them: [`Journal::sweep_unreferenced`]; so are other objects
//! of the journal's owner: [`Journal::sweep_names`].

use std::collections::{BTreeMap, HashSet};

use futures::future::BoxFuture;
use highwater_store::{BucketTime, StoreError};

use super::Journal;
use super::headers::{name_of, number_of};
use crate::machine::{Date, TrimPoint};

/// Deletes at once.
const AT_ONCE: usize = 8;

/// Names of one page of a listing.
const PAGE: usize = 1_000;
/// Deletes of one pass.
const DELETES: usize = 1_000;
/// Names that are remembered while their grace passes; those beyond are met again by a later pass.
const REMEMBERED: usize = 100_000;

/// Names of one kind, and who needs them.
pub trait Names: Sync {
    /// What tells them apart.
    type Key: Ord + Clone + Send + Sync;
    /// All of them begin so.
    fn prefix(&self) -> &str;
    /// The key of a name; `None`: somebody else's.
    fn key(&self, name: &str) -> Option<Self::Key>;
    /// The name of a key.
    fn name(&self, key: &Self::Key) -> String;
    /// Who needs it, by a commit that is durable.
    fn standing(&self, key: &Self::Key) -> Standing;
}

/// Who needs an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Somebody refers to it.
    Needed,
    /// Nobody does, and nobody ever will.
    LeftBehind,
    /// It may yet be referred to, and so may all that sort behind it.
    Beyond,
}

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

/// Names that nobody refers to any more, while their grace passes. What is left behind stays so.
#[derive(Debug)]
pub struct Unreferenced<K = u64> {
    /// When each was left behind, at the latest.
    since: BTreeMap<K, BucketTime>,
    /// The name behind which the next pass begins.
    after: Option<String>,
}

impl<K> Default for Unreferenced<K> {
    fn default() -> Self {
        Self { since: BTreeMap::new(), after: None }
    }
}

impl<K> Unreferenced<K> {
    /// Whether the next pass begins at the first name again.
    #[must_use]
    pub const fn round_is_done(&self) -> bool {
        self.after.is_none()
    }
}

/// The entries of a chain. A number below the trim point never comes back.
struct Entries<'a> {
    prefix: String,
    references: &'a References,
}

impl Names for Entries<'_> {
    type Key = u64;

    fn prefix(&self) -> &str {
        &self.prefix
    }

    fn key(&self, name: &str) -> Option<u64> {
        number_of(&self.prefix, name)
    }

    fn name(&self, number: &u64) -> String {
        name_of(&self.prefix, *number)
    }

    fn standing(&self, number: &u64) -> Standing {
        if *number >= self.references.point.number {
            Standing::Beyond
        } else if self.references.numbers.contains(number) {
            Standing::Needed
        } else {
            Standing::LeftBehind
        }
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
        let entries = Entries { prefix, references };
        self.sweep_names(found, &entries, references.left_at).await
    }

    /// The same for names of another kind in this journal's bucket, after its grace: those that nobody
    /// needs were left behind at `left_at` or before.
    ///
    /// # Errors
    /// The store's; what was deleted stays deleted.
    pub fn sweep_names<'a, N: Names>(
        &'a self,
        found: &'a mut Unreferenced<N::Key>,
        names: &'a N,
        left_at: BucketTime,
    ) -> BoxFuture<'a, Result<Swept, StoreError>> {
        // Boxed: otherwise the compiler does not see that callers' futures may cross threads.
        Box::pin(self.sweep_page(found, names, left_at))
    }

    async fn sweep_page<N: Names>(
        &self,
        found: &mut Unreferenced<N::Key>,
        names: &N,
        left_at: BucketTime,
    ) -> Result<Swept, StoreError> {
        let sent = self.shared.env.now();
        let page = self.shared.store.list(names.prefix(), found.after.as_deref(), PAGE).await?;
        self.shared.clock.observe(page.date, sent);
        let mut beyond = false;
        for object in &page.objects {
            let Some(key) = names.key(&object.name) else { continue };
            match names.standing(&key) {
                Standing::Needed => {}
                Standing::LeftBehind if found.since.len() < REMEMBERED => {
                    found.since.entry(key).or_insert(left_at);
                }
                Standing::LeftBehind => {}
                Standing::Beyond => {
                    beyond = true;
                    break;
                }
            }
        }
        let whole = beyond || !page.more;
        found.after = page.objects.last().filter(|_| !whole).map(|object| object.name.clone());
        let due: Vec<N::Key> = found
            .since
            .iter()
            .filter(|(_, left_at)| self.grace_has_passed(**left_at, page.date))
            .map(|(key, _)| key.clone())
            .take(DELETES)
            .collect();
        let due_names: Vec<String> = due.iter().map(|key| names.name(key)).collect();
        let due_names: Vec<&str> = due_names.iter().map(String::as_str).collect();
        self.delete_all(&due_names).await?;
        for key in &due {
            found.since.remove(key);
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
