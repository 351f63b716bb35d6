//! Random requests against a simple model; snapshots and replay give the same state.

use std::collections::BTreeMap;
use std::sync::Arc;

use highwater_env::sim::SimEnv;
use highwater_meta::alter_configs::AlterConfigs;
use highwater_meta::apply::apply;
use highwater_meta::draft::Draft;
use highwater_meta::edit::{self, Edit};
use highwater_meta::operations::{AddPartitions, CreateTopics, DeleteTopics, Operation, TakeProducerIds};
use highwater_meta::state::Local;
use highwater_meta::{ClusterState, ConfigChanges, ConfigTarget, NewTopic, snapshot};
use highwater_types::TopicId;
use highwater_types::ids::Uuid;
use proptest::prelude::*;

#[derive(Clone, Debug)]
enum Step {
    Create(u8, i32),
    Delete(u8),
    Grow(u8, i32),
    Config(u8, i64),
    Ids,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0u8..20, -2i32..9).prop_map(|(name, partitions)| Step::Create(name, partitions)),
        2 => (0u8..20).prop_map(Step::Delete),
        1 => (0u8..20, 0i32..12).prop_map(|(name, total)| Step::Grow(name, total)),
        1 => (0u8..20, -3i64..9).prop_map(|(name, ms)| Step::Config(name, ms)),
        1 => Just(Step::Ids),
    ]
}

/// Half of the names collide with another.
fn name(number: u8) -> String {
    if number.is_multiple_of(2) { format!("t.{}", number / 2) } else { format!("t_{}", number / 2) }
}

/// What a topic is in the model: partitions and retention.
type Model = BTreeMap<u8, (usize, Option<i64>)>;

fn run(draft: &mut Draft, model: &mut Model, ids: &mut i64, step: &Step) {
    let id_of = |draft: &Draft, number: u8| draft.state.topic(&name(number)).map_or(TopicId::ZERO, |topic| topic.id);
    match *step {
        Step::Create(number, partitions) => {
            let operation =
                CreateTopics { topics: vec![NewTopic::new(name(number), partitions)], validate_only: false };
            let ok = operation.plan(draft)[0].is_ok();
            let legal = (partitions > 0 || partitions == -1)
                && !model.contains_key(&number)
                && !model.contains_key(&(number ^ 1));
            assert_eq!(ok, legal);
            if ok {
                model.insert(number, (if partitions == -1 { 1 } else { partitions as usize }, None));
            }
        }
        Step::Delete(number) => {
            let ok = DeleteTopics { ids: vec![id_of(draft, number)] }.plan(draft)[0].is_ok();
            assert_eq!(ok, model.remove(&number).is_some());
        }
        Step::Grow(number, total) => {
            let ok = AddPartitions { id: id_of(draft, number), total, validate_only: false }.plan(draft).is_ok();
            let grows = model.get_mut(&number).filter(|(partitions, _)| total > *partitions as i32);
            assert_eq!(ok, grows.is_some());
            if let Some(topic) = grows {
                topic.0 = total as usize;
            }
        }
        Step::Config(number, ms) => {
            let changes = ConfigChanges::from([("retention.ms", (ms != 0).then(|| ms.to_string()).as_deref())]);
            let target = ConfigTarget::Topic(id_of(draft, number));
            let ok = AlterConfigs { target, changes, validate_only: false }.plan(draft).is_ok();
            let topic = model.get_mut(&number).filter(|_| ms >= -1);
            assert_eq!(ok, topic.is_some());
            if let Some(topic) = topic {
                topic.1 = (ms != 0).then_some(ms);
            }
        }
        Step::Ids => {
            let block = TakeProducerIds.plan(draft).unwrap();
            assert_eq!(block.start, *ids);
            *ids = block.end;
        }
    }
}

fn compare(state: &ClusterState, model: &Model) {
    let mut expected: Vec<_> = model
        .iter()
        .map(|(number, (partitions, retention))| (name(*number), *partitions, retention.unwrap_or(604_800_000)))
        .collect();
    expected.sort();
    let actual: Vec<_> =
        state.topics().map(|t| (t.name.to_string(), t.partitions.len(), t.settings.retention_ms)).collect();
    assert_eq!(actual, expected);
    assert_eq!(state.topic_count(), model.len());
    assert_eq!(state.partition_count(), model.values().map(|(partitions, _)| *partitions as u64).sum::<u64>());
    for topic in state.topics() {
        assert_eq!(state.topic_by_id(topic.id), Some(topic));
        assert!(state.topics_from(&topic.name).next() == Some(topic));
    }
}

