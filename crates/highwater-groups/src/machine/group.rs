//! One group: its phase, members and offsets, and what it writes about itself.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use highwater_env::Instant;
use highwater_env::marks::is_off;

use super::command::{Moment, Token};
use super::effects::{AppendId, Reply};
use super::ledger::{Purpose, Turn};
use super::members::Members;
use super::offsets::Offsets;
use crate::api::{Caller, GroupState, OffsetFetch};
use crate::error::GroupError;
use crate::records::group::encode_group_key;
use crate::records::subscription::subscribed_topics;
use crate::records::{GroupMetadata, KeyValue, MemberMetadata};

/// The protocol type whose subscriptions the broker can read.
pub(crate) const CONSUMER: &str = "consumer";

/// Where a group stands, with what only matters there.
#[derive(Debug)]
pub(crate) enum Phase {
    Empty,
    Preparing(Preparing),
    Completing(Completing),
    Stable(SyncWait),
}

/// Members join.
#[derive(Debug)]
pub(crate) struct Preparing {
    pub(crate) deadline: Instant,
    /// The group was empty: it waits for more members, however many are there (KIP-134).
    pub(crate) initial: Option<InitialDelay>,
}

/// The initial delay is extended while members keep coming, up to the rebalance timeout.
#[derive(Debug)]
pub(crate) struct InitialDelay {
    pub(crate) remaining: Duration,
    pub(crate) newcomer: bool,
}

/// All have joined; the assignment is awaited.
#[derive(Debug)]
pub(crate) struct Completing {
    pub(crate) wait: SyncWait,
    /// The assignment's record, once the leader has sent it.
    pub(crate) append: Option<AppendId>,
}

/// Members that have joined but not synced yet; past the deadline they are removed.
#[derive(Debug, Default)]
pub(crate) struct SyncWait {
    pub(crate) missing: BTreeSet<Arc<str>>,
    pub(crate) deadline: Option<Instant>,
}

impl SyncWait {
    pub(crate) fn synced(&mut self, member_id: &str) {
        self.missing.remove(member_id);
        if self.missing.is_empty() {
            self.deadline = None;
        }
    }
}

#[derive(Debug)]
pub(crate) struct Group {
    pub(crate) id: Arc<str>,
    pub(crate) phase: Phase,
    pub(crate) generation: i32,
    /// None until somebody joined: the group only keeps offsets.
    pub(crate) protocol_type: Option<Arc<str>>,
    pub(crate) protocol: Option<Arc<str>>,
    /// When it came into this phase, milliseconds since 1970.
    pub(crate) since_ms: Option<i64>,
    pub(crate) members: Members,
    /// Ids that were given out and are expected back (KIP-394), until when.
    pub(crate) promised: BTreeMap<Arc<str>, Instant>,
    pub(crate) offsets: Offsets,
    /// Fetches that wait for commits before them.
    pub(crate) waiting_fetches: Vec<(AppendId, Token, OffsetFetch)>,
    /// The log holds a record of this group, or will.
    pub(crate) recorded: bool,
    /// The append of its latest record; 0 if that was read from the log.
    pub(crate) recorded_by: AppendId,
    /// Appends on their way.
    pub(crate) in_flight: usize,
    /// The latest of them.
    pub(crate) last_append: AppendId,
    /// When it wants a tick: never later than needed, perhaps earlier.
    pub(crate) wake_at: Option<Instant>,
    /// What the coordinator has noted of `wake_at`.
    pub(crate) registered: Option<Instant>,
}

pub(crate) fn millis(ms: i32) -> Duration {
    Duration::from_millis(u64::try_from(ms).unwrap_or(0))
}

impl Group {
    pub(crate) fn new(id: Arc<str>) -> Self {
        Self {
            id,
            phase: Phase::Empty,
            generation: 0,
            protocol_type: None,
            protocol: None,
            since_ms: None,
            members: Members::default(),
            promised: BTreeMap::new(),
            offsets: Offsets::default(),
            waiting_fetches: Vec::new(),
            recorded: false,
            recorded_by: AppendId(0),
            in_flight: 0,
            last_append: AppendId(0),
            wake_at: None,
            registered: None,
        }
    }

    pub(crate) const fn state(&self) -> GroupState {
        match self.phase {
            Phase::Empty => GroupState::Empty,
            Phase::Preparing(_) => GroupState::PreparingRebalance,
            Phase::Completing(_) => GroupState::CompletingRebalance,
            Phase::Stable(_) => GroupState::Stable,
        }
    }

    pub(crate) const fn is_empty(&self) -> bool {
        matches!(self.phase, Phase::Empty)
    }

    /// Nothing would be lost by forgetting it.
    pub(crate) fn is_blank(&self) -> bool {
        self.is_empty()
            && !self.recorded
            && self.in_flight == 0
            && self.members.is_empty()
            && self.promised.is_empty()
            && self.offsets.is_empty()
    }

    pub(crate) fn enter(&mut self, phase: Phase, now: Moment) {
        self.phase = phase;
        self.since_ms = Some(now.wall_ms);
    }

    pub(crate) fn wake_by(&mut self, at: Instant) {
        self.wake_at = Some(self.wake_at.map_or(at, |earlier| earlier.min(at)));
    }

