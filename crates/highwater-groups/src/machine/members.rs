//! The members of one group, and what they have in common: instance ids, protocols, the leader.
//!
//! Counts are kept up with every change, so that a join into a group of thousands costs no scan.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bytes::Bytes;
use highwater_env::Instant;

use super::command::Token;
use crate::api::Protocol;

/// One member.
#[derive(Clone, Debug)]
pub(crate) struct Member {
    pub(crate) id: Arc<str>,
    pub(crate) instance_id: Option<Arc<str>>,
    pub(crate) client_id: Arc<str>,
    pub(crate) client_host: Arc<str>,
    pub(crate) session_timeout_ms: i32,
    pub(crate) rebalance_timeout_ms: i32,
    pub(crate) protocols: Vec<Protocol>,
    pub(crate) assignment: Bytes,
    /// Its join that waits for an answer.
    joining: Option<Token>,
    /// Its sync that waits for an answer.
    pub(crate) syncing: Option<Token>,
    /// It has not had the answer to its first join, so it cannot send heartbeats yet.
    pub(crate) is_new: bool,
    /// When it is given up, unless it waits for us.
    pub(crate) session_deadline: Instant,
    /// Order of arrival: the oldest member that is present leads.
    rank: u64,
}

impl Member {
    pub(crate) fn new(id: Arc<str>, now: Instant) -> Self {
        Self {
            id,
            instance_id: None,
            client_id: Arc::from(""),
            client_host: Arc::from(""),
            session_timeout_ms: 0,
            rebalance_timeout_ms: 0,
            protocols: Vec::new(),
            assignment: Bytes::new(),
            joining: None,
            syncing: None,
            is_new: false,
            session_deadline: now,
            rank: 0,
        }
    }

    pub(crate) const fn joining(&self) -> Option<Token> {
        self.joining
    }

    /// Metadata for a protocol; empty if it has none.
    pub(crate) fn metadata(&self, protocol: &str) -> Bytes {
        self.protocols.iter().find(|own| &*own.name == protocol).map(|own| own.metadata.clone()).unwrap_or_default()
    }

    /// A member that waits for us is alive as long as it waits; a new one only for so long, since
    /// its connection may be gone and it would join again under another id.
    pub(crate) const fn can_expire(&self) -> bool {
        self.is_new || (self.joining.is_none() && self.syncing.is_none())
    }
}

/// All members.
#[derive(Debug, Default)]
pub(crate) struct Members {
    by_id: BTreeMap<Arc<str>, Member>,
    instances: BTreeMap<Arc<str>, Arc<str>>,
    /// How many members support each protocol.
    supporters: BTreeMap<Arc<str>, usize>,
    joining: usize,
    leader: Option<Arc<str>>,
    next_rank: u64,
}

fn names(protocols: &[Protocol]) -> BTreeSet<Arc<str>> {
    protocols.iter().map(|protocol| Arc::clone(&protocol.name)).collect()
}

impl Members {
    pub(crate) fn len(&self) -> usize {
        self.by_id.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.by_id.is_empty()
    }

    pub(crate) fn contains(&self, id: &str) -> bool {
        self.by_id.contains_key(id)
    }

    pub(crate) fn get(&self, id: &str) -> Option<&Member> {
        self.by_id.get(id)
    }

    /// For changes that touch neither protocols, join, instance nor id.
    pub(crate) fn get_mut(&mut self, id: &str) -> Option<&mut Member> {
        self.by_id.get_mut(id)
    }

