//! ListGroups, DescribeGroups, DeleteGroups.

use std::sync::Arc;

use bytes::Bytes;

use super::command::Token;
use super::effects::{AppendFailure, AppendId, Reply};
use super::group::{Group, Phase};
use super::ledger::{Fate, MAX_TOMBSTONES, Purpose, Turn};
use super::offsets::OffsetSlot;
use crate::api::{DescribedGroup, DescribedMember, ListGroups, ListedGroup};
use crate::error::GroupError;

/// The type of every group of this crate (KIP-848 has others).
const GROUP_TYPE: &str = "classic";

fn includes(filter: &[Arc<str>], name: &str) -> bool {
    filter.is_empty() || filter.iter().any(|wanted| wanted.eq_ignore_ascii_case(name))
}

impl Group {
    pub(crate) fn listed(&self, request: &ListGroups) -> Option<ListedGroup> {
        let state = self.state();
        (includes(&request.states, state.as_str()) && includes(&request.types, GROUP_TYPE)).then(|| ListedGroup {
            group_id: Arc::clone(&self.id),
            protocol_type: self.protocol_type.clone().unwrap_or_else(|| Arc::from("")),
            state,
            group_type: GROUP_TYPE,
        })
    }

    /// Metadata and assignments are shown of a stable group only: else they belong to different
    /// generations.
    pub(crate) fn described(&self) -> DescribedGroup {
        let protocol = self.protocol.as_ref().filter(|_| matches!(self.phase, Phase::Stable(_)));
        let members = self.members.iter().map(|member| DescribedMember {
            member_id: Arc::clone(&member.id),
            instance_id: member.instance_id.clone(),
            client_id: Arc::clone(&member.client_id),
            client_host: Arc::clone(&member.client_host),
            metadata: protocol.map(|protocol| member.metadata(protocol)).unwrap_or_default(),
            assignment: protocol.map_or_else(Bytes::new, |_| member.assignment.clone()),
        });
        DescribedGroup {
            group_id: Arc::clone(&self.id),
            state: self.state(),
            protocol_type: self.protocol_type.clone().unwrap_or_else(|| Arc::from("")),
            protocol: protocol.cloned().unwrap_or_else(|| Arc::from("")),
            members: members.collect(),
        }
    }

    /// Answered when the tombstones are durable.
    pub(crate) fn delete(&mut self, turn: &mut Turn<'_>, token: Token) {
        if self.is_empty() {
            self.write_end(turn, Some(token));
        } else {
            turn.reply(token, Reply::Delete(Err(GroupError::NonEmptyGroup)));
        }
    }

    /// Writes tombstones for all offsets and, last, for the group itself.
    pub(crate) fn write_end(&mut self, turn: &mut Turn<'_>, token: Option<Token>) {
        let slots = self.offsets.slots();
        let (first, last) = slots.split_at(slots.len() - slots.len() % MAX_TOMBSTONES);
        self.forget(turn, first.to_vec(), None);
        let mut records = self.offset_tombstones(last);
        records.extend(self.tombstone());
        self.append(turn, records, Purpose::Delete { slots: last.to_vec(), token });
    }

    /// The group's end is durable, or is not. It may have got members meanwhile: then it goes on.
    pub(crate) fn end_recorded(
        &mut self,
        turn: &mut Turn<'_>,
        id: AppendId,
        slots: &[OffsetSlot],
        token: Option<Token>,
        fate: Fate,
    ) {
        let mut outcome = fate.map_err(AppendFailure::as_group_error);
        if outcome.is_ok() {
            for slot in slots {
                self.offsets.remove(slot);
            }
            if !self.offsets.is_empty() {
                outcome = Err(GroupError::CoordinatorNotAvailable); // an earlier append of the same end failed
            }
            // The record of a later generation stands behind the tombstone.
            self.recorded = self.recorded_by > id;
            if self.is_empty() && !self.recorded {
                self.generation = 0;
                self.protocol_type = None;
                self.since_ms = None;
            }
        }
        if let Some(token) = token {
            turn.reply(token, Reply::Delete(outcome));
        }
    }
}
