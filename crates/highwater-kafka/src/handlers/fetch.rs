//! Fetch: sessions, long polls, and answers made of the log's own chunks.

use std::sync::Arc;
use std::time::Duration;

use highwater_log::Isolation;
use highwater_meta::ClusterState;
use highwater_wire::messages::fetch::{
    AbortedTransaction, FetchRequest, FetchResponse, FetchableTopicResponse, LeaderIdAndEpoch, NodeEndpoint,
    PartitionData,
};
use highwater_wire::{Decoder, ErrorCode, Records, Str, Uuid};

use super::keep;
use crate::budget::Charge;
use crate::call::Call;
use crate::connection::service::{Pending, Reply};
use crate::fetch::plan::{self, Answer, Limits, Pass};
use crate::fetch::poll::{self, Patience};
use crate::fetch::session::SessionRequest;
use crate::fetch::{FetchItem, PartitionKey, TopicKey};
use crate::topics;

/// First version that names topics by id.
const FIRST_WITH_IDS: i16 = 13;
/// First version that tells the present leader (KIP-951).
const FIRST_WITH_LEADER: i16 = 12;
/// First version that tells the leaders' addresses, too.
const FIRST_WITH_ENDPOINTS: i16 = 16;
/// READ_COMMITTED on the wire (KIP-98).
const READ_COMMITTED: i8 = 1;
/// Longest time that a client may let us wait.
const LONGEST_WAIT: Duration = Duration::from_secs(300);

/// Decodes; everything else happens at the head of the connection, since an answer cannot be
/// written earlier and would only hold memory.
pub fn begin(call: Call, mut decoder: Decoder, charge: Charge) -> Result<Pending, String> {
    let request = FetchRequest::decode(&mut decoder, call.version).map_err(|error| error.to_string())?;
    let charge = keep(charge, &decoder, &call);
    Ok(Box::pin(async move {
        let _charge = charge;
        handle(&call, request).await
    }))
}

async fn handle(call: &Call, request: FetchRequest) -> Reply {
    let broker = &*call.broker;
    let isolation =
        if request.isolation_level == READ_COMMITTED { Isolation::ReadCommitted } else { Isolation::ReadUncommitted };
    let limits = Limits { max_bytes: size(request.max_bytes).min(broker.config.fetch_max_bytes), isolation };
    let max_wait = Duration::from_millis(u64::try_from(request.max_wait_ms).unwrap_or(0));
    let patience = Patience {
        // More than fits is never reached.
        min_bytes: size(request.min_bytes).min(limits.max_bytes),
        max_wait: max_wait.min(LONGEST_WAIT),
    };
    let context = match broker.sessions.begin(session_request(call, &request), broker.env.now()) {
        Ok(context) => context,
        Err(error) => return failed(call, error),
    };
    drop(request);
    let state = broker.meta.state();
    let targets = plan::targets(broker, &state, &context.items);
    drop(state);
    let mut pass = poll::until_enough(broker, &targets, limits, patience).await;
    let found: Vec<_> = pass.answers.iter().map(Answer::found).collect();
    let finished = broker.sessions.finish(&context, &found, broker.env.now(), &*broker.env.random);
    let (session_id, named) = match finished {
        Ok(finished) => finished,
        Err(error) => return failed(call, error),
    };
    let charge = pass.charge.take();
    let items = context.items.into_iter().zip(named);
    let response = respond(call, session_id, items, pass, isolation);
    match call.reply(|encoder, version| response.encode(encoder, version)) {
        Reply::Send { chunks, .. } => Reply::Send { chunks, charge },
        other => other,
    }
}

fn failed(call: &Call, error: ErrorCode) -> Reply {
    let response = FetchResponse { error_code: error.code(), ..Default::default() };
    call.reply(|encoder, version| response.encode(encoder, version))
}

fn size(bytes: i32) -> usize {
    usize::try_from(bytes).unwrap_or(0)
}

