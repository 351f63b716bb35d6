//! A consumer that is one of a group: the classic protocol, partitions shared out by range.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use bytes::Bytes;
use highwater_env::Instant;
use highwater_wire::messages::consumer_protocol::{
    AssignmentTopicPartition, ConsumerProtocolAssignment, ConsumerProtocolSubscription,
};
use highwater_wire::messages::heartbeat::HeartbeatRequest;
use highwater_wire::messages::join_group::{JoinGroupRequest, JoinGroupRequestProtocol, JoinGroupResponse};
use highwater_wire::messages::leave_group::{LeaveGroupRequest, MemberIdentity};
use highwater_wire::messages::sync_group::{SyncGroupRequest, SyncGroupRequestAssignment};
use highwater_wire::{Decoder, EncodeError, Encoder, ErrorCode, Str};

use crate::cluster::Cluster;
use crate::consumer::{Consumer, Fetched, StartAt, offsets_at};
use crate::error::{ClientError, code_of};
use crate::groups::{TopicPartition, assigned};

const SESSION_TIMEOUT_MS: i32 = 30_000;
const REBALANCE_TIMEOUT_MS: i32 = 60_000;
const HEARTBEAT_EVERY: Duration = Duration::from_secs(3);
const COMMIT_EVERY: Duration = Duration::from_secs(5);
/// A fetch waits no longer than this, so that heartbeats are in time.
const FETCH_WAIT: Duration = Duration::from_millis(500);
const PROTOCOL_TYPE: &str = "consumer";
const ASSIGNOR: &str = "range";

/// One of a group.
pub struct GroupMember {
    group: String,
    topic: String,
    /// Where to begin where the group has committed nothing.
    start: StartAt,
    member_id: String,
    generation: i32,
    coordinator: i32,
    consumer: Consumer,
    last_heartbeat: Instant,
    last_commit: Instant,
    committed: BTreeMap<TopicPartition, i64>,
}

impl GroupMember {
    /// Joins a group for one topic.
    ///
    /// # Errors
    /// When the group or the topic cannot be used.
    pub async fn join(cluster: &mut Cluster, group: &str, topic: &str, start: StartAt) -> Result<Self, ClientError> {
        let now = cluster.env().now();
        let mut member = Self {
            group: group.to_owned(),
            topic: topic.to_owned(),
            start,
            member_id: String::new(),
            generation: -1,
            coordinator: cluster.coordinator(group).await?,
            consumer: Consumer::new(FETCH_WAIT),
            last_heartbeat: now,
            last_commit: now,
            committed: BTreeMap::new(),
        };
        member.rejoin(cluster).await?;
        Ok(member)
    }

    /// Whether everything up to the ends that the brokers told of has been given.
    pub fn is_at_end(&self) -> bool {
        self.consumer.is_at_end()
    }

    /// The next records; keeps the membership, and commits what was given before now and then.
    ///
    /// # Errors
    /// When the membership or a partition is lost for good.
    pub async fn poll(&mut self, cluster: &mut Cluster) -> Result<Vec<Fetched>, ClientError> {
        let now = cluster.env().now();
        if now.since(self.last_commit) >= COMMIT_EVERY {
            self.commit(cluster).await?;
        }
        if now.since(self.last_heartbeat) >= HEARTBEAT_EVERY && !self.heartbeat(cluster).await? {
            self.commit(cluster).await?;
            self.rejoin(cluster).await?;
        }
        self.consumer.poll(cluster).await
    }

    /// Forgets that these records were given: they are not committed.
    pub fn rewind(&mut self, records: &[Fetched]) {
        self.consumer.rewind(records);
    }

