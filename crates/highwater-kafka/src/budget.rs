//! Byte budgets: memory is charged before it is used and given back when it is free again.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// A number of bytes shared by everybody who clones it. Whoever waits is served in order, so that a
/// large request is not starved by small ones.
#[derive(Clone)]
pub struct ByteBudget {
    free: Arc<Semaphore>,
    waiting: Arc<AtomicUsize>,
    total: usize,
}

/// Bytes taken from a budget; given back on drop.
pub struct Charge {
    permit: OwnedSemaphorePermit,
    waiting: Arc<AtomicUsize>,
    pressure: Option<Pressure>,
}

/// Something else that who holds a charge may be keeping from others: how often they went without.
struct Pressure {
    refused: Arc<AtomicUsize>,
    /// The count when the charge was taken.
    before: usize,
}

/// Counts one who waits, also if it stops waiting.
struct Waiting<'a>(&'a AtomicUsize);

impl<'a> Waiting<'a> {
    fn new(count: &'a AtomicUsize) -> Self {
        count.fetch_add(1, Ordering::Relaxed);
        Self(count)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl ByteBudget {
    /// A budget of `total` bytes (at most 4 GiB).
    pub fn new(total: usize) -> Self {
        let total = total.min(u32::MAX as usize);
        Self { free: Arc::new(Semaphore::new(total)), waiting: Arc::default(), total }
    }

    /// Takes `bytes`, waiting for them. More than the whole budget counts as all of it: such a
    /// request is served alone. `None` only when the budget was closed, which nobody does.
    pub async fn take(&self, bytes: usize) -> Option<Charge> {
        if let Some(charge) = self.try_take(bytes) {
            return Some(charge);
        }
        let _waiting = Waiting::new(&self.waiting);
        let permit = Arc::clone(&self.free).acquire_many_owned(self.clamp(bytes)).await.ok()?;
        Some(self.charge(permit))
    }

    /// Takes `bytes` if they are free now and nobody waits.
    pub fn try_take(&self, bytes: usize) -> Option<Charge> {
        let permit = Arc::clone(&self.free).try_acquire_many_owned(self.clamp(bytes)).ok()?;
        Some(self.charge(permit))
    }

    fn charge(&self, permit: OwnedSemaphorePermit) -> Charge {
        Charge { permit, waiting: Arc::clone(&self.waiting), pressure: None }
    }

    /// Takes what `wanted` asks, but never more than one part in `share` of what is free, nor less
    /// than `least`, for which it waits. So those who hold on to their charge can make the others'
    /// smaller but not take everything.
    pub async fn take_share(&self, wanted: usize, share: usize, least: usize) -> Option<Charge> {
        let fair = self.free_bytes() / share.max(1);
        self.take(wanted.min(fair.max(least))).await
    }

    /// Bytes that nobody has taken.
    pub fn free_bytes(&self) -> usize {
        self.free.available_permits()
    }

    /// How many wait for bytes.
    pub fn waiting(&self) -> usize {
        self.waiting.load(Ordering::Relaxed)
    }

    /// All bytes of the budget.
    pub const fn total_bytes(&self) -> usize {
        self.total
    }

    fn clamp(&self, bytes: usize) -> u32 {
        u32::try_from(bytes.min(self.total)).unwrap_or(u32::MAX)
    }
}

impl Charge {
    /// Bytes held.
    pub fn bytes(&self) -> usize {
        self.permit.num_permits()
    }

    /// The charge also stands for memory of another kind, which others went without so often.
    pub fn under_pressure_of(&mut self, refused: &Arc<AtomicUsize>) {
        let before = refused.load(Ordering::Relaxed);
        self.pressure = Some(Pressure { refused: Arc::clone(refused), before });
    }

    /// Whether somebody waits for bytes of the same budget, or went without what this stands for.
    pub fn is_wanted(&self) -> bool {
        let others = self.pressure.as_ref();
        self.bytes() > 0
            && (self.waiting.load(Ordering::Relaxed) > 0
                || others.is_some_and(|others| others.refused.load(Ordering::Relaxed) != others.before))
    }

    /// Gives back all but `bytes`.
    pub fn shrink_to(&mut self, bytes: usize) {
        drop(self.permit.split(self.bytes().saturating_sub(bytes)));
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::ByteBudget;

    #[tokio::test]
    async fn charges_come_back() {
        let budget = ByteBudget::new(1000);
        let mut first = budget.take(600).await.unwrap();
        assert!(budget.try_take(500).is_none());
        first.shrink_to(100);
        assert_eq!((first.bytes(), budget.free_bytes()), (100, 900));
        drop(first);
        let all = budget.take(5000).await.unwrap();
        assert_eq!((all.bytes(), budget.free_bytes(), budget.total_bytes()), (1000, 0, 1000));
    }

    #[tokio::test]
    async fn who_holds_knows_that_others_wait() {
        let budget = ByteBudget::new(10);
        let held = budget.take(8).await.unwrap();
        assert!(!held.is_wanted());
        {
            let waiting = budget.take(5);
            futures::pin_mut!(waiting);
            assert!(futures::poll!(&mut waiting).is_pending());
            assert!(held.is_wanted());
        }
        assert!(!held.is_wanted());
    }

    #[tokio::test]
    async fn a_share_leaves_something_for_the_next() {
        let budget = ByteBudget::new(1 << 20);
        let mut held = Vec::new();
        for _ in 0..40 {
            held.push(budget.take_share(1 << 20, 8, 1024).await.unwrap());
        }
        assert!(held[0].bytes() > held[20].bytes());
        assert!(budget.free_bytes() >= 1024);
    }
}
