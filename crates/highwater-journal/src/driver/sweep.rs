//! Deleting what was trimmed, once the grace has passed.

use highwater_store::{BucketTime, StoreError};

use super::Journal;
use super::headers::number_of;
use crate::machine::{Date, TrimPoint};

/// Deletes at once.
const AT_ONCE: usize = 8;

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