    /// Commits what was given. What another generation has taken over is not committed and no error.
    ///
    /// # Errors
    /// As the coordinator says.
    pub async fn commit(&mut self, cluster: &mut Cluster) -> Result<(), ClientError> {
        self.last_commit = cluster.env().now();
        let mut offsets = self.consumer.given();
        offsets.retain(|partition, offset| self.committed.get(partition) != Some(offset));
        if offsets.is_empty() {
            return Ok(());
        }
        let outcome = cluster.commit(&self.group, Some((self.generation, &self.member_id)), &offsets).await;
        match outcome {
            Ok(()) => {
                self.committed.extend(offsets);
                Ok(())
            }
            Err(error) if lost_generation(&error) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Commits, and leaves the group, so that nobody waits for the session to run out.
    ///
    /// # Errors
    /// As the coordinator says.
    pub async fn leave(mut self, cluster: &mut Cluster) -> Result<(), ClientError> {
        self.commit(cluster).await?;
        self.abandon(cluster).await
    }

    /// Leaves the group without a commit: what was given may not have arrived.
    ///
    /// # Errors
    /// As the coordinator says.
    pub async fn abandon(self, cluster: &mut Cluster) -> Result<(), ClientError> {
        let identity = MemberIdentity { member_id: Str::from(&self.member_id), ..Default::default() };
        let request =
            LeaveGroupRequest { group_id: Str::from(&self.group), members: vec![identity], ..Default::default() };
        let response = cluster.call(self.coordinator, &request).await?;
        ClientError::check(response.error_code, None, || format!("group '{}'", self.group))
    }

    /// `false`: the group shares out its partitions anew.
    async fn heartbeat(&mut self, cluster: &mut Cluster) -> Result<bool, ClientError> {
        self.last_heartbeat = cluster.env().now();
        let request = HeartbeatRequest {
            group_id: Str::from(&self.group),
            generation_id: self.generation,
            member_id: Str::from(&self.member_id),
            ..Default::default()
        };
        match cluster.call(self.coordinator, &request).await {
            Ok(response) => match code_of(response.error_code) {
                ErrorCode::None => Ok(true),
                ErrorCode::RebalanceInProgress => Ok(false),
                ErrorCode::UnknownMemberId | ErrorCode::IllegalGeneration | ErrorCode::FencedInstanceId => {
                    self.member_id.clear();
                    Ok(false)
                }
                ErrorCode::NotCoordinator
                | ErrorCode::CoordinatorNotAvailable
                | ErrorCode::CoordinatorLoadInProgress => {
                    self.coordinator = cluster.coordinator(&self.group).await?;
                    Ok(true)
                }
                other => {
                    ClientError::check(other.code(), None, || format!("group '{}'", self.group))?;
                    Ok(true)
                }
            },
            Err(error) if error.is_retriable() => {
                self.coordinator = cluster.coordinator(&self.group).await?;
                Ok(true)
            }
            Err(error) => Err(error),
        }
    }

    async fn rejoin(&mut self, cluster: &mut Cluster) -> Result<(), ClientError> {
        let deadline = cluster.deadline();
        loop {
            match self.try_join(cluster).await {
                Ok(partitions) => return self.read(cluster, partitions).await,
                Err(error) if may_join_again(&error) && cluster.pause(deadline).await => {
                    if matches!(error.code(), Some(ErrorCode::UnknownMemberId | ErrorCode::IllegalGeneration)) {
                        self.member_id.clear();
                    }
                    if error.code().is_none_or(|code| code == ErrorCode::NotCoordinator) {
                        self.coordinator = cluster.coordinator(&self.group).await?;
                    }
                }
                Err(error) => return Err(error),
            }
        }
    }

    async fn try_join(&mut self, cluster: &mut Cluster) -> Result<Vec<TopicPartition>, ClientError> {
        let subscription = ConsumerProtocolSubscription { topics: vec![Str::from(&self.topic)], ..Default::default() };
        let metadata = with_version(1, |encoder, version| subscription.encode(encoder, version))?;
        let request = JoinGroupRequest {
            group_id: Str::from(&self.group),
            session_timeout_ms: SESSION_TIMEOUT_MS,
            rebalance_timeout_ms: REBALANCE_TIMEOUT_MS,
            member_id: Str::from(&self.member_id),
            protocol_type: Str::from_static(PROTOCOL_TYPE),
            protocols: vec![JoinGroupRequestProtocol {
                name: Str::from_static(ASSIGNOR),
                metadata,
                ..Default::default()
            }],
            ..Default::default()
        };
        let limit = Duration::from_millis(u64::from(REBALANCE_TIMEOUT_MS.unsigned_abs())) * 2;
        let joined = cluster.call_within(self.coordinator, &request, limit).await?;
        if code_of(joined.error_code) == ErrorCode::MemberIdRequired {
            self.member_id = joined.member_id.to_string();
        }
        ClientError::check(joined.error_code, None, || format!("group '{}'", self.group))?;
        self.member_id = joined.member_id.to_string();
        self.generation = joined.generation_id;
        self.last_heartbeat = cluster.env().now();
        let assignments =
            if joined.leader == joined.member_id { share_out(cluster, &joined).await? } else { Vec::new() };
        let request = SyncGroupRequest {
            group_id: Str::from(&self.group),
            generation_id: self.generation,
            member_id: Str::from(&self.member_id),
            protocol_type: Some(Str::from_static(PROTOCOL_TYPE)),
            protocol_name: Some(Str::from_static(ASSIGNOR)),
            assignments,
            ..Default::default()
        };
        let synced = cluster.call_within(self.coordinator, &request, limit).await?;
        ClientError::check(synced.error_code, None, || format!("group '{}'", self.group))?;
        assigned(synced.assignment).ok_or_else(|| ClientError::Invalid("an assignment that cannot be read".to_owned()))
    }

    /// Reads what was assigned from what the group has committed.
    async fn read(&mut self, cluster: &mut Cluster, partitions: Vec<TopicPartition>) -> Result<(), ClientError> {
        self.consumer.clear();
        self.committed = cluster.committed(&self.group).await?;
        let leaders = cluster.topic(&self.topic, false).await?.leaders;
        for (topic, partition) in partitions {
            let offset = match self.committed.get(&(topic.clone(), partition)) {
                Some(offset) => *offset,
                None => {
                    let found = offsets_at(cluster, &topic, &[partition], self.start).await?;
                    found.get(&partition).copied().unwrap_or(0)
                }
            };
            let leader = usize::try_from(partition).ok().and_then(|at| leaders.get(at)).copied();
            self.consumer.seek(&topic, partition, offset, leader.unwrap_or(crate::cluster::ANY));
        }
        Ok(())
    }
}

/// The topics of the consumer, for naming what it gave.
impl GroupMember {
    /// The topic that it reads.
    pub fn topic(&self) -> &str {
        &self.topic
    }
}

fn lost_generation(error: &ClientError) -> bool {
    matches!(
        error.code(),
        Some(ErrorCode::RebalanceInProgress | ErrorCode::UnknownMemberId | ErrorCode::IllegalGeneration)
    )
}

fn may_join_again(error: &ClientError) -> bool {
    error.is_retriable() || lost_generation(error) || error.code() == Some(ErrorCode::MemberIdRequired)
}

/// An int16 version, then the message in that version.
fn with_version(
    version: i16,
    encode: impl FnOnce(&mut Encoder, i16) -> Result<(), EncodeError>,
) -> Result<Bytes, ClientError> {
    let mut encoder = Encoder::new();
    encoder.i16(version);
    encode(&mut encoder, version).map_err(|error| ClientError::Invalid(error.to_string()))?;
    Ok(encoder.finish_joined())
}

/// As the leader of the group: each topic's partitions in runs, one for each member that wants it.
async fn share_out(
    cluster: &mut Cluster,
    joined: &JoinGroupResponse,
) -> Result<Vec<SyncGroupRequestAssignment>, ClientError> {
    let mut wanted: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for member in &joined.members {
        for topic in subscribed(member.metadata.clone()) {
            wanted.entry(topic).or_default().insert(member.member_id.to_string());
        }
    }
    let mut given: BTreeMap<String, Vec<AssignmentTopicPartition>> = BTreeMap::new();
    for (topic, members) in wanted {
        let count = match cluster.topic(&topic, false).await {
            Ok(found) => found.leaders.len(),
            Err(ClientError::UnknownTopic(_)) => 0,
            Err(error) => return Err(error),
        };
        for (member, run) in members.iter().zip(ranges(count, members.len())) {
            let partitions: Vec<i32> = run.filter_map(|partition| i32::try_from(partition).ok()).collect();
            if !partitions.is_empty() {
                let run = AssignmentTopicPartition { topic: Str::from(&topic), partitions };
                given.entry(member.clone()).or_default().push(run);
            }
        }
    }
    let mut assignments = Vec::with_capacity(joined.members.len());
    for member in &joined.members {
        let assigned_partitions = given.remove(&*member.member_id).unwrap_or_default();
        let assignment = ConsumerProtocolAssignment { assigned_partitions, ..Default::default() };
        assignments.push(SyncGroupRequestAssignment {
            member_id: member.member_id.clone(),
            assignment: with_version(1, |encoder, version| assignment.encode(encoder, version))?,
            ..Default::default()
        });
    }
    Ok(assignments)
}

/// The topics of a member's subscription.
fn subscribed(metadata: Bytes) -> Vec<String> {
    let mut decoder = Decoder::new(metadata);
    let version = decoder.i16().unwrap_or(0).clamp(0, 3);
    let subscription = ConsumerProtocolSubscription::decode(&mut decoder, version).unwrap_or_default();
    subscription.topics.iter().map(ToString::to_string).collect()
}

/// `count` partitions in `members` runs, the first ones longer by one.
fn ranges(count: usize, members: usize) -> impl Iterator<Item = std::ops::Range<usize>> {
    let (each, more) = (count / members.max(1), count % members.max(1));
    (0..members).map(move |member| {
        let start = each * member + more.min(member);
        start..start + each + usize::from(member < more)
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn every_partition_goes_to_one_member(count in 0..200usize, members in 1..30usize) {
            let runs: Vec<_> = ranges(count, members).collect();
            prop_assert_eq!(runs.iter().cloned().flatten().collect::<Vec<_>>(), (0..count).collect::<Vec<_>>());
            let lengths: Vec<usize> = runs.iter().map(ExactSizeIterator::len).collect();
            prop_assert!(lengths.iter().max().unwrap_or(&0) - lengths.iter().min().unwrap_or(&0) <= 1);
        }
    }
}
