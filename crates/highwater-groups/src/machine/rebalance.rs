//! From one generation to the next: when members are called to join, and when the join is over.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use super::effects::Reply;
use super::group::{Completing, Group, InitialDelay, Phase, Preparing, SyncWait, millis};
use super::ledger::{Purpose, Turn};
use crate::error::GroupError;

/// Members may ask for a rebalance timeout of nothing; waiting for them must not spin.
const MIN_POSTPONEMENT: Duration = Duration::from_secs(1);

impl Group {
    /// Something changed: begins a rebalance, or sees whether the running one is complete.
    pub(crate) fn rebalance_or_complete(&mut self, turn: &mut Turn<'_>) {
        if matches!(self.phase, Phase::Preparing(_)) {
            self.complete_if_all_joined(turn);
        } else {
            self.prepare_rebalance(turn);
        }
    }

    /// Calls all members to join again. Those that wait for an assignment are told at once, the
    /// others by their next heartbeat.
    pub(crate) fn prepare_rebalance(&mut self, turn: &mut Turn<'_>) {
        self.refuse_syncs(turn, GroupError::RebalanceInProgress);
        let rebalance_timeout = millis(self.members.longest_rebalance_timeout_ms());
        if self.is_empty() {
            let delay = Duration::from_millis(u64::from(turn.settings.initial_rebalance_delay_ms));
            let deadline = turn.now.monotonic + delay;
            let initial = InitialDelay { remaining: rebalance_timeout.saturating_sub(delay), newcomer: false };
            self.enter(Phase::Preparing(Preparing { deadline, initial: Some(initial) }), turn.now);
            self.wake_by(deadline);
            if delay.is_zero() {
                self.initial_delay_passed(turn);
            }
        } else {
            let deadline = turn.now.monotonic + rebalance_timeout;
            self.enter(Phase::Preparing(Preparing { deadline, initial: None }), turn.now);
            self.wake_by(deadline);
            self.complete_if_all_joined(turn);
        }
    }

    /// Ends the join phase if nobody is missing. The initial delay of an empty group is sat out.
    pub(crate) fn complete_if_all_joined(&mut self, turn: &mut Turn<'_>) {
        if let Phase::Preparing(Preparing { initial: None, .. }) = self.phase
            && self.members.all_joining()
            && self.promised.is_empty()
        {
            self.complete_join(turn);
        }
    }

    /// The time of the phase is over.
    pub(crate) fn join_deadline_passed(&mut self, turn: &mut Turn<'_>) {
        match &self.phase {
            Phase::Preparing(Preparing { initial: Some(_), .. }) => self.initial_delay_passed(turn),
            Phase::Preparing(_) => self.complete_join(turn),
            _ => {}
        }
    }

    fn initial_delay_passed(&mut self, turn: &mut Turn<'_>) {
        let Phase::Preparing(preparing) = &mut self.phase else {
            return;
        };
        let Some(initial) = &mut preparing.initial else {
            return;
        };
        if !initial.newcomer || initial.remaining.is_zero() {
            self.complete_join(turn);
            return;
        }
        let delay = Duration::from_millis(u64::from(turn.settings.initial_rebalance_delay_ms)).min(initial.remaining);
        initial.remaining = initial.remaining.saturating_sub(delay);
        initial.newcomer = false;
        preparing.deadline = turn.now.monotonic + delay;
        let deadline = preparing.deadline;
        self.wake_by(deadline);
    }

    /// Goes on with those that joined. Dynamic members that did not are out; static ones keep their
    /// place until their session ends.
    fn complete_join(&mut self, turn: &mut Turn<'_>) {
        let absent: Vec<Arc<str>> = self
            .members
            .iter()
            .filter(|member| member.joining().is_none() && member.instance_id.is_none())
            .map(|member| Arc::clone(&member.id))
            .collect();
        for member_id in &absent {
            tracing::info!(group = &*self.id, member = &**member_id, "member did not join again in time");
            self.remove_member(turn, member_id);
        }
        if self.members.is_empty() {
            self.become_empty(turn);
        } else if self.members.elect_joined_leader() {
            self.begin_generation(turn);
        } else {
            // Static members alone, and none has joined yet: wait on.
            let again = millis(self.members.longest_rebalance_timeout_ms()).max(MIN_POSTPONEMENT);
            let deadline = turn.now.monotonic + again;
            self.phase = Phase::Preparing(Preparing { deadline, initial: None });
            self.wake_by(deadline);
        }
    }

    fn become_empty(&mut self, turn: &mut Turn<'_>) {
        self.generation = self.generation.wrapping_add(1).max(0);
        self.protocol = None;
        self.enter(Phase::Empty, turn.now);
        if let Some(record) = self.record(|_| Bytes::new()) {
            self.append(turn, vec![record], Purpose::Emptied);
        }
    }

    fn begin_generation(&mut self, turn: &mut Turn<'_>) {
        self.generation = self.generation.wrapping_add(1).max(0);
        self.protocol = self.members.choose_protocol();
        let deadline = turn.now.monotonic + millis(self.members.longest_rebalance_timeout_ms());
        let ids = self.members.ids();
        let wait = SyncWait { missing: ids.iter().cloned().collect(), deadline: Some(deadline) };
        self.enter(Phase::Completing(Completing { wait, append: None }), turn.now);
        self.wake_by(deadline);
        tracing::info!(
            group = &*self.id,
            generation = self.generation,
            members = ids.len(),
            protocol = self.protocol.as_deref().unwrap_or_default(),
            "group begins a generation"
        );
        for id in &ids {
            if let Some(member) = self.members.get_mut(id) {
                member.is_new = false;
            }
            if let Some(token) = self.members.finish_join(id) {
                let reply = self.join_reply(id);
                turn.reply(token, Reply::Join(reply));
            }
            self.refresh_session(id, turn.now);
        }
    }

    /// Members that did not fetch their assignment in time are out, static ones too, as in Kafka.
    pub(crate) fn sync_deadline_passed(&mut self, turn: &mut Turn<'_>) {
        let (Phase::Completing(Completing { wait, .. }) | Phase::Stable(wait)) = &mut self.phase else {
            return;
        };
        let missing = std::mem::take(&mut wait.missing);
        wait.deadline = None;
        if missing.is_empty() {
            return;
        }
        for member_id in &missing {
            tracing::info!(group = &*self.id, member = &**member_id, "member did not sync in time");
            self.remove_member(turn, member_id);
        }
        self.prepare_rebalance(turn);
    }

    /// Answers every waiting sync with an error.
    pub(crate) fn refuse_syncs(&mut self, turn: &mut Turn<'_>, error: GroupError) {
        if !matches!(self.phase, Phase::Completing(_)) {
            return;
        }
        for id in self.members.ids() {
            let Some(member) = self.members.get_mut(&id) else {
                continue;
            };
            member.assignment = Bytes::new();
            if let Some(token) = member.syncing.take() {
                turn.reply(token, Reply::Sync(Err(error)));
                self.refresh_session(&id, turn.now);
            }
        }
    }
}
