//! Expiry of committed offsets and of groups that have nothing left (KIP-211).

use std::collections::BTreeSet;
use std::sync::Arc;

use super::group::{CONSUMER, Group, Phase};
use super::ledger::Turn;
use super::offsets::OffsetSlot;
use crate::api::CommittedOffset;

/// From when the time of an offset runs.
enum Clock {
    /// The group has no members since then.
    EmptySince(Option<i64>),
    /// The commit: nobody says that the topic is consumed.
    Commit,
    /// The commit, for topics that no member consumes.
    CommitUnless(BTreeSet<Arc<str>>),
}

impl Group {
    /// Writes tombstones for what has expired, the group included if nothing of it is left.
    pub(crate) fn expire_offsets(&mut self, turn: &mut Turn<'_>) {
        let expired = self.expired(turn.now.wall_ms, turn.settings.offsets_retention_ms);
        let idle = self.is_empty() && self.promised.is_empty() && self.in_flight == 0;
        if idle && expired.len() == self.offsets.len() {
            if self.recorded || !expired.is_empty() {
                tracing::info!(group = &*self.id, offsets = expired.len(), "group expired");
                self.write_end(turn, None);
            }
        } else if !expired.is_empty() {
            tracing::info!(group = &*self.id, offsets = expired.len(), "offsets expired");
            self.forget(turn, expired, None);
        }
    }

    fn expired(&self, now_ms: i64, retention_ms: i64) -> Vec<OffsetSlot> {
        let Some(clock) = self.clock() else {
            return Vec::new();
        };
        let is_over = |(slot, committed): &(&OffsetSlot, &CommittedOffset)| {
            if self.offsets.is_expected(slot) {
                return false; // a commit is on its way, and its record would come before the tombstone
            }
            let since = match &clock {
                Clock::EmptySince(since) => since.unwrap_or(committed.commit_timestamp_ms),
                Clock::CommitUnless(topics) if topics.contains(&slot.0) => return false,
                Clock::Commit | Clock::CommitUnless(_) => committed.commit_timestamp_ms,
            };
            match committed.expire_timestamp_ms {
                Some(at) => now_ms >= at,
                None => now_ms.saturating_sub(since) >= retention_ms,
            }
        };
        self.offsets.iter().filter(is_over).map(|(slot, _)| slot.clone()).collect()
    }

    /// None while the group's offsets are in use.
    fn clock(&self) -> Option<Clock> {
        match (&self.protocol_type, &self.phase) {
            (None, _) => Some(Clock::Commit),
            (Some(_), Phase::Empty) => Some(Clock::EmptySince(self.since_ms)),
            (Some(kind), Phase::Stable(_)) if &**kind == CONSUMER => self.subscribed_topics().map(Clock::CommitUnless),
            _ => None,
        }
    }

    /// Tombstones for the offsets of deleted topics.
    pub(crate) fn forget_topics(&mut self, turn: &mut Turn<'_>, topics: &BTreeSet<Arc<str>>) {
        let mut slots = self.offsets.slots();
        slots.retain(|(topic, _)| topics.contains(topic));
        self.forget(turn, slots, None);
    }
}
