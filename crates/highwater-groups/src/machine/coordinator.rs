//! The groups of one partition of `__consumer_offsets`.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use highwater_env::Instant;

use super::command::{Command, Moment, Token};
use super::effects::{AppendId, Effects, Reply};
use super::group::Group;
use super::join;
use super::ledger::{Fate, InFlight, Ledger, Purpose, Turn};
use crate::api::{JoinGroup, JoinReply, OffsetCommit, OffsetFetch};
use crate::error::GroupError;
use crate::records::{Entry, RecordError};
use crate::settings::{GroupSettings, MAX_STRING_BYTES};

/// A pure state machine. It is filled by [`Self::replay`] and opened by [`Self::loaded`]; then every
/// call gives [`Effects`] that are to be carried out before the next call.
#[derive(Debug)]
pub struct Coordinator {
    settings: GroupSettings,
    groups: BTreeMap<Arc<str>, Group>,
    /// When groups want to be woken.
    deadlines: BTreeSet<(Instant, Arc<str>)>,
    ledger: Ledger,
    next_retention_check: Option<Instant>,
}

fn valid(group_id: &str) -> bool {
    group_id.len() <= MAX_STRING_BYTES
}

impl Coordinator {
    /// Without groups.
    pub fn new(settings: GroupSettings) -> Self {
        Self {
            settings,
            groups: BTreeMap::new(),
            deadlines: BTreeSet::new(),
            ledger: Ledger::default(),
            next_retention_check: None,
        }
    }

    /// Takes over one record of the log, in its order. Records of types that the classic protocol
    /// does not have are passed over with a log line.
    ///
    /// # Errors
    /// A record that cannot be read; nothing has changed. Whoever may write to the topic can have
    /// written it, so the caller logs it and goes on.
    pub fn replay(&mut self, key: &[u8], value: Option<&[u8]>, now: Moment) -> Result<(), RecordError> {
        match Entry::decode(key, value)? {
            Entry::Offset(key, committed) => {
                let group = self.group_or_new(&key.group);
                match committed {
                    Some(committed) => group.offsets.insert((key.topic, key.partition), committed),
                    None => group.offsets.remove(&(key.topic, key.partition)),
                }
                if group.is_blank() {
                    self.groups.remove(&key.group);
                }
            }
            Entry::Group(id, Some(metadata)) => self.group_or_new(&id).restore(metadata, now.monotonic),
            Entry::Group(id, None) => {
                let group = self.group_or_new(&id);
                group.restore_end();
                if group.is_blank() {
                    self.groups.remove(&id);
                }
            }
            Entry::Other(kind) => {
                tracing::debug!(kind, "record of another group protocol passed over")
            }
        }
        Ok(())
    }

    fn group_or_new(&mut self, id: &Arc<str>) -> &mut Group {
        self.groups.entry(Arc::clone(id)).or_insert_with(|| Group::new(Arc::clone(id)))
    }

    /// The log is read: members' sessions begin anew.
    pub fn loaded(&mut self, now: Moment) -> Effects {
        let mut effects = Effects::default();
        self.next_retention_check = Some(now.monotonic + self.retention_interval());
        let ids: Vec<Arc<str>> = self.groups.keys().cloned().collect();
        for id in &ids {
            self.step(now, &mut effects, id, |group, turn| {
                for member_id in group.members.ids() {
                    group.refresh_session(&member_id, turn.now);
                }
                if group.members.len() > turn.settings.max_size {
                    tracing::info!(group = &*group.id, "group is over group.max.size and rebalances");
                    group.prepare_rebalance(turn);
                }
            });
        }
        self.finish(effects)
    }

    /// Number of groups.
    pub fn group_count(&self) -> usize {
        self.groups.len()
    }

    /// Carries out a command. It is answered by these effects or by later ones, exactly once.
    pub fn handle(&mut self, now: Moment, token: Token, command: Command) -> Effects {
        let mut effects = Effects::default();
        self.dispatch(now, token, command, &mut effects);
        self.finish(effects)
    }

