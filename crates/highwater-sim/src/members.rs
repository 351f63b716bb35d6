//! Members of consumer groups: they join, share the partitions of a topic, send heartbeats, commit, leave, and
//! fall silent for longer than their session.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use highwater_env::marks::met;
use highwater_groups::GroupError;
use highwater_groups::api::{
    Caller, CommitPartition, CommitTopic, Heartbeat, JoinGroup, LeaveGroup, LeavingMember, OffsetCommit, Protocol,
    SyncGroup,
};
use highwater_types::TopicId;

use crate::commit::{fetch_of, term};
use crate::network::call;
use crate::process::Handles;
use crate::world::World;

/// Groups with members.
pub(crate) const TEAMS: u64 = 2;
/// Members of each.
pub(crate) const MEMBERS: u64 = 3;
/// Partitions that they share: numbers of which offsets are committed, not partitions of a topic that is read.
const SHARED: u8 = 4;

/// Session and rebalance timeout.
const SESSION_MS: i32 = 1_200;
/// Longest pause between two requests of a member.
const PAUSE_US: u64 = 300_000;
/// Longest silence.
const SILENCE_US: u64 = 3_000_000;

/// The group of this number.
pub(crate) fn name(team: u64) -> Arc<str> {
    Arc::from(format!("team-{team}").as_str())
}

/// What the model calls the offsets of a partition that a team shares.
pub(crate) const fn offsets_of(team: u64, partition: u8) -> u64 {
    1_000 + team * 100 + partition as u64
}

/// Every partition that members share.
pub(crate) fn shared() -> impl Iterator<Item = u8> {
    0..SHARED
}

struct Member {
    team: u64,
    group_id: Arc<str>,
    member_id: Arc<str>,
    generation: i32,
    owned: Vec<u8>,
}

/// A member's life until the history ends.
pub(crate) async fn run(world: Arc<World>, team: u64) {
    let (group_id, member_id) = (name(team), Arc::from(""));
    let mut member = Member { team, group_id, member_id, generation: -1, owned: Vec::new() };
    while !*world.quiet.lock() {
        world.env.sleep(Duration::from_micros(world.below(PAUSE_US))).await;
        if member.generation < 0 {
            member.join(&world).await;
        } else {
            member.live(&world).await;
        }
    }
}

impl Member {
    fn caller(&self) -> Caller {
        let (group_id, member_id) = (Arc::clone(&self.group_id), Arc::clone(&self.member_id));
        Caller { group_id, generation: self.generation, member_id, instance_id: None }
    }

    fn forget(&mut self) {
        self.member_id = Arc::from("");
        self.rejoin();
    }

    fn rejoin(&mut self) {
        self.generation = -1;
        self.owned.clear();
    }

    /// Does what an error asks for.
    fn heed(&mut self, error: GroupError) {
        match error {
            GroupError::RebalanceInProgress => self.rejoin(),
            GroupError::UnknownMemberId | GroupError::IllegalGeneration | GroupError::FencedInstanceId => self.forget(),
            // Another broker, or later.
            _ => {}
        }
    }

