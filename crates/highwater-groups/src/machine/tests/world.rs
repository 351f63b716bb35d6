//! A coordinator with a clock to turn, a log to watch, and clients in a few words.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use highwater_env::Instant;
use highwater_types::TopicId;

use crate::api::*;
use crate::error::GroupError;
use crate::machine::{Append, AppendFailure, Command, Coordinator, Effects, Moment, Reply, Token};
use crate::records::KeyValue;
use crate::settings::GroupSettings;

pub(crate) const G: &str = "group";

pub(crate) struct World {
    pub(crate) coordinator: Coordinator,
    pub(crate) settings: GroupSettings,
    pub(crate) now: Moment,
    /// Appends become durable at once.
    pub(crate) durable_at_once: bool,
    pub(crate) in_flight: VecDeque<Append>,
    pub(crate) log: Vec<KeyValue>,
    replies: BTreeMap<Token, Reply>,
    next_token: u64,
    timer: Option<Instant>,
}

pub(crate) fn s(text: &str) -> Arc<str> {
    Arc::from(text)
}

pub(crate) fn caller(member_id: &str, generation: i32) -> Caller {
    Caller { group_id: s(G), generation, member_id: s(member_id), instance_id: None }
}

pub(crate) fn joiner(member_id: &str) -> JoinGroup {
    JoinGroup {
        group_id: s(G),
        member_id: s(member_id),
        instance_id: None,
        client_id: s("client"),
        client_host: s("/127.0.0.1"),
        session_timeout_ms: 10_000,
        rebalance_timeout_ms: 60_000,
        protocol_type: s("consumer"),
        protocols: protocols(&["range"]),
        requires_known_member_id: false,
        supports_skipping_assignment: true,
    }
}

pub(crate) fn static_joiner(member_id: &str, instance: &str) -> JoinGroup {
    JoinGroup { instance_id: Some(s(instance)), requires_known_member_id: true, ..joiner(member_id) }
}

/// Protocols whose metadata is a subscription to the topic `t`.
pub(crate) fn protocols(names: &[&str]) -> Vec<Protocol> {
    let metadata = Bytes::from_static(b"\0\0\0\0\0\x01\0\x01t\xff\xff\xff\xff");
    names.iter().map(|name| Protocol { name: s(name), metadata: metadata.clone() }).collect()
}

pub(crate) fn commit(caller: Caller, offsets: &[(&str, i32, i64)]) -> OffsetCommit {
    let topics = offsets.iter().map(|(topic, partition, offset)| CommitTopic {
        name: s(topic),
        topic_id: TopicId::ZERO,
        partitions: vec![CommitPartition { partition: *partition, offset: *offset, leader_epoch: -1, metadata: None }],
    });
    OffsetCommit { caller, retention_time_ms: -1, knows_group_id_not_found: true, topics: topics.collect() }
}

impl World {
    pub(crate) fn new() -> Self {
        Self::with(GroupSettings::default())
    }

    pub(crate) fn with(settings: GroupSettings) -> Self {
        let now = Moment { monotonic: Instant(1_000_000_000), wall_ms: 1_700_000_000_000 };
        let mut world = Self {
            coordinator: Coordinator::new(settings.clone()),
            settings,
            now,
            durable_at_once: true,
            in_flight: VecDeque::new(),
            log: Vec::new(),
            replies: BTreeMap::new(),
            next_token: 0,
            timer: None,
        };
        let effects = world.coordinator.loaded(now);
        world.absorb(effects);
        world
    }

    /// A coordinator that reads this one's log, as after a takeover; appends on their way are lost.
    pub(crate) fn reload(&mut self) {
        self.coordinator = Coordinator::new(self.settings.clone());
        self.in_flight.clear();
        for record in self.log.clone() {
            self.coordinator.replay(&record.key, record.value.as_deref(), self.now).unwrap();
        }
        let effects = self.coordinator.loaded(self.now);
        self.absorb(effects);
    }

    fn absorb(&mut self, effects: Effects) {
        for (token, reply) in effects.replies {
            assert!(self.replies.insert(token, reply).is_none(), "{token:?} was answered twice");
        }
        self.in_flight.extend(effects.appends);
        self.timer = effects.timer;
        if self.durable_at_once {
            while self.finish_append(Ok(())) {}
        }
    }

    /// Decides the fate of the oldest append; false if there is none.
    pub(crate) fn finish_append(&mut self, fate: Result<(), AppendFailure>) -> bool {
        let Some(append) = self.in_flight.pop_front() else {
            return false;
        };
        if fate.is_ok() {
            self.log.extend(append.records);
        }
        let effects = self.coordinator.appended(self.now, append.id, fate);
        self.absorb(effects);
        true
    }

    pub(crate) fn send(&mut self, command: Command) -> Token {
        self.next_token += 1;
        let token = Token(self.next_token);
        let effects = self.coordinator.handle(self.now, token, command);
        self.absorb(effects);
        token
    }

    /// Lets time pass, with every tick that is asked for.
    pub(crate) fn advance(&mut self, ms: u64) {
        let end = self.now.monotonic + Duration::from_millis(ms);
        let mut ticks = 0;
        while let Some(at) = self.timer.filter(|at| *at <= end) {
            ticks += 1;
            assert!(ticks < 10_000, "the machine spins");
            self.turn_to(at.max(self.now.monotonic));
            let effects = self.coordinator.tick(self.now);
            self.absorb(effects);
        }
        self.turn_to(end);
    }

    fn turn_to(&mut self, at: Instant) {
        let passed = at.since(self.now.monotonic);
        self.now.monotonic = at;
        self.now.wall_ms += i64::try_from(passed.as_millis()).unwrap();
    }

