//! Random clients against a simple model.
//!
//! - Every request is answered exactly once (by the world's own check), at the latest when all time
//!   is over.
//! - A generation has one leader and one assignment: nobody gets another's part, or two versions of
//!   its own.
//! - A committed offset is the last one whose commit was answered with success.
//! - A coordinator that reads the log has the same groups and offsets.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bytes::Bytes;
use proptest::prelude::*;

use super::world::*;
use crate::api::{GroupState, JoinGroup, SyncGroup};
use crate::machine::{AppendFailure, Command, Reply, Token};

const CLIENTS: usize = 4;
const PARTITIONS: i32 = 2;

#[derive(Clone, Debug)]
enum Step {
    Join { client: usize, known_id: bool, other_protocol: bool },
    Sync { client: usize },
    Heartbeat { client: usize },
    Leave { client: usize },
    Commit { client: usize, partition: i32, offset: i64 },
    Forget { client: usize },
    Finish { ok: bool },
    Advance { ms: u64 },
    Delete,
    Reload,
}

fn step() -> impl Strategy<Value = Step> {
    let client = 0..CLIENTS;
    prop_oneof![
        8 => (client.clone(), any::<bool>(), prop::bool::weighted(0.1))
            .prop_map(|(client, known_id, other_protocol)| Step::Join { client, known_id, other_protocol }),
        10 => client.clone().prop_map(|client| Step::Sync { client }),
        3 => client.clone().prop_map(|client| Step::Heartbeat { client }),
        1 => client.clone().prop_map(|client| Step::Leave { client }),
        5 => (client.clone(), 0..PARTITIONS, 0..1_000_i64)
            .prop_map(|(client, partition, offset)| Step::Commit { client, partition, offset }),
        1 => client.prop_map(|client| Step::Forget { client }),
        12 => prop::bool::weighted(0.9).prop_map(|ok| Step::Finish { ok }),
        6 => prop_oneof![Just(100), Just(3_000), Just(9_000), Just(61_000)].prop_map(|ms| Step::Advance { ms }),
        1 => Just(Step::Delete),
        1 => Just(Step::Reload),
    ]
}

/// A client as its own library sees it; the second half are static members.
#[derive(Clone, Debug, Default)]
struct Client {
    member_id: Arc<str>,
    generation: i32,
    leads: Vec<Arc<str>>,
}

#[derive(Debug)]
enum Asked {
    Join { client: usize },
    Sync { member_id: Arc<str>, generation: i32 },
    Commit { partition: i32, offset: i64 },
    Delete,
    Other,
}

struct Run {
    world: World,
    clients: Vec<Client>,
    open: BTreeMap<Token, Asked>,
    offsets: BTreeMap<i32, i64>,
    /// Leader of each generation since the group was last deleted or reloaded.
    leaders: BTreeMap<i32, Arc<str>>,
    /// Assignments that members were given, by generation.
    given: BTreeMap<(i32, Arc<str>), Bytes>,
    syncs: u32,
}

impl Run {
    fn new() -> Self {
        let mut world = World::new();
        world.durable_at_once = false;
        Self {
            world,
            clients: vec![Client::default(); CLIENTS],
            open: BTreeMap::new(),
            offsets: BTreeMap::new(),
            leaders: BTreeMap::new(),
            given: BTreeMap::new(),
            syncs: 0,
        }
    }

    fn instance(client: usize) -> Option<Arc<str>> {
        (client >= CLIENTS / 2).then(|| s(&format!("i{client}")))
    }

    fn caller(&self, client: usize) -> crate::api::Caller {
        let known = &self.clients[client];
        crate::api::Caller { instance_id: Self::instance(client), ..caller(&known.member_id, known.generation) }
    }

    fn take(&mut self, step: &Step) {
        match step {
            Step::Join { client, known_id, other_protocol } => {
                let names: &[&str] = if *other_protocol { &["sticky", "range"] } else { &["range"] };
                let request = JoinGroup {
                    member_id: if *known_id { self.clients[*client].member_id.clone() } else { s("") },
                    instance_id: Self::instance(*client),
                    client_id: s(&format!("c{client}")),
                    protocols: protocols(names),
                    requires_known_member_id: *other_protocol,
                    ..joiner("")
                };
                let token = self.world.start_join(request);
                self.open.insert(token, Asked::Join { client: *client });
            }
            Step::Sync { client } => {
                self.syncs += 1;
                let known = &self.clients[*client];
                // Every try names another assignment, so that a mix of two would show.
                let assignments = known
                    .leads
                    .iter()
                    .map(|id| (id.clone(), Bytes::from(format!("{}/{}/{id}", known.generation, self.syncs))));
                let request = SyncGroup {
                    caller: self.caller(*client),
                    protocol_type: None,
                    protocol: None,
                    assignments: assignments.collect(),
                };
                let asked = Asked::Sync { member_id: known.member_id.clone(), generation: known.generation };
                let token = self.world.send(Command::Sync(request));
                self.open.insert(token, asked);
            }
            Step::Heartbeat { client } => {
                let request = crate::api::Heartbeat { caller: self.caller(*client) };
                let token = self.world.send(Command::Heartbeat(request));
                self.open.insert(token, Asked::Other);
            }
            Step::Leave { client } => {
                let _ = self.world.leave(&[(&self.clients[*client].member_id.clone(), None)]);
            }
            Step::Commit { client, partition, offset } => {
                let request = commit(self.caller(*client), &[("t", *partition, *offset)]);
                let token = self.world.send(Command::Commit(request));
                self.open.insert(token, Asked::Commit { partition: *partition, offset: *offset });
            }
            Step::Forget { client } => self.clients[*client] = Client { generation: -1, ..Client::default() },
            Step::Finish { ok } => {
                self.world.finish_append(if *ok { Ok(()) } else { Err(AppendFailure::Unavailable) });
            }
            Step::Advance { ms } => self.world.advance(*ms),
            Step::Delete => {
                let token = self.world.send(Command::Delete(s(G)));
                self.open.insert(token, Asked::Delete);
            }
            Step::Reload => {
                self.world.reload();
                self.open.clear();
                // What was under way when the coordinator fell may come again under the same number.
                self.leaders.clear();
                self.given.clear();
            }
        }
        self.collect();
    }

