//! Heartbeat and LeaveGroup: who is still here.

use std::sync::Arc;

use super::group::{Group, Phase};
use super::ledger::Turn;
use crate::api::{Heartbeat, LeaveReply, LeavingMember, LeftMember};
use crate::error::GroupError;

impl Group {
    pub(crate) fn heartbeat(&mut self, turn: &Turn<'_>, request: &Heartbeat) -> Result<(), GroupError> {
        self.validate_caller(&request.caller)?;
        match self.phase {
            Phase::Empty => Err(GroupError::UnknownMemberId),
            Phase::Preparing(_) => {
                self.refresh_session(&request.caller.member_id, turn.now);
                Err(GroupError::RebalanceInProgress)
            }
            // Members may beat between the answer to their join and their sync.
            Phase::Completing(_) | Phase::Stable(_) => {
                self.refresh_session(&request.caller.member_id, turn.now);
                Ok(())
            }
        }
    }

    /// All that leave do so together, then the group rebalances once.
    pub(crate) fn leave(&mut self, turn: &mut Turn<'_>, leaving: Vec<LeavingMember>) -> LeaveReply {
        let mut gone = false;
        let mut members = Vec::with_capacity(leaving.len());
        for LeavingMember { member_id, instance_id } in leaving {
            let outcome = self.leave_one(turn, &member_id, instance_id.as_ref());
            gone |= outcome == Ok(true);
            members.push(LeftMember { member_id, instance_id, error: outcome.err() });
        }
        if gone {
            self.members_left(turn);
        }
        LeaveReply { members }
    }

    /// True if a member left, false if only a promised id was given back.
    fn leave_one(
        &mut self,
        turn: &mut Turn<'_>,
        member_id: &Arc<str>,
        instance_id: Option<&Arc<str>>,
    ) -> Result<bool, GroupError> {
        let leaving = if member_id.is_empty() {
            // An administrator removes a static member by its instance id.
            let holder = instance_id.and_then(|instance_id| self.members.of_instance(instance_id));
            Arc::clone(holder.ok_or(GroupError::UnknownMemberId)?)
        } else {
            if self.promised.remove(member_id).is_some() {
                self.complete_if_all_joined(turn);
                return Ok(false);
            }
            self.validate_member(member_id, instance_id.map(|instance_id| &**instance_id))?;
            Arc::clone(member_id)
        };
        tracing::info!(group = &*self.id, member = &*leaving, "member leaves");
        self.remove_member(turn, &leaving);
        Ok(true)
    }

    /// Members are gone: the others share anew.
    pub(crate) fn members_left(&mut self, turn: &mut Turn<'_>) {
        match self.phase {
            Phase::Empty => {}
            Phase::Preparing(_) => self.complete_if_all_joined(turn),
            Phase::Completing(_) | Phase::Stable(_) => self.prepare_rebalance(turn),
        }
    }
}
