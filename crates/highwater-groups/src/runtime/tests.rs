//! The runtime over a log in memory and a clock to turn.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::FutureExt;
use futures::future::join_all;
use highwater_batch::{BatchBuilder, Compression};
use highwater_env::sim::SimEnv;
use highwater_types::TopicId;

use super::Groups;
use super::log::AppendFailure;
use super::memory_log::MemoryLog;
use crate::api::{
    Caller, CommitPartition, CommitTopic, FetchTopic, GroupState, Heartbeat, JoinGroup, ListGroups, OffsetCommit,
    OffsetFetch, Protocol, SyncGroup,
};
use crate::error::GroupError;
use crate::settings::GroupSettings;

struct Fixture {
    sim: SimEnv,
    log: Arc<MemoryLog>,
    groups: Groups,
}

fn s(text: &str) -> Arc<str> {
    Arc::from(text)
}

impl Fixture {
    /// A coordinator that has loaded.
    async fn start() -> Self {
        let fixture = Self::over(SimEnv::new(7), MemoryLog::led_in(1));
        fixture.turn(0).await;
        fixture
    }

    fn over(sim: SimEnv, log: Arc<MemoryLog>) -> Self {
        let groups = Groups::start(sim.env.clone(), log.clone(), GroupSettings::default());
        Self { sim, log, groups }
    }

    async fn turn(&self, ms: u64) {
        self.sim.clock.advance(Duration::from_millis(ms)).await;
    }

    async fn commit(&self, group: &str, partition: i32, offset: i64) -> Option<GroupError> {
        let request = OffsetCommit {
            caller: Caller { group_id: s(group), generation: -1, member_id: s(""), instance_id: None },
            retention_time_ms: -1,
            knows_group_id_not_found: true,
            topics: vec![CommitTopic {
                name: s("t"),
                topic_id: TopicId::ZERO,
                partitions: vec![CommitPartition { partition, offset, leader_epoch: -1, metadata: None }],
            }],
        };
        match self.groups.commit(request).await {
            Ok(topics) => topics[0].partitions[0].error,
            Err(error) => Some(error),
        }
    }

    async fn fetch(&self, group: &str, partition: i32) -> Result<Option<i64>, GroupError> {
        let topics = Some(vec![FetchTopic { name: s("t"), topic_id: TopicId::ZERO, partitions: vec![partition] }]);
        let fetched = self.groups.fetch(OffsetFetch { group_id: s(group), topics, require_stable: false }).await?;
        Ok(fetched[0].partitions[0].committed.as_ref().map(|committed| committed.offset))
    }

    fn join(&self) -> JoinGroup {
        JoinGroup {
            group_id: s("g"),
            member_id: s(""),
            instance_id: None,
            client_id: s("c"),
            client_host: s("/127.0.0.1"),
            session_timeout_ms: 10_000,
            rebalance_timeout_ms: 60_000,
            protocol_type: s("consumer"),
            protocols: vec![Protocol { name: s("range"), metadata: Bytes::new() }],
            requires_known_member_id: false,
            supports_skipping_assignment: true,
        }
    }
}

#[tokio::test]
async fn a_group_comes_together_commits_and_survives_a_restart() {
    let fixture = Fixture::start().await;
    let groups = fixture.groups.clone();
    let joins = join_all([0, 1].map(|_| groups.join(fixture.join())));
    let (replies, ()) = futures::join!(joins, fixture.turn(6_000));
    assert_ne!(replies[0].member_id, replies[1].member_id);
    let leader = replies.iter().find(|reply| !reply.members.is_empty()).unwrap();
    let caller = |member_id: &Arc<str>| Caller {
        group_id: s("g"),
        generation: 1,
        member_id: Arc::clone(member_id),
        instance_id: None,
    };
    let syncs = replies.iter().map(|reply| {
        let leads = reply.member_id == leader.member_id;
        let assignments = leader.members.iter().filter(|_| leads);
        groups.sync(SyncGroup {
            caller: caller(&reply.member_id),
            protocol_type: None,
            protocol: None,
            assignments: assignments.map(|member| (member.member_id.clone(), Bytes::from_static(b"part"))).collect(),
        })
    });
    for outcome in join_all(syncs).await {
        assert_eq!(outcome.unwrap().assignment, "part");
    }
    assert_eq!(fixture.commit("simple", 0, 42).await, None);
    let before = groups.describe(s("g")).await.unwrap();
    assert_eq!(before.state, GroupState::Stable);
    // Another broker takes over.
    drop(groups);
    let Fixture { sim, log, groups } = fixture;
    drop(groups);
    log.lead(Some(2));
    let next = Fixture::over(sim, log);
    assert_eq!(next.fetch("simple", 0).await, Err(GroupError::CoordinatorLoadInProgress));
    next.turn(0).await;
    assert_eq!(next.fetch("simple", 0).await, Ok(Some(42)));
    assert_eq!(next.groups.describe(s("g")).await.unwrap(), before);
    let listed = next.groups.list(ListGroups::default()).await.unwrap();
    assert_eq!(listed.iter().map(|group| &*group.group_id).collect::<Vec<_>>(), ["g", "simple"]);
    let beat = Heartbeat { caller: caller(&leader.member_id) };
    assert_eq!(next.groups.heartbeat(beat.clone()).await, Ok(()));
    next.turn(10_000).await;
    assert_eq!(next.groups.heartbeat(beat).await, Err(GroupError::UnknownMemberId));
}

