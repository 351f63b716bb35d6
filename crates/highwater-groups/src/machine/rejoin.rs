//! A static member that comes back without its member id (KIP-345): it takes over the place of its
//! former self, which is fenced, and a stable group stays stable if nothing else changed.

use std::sync::Arc;

use super::command::Token;
use super::effects::Reply;
use super::group::{Group, Phase};
use super::ledger::{Fate, Purpose, StaticRejoin, Turn};
use crate::api::{JoinGroup, JoinReply};
use crate::error::GroupError;

impl Group {
    pub(crate) fn replace_static(
        &mut self,
        turn: &mut Turn<'_>,
        token: Token,
        request: &JoinGroup,
        old_id: Arc<str>,
        new_id: Arc<str>,
    ) {
        let old_leader = self.members.leader().cloned().unwrap_or_else(|| Arc::from(""));
        self.dismiss(turn, &old_id, GroupError::FencedInstanceId);
        let Some(old) = self.members.get(&old_id) else {
            return;
        };
        let undo = StaticRejoin {
            token,
            generation: self.generation,
            instance_id: request.instance_id.clone().unwrap_or_else(|| Arc::from("")),
            old_id: Arc::clone(&old_id),
            new_id: Arc::clone(&new_id),
            old_protocols: old.protocols.clone(),
            old_session_timeout_ms: old.session_timeout_ms,
            old_rebalance_timeout_ms: old.rebalance_timeout_ms,
            old_leader,
            supports_skipping_assignment: request.supports_skipping_assignment,
        };
        self.members.rename(&old_id, &new_id);
        if let Phase::Completing(super::group::Completing { wait, .. }) | Phase::Stable(wait) = &mut self.phase
            && wait.missing.remove(&old_id)
        {
            wait.missing.insert(Arc::clone(&new_id));
        }
        self.update_member(turn, token, request, &new_id);
        self.refresh_session(&new_id, turn.now);
        match self.phase {
            Phase::Stable(_) if self.members.choose_protocol() == self.protocol => self.record_rejoin(turn, undo),
            // The leader may be computing an assignment for the old id.
            Phase::Stable(_) | Phase::Completing(_) => self.prepare_rebalance(turn),
            Phase::Preparing(_) => self.complete_if_all_joined(turn),
            Phase::Empty => {} // an empty group has no static members
        }
    }

    fn record_rejoin(&mut self, turn: &mut Turn<'_>, undo: StaticRejoin) {
        let record = self.record(|member| member.assignment.clone());
        match record {
            Some(record) => {
                self.append(turn, vec![record], Purpose::StaticRejoin(Box::new(undo)));
            }
            None => self.undo_rejoin(turn, &undo, GroupError::UnknownServerError),
        }
    }

    /// The record of the new id is durable, or is not. If the group began to rebalance meanwhile, the
    /// join is answered with the next generation like every other.
    pub(crate) fn rejoin_recorded(&mut self, turn: &mut Turn<'_>, undo: &StaticRejoin, fate: Fate) {
        let waits = self.members.get(&undo.new_id).is_some_and(|member| member.joining() == Some(undo.token));
        if !waits || !matches!(self.phase, Phase::Stable(_)) || self.generation != undo.generation {
            return;
        }
        if let Err(failure) = fate {
            self.undo_rejoin(turn, undo, failure.as_group_error());
            return;
        }
        self.members.finish_join(&undo.new_id);
        self.refresh_session(&undo.new_id, turn.now);
        let mut reply = self.join_reply(&undo.new_id);
        if undo.supports_skipping_assignment {
            if self.members.is_leader(&undo.new_id) {
                reply.skip_assignment = true;
                reply.members = self.joined_members();
            }
        } else {
            // An old client that finds itself the leader would assign: it is shown its former id.
            reply.leader = Arc::clone(&undo.old_leader);
        }
        turn.reply(undo.token, Reply::Join(reply));
    }

    fn undo_rejoin(&mut self, turn: &mut Turn<'_>, undo: &StaticRejoin, error: GroupError) {
        self.members.finish_join(&undo.new_id);
        self.members.rename(&undo.new_id, &undo.old_id);
        self.members.set_protocols(&undo.old_id, undo.old_protocols.clone());
        if let Some(member) = self.members.get_mut(&undo.old_id) {
            member.session_timeout_ms = undo.old_session_timeout_ms;
            member.rebalance_timeout_ms = undo.old_rebalance_timeout_ms;
        }
        if let Phase::Stable(wait) = &mut self.phase
            && wait.missing.remove(&undo.new_id)
        {
            wait.missing.insert(Arc::clone(&undo.old_id));
        }
        self.refresh_session(&undo.old_id, turn.now);
        tracing::warn!(group = &*self.id, instance = &*undo.instance_id, %error, "static member not replaced");
        turn.reply(undo.token, Reply::Join(JoinReply::refused(Arc::from(""), error)));
    }
}