    /// Answers in the order in which the requests were made; commits of one partition are answered
    /// in the order of the log, which is that order too.
    fn collect(&mut self) {
        let answered: Vec<Token> = self.open.keys().copied().filter(|token| !self.world.is_open(*token)).collect();
        for token in answered {
            let asked = self.open.remove(&token).unwrap();
            let reply = self.world.answer(token).unwrap();
            self.check(&asked, reply);
        }
    }

    fn check(&mut self, asked: &Asked, reply: Reply) {
        match (asked, reply) {
            (Asked::Join { client }, Reply::Join(reply)) => {
                self.clients[*client].member_id = reply.member_id.clone();
                if reply.error.is_some() {
                    self.clients[*client].leads.clear();
                    return;
                }
                self.clients[*client].generation = reply.generation;
                let assigns = !reply.members.is_empty() && !reply.skip_assignment;
                let members = reply.members.iter().map(|member| member.member_id.clone());
                self.clients[*client].leads = if assigns { members.collect() } else { Vec::new() };
                if assigns {
                    let leader = self.leaders.entry(reply.generation).or_insert_with(|| reply.member_id.clone());
                    assert_eq!(*leader, reply.member_id, "two leaders of generation {}", reply.generation);
                }
            }
            (Asked::Sync { member_id, generation }, Reply::Sync(Ok(reply))) => {
                let text = String::from_utf8(reply.assignment.to_vec()).unwrap();
                if !text.is_empty() {
                    let mut parts = text.splitn(3, '/');
                    assert_eq!(parts.next(), Some(generation.to_string().as_str()), "of another generation");
                }
                let earlier = self.given.entry((*generation, member_id.clone())).or_insert(reply.assignment.clone());
                assert_eq!(*earlier, reply.assignment, "two assignments in one generation");
                // One try of one leader: all that were given out agree on which.
                let tries = self.given.iter().filter(|((of, _), bytes)| of == generation && !bytes.is_empty());
                let tries =
                    tries.map(|(_, bytes)| String::from_utf8_lossy(bytes).split('/').nth(1).unwrap().to_owned());
                let tries: BTreeSet<String> = tries.collect();
                assert!(tries.len() <= 1, "a generation with several assignments: {tries:?}");
            }
            (Asked::Commit { partition, offset }, Reply::Commit(Ok(topics)))
                if topics[0].partitions[0].error.is_none() =>
            {
                self.offsets.insert(*partition, *offset);
            }
            (Asked::Delete, Reply::Delete(Ok(()))) => {
                self.offsets.clear();
                self.leaders.clear();
                self.given.clear();
            }
            _ => {}
        }
    }

    fn check_offsets(&mut self) {
        for partition in 0..PARTITIONS {
            assert_eq!(self.world.fetch("t", partition), self.offsets.get(&partition).copied());
        }
    }

    /// Nothing is on its way; what is in the log is what is in memory.
    fn settle(&mut self, faithful_log: bool) {
        while self.world.finish_append(Ok(())) {}
        self.collect();
        assert!(self.world.coordinator.nothing_in_flight());
        self.check_offsets();
        let memory = self.world.describe();
        let generation = self.world.coordinator.group(G).map(|group| group.generation);
        self.world.reload();
        self.check_offsets();
        let Ok(memory) = memory else {
            assert_eq!(self.world.state(), GroupState::Dead);
            return;
        };
        // A group that was between two generations comes back as the log last saw it.
        match memory.state {
            GroupState::Stable if faithful_log => {
                assert_eq!(self.world.describe().unwrap(), memory);
                assert_eq!(self.world.coordinator.group(G).map(|group| group.generation), generation);
            }
            GroupState::Empty if faithful_log => {
                assert!(matches!(self.world.state(), GroupState::Empty | GroupState::Dead))
            }
            _ => {}
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn random_clients(steps in proptest::collection::vec(step(), 1..120)) {
        let mut run = Run::new();
        for step in &steps {
            run.take(step);
            run.check_offsets();
            let timers = run.world.coordinator.groups().filter(|group| group.wake_at != group.registered).count();
            prop_assert_eq!(timers, 0);
        }
        // In the end everybody is answered: sessions and rebalances run out.
        for _ in 0..20 {
            run.world.advance(61_000);
            while run.world.finish_append(Ok(())) {}
        }
        run.collect();
        prop_assert!(run.open.is_empty(), "never answered: {:?}", run.open);
        // The record of an end of a rebalance may have been lost, and nobody waits for that of an
        // empty group; offsets are as they were acknowledged all the same.
        run.settle(false);
    }

    #[test]
    fn the_log_holds_what_memory_holds(steps in proptest::collection::vec(step(), 1..60)) {
        let mut run = Run::new();
        for step in &steps {
            // Without failures: then a stable group's record is its state.
            if !matches!(step, Step::Finish { ok: false }) {
                run.take(step);
            }
        }
        run.settle(true);
    }
}
