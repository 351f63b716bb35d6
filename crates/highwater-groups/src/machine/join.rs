//! JoinGroup: new members, members that come back with a promised id (KIP-394), members of a running
//! group. What ends a join is in `rebalance`; static members that come back are in `rejoin`.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use super::command::Token;
use super::effects::Reply;
use super::group::{Group, Phase, millis};
use super::ledger::Turn;
use super::members::Member;
use crate::api::{JoinGroup, JoinReply, JoinedMember};
use crate::error::GroupError;
use crate::settings::MAX_STRING_BYTES;

/// A member that has not been answered yet is given up after this time, as in Kafka: it cannot send
/// heartbeats, and if its connection broke it will join again under another id.
const NEW_MEMBER_TIMEOUT: Duration = Duration::from_secs(300);

/// Ids that are given out and not come back yet, of one group. Kafka has no limit here.
const MAX_PROMISED_IDS: usize = 10_000;

/// Bytes that a member id adds to the client id or instance id in front of it.
const MEMBER_ID_SUFFIX_BYTES: usize = 37;

/// What can be refused without knowing the group.
pub(crate) fn validate(request: &JoinGroup, min_session_ms: i32, max_session_ms: i32) -> Result<(), GroupError> {
    if request.group_id.is_empty() || request.group_id.len() > MAX_STRING_BYTES {
        return Err(GroupError::InvalidGroupId);
    }
    if !(min_session_ms..=max_session_ms).contains(&request.session_timeout_ms) {
        return Err(GroupError::InvalidSessionTimeout);
    }
    let prefix = request.instance_id.as_ref().unwrap_or(&request.client_id);
    let fits = |text: &str| text.len() <= MAX_STRING_BYTES;
    let names_fit = prefix.len() + MEMBER_ID_SUFFIX_BYTES <= MAX_STRING_BYTES
        && fits(&request.client_id)
        && fits(&request.client_host)
        && fits(&request.protocol_type)
        && request.protocols.iter().all(|protocol| fits(&protocol.name));
    if names_fit { Ok(()) } else { Err(GroupError::InvalidRequest) }
}

/// A member id as Kafka makes it: what the client calls itself, and a random UUID.
pub(crate) fn fresh_member_id(request: &JoinGroup, fresh: u128) -> Arc<str> {
    let prefix = request.instance_id.as_ref().unwrap_or(&request.client_id);
    let uuid = highwater_types::ids::Uuid::from_u128(fresh);
    Arc::from(format!("{prefix}-{}", uuid.hyphenated()))
}

impl Group {
    /// Answers now or when the rebalance completes.
    pub(crate) fn join(&mut self, turn: &mut Turn<'_>, token: Token, request: JoinGroup, fresh: u128) {
        if let Err(error) = self.admit(turn, token, &request, fresh) {
            let member_id = if error == GroupError::GroupMaxSizeReached { Arc::from("") } else { request.member_id };
            turn.reply(token, Reply::Join(JoinReply::refused(member_id, error)));
        }
    }

    fn admit(&mut self, turn: &mut Turn<'_>, token: Token, request: &JoinGroup, fresh: u128) -> Result<(), GroupError> {
        if !self.has_room_for(&request.member_id, turn.settings.max_size) {
            self.remove_member(turn, &request.member_id);
            self.promised.remove(&request.member_id);
            self.complete_if_all_joined(turn);
            return Err(GroupError::GroupMaxSizeReached);
        }
        if !self.accepts_protocols(request) {
            return Err(GroupError::InconsistentGroupProtocol);
        }
        if request.member_id.is_empty() {
            return self.join_unknown(turn, token, request, fresh);
        }
        if self.promised.contains_key(&request.member_id) {
            if request.instance_id.is_some() {
                return Err(GroupError::UnknownMemberId); // ids are only promised to dynamic members
            }
            self.add_member(turn, token, request, Arc::clone(&request.member_id));
            return Ok(());
        }
        self.validate_member(&request.member_id, request.instance_id.as_deref())?;
        self.join_known(turn, token, request)
    }

    /// KIP-389. Members that are waiting keep their place; while a group rebalances, those that have
    /// not joined again do not count.
    fn has_room_for(&self, member_id: &str, max_size: usize) -> bool {
        let known = self.members.get(member_id);
        match self.phase {
            Phase::Empty => true,
            Phase::Preparing(_) => {
                known.is_some_and(|member| member.joining().is_some()) || self.members.joining() < max_size
            }
            Phase::Completing(_) | Phase::Stable(_) => known.is_some() || self.members.len() < max_size,
        }
    }

    fn accepts_protocols(&self, request: &JoinGroup) -> bool {
        if self.members.is_empty() {
            !request.protocol_type.is_empty() && !request.protocols.is_empty()
        } else {
            self.protocol_type.as_ref() == Some(&request.protocol_type) && self.members.share_one_of(&request.protocols)
        }
    }

