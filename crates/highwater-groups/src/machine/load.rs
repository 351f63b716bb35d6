//! Groups and offsets as the log tells them, record by record, from its start.

use std::sync::Arc;

use super::group::{Group, Phase, SyncWait};
use super::members::{Member, Members};
use crate::api::Protocol;
use crate::records::{GroupMetadata, MemberMetadata};

impl Group {
    /// The group's latest record: without members it is empty, with members stable.
    pub(crate) fn restore(&mut self, metadata: GroupMetadata, now: highwater_env::Instant) {
        self.recorded = true;
        self.generation = metadata.generation;
        self.protocol_type = Some(metadata.protocol_type).filter(|kind| !kind.is_empty());
        self.since_ms = metadata.state_timestamp_ms;
        self.members = Members::default();
        let protocol = metadata.protocol;
        for member in metadata.members {
            self.members.insert(restored_member(member, protocol.as_ref(), now));
        }
        self.members.set_leader(metadata.leader);
        self.phase = if self.members.is_empty() { Phase::Empty } else { Phase::Stable(SyncWait::default()) };
        self.protocol = protocol.filter(|_| !self.members.is_empty());
    }

    /// The group's tombstone; its offsets have their own.
    pub(crate) fn restore_end(&mut self) {
        let offsets = std::mem::take(&mut self.offsets);
        *self = Self { offsets, ..Self::new(Arc::clone(&self.id)) };
    }
}

fn restored_member(member: MemberMetadata, protocol: Option<&Arc<str>>, now: highwater_env::Instant) -> Member {
    let mut restored = Member::new(member.member_id, now);
    restored.instance_id = member.instance_id;
    restored.client_id = member.client_id;
    restored.client_host = member.client_host;
    restored.session_timeout_ms = member.session_timeout_ms;
    restored.rebalance_timeout_ms = member.rebalance_timeout_ms;
    let supported = protocol.map(|name| Protocol { name: Arc::clone(name), metadata: member.subscription });
    restored.protocols = supported.into_iter().collect();
    restored.assignment = member.assignment;
    restored
}
