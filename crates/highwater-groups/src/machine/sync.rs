//! SyncGroup: the leader's assignment goes into the log, then to the members.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;

use super::command::Token;
use super::effects::Reply;
use super::group::{Completing, Group, Phase};
use super::ledger::{Fate, Purpose, Turn};
use crate::api::{SyncGroup, SyncReply};
use crate::error::GroupError;

impl Group {
    /// Answers now or when the leader's assignment is durable.
    pub(crate) fn sync(&mut self, turn: &mut Turn<'_>, token: Token, request: SyncGroup) {
        if let Err(error) = self.validate_sync(&request) {
            turn.reply(token, Reply::Sync(Err(error)));
            return;
        }
        let member_id = Arc::clone(&request.caller.member_id);
        match &mut self.phase {
            Phase::Empty => turn.reply(token, Reply::Sync(Err(GroupError::UnknownMemberId))),
            Phase::Preparing(_) => turn.reply(token, Reply::Sync(Err(GroupError::RebalanceInProgress))),
            Phase::Stable(wait) => {
                wait.synced(&member_id);
                let reply = self.sync_reply(&member_id);
                self.refresh_session(&member_id, turn.now);
                turn.reply(token, Reply::Sync(Ok(reply)));
            }
            Phase::Completing(completing) => {
                completing.wait.synced(&member_id);
                let recorded = completing.append.is_some();
                if let Some(member) = self.members.get_mut(&member_id)
                    && let Some(earlier) = member.syncing.replace(token)
                {
                    turn.reply(earlier, Reply::Sync(Err(GroupError::RebalanceInProgress)));
                }
                if self.members.is_leader(&member_id) && !recorded {
                    self.record_assignment(turn, request.assignments);
                }
            }
        }
    }

    fn validate_sync(&self, request: &SyncGroup) -> Result<(), GroupError> {
        self.validate_caller(&request.caller)?;
        let agrees = |given: &Option<Arc<str>>, own: &Option<Arc<str>>| given.is_none() || given == own;
        if agrees(&request.protocol_type, &self.protocol_type) && agrees(&request.protocol, &self.protocol) {
            Ok(())
        } else {
            Err(GroupError::InconsistentGroupProtocol)
        }
    }

    /// Members that the leader left out get an empty assignment.
    fn record_assignment(&mut self, turn: &mut Turn<'_>, assignments: Vec<(Arc<str>, Bytes)>) {
        let assigned: BTreeMap<Arc<str>, Bytes> = assignments.into_iter().collect();
        let record = self.record(|member| assigned.get(&member.id).cloned().unwrap_or_default());
        let Some(record) = record else {
            self.refuse_syncs(turn, GroupError::UnknownServerError);
            self.prepare_rebalance(turn);
            return;
        };
        let purpose = Purpose::Assignment { generation: self.generation, assignments: assigned.into_iter().collect() };
        let id = self.append(turn, vec![record], purpose);
        if let Phase::Completing(completing) = &mut self.phase {
            completing.append = Some(id);
        }
    }

    /// The assignment's record is durable, or is not. Nothing happens if the group has moved on.
    pub(crate) fn assignment_recorded(
        &mut self,
        turn: &mut Turn<'_>,
        generation: i32,
        assignments: Vec<(Arc<str>, Bytes)>,
        fate: Fate,
    ) {
        if generation != self.generation {
            return;
        }
        let Phase::Completing(Completing { wait, .. }) = &mut self.phase else {
            return;
        };
        if let Err(failure) = fate {
            self.refuse_syncs(turn, failure.as_group_error());
            self.prepare_rebalance(turn);
            return;
        }
        let wait = std::mem::take(wait);
        self.enter(Phase::Stable(wait), turn.now);
        let mut assigned: BTreeMap<Arc<str>, Bytes> = assignments.into_iter().collect();
        for id in self.members.ids() {
            let Some(member) = self.members.get_mut(&id) else {
                continue;
            };
            member.assignment = assigned.remove(&id).unwrap_or_default();
            if let Some(token) = member.syncing.take() {
                let reply = self.sync_reply(&id);
                turn.reply(token, Reply::Sync(Ok(reply)));
                self.refresh_session(&id, turn.now);
            }
        }
    }

    fn sync_reply(&self, member_id: &str) -> SyncReply {
        SyncReply {
            protocol_type: self.protocol_type.clone(),
            protocol: self.protocol.clone(),
            assignment: self.members.get(member_id).map(|member| member.assignment.clone()).unwrap_or_default(),
        }
    }
}