    fn join_unknown(
        &mut self,
        turn: &mut Turn<'_>,
        token: Token,
        request: &JoinGroup,
        fresh: u128,
    ) -> Result<(), GroupError> {
        let member_id = fresh_member_id(request, fresh);
        if let Some(instance_id) = &request.instance_id {
            match self.members.of_instance(instance_id).cloned() {
                Some(old_id) => self.replace_static(turn, token, request, old_id, member_id),
                None => self.add_member(turn, token, request, member_id),
            }
        } else if request.requires_known_member_id {
            if self.promised.len() >= MAX_PROMISED_IDS {
                return Err(GroupError::GroupMaxSizeReached);
            }
            let deadline = turn.now.monotonic + millis(request.session_timeout_ms);
            self.promised.insert(Arc::clone(&member_id), deadline);
            self.wake_by(deadline);
            turn.reply(token, Reply::Join(JoinReply::refused(member_id, GroupError::MemberIdRequired)));
        } else {
            self.add_member(turn, token, request, member_id);
        }
        Ok(())
    }

    fn join_known(&mut self, turn: &mut Turn<'_>, token: Token, request: &JoinGroup) -> Result<(), GroupError> {
        let member_id = &request.member_id;
        let unchanged = self.members.get(member_id).is_some_and(|member| member.protocols == request.protocols);
        let leads = self.members.is_leader(member_id);
        match self.phase {
            // A member of an empty group is a contradiction.
            Phase::Empty => return Err(GroupError::UnknownMemberId),
            // The member may have missed the answer to its join: nothing has changed for it.
            Phase::Completing(_) if unchanged => {
                let reply = self.join_reply(member_id);
                turn.reply(token, Reply::Join(reply));
            }
            // A follower that has missed the answer; a leader's join asks for another assignment.
            Phase::Stable(_) if unchanged && !leads => {
                let reply = self.join_reply(member_id);
                turn.reply(token, Reply::Join(reply));
            }
            Phase::Preparing(_) | Phase::Completing(_) | Phase::Stable(_) => {
                self.update_member(turn, token, request, member_id);
                self.rebalance_or_complete(turn);
            }
        }
        Ok(())
    }

    fn add_member(&mut self, turn: &mut Turn<'_>, token: Token, request: &JoinGroup, member_id: Arc<str>) {
        self.promised.remove(&member_id);
        if self.members.is_empty() {
            self.protocol_type = Some(Arc::clone(&request.protocol_type));
        }
        let mut member = Member::new(Arc::clone(&member_id), turn.now.monotonic + NEW_MEMBER_TIMEOUT);
        member.instance_id = request.instance_id.clone();
        member.client_id = Arc::clone(&request.client_id);
        member.client_host = Arc::clone(&request.client_host);
        member.session_timeout_ms = request.session_timeout_ms;
        member.rebalance_timeout_ms = rebalance_timeout_ms(request);
        member.protocols = request.protocols.clone();
        member.assignment = Bytes::new();
        member.is_new = true;
        self.wake_by(member.session_deadline);
        self.members.insert(member);
        self.members.start_join(&member_id, token);
        if let Phase::Preparing(preparing) = &mut self.phase
            && let Some(initial) = &mut preparing.initial
        {
            initial.newcomer = true;
        }
        self.rebalance_or_complete(turn);
    }

    /// Takes over what a join of a known member says, and lets it wait. An earlier join of the same
    /// member is answered, since its client waits no longer.
    pub(crate) fn update_member(&mut self, turn: &mut Turn<'_>, token: Token, request: &JoinGroup, id: &Arc<str>) {
        self.members.set_protocols(id, request.protocols.clone());
        if let Some(member) = self.members.get_mut(id) {
            member.session_timeout_ms = request.session_timeout_ms;
            member.rebalance_timeout_ms = rebalance_timeout_ms(request);
            member.client_id = Arc::clone(&request.client_id);
            member.client_host = Arc::clone(&request.client_host);
        }
        if let Some(earlier) = self.members.start_join(id, token) {
            let reply = JoinReply::refused(Arc::clone(id), GroupError::RebalanceInProgress);
            turn.reply(earlier, Reply::Join(reply));
        }
    }

    /// Success, as the group stands; the leader is told of all members while it has to assign.
    pub(crate) fn join_reply(&self, member_id: &Arc<str>) -> JoinReply {
        let tells = self.members.is_leader(member_id) && matches!(self.phase, Phase::Completing(_));
        JoinReply {
            error: None,
            generation: self.generation,
            protocol_type: self.protocol_type.clone(),
            protocol: self.protocol.clone(),
            leader: self.members.leader().cloned().unwrap_or_else(|| Arc::from("")),
            skip_assignment: false,
            member_id: Arc::clone(member_id),
            members: if tells { self.joined_members() } else { Vec::new() },
        }
    }

    pub(crate) fn joined_members(&self) -> Vec<JoinedMember> {
        let protocol = self.protocol.as_deref().unwrap_or_default();
        let joined = self.members.iter().map(|member| JoinedMember {
            member_id: Arc::clone(&member.id),
            instance_id: member.instance_id.clone(),
            metadata: member.metadata(protocol),
        });
        joined.collect()
    }
}

const fn rebalance_timeout_ms(request: &JoinGroup) -> i32 {
    if request.rebalance_timeout_ms < 0 { request.session_timeout_ms } else { request.rebalance_timeout_ms }
}