    /// In order of member id.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Member> {
        self.by_id.values()
    }

    pub(crate) fn ids(&self) -> Vec<Arc<str>> {
        self.by_id.keys().cloned().collect()
    }

    pub(crate) fn of_instance(&self, instance_id: &str) -> Option<&Arc<str>> {
        self.instances.get(instance_id)
    }

    pub(crate) fn leader(&self) -> Option<&Arc<str>> {
        self.leader.as_ref()
    }

    pub(crate) fn is_leader(&self, id: &str) -> bool {
        self.leader.as_deref() == Some(id)
    }

    /// For a group read from the log.
    pub(crate) fn set_leader(&mut self, id: Option<Arc<str>>) {
        self.leader = id.filter(|id| self.contains(id)).or_else(|| self.oldest(|_| true));
    }

    /// Adds or replaces; the first member leads.
    pub(crate) fn insert(&mut self, mut member: Member) {
        self.remove(&member.id.clone());
        member.rank = self.next_rank;
        self.next_rank += 1;
        if let Some(instance_id) = &member.instance_id {
            self.instances.insert(Arc::clone(instance_id), Arc::clone(&member.id));
        }
        self.count(&member.protocols);
        self.joining += usize::from(member.joining.is_some());
        if self.leader.is_none() {
            self.leader = Some(Arc::clone(&member.id));
        }
        self.by_id.insert(Arc::clone(&member.id), member);
    }

    pub(crate) fn remove(&mut self, id: &str) -> Option<Member> {
        let member = self.by_id.remove(id)?;
        if let Some(instance_id) = &member.instance_id {
            self.instances.remove(instance_id);
        }
        self.discount(&member.protocols);
        self.joining -= usize::from(member.joining.is_some());
        if self.is_leader(id) {
            self.leader = self.oldest(|_| true);
        }
        Some(member)
    }

    /// Gives a static member another id. Its tokens stay with it.
    pub(crate) fn rename(&mut self, old_id: &str, new_id: &Arc<str>) {
        let Some(mut member) = self.by_id.remove(old_id) else {
            return;
        };
        if let Some(instance_id) = &member.instance_id {
            self.instances.insert(Arc::clone(instance_id), Arc::clone(new_id));
        }
        if self.is_leader(old_id) {
            self.leader = Some(Arc::clone(new_id));
        }
        member.id = Arc::clone(new_id);
        self.by_id.insert(Arc::clone(new_id), member);
    }

    pub(crate) fn set_protocols(&mut self, id: &str, protocols: Vec<Protocol>) {
        let Some(member) = self.by_id.get_mut(id) else {
            return;
        };
        let before = std::mem::replace(&mut member.protocols, protocols.clone());
        self.discount(&before);
        self.count(&protocols);
    }

    /// The member waits for a join's answer; gives an earlier join of its own that waited.
    pub(crate) fn start_join(&mut self, id: &str, token: Token) -> Option<Token> {
        let member = self.by_id.get_mut(id)?;
        let earlier = member.joining.replace(token);
        self.joining += usize::from(earlier.is_none());
        earlier
    }

    /// The member's join is being answered.
    pub(crate) fn finish_join(&mut self, id: &str) -> Option<Token> {
        let token = self.by_id.get_mut(id)?.joining.take();
        self.joining -= usize::from(token.is_some());
        token
    }

    pub(crate) const fn joining(&self) -> usize {
        self.joining
    }

    pub(crate) fn all_joining(&self) -> bool {
        self.joining == self.by_id.len()
    }

    /// Makes sure that the leader is among those that joined. False if nobody did.
    pub(crate) fn elect_joined_leader(&mut self) -> bool {
        let present = self.leader.as_deref().and_then(|id| self.get(id)).is_some_and(|leader| leader.joining.is_some());
        if !present {
            match self.oldest(|member| member.joining.is_some()) {
                Some(id) => self.leader = Some(id),
                None => return false,
            }
        }
        true
    }

    /// Whether all members support one of these.
    pub(crate) fn share_one_of(&self, protocols: &[Protocol]) -> bool {
        protocols.iter().any(|protocol| self.supporters.get(&protocol.name) == Some(&self.len()))
    }

    /// The protocol that most members prefer of those that all support. Ties go to the one that the
    /// oldest member prefers.
    pub(crate) fn choose_protocol(&self) -> Option<Arc<str>> {
        let shared = |protocol: &&Protocol| self.supporters.get(&protocol.name) == Some(&self.len());
        let mut votes: BTreeMap<&Arc<str>, usize> = BTreeMap::new();
        for member in self.iter() {
            if let Some(first) = member.protocols.iter().find(shared) {
                *votes.entry(&first.name).or_default() += 1;
            }
        }
        let most = votes.values().copied().max()?;
        let oldest = self.iter().min_by_key(|member| member.rank)?;
        let ranked = oldest.protocols.iter().map(|protocol| &protocol.name);
        ranked.into_iter().find(|name| votes.get(name) == Some(&most)).cloned()
    }

    /// How long the slowest member may take to join again, milliseconds.
    pub(crate) fn longest_rebalance_timeout_ms(&self) -> i32 {
        self.iter().map(|member| member.rebalance_timeout_ms).max().unwrap_or(0)
    }

    fn oldest(&self, wanted: impl Fn(&Member) -> bool) -> Option<Arc<str>> {
        self.iter()
            .filter(|member| wanted(member))
            .min_by_key(|member| member.rank)
            .map(|member| Arc::clone(&member.id))
    }

    fn count(&mut self, protocols: &[Protocol]) {
        for name in names(protocols) {
            *self.supporters.entry(name).or_default() += 1;
        }
    }

    fn discount(&mut self, protocols: &[Protocol]) {
        for name in names(protocols) {
            if let Some(supporters) = self.supporters.get_mut(&name) {
                *supporters -= 1;
                if *supporters == 0 {
                    self.supporters.remove(&name);
                }
            }
        }
    }
}