    fn dispatch(&mut self, now: Moment, token: Token, command: Command, effects: &mut Effects) {
        match command {
            Command::Join { request, fresh } => self.join(now, token, request, fresh, effects),
            Command::Sync(request) => {
                let id = Arc::clone(&request.caller.group_id);
                let missing = |error| Reply::Sync(Err(error));
                self.member_request(now, token, &id, missing, effects, |group, turn| group.sync(turn, token, request));
            }
            Command::Heartbeat(request) => {
                let id = Arc::clone(&request.caller.group_id);
                let missing = |error| Reply::Heartbeat(Err(error));
                self.member_request(now, token, &id, missing, effects, |group, turn| {
                    let answer = group.heartbeat(turn, &request);
                    turn.reply(token, Reply::Heartbeat(answer));
                });
            }
            Command::Leave(request) => {
                let missing = |error| Reply::Leave(Err(error));
                self.member_request(now, token, &request.group_id, missing, effects, |group, turn| {
                    let answer = group.leave(turn, request.members);
                    turn.reply(token, Reply::Leave(Ok(answer)));
                });
            }
            Command::Commit(request) => self.commit(now, token, &request, effects),
            Command::Fetch(request) => self.fetch(now, token, request, effects),
            Command::List(request) => {
                let listed = self.groups.values().filter_map(|group| group.listed(&request)).collect();
                effects.replies.push((token, Reply::List(listed)));
            }
            Command::Describe(id) => {
                let described = self.groups.get(&id).map(Group::described).ok_or(GroupError::GroupIdNotFound);
                effects.replies.push((token, Reply::Describe(described)));
            }
            Command::Delete(id) => {
                if self.step(now, effects, &id, |group, turn| group.delete(turn, token)).is_none() {
                    effects.replies.push((token, Reply::Delete(Err(GroupError::GroupIdNotFound))));
                }
            }
            Command::DeleteOffsets(request) => {
                let known = self.step(now, effects, &request.group_id, |group, turn| {
                    group.delete_offsets(turn, token, &request);
                });
                if known.is_none() {
                    effects.replies.push((token, Reply::DeleteOffsets(Err(GroupError::GroupIdNotFound))));
                }
            }
            Command::ForgetTopics(topics) => {
                let topics: BTreeSet<Arc<str>> = topics.into_iter().collect();
                self.each_group(now, effects, |group, turn| group.forget_topics(turn, &topics));
                effects.replies.push((token, Reply::Forgotten));
            }
        }
    }

    fn join(&mut self, now: Moment, token: Token, request: JoinGroup, fresh: u128, effects: &mut Effects) {
        let refusal =
            join::validate(&request, self.settings.min_session_timeout_ms, self.settings.max_session_timeout_ms)
                .err()
                .or_else(|| {
                    let unknown = !request.member_id.is_empty() && !self.groups.contains_key(&request.group_id);
                    unknown.then_some(GroupError::UnknownMemberId)
                });
        if let Some(error) = refusal {
            effects.replies.push((token, Reply::Join(JoinReply::refused(request.member_id, error))));
            return;
        }
        let id = Arc::clone(&request.group_id);
        self.group_or_new(&id);
        self.step(now, effects, &id, |group, turn| group.join(turn, token, request, fresh));
    }