#[tokio::test]
async fn commits_are_answered_when_durable_and_share_batches() {
    let fixture = Fixture::start().await;
    fixture.log.hold();
    let commits = (0..50).map(|at| fixture.commit("g", at, i64::from(at)));
    let mut commits = Box::pin(join_all(commits));
    assert!(futures::poll!(&mut commits).is_pending());
    fixture.turn(1_000).await;
    assert!(futures::poll!(&mut commits).is_pending());
    assert_eq!(fixture.log.held(), 1);
    assert_eq!(fixture.fetch("g", 7).await, Ok(None));
    fixture.log.release(Ok(()));
    assert!(commits.await.iter().all(Option::is_none));
    assert_eq!(fixture.fetch("g", 7).await, Ok(Some(7)));
    assert_eq!(fixture.log.batches(), 1);
}

#[tokio::test]
async fn failed_and_refused_appends_are_told() {
    let fixture = Fixture::start().await;
    fixture.log.refuse(Some(AppendFailure::Unavailable));
    assert_eq!(fixture.commit("g", 0, 1).await, Some(GroupError::CoordinatorNotAvailable));
    fixture.log.refuse(None);
    fixture.log.hold();
    let mut commit = Box::pin(fixture.commit("g", 0, 2));
    assert!(futures::poll!(&mut commit).is_pending());
    fixture.turn(0).await;
    fixture.log.release(Err(AppendFailure::Unavailable));
    assert_eq!(commit.await, Some(GroupError::CoordinatorNotAvailable));
    assert_eq!(fixture.fetch("g", 0).await, Ok(None));
    assert_eq!(fixture.commit("g", 0, 3).await, None);
    assert_eq!(fixture.fetch("g", 0).await, Ok(Some(3)));
}

#[tokio::test]
async fn losing_the_partition_answers_everybody() {
    let fixture = Fixture::start().await;
    let mut join = Box::pin(fixture.groups.join(fixture.join()));
    assert!(futures::poll!(&mut join).is_pending());
    fixture.turn(0).await;
    fixture.log.lead(None);
    assert_eq!(fixture.commit("g", 0, 1).await, Some(GroupError::NotCoordinator));
    assert_eq!(fixture.groups.list(ListGroups::default()).await, Ok(Vec::new()));
    fixture.turn(2_000).await;
    assert_eq!(join.await.error, Some(GroupError::NotCoordinator));
    // It comes back in another term.
    fixture.log.lead(Some(5));
    fixture.turn(2_000).await;
    assert_eq!(fixture.commit("g", 0, 1).await, None);
}

#[tokio::test]
async fn a_log_that_knows_of_another_leader_ends_the_term() {
    let fixture = Fixture::start().await;
    fixture.log.refuse(Some(AppendFailure::NotLeader));
    assert_eq!(fixture.commit("g", 0, 1).await, Some(GroupError::NotCoordinator));
    fixture.log.refuse(None);
    assert_eq!(fixture.commit("g", 0, 1).await, Some(GroupError::CoordinatorLoadInProgress));
    fixture.turn(0).await;
    assert_eq!(fixture.commit("g", 0, 1).await, None);
}

#[tokio::test]
async fn reading_is_tried_again() {
    let log = MemoryLog::led_in(1);
    log.fail_reads(2);
    let fixture = Fixture::over(SimEnv::new(7), log);
    fixture.turn(500).await;
    assert_eq!(fixture.fetch("g", 0).await, Err(GroupError::CoordinatorLoadInProgress));
    assert_eq!(fixture.groups.list(ListGroups::default()).await, Err(GroupError::CoordinatorLoadInProgress));
    fixture.turn(3_000).await;
    assert_eq!(fixture.fetch("g", 0).await, Ok(None));
}

#[tokio::test]
async fn foreign_records_do_not_stop_a_load() {
    let log = MemoryLog::led_in(1);
    let mut garbage = BatchBuilder::new(Compression::Zstd);
    garbage.push(1, None, Some(b"no key")).unwrap();
    garbage.push(1, Some(b"\0\x02\0\x01g"), Some(b"\0\x63")).unwrap();
    garbage.push(1, Some(b"\0\x03\0\x01g"), Some(b"\0\0\0\0\0\x01")).unwrap();
    let marker = {
        let mut marker = BatchBuilder::new(Compression::None).producer(1, 0, -1).transactional().control();
        marker.push(1, Some(b"\0\0\0\x01"), Some(b"\0\0\0\0\0\0")).unwrap();
        marker.finish().unwrap().to_bytes()
    };
    let garbage = garbage.finish().unwrap().to_bytes();
    for batch in [&garbage, &marker, &garbage] {
        log.put(batch);
    }
    let fixture = Fixture::over(SimEnv::new(7), log);
    fixture.turn(0).await;
    assert_eq!(fixture.commit("g", 0, 4).await, None);
    assert_eq!(fixture.fetch("g", 0).await, Ok(Some(4)));
}

#[tokio::test]
async fn nothing_is_left_running() {
    let Fixture { sim, log, groups } = Fixture::start().await;
    let mut join = Box::pin({
        let groups = groups.clone();
        let request = Fixture { sim: sim.clone(), log: log.clone(), groups: groups.clone() }.join();
        async move { groups.join(request).await }
    });
    assert!(futures::poll!(&mut join).is_pending());
    drop(join);
    drop(groups);
    sim.clock.advance(Duration::from_secs(5)).await;
    assert_eq!(Arc::strong_count(&log), 1);
    assert!(sim.env.sleep(Duration::ZERO).now_or_never().is_some());
}