    pub(crate) fn answer(&mut self, token: Token) -> Option<Reply> {
        self.replies.remove(&token)
    }

    pub(crate) fn is_open(&self, token: Token) -> bool {
        !self.replies.contains_key(&token)
    }

    pub(crate) fn start_join(&mut self, request: JoinGroup) -> Token {
        let fresh = u128::from(self.next_token + 1);
        self.send(Command::Join { request, fresh })
    }

    pub(crate) fn joined(&mut self, token: Token) -> JoinReply {
        match self.answer(token) {
            Some(Reply::Join(reply)) => reply,
            other => panic!("join: {other:?}"),
        }
    }

    pub(crate) fn join(&mut self, request: JoinGroup) -> JoinReply {
        let token = self.start_join(request);
        self.joined(token)
    }

    pub(crate) fn start_sync(&mut self, caller: Caller, assignments: &[(&str, &'static str)]) -> Token {
        let assignments = assignments.iter().map(|(id, bytes)| (s(id), Bytes::from_static(bytes.as_bytes()))).collect();
        self.send(Command::Sync(SyncGroup { caller, protocol_type: None, protocol: None, assignments }))
    }

    pub(crate) fn synced(&mut self, token: Token) -> Result<Bytes, GroupError> {
        match self.answer(token) {
            Some(Reply::Sync(outcome)) => outcome.map(|reply| reply.assignment),
            other => panic!("sync: {other:?}"),
        }
    }

    pub(crate) fn heartbeat(&mut self, caller: Caller) -> Result<(), GroupError> {
        let token = self.send(Command::Heartbeat(Heartbeat { caller }));
        match self.answer(token) {
            Some(Reply::Heartbeat(outcome)) => outcome,
            other => panic!("heartbeat: {other:?}"),
        }
    }

    pub(crate) fn leave(&mut self, members: &[(&str, Option<&str>)]) -> Result<Vec<Option<GroupError>>, GroupError> {
        let members = members
            .iter()
            .map(|(id, instance)| LeavingMember { member_id: s(id), instance_id: instance.map(s) })
            .collect();
        let token = self.send(Command::Leave(LeaveGroup { group_id: s(G), members }));
        match self.answer(token) {
            Some(Reply::Leave(outcome)) => outcome.map(|reply| reply.members.iter().map(|left| left.error).collect()),
            other => panic!("leave: {other:?}"),
        }
    }

    /// One partition's error, or the whole answer's.
    pub(crate) fn commit(&mut self, request: OffsetCommit) -> Option<GroupError> {
        let token = self.send(Command::Commit(request));
        self.committed(token)
    }

    pub(crate) fn committed(&mut self, token: Token) -> Option<GroupError> {
        match self.answer(token) {
            Some(Reply::Commit(Ok(topics))) => topics.first().and_then(|topic| topic.partitions.first()?.error),
            Some(Reply::Commit(Err(error))) => Some(error),
            other => panic!("commit: {other:?}"),
        }
    }

    pub(crate) fn fetch(&mut self, topic: &str, partition: i32) -> Option<i64> {
        let topics = Some(vec![FetchTopic { name: s(topic), topic_id: TopicId::ZERO, partitions: vec![partition] }]);
        let token = self.send(Command::Fetch(OffsetFetch { group_id: s(G), topics, require_stable: false }));
        match self.answer(token) {
            Some(Reply::Fetch(Ok(topics))) => topics[0].partitions[0].committed.as_ref().map(|found| found.offset),
            other => panic!("fetch: {other:?}"),
        }
    }

    pub(crate) fn describe(&mut self) -> Result<DescribedGroup, GroupError> {
        let token = self.send(Command::Describe(s(G)));
        match self.answer(token) {
            Some(Reply::Describe(outcome)) => outcome,
            other => panic!("describe: {other:?}"),
        }
    }

    pub(crate) fn state(&mut self) -> GroupState {
        self.describe().map_or(GroupState::Dead, |group| group.state)
    }

    /// A stable group of new dynamic members; their ids, the leader first.
    pub(crate) fn stable(&mut self, members: usize) -> (Vec<Arc<str>>, i32) {
        let tokens: Vec<Token> = (0..members).map(|_| self.start_join(joiner(""))).collect();
        while self.is_open(tokens[0]) {
            self.advance(500);
        }
        let replies: Vec<JoinReply> = tokens.into_iter().map(|token| self.joined(token)).collect();
        let generation = replies[0].generation;
        assert!(replies.iter().all(|reply| reply.error.is_none() && reply.generation == generation));
        let mut ids: Vec<Arc<str>> = replies.iter().map(|reply| Arc::clone(&reply.member_id)).collect();
        let leader = ids.iter().position(|id| *id == replies[0].leader).unwrap();
        ids.swap(0, leader);
        self.sync_all(&ids, generation);
        assert_eq!(self.state(), GroupState::Stable);
        (ids, generation)
    }

    /// Every member syncs; the leader, first, gives each the assignment `a`.
    pub(crate) fn sync_all(&mut self, ids: &[Arc<str>], generation: i32) {
        let assignments: Vec<(&str, &'static str)> = ids.iter().map(|id| (&**id, "a")).collect();
        let tokens: Vec<Token> = ids
            .iter()
            .enumerate()
            .map(|(at, id)| self.start_sync(caller(id, generation), if at == 0 { &assignments } else { &[] }))
            .collect();
        for token in tokens {
            assert_eq!(self.synced(token).unwrap(), "a");
        }
    }
}