    /// A request of a member, which an unknown group does not have.
    fn member_request(
        &mut self,
        now: Moment,
        token: Token,
        id: &Arc<str>,
        refuse: impl Fn(GroupError) -> Reply,
        effects: &mut Effects,
        run: impl FnOnce(&mut Group, &mut Turn<'_>),
    ) {
        if id.is_empty() || !valid(id) {
            effects.replies.push((token, refuse(GroupError::InvalidGroupId)));
        } else if self.step(now, effects, id, run).is_none() {
            effects.replies.push((token, refuse(GroupError::UnknownMemberId)));
        }
    }

    /// Kafka takes commits of the group with the empty id, which old simple consumers use.
    fn commit(&mut self, now: Moment, token: Token, request: &OffsetCommit, effects: &mut Effects) {
        let id = &request.caller.group_id;
        let refusal = if !valid(id) {
            Some(GroupError::InvalidGroupId)
        } else if request.caller.generation >= 0 && !self.groups.contains_key(id) {
            let error = GroupError::IllegalGeneration;
            Some(if request.knows_group_id_not_found { GroupError::GroupIdNotFound } else { error })
        } else {
            None
        };
        if let Some(error) = refusal {
            effects.replies.push((token, Reply::Commit(Err(error))));
            return;
        }
        self.group_or_new(id);
        self.step(now, effects, id, |group, turn| group.commit(turn, token, request));
    }

    /// A group that does not exist has no offsets, which is not an error.
    fn fetch(&mut self, now: Moment, token: Token, request: OffsetFetch, effects: &mut Effects) {
        if !valid(&request.group_id) {
            effects.replies.push((token, Reply::Fetch(Err(GroupError::InvalidGroupId))));
            return;
        }
        let id = Arc::clone(&request.group_id);
        self.group_or_new(&id); // and forgotten again by `step`, being blank
        self.step(now, effects, &id, |group, turn| group.fetch(turn, token, request));
    }

    /// Reports that an append is durable, or that it is not known to be. Each append of the effects
    /// is reported once, in their order.
    pub fn appended(&mut self, now: Moment, id: AppendId, fate: Fate) -> Effects {
        let mut effects = Effects::default();
        if let Some(InFlight { group, purpose }) = self.ledger.close(id) {
            if let Err(failure) = fate {
                tracing::warn!(group = &*group, ?failure, "a record of the group did not become durable");
            }
            self.step(now, &mut effects, &group, |group, turn| {
                group.in_flight -= 1;
                match purpose {
                    Purpose::Commit { token, answer, offsets } => {
                        group.commit_recorded(turn, token, answer, offsets, fate);
                    }
                    Purpose::Assignment { generation, assignments } => {
                        group.assignment_recorded(turn, generation, assignments, fate);
                    }
                    Purpose::StaticRejoin(undo) => group.rejoin_recorded(turn, &undo, fate),
                    Purpose::Emptied => {}
                    Purpose::Forget { slots, token } => group.forgotten(turn, &slots, token, fate),
                    Purpose::Delete { slots, token } => group.end_recorded(turn, id, &slots, token, fate),
                }
                group.release_fetches(turn, id);
            });
        }
        self.finish(effects)
    }

    /// Time has passed. To be called when the timer of the latest effects is due; early is harmless.
    pub fn tick(&mut self, now: Moment) -> Effects {
        let mut effects = Effects::default();
        let due = self.deadlines.iter().take_while(|(at, _)| *at <= now.monotonic);
        let due: Vec<Arc<str>> = due.map(|(_, id)| Arc::clone(id)).collect();
        for id in &due {
            self.step(now, &mut effects, id, |group, turn| group.tick(turn));
        }
        if self.next_retention_check.is_some_and(|at| at <= now.monotonic) {
            self.next_retention_check = Some(now.monotonic + self.retention_interval());
            self.each_group(now, &mut effects, |group, turn| group.expire_offsets(turn));
        }
        self.finish(effects)
    }

    fn retention_interval(&self) -> Duration {
        Duration::from_millis(u64::from(self.settings.offsets_retention_check_interval_ms.max(1)))
    }

    fn each_group(&mut self, now: Moment, effects: &mut Effects, mut run: impl FnMut(&mut Group, &mut Turn<'_>)) {
        let ids: Vec<Arc<str>> = self.groups.keys().cloned().collect();
        for id in &ids {
            self.step(now, effects, id, &mut run);
        }
    }

    /// Runs one group's part of a step, notes when it wants to be woken, and forgets it if nothing
    /// of it is left. None if there is no such group.
    fn step<R>(
        &mut self,
        now: Moment,
        effects: &mut Effects,
        id: &Arc<str>,
        run: impl FnOnce(&mut Group, &mut Turn<'_>) -> R,
    ) -> Option<R> {
        let group = self.groups.get_mut(id)?;
        let mut turn = Turn { now, settings: &self.settings, ledger: &mut self.ledger, effects };
        let outcome = run(group, &mut turn);
        let blank = group.is_blank();
        let wanted = if blank { None } else { group.wake_at };
        if wanted != group.registered {
            if let Some(before) = group.registered {
                self.deadlines.remove(&(before, Arc::clone(id)));
            }
            if let Some(at) = wanted {
                self.deadlines.insert((at, Arc::clone(id)));
            }
            group.registered = wanted;
        }
        if blank {
            self.groups.remove(id);
        }
        Some(outcome)
    }

    fn finish(&self, mut effects: Effects) -> Effects {
        let group = self.deadlines.first().map(|(at, _)| *at);
        effects.timer = group.into_iter().chain(self.next_retention_check).min();
        effects
    }

    #[cfg(test)]
    pub(crate) fn group(&self, id: &str) -> Option<&Group> {
        self.groups.get(id)
    }

    #[cfg(test)]
    pub(crate) fn groups(&self) -> impl Iterator<Item = &Group> {
        self.groups.values()
    }

    #[cfg(test)]
    pub(crate) fn nothing_in_flight(&self) -> bool {
        self.ledger.is_empty()
    }
}
