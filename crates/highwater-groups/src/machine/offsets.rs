//! The committed offsets of one group.
//!
//! They change only when a record is known to be durable, in the order of the log. What is on its
//! way is counted, so that expiry does not write a tombstone behind a commit that is still coming.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::api::CommittedOffset;

/// A topic's name and a partition index.
pub(crate) type OffsetSlot = (Arc<str>, i32);

#[derive(Debug, Default)]
pub(crate) struct Offsets {
    durable: BTreeMap<OffsetSlot, CommittedOffset>,
    coming: BTreeMap<OffsetSlot, u32>,
}

impl Offsets {
    pub(crate) fn is_empty(&self) -> bool {
        self.durable.is_empty()
    }

    pub(crate) fn len(&self) -> usize {
        self.durable.len()
    }

    pub(crate) fn get(&self, topic: &Arc<str>, partition: i32) -> Option<&CommittedOffset> {
        self.durable.get(&(Arc::clone(topic), partition))
    }

    /// In order of topic name and partition.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&OffsetSlot, &CommittedOffset)> {
        self.durable.iter()
    }

    /// Those committed, and those whose commit is on its way.
    pub(crate) fn slots(&self) -> Vec<OffsetSlot> {
        let slots: BTreeSet<&OffsetSlot> = self.durable.keys().chain(self.coming.keys()).collect();
        slots.into_iter().cloned().collect()
    }

    pub(crate) fn insert(&mut self, slot: OffsetSlot, committed: CommittedOffset) {
        self.durable.insert(slot, committed);
    }

    pub(crate) fn remove(&mut self, slot: &OffsetSlot) {
        self.durable.remove(slot);
    }

    /// A commit is on its way.
    pub(crate) fn expect(&mut self, slot: &OffsetSlot) {
        *self.coming.entry(slot.clone()).or_default() += 1;
    }

    /// A commit has arrived, or never will.
    pub(crate) fn settle(&mut self, slot: &OffsetSlot) {
        if let Some(count) = self.coming.get_mut(slot) {
            *count -= 1;
            if *count == 0 {
                self.coming.remove(slot);
            }
        }
    }

    pub(crate) fn is_expected(&self, slot: &OffsetSlot) -> bool {
        self.coming.contains_key(slot)
    }

    pub(crate) fn any_expected(&self) -> bool {
        !self.coming.is_empty()
    }
}