fn session_request(call: &Call, request: &FetchRequest) -> SessionRequest {
    let uses_ids = call.version >= FIRST_WITH_IDS;
    let key = |topic: &Str, id: Uuid| {
        if uses_ids { TopicKey::Id(id.into()) } else { TopicKey::Name(Arc::from(topic.as_str())) }
    };
    let mut items = Vec::with_capacity(request.topics.iter().map(|topic| topic.partitions.len()).sum());
    for topic in &request.topics {
        let key = key(&topic.topic, topic.topic_id);
        items.extend(topic.partitions.iter().map(|partition| FetchItem {
            key: (key.clone(), partition.partition),
            offset: partition.fetch_offset,
            max_bytes: size(partition.partition_max_bytes),
            current_leader_epoch: partition.current_leader_epoch,
        }));
    }
    let mut forgotten = Vec::new();
    for topic in &request.forgotten_topics_data {
        let key = key(&topic.topic, topic.topic_id);
        forgotten.extend(topic.partitions.iter().map(|partition| -> PartitionKey { (key.clone(), *partition) }));
    }
    SessionRequest { id: request.session_id, epoch: request.session_epoch, uses_ids, items, forgotten }
}

/// The answer, with consecutive partitions of a topic together, as Kafka's.
fn respond(
    call: &Call,
    session_id: i32,
    items: impl Iterator<Item = (FetchItem, bool)>,
    pass: Pass,
    isolation: Isolation,
) -> FetchResponse {
    let mut response = FetchResponse { session_id, ..Default::default() };
    let state = call.broker.meta.state();
    let mut last: Option<TopicKey> = None;
    for ((item, named), answer) in items.zip(pass.answers) {
        if !named {
            continue;
        }
        let (key, partition) = item.key;
        match &answer {
            Answer::Failed(error) => call.broker.config.metrics.partition_failed(call.key, *error),
            Answer::Read { records: Some(records), .. } => call.broker.config.metrics.fetched(records.bytes),
            Answer::Read { records: None, .. } => {}
        }
        let mut data = partition_data(partition, answer, isolation);
        if data.error_code != 0 && call.version >= FIRST_WITH_LEADER {
            tell_leader(call, &state, &key, &mut data, &mut response.node_endpoints);
        }
        if last.as_ref() != Some(&key) {
            let topic = match &key {
                TopicKey::Name(name) => FetchableTopicResponse { topic: Str::from(&**name), ..Default::default() },
                TopicKey::Id(id) => FetchableTopicResponse { topic_id: (*id).into(), ..Default::default() },
            };
            response.responses.push(topic);
            last = Some(key);
        }
        if let Some(topic) = response.responses.last_mut() {
            topic.partitions.push(data);
        }
    }
    response
}

fn partition_data(partition_index: i32, answer: Answer, isolation: Isolation) -> PartitionData {
    let aborted = |list: Vec<(i64, i64)>| {
        let one = |(producer_id, first_offset)| AbortedTransaction { producer_id, first_offset, ..Default::default() };
        list.into_iter().map(one).collect()
    };
    match answer {
        Answer::Failed(error) => PartitionData {
            partition_index,
            error_code: error.code(),
            high_watermark: -1,
            aborted_transactions: None,
            records: Some(Records::default()),
            ..Default::default()
        },
        Answer::Read { marks, records } => {
            let (chunks, list) = records.map_or_else(Default::default, |records| (records.chunks, records.aborted));
            PartitionData {
                partition_index,
                high_watermark: marks.high_watermark,
                last_stable_offset: marks.last_stable,
                log_start_offset: marks.log_start,
                aborted_transactions: (isolation == Isolation::ReadCommitted).then(|| aborted(list)),
                records: Some(Records::from(chunks)),
                ..Default::default()
            }
        }
    }
}

fn tell_leader(
    call: &Call,
    state: &ClusterState,
    key: &TopicKey,
    data: &mut PartitionData,
    endpoints: &mut Vec<NodeEndpoint>,
) {
    let moved = [ErrorCode::NotLeaderOrFollower.code(), ErrorCode::FencedLeaderEpoch.code()];
    if !moved.contains(&data.error_code) {
        return;
    }
    let topic = match key {
        TopicKey::Name(name) => state.topic(name),
        TopicKey::Id(id) => state.topic_by_id(*id),
    };
    let Some(hint) = topic.and_then(|topic| topics::leader_hint(call, topic, data.partition_index)) else {
        return;
    };
    data.current_leader = LeaderIdAndEpoch { leader_id: hint.node, leader_epoch: hint.epoch, ..Default::default() };
    if call.version >= FIRST_WITH_ENDPOINTS && endpoints.iter().all(|endpoint| endpoint.node_id != hint.node) {
        endpoints.push(NodeEndpoint {
            node_id: hint.node,
            host: Str::from(hint.endpoint.host),
            port: hint.endpoint.port.into(),
            rack: hint.rack.map(Str::from),
            ..Default::default()
        });
    }
}