fn founded(shards: u32) -> (ClusterState, Edit) {
    let found = Edit::Found { cluster_id: Uuid::from_u128(1), shards };
    let mut state = ClusterState::empty(Arc::new(Local::default()));
    apply(&mut state, &found).unwrap();
    (state, found)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]
    #[test]
    fn operations_keep_the_model_and_replay_and_snapshots_give_the_same(
        steps in prop::collection::vec(step(), 0..120), shards in 1u32..6,
    ) {
        let sim = SimEnv::new(9);
        let (start, found) = founded(shards);
        let mut draft = Draft::new(start, sim.env.random.clone());
        let (mut model, mut ids) = (Model::new(), 0);
        for step in &steps {
            let before = draft.state.clone();
            let known = (model.clone(), before.topic_count());
            run(&mut draft, &mut model, &mut ids, step);
            compare(&draft.state, &model);
            prop_assert_eq!(before.topic_count(), known.1);
            compare(&before, &known.0);
        }
        // Written and read again, edit by edit.
        let mut replayed = ClusterState::empty(Arc::new(Local::default()));
        apply(&mut replayed, &found).unwrap();
        for edit in edit::decode("x", &edit::encode(draft.edits()).unwrap()).unwrap() {
            apply(&mut replayed, &edit).unwrap();
        }
        prop_assert_eq!(&replayed, &draft.state);
        // And as a whole.
        let bytes = snapshot::encode(&draft.state).unwrap();
        let read = snapshot::decode("x", &bytes, Arc::new(Local::default())).unwrap();
        prop_assert_eq!(&read, &draft.state);
        prop_assert_eq!(snapshot::encode(&read).unwrap(), bytes);
        compare(&read, &model);
    }

    #[test]
    fn refused_edits_change_nothing(steps in prop::collection::vec(step(), 0..30), bits in any::<u128>(), from in 0u32..9) {
        let sim = SimEnv::new(9);
        let mut draft = Draft::new(founded(2).0, sim.env.random.clone());
        let (mut model, mut ids) = (Model::new(), 0);
        steps.iter().for_each(|step| run(&mut draft, &mut model, &mut ids, step));
        let id = TopicId(Uuid::from_u128(bits));
        let taken = draft.state.topics().next().cloned();
        let mut wrong = vec![
            Edit::Found { cluster_id: Uuid::from_u128(1), shards: 1 },
            Edit::DeleteTopic { id },
            Edit::AddPartitions { id, from, partitions: vec![0] },
            Edit::SetTopicConfigs { id, changes: BTreeMap::new() },
            Edit::TakeProducerIds { first: ids + 1, count: 1 },
            Edit::TakeProducerIds { first: ids, count: 0 },
            Edit::TakeProducerIds { first: ids, count: i64::MAX },
            Edit::CreateTopic { id, name: "new".to_owned(), partitions: vec![2], configs: BTreeMap::new(), internal: false },
            Edit::CreateTopic { id, name: "new".to_owned(), partitions: vec![], configs: BTreeMap::new(), internal: false },
            Edit::CreateTopic { id, name: "new".to_owned(), partitions: vec![0; 10_001], configs: BTreeMap::new(), internal: false },
        ];
        // A count that would overflow only does so once ids have been given.
        if ids == 0 {
            wrong.remove(6);
        }
        if let Some(topic) = taken {
            let create = |id, name: String| Edit::CreateTopic { id, name, partitions: vec![0], configs: BTreeMap::new(), internal: false };
            wrong.push(create(topic.id, "new".to_owned()));
            wrong.push(create(id, topic.name.to_string()));
            wrong.push(create(id, topic.name.replace('_', ".")));
            wrong.push(Edit::AddPartitions { id: topic.id, from: from + 100, partitions: vec![0] });
        }
        let before = snapshot::encode(&draft.state).unwrap();
        for edit in wrong {
            prop_assert!(apply(&mut draft.state, &edit).is_err(), "{:?}", edit);
            prop_assert_eq!(&snapshot::encode(&draft.state).unwrap(), &before);
            compare(&draft.state, &model);
        }
    }

    #[test]
    fn bytes_from_outside_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..200), cut in 0usize..700) {
        let golden = include_bytes!("../../golden/snapshot-v1.json");
        let mut damaged = golden.to_vec();
        let at = cut.min(damaged.len() - 1);
        damaged[at] ^= 1 + bytes.first().copied().unwrap_or(0) % 127;
        for bytes in [&bytes[..], &golden[..cut.min(golden.len())], &damaged] {
            let _ = edit::decode("x", bytes);
            let _ = snapshot::decode("x", bytes, Arc::new(Local::default()));
        }
    }
}

#[test]
fn golden_snapshot() {
    let golden = include_str!("../../golden/snapshot-v1.json").trim_end();
    let state = snapshot::decode("meta/snap/0", golden.as_bytes(), Arc::new(Local::default())).unwrap();
    assert_eq!(state.version, 12);
    assert_eq!(state.next_producer_id(), 3_000);
    assert_eq!(state.topic("flights").unwrap().settings.retention_ms, -1);
    assert!(state.topic("__consumer_offsets").unwrap().internal);
    assert_eq!(state.default_topic_settings().max_message_bytes, 2_000_000);
    assert_eq!(String::from_utf8(snapshot::encode(&state).unwrap()).unwrap(), golden);
    let error = snapshot::decode("meta/snap/0", br#"{"format":2}"#, Arc::new(Local::default())).unwrap_err();
    assert!(error.to_string().starts_with("meta/snap/0 has format 2"));
}

#[test]
fn a_hundred_thousand_partitions_are_cheap_to_change() {
    let (mut state, _) = founded(64);
    for i in 0..100_000u32 {
        let id = TopicId(Uuid::from_u128(u128::from(i).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835)));
        let edit = Edit::CreateTopic {
            id,
            name: format!("t{i}"),
            partitions: vec![i % 64],
            configs: BTreeMap::new(),
            internal: false,
        };
        apply(&mut state, &edit).unwrap();
    }
    let bytes = snapshot::encode(&state).unwrap();
    assert!(bytes.len() < 12_000_000, "{}", bytes.len());
    assert_eq!(snapshot::decode("x", &bytes, Arc::new(Local::default())).unwrap(), state);
}
