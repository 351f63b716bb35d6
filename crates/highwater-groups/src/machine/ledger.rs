//! Appends that are on their way to the log, and what is to follow each.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;

use super::command::{Moment, Token};
use super::effects::{Append, AppendFailure, AppendId, Effects, Reply};
use super::offsets::OffsetSlot;
use crate::api::{CommittedOffset, Protocol, TopicResults};
use crate::records::KeyValue;
use crate::settings::GroupSettings;

/// Tombstones in one append; the deletion of a larger group takes several.
pub(crate) const MAX_TOMBSTONES: usize = 1_000;

/// What an append was for.
#[derive(Debug)]
pub(crate) enum Purpose {
    /// Offsets of a commit, and its answer.
    Commit { token: Token, answer: Vec<TopicResults>, offsets: Vec<(OffsetSlot, CommittedOffset)> },
    /// The leader's assignment, which completes this generation.
    Assignment { generation: i32, assignments: Vec<(Arc<str>, Bytes)> },
    /// A static member came back under a new id into a stable group.
    StaticRejoin(Box<StaticRejoin>),
    /// The group lost its last member; nobody waits.
    Emptied,
    /// Offsets go. With `token`, it is the last append of a request and is answered so.
    Forget { slots: Vec<OffsetSlot>, token: Option<(Token, Reply)> },
    /// The group goes with what is left of it, unless it was recorded again since.
    Delete { slots: Vec<OffsetSlot>, token: Option<Token> },
}

/// What to take back if the new id of a static member did not reach the log.
#[derive(Debug)]
pub(crate) struct StaticRejoin {
    pub(crate) token: Token,
    pub(crate) generation: i32,
    pub(crate) instance_id: Arc<str>,
    pub(crate) old_id: Arc<str>,
    pub(crate) new_id: Arc<str>,
    pub(crate) old_protocols: Vec<Protocol>,
    pub(crate) old_session_timeout_ms: i32,
    pub(crate) old_rebalance_timeout_ms: i32,
    /// The leader as the group's members know it.
    pub(crate) old_leader: Arc<str>,
    pub(crate) supports_skipping_assignment: bool,
}

/// An append whose fate is open.
#[derive(Debug)]
pub(crate) struct InFlight {
    pub(crate) group: Arc<str>,
    pub(crate) purpose: Purpose,
}

/// All of them, in order.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    last: u64,
    open: BTreeMap<AppendId, InFlight>,
}

impl Ledger {
    /// Takes out what `id` was for; None if it was reported before.
    pub(crate) fn close(&mut self, id: AppendId) -> Option<InFlight> {
        self.open.remove(&id)
    }

    #[cfg(test)]
    pub(crate) fn is_empty(&self) -> bool {
        self.open.is_empty()
    }
}

/// One step of the machine: the moment, the settings, and where its effects go.
pub(crate) struct Turn<'a> {
    pub(crate) now: Moment,
    pub(crate) settings: &'a GroupSettings,
    pub(crate) ledger: &'a mut Ledger,
    pub(crate) effects: &'a mut Effects,
}

impl Turn<'_> {
    pub(crate) fn reply(&mut self, token: Token, reply: Reply) {
        self.effects.replies.push((token, reply));
    }

    /// Gives records to the log. The group counts it as on its way (`Group::append`).
    pub(crate) fn append(&mut self, group: &Arc<str>, records: Vec<KeyValue>, purpose: Purpose) -> AppendId {
        self.ledger.last += 1;
        let id = AppendId(self.ledger.last);
        self.ledger.open.insert(id, InFlight { group: Arc::clone(group), purpose });
        self.effects.appends.push(Append { id, records });
        id
    }
}

/// Whether an append became durable.
pub(crate) type Fate = Result<(), AppendFailure>;