    /// Joins and syncs; asks for the offsets that it goes on from.
    async fn join(&mut self, world: &Arc<World>) {
        let request = JoinGroup {
            group_id: Arc::clone(&self.group_id),
            member_id: Arc::clone(&self.member_id),
            instance_id: None,
            client_id: Arc::from("member"),
            client_host: Arc::from("/127.0.0.1"),
            session_timeout_ms: SESSION_MS,
            rebalance_timeout_ms: SESSION_MS,
            protocol_type: Arc::from("team"),
            protocols: vec![Protocol { name: Arc::from("share"), metadata: Bytes::new() }],
            requires_known_member_id: true,
            supports_skipping_assignment: false,
        };
        let join = move |handles: Handles| async move { handles.groups.join(request).await };
        let Some((_, joined)) = call(world, join).await else { return };
        match joined.error {
            None => {}
            Some(GroupError::MemberIdRequired) => return self.member_id = joined.member_id,
            Some(error) => return self.heed(error),
        }
        self.member_id = joined.member_id;
        self.generation = joined.generation;
        let assignments = match joined.members.len() {
            0 => Vec::new(),
            count => {
                let share = |at: usize| shared().filter(move |partition| usize::from(*partition) % count == at);
                let each = joined.members.iter().enumerate();
                each.map(|(at, member)| (Arc::clone(&member.member_id), share(at).collect())).collect()
            }
        };
        let sync = SyncGroup { caller: self.caller(), protocol_type: None, protocol: None, assignments };
        let (least, group_id) = (world.model.lock().generation(self.team), Arc::clone(&self.group_id));
        let sync = move |handles: Handles| async move {
            let before = term(&handles, &group_id);
            (handles.groups.sync(sync).await, before, term(&handles, &group_id))
        };
        match call(world, sync).await {
            Some((broker, (Ok(synced), before, after))) => {
                self.owned = synced.assignment.to_vec();
                world.note(&[42, broker as u64, self.team, self.generation as u64], || {
                    let (group, generation, member) = (&self.group_id, self.generation, &self.member_id);
                    format!("broker {broker}: {member} of {group}, generation {generation}, owns {:?}", self.owned)
                });
                // Led by one and the same from before to after, or nobody knows whose answer it is.
                let epoch = (before == after).then_some(after);
                let (generation, member) = (self.generation, &self.member_id);
                world.model.lock().synced(self.team, epoch, least, generation, member, &self.owned);
            }
            Some((_, (Err(error), ..))) => {
                self.rejoin();
                return self.heed(error);
            }
            None => return self.rejoin(),
        }
        for partition in self.owned.clone() {
            fetch_of(world, offsets_of(self.team, partition), &self.group_id, i32::from(partition)).await;
        }
    }

    /// One thing that a member does between two rebalances.
    async fn live(&mut self, world: &Arc<World>) {
        match world.below(100) {
            0..4 => {
                let members = vec![LeavingMember { member_id: Arc::clone(&self.member_id), instance_id: None }];
                let request = LeaveGroup { group_id: Arc::clone(&self.group_id), members };
                call(world, move |handles: Handles| async move { handles.groups.leave(request).await }).await;
                self.forget();
            }
            4..8 => {
                met("member-falls-silent");
                world.env.sleep(Duration::from_micros(world.below(SILENCE_US))).await;
            }
            8..50 if !self.owned.is_empty() => self.commit(world).await,
            _ => {
                let request = Heartbeat { caller: self.caller() };
                let beat = move |handles: Handles| async move { handles.groups.heartbeat(request).await };
                if let Some((_, Err(error))) = call(world, beat).await {
                    self.heed(error);
                }
            }
        }
    }

    /// Commits an offset, greater than all before, of a partition that it owns or believes to own.
    async fn commit(&mut self, world: &Arc<World>) {
        let partition = self.owned[world.below(self.owned.len() as u64) as usize];
        let key = offsets_of(self.team, partition);
        let offset = world.model.lock().next_offset(key, self.generation);
        let partitions =
            vec![CommitPartition { partition: i32::from(partition), offset, leader_epoch: -1, metadata: None }];
        let request = OffsetCommit {
            caller: self.caller(),
            retention_time_ms: -1,
            knows_group_id_not_found: true,
            topics: vec![CommitTopic { name: Arc::from("object"), topic_id: TopicId::ZERO, partitions }],
        };
        let group_id = Arc::clone(&self.group_id);
        let commit =
            move |handles: Handles| async move { (handles.groups.commit(request).await, term(&handles, &group_id)) };
        let Some((broker, (outcome, epoch))) = call(world, commit).await else { return };
        let error = match outcome {
            Ok(topics) => topics.iter().flat_map(|topic| &topic.partitions).find_map(|partition| partition.error),
            Err(error) => Some(error),
        };
        match error {
            None => {
                world.note(&[43, broker as u64, key, offset as u64], || {
                    format!("broker {broker}: {} has committed {offset} of {partition}", self.member_id)
                });
                world.model.lock().commit(key, offset, Some(epoch));
            }
            Some(error) => {
                if matches!(error, GroupError::UnknownMemberId | GroupError::IllegalGeneration) {
                    met("commit-of-a-former-generation");
                }
                self.heed(error);
            }
        }
    }
}