    /// Counts the session of a member anew.
    pub(crate) fn refresh_session(&mut self, member_id: &str, now: Moment) {
        let Some(member) = self.members.get_mut(member_id) else {
            return;
        };
        let deadline = now.monotonic + millis(member.session_timeout_ms);
        member.session_deadline = deadline;
        self.wake_by(deadline);
    }

    pub(crate) fn append(&mut self, turn: &mut Turn<'_>, records: Vec<KeyValue>, purpose: Purpose) -> AppendId {
        let records_group = matches!(purpose, Purpose::Assignment { .. } | Purpose::StaticRejoin(_) | Purpose::Emptied);
        self.in_flight += 1;
        self.last_append = turn.append(&self.id, records, purpose);
        if records_group {
            self.recorded = true;
            self.recorded_by = self.last_append;
        }
        self.last_append
    }

    /// Whether the caller is who it says: known, and not replaced by another of its instance id.
    pub(crate) fn validate_member(&self, member_id: &str, instance_id: Option<&str>) -> Result<(), GroupError> {
        if let Some(instance_id) = instance_id {
            let holder = self.members.of_instance(instance_id).ok_or(GroupError::UnknownMemberId)?;
            if &**holder != member_id {
                return Err(GroupError::FencedInstanceId);
            }
        }
        if self.members.contains(member_id) { Ok(()) } else { Err(GroupError::UnknownMemberId) }
    }

    /// As [`Self::validate_member`], and in the group's generation.
    pub(crate) fn validate_caller(&self, caller: &Caller) -> Result<(), GroupError> {
        self.validate_member(&caller.member_id, caller.instance_id.as_deref())?;
        if caller.generation == self.generation || is_off("generation-of-a-member") {
            Ok(())
        } else {
            Err(GroupError::IllegalGeneration)
        }
    }

    /// Topics that the members consume; None if the broker cannot tell, or nothing is settled.
    pub(crate) fn subscribed_topics(&self) -> Option<BTreeSet<Arc<str>>> {
        if self.protocol_type.as_deref() != Some(CONSUMER) {
            return None;
        }
        let Some(protocol) = &self.protocol else {
            return self.members.is_empty().then(BTreeSet::new);
        };
        let mut topics = BTreeSet::new();
        for member in self.members.iter() {
            topics.extend(subscribed_topics(&member.metadata(protocol)).ok()?);
        }
        Some(topics)
    }

    /// The group's record, each member with the assignment that `assignment` gives.
    ///
    /// None if it cannot be written, because a name is too long for the format: joins refuse those.
    pub(crate) fn record(&self, assignment: impl Fn(&super::members::Member) -> Bytes) -> Option<KeyValue> {
        let protocol = self.protocol.as_deref();
        let members = self.members.iter().map(|member| MemberMetadata {
            member_id: Arc::clone(&member.id),
            instance_id: member.instance_id.clone(),
            client_id: Arc::clone(&member.client_id),
            client_host: Arc::clone(&member.client_host),
            rebalance_timeout_ms: member.rebalance_timeout_ms,
            session_timeout_ms: member.session_timeout_ms,
            subscription: protocol.map(|protocol| member.metadata(protocol)).unwrap_or_default(),
            assignment: assignment(member),
        });
        let metadata = GroupMetadata {
            protocol_type: self.protocol_type.clone().unwrap_or_else(|| Arc::from("")),
            generation: self.generation,
            protocol: self.protocol.clone(),
            leader: self.members.leader().cloned(),
            state_timestamp_ms: self.since_ms,
            members: members.collect(),
        };
        let value = metadata.encode().inspect_err(|error| {
            tracing::error!(group = &*self.id, %error, "the group's record cannot be written");
        });
        Some(KeyValue { key: encode_group_key(&self.id).ok()?, value: Some(value.ok()?) })
    }

    /// The group's tombstone.
    pub(crate) fn tombstone(&self) -> Option<KeyValue> {
        Some(KeyValue { key: encode_group_key(&self.id).ok()?, value: None })
    }

    /// Answers whatever the member waits for with an error.
    pub(crate) fn dismiss(&mut self, turn: &mut Turn<'_>, member_id: &Arc<str>, error: GroupError) {
        if let Some(token) = self.members.finish_join(member_id) {
            turn.reply(token, Reply::Join(crate::api::JoinReply::refused(Arc::clone(member_id), error)));
        }
        if let Some(token) = self.members.get_mut(member_id).and_then(|member| member.syncing.take()) {
            turn.reply(token, Reply::Sync(Err(error)));
        }
    }

    /// Takes a member out of the group, whatever it waits for being answered UNKNOWN_MEMBER_ID, so
    /// that it joins anew if it is still there.
    pub(crate) fn remove_member(&mut self, turn: &mut Turn<'_>, member_id: &Arc<str>) {
        self.dismiss(turn, member_id, GroupError::UnknownMemberId);
        self.members.remove(member_id);
        if let Phase::Completing(Completing { wait, .. }) | Phase::Stable(wait) = &mut self.phase {
            wait.synced(member_id);
        }
    }
}
