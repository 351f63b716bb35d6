//! Produce: appends in the order of the connection, then waits for durability.
//!
//! Batches are neither opened nor copied: they go from the frame to the log as slices of it.
//!
//! A transactional producer is refused at once with TRANSACTIONAL_ID_AUTHORIZATION_FAILED: it is
//! the one code that the Java client and librdkafka both take as fatal at every step of a
//! transaction and never retry. It stands until transactions exist.

use std::time::Duration;

use bytes::Bytes;
use futures::FutureExt;
use futures::future::{Either, select};
use highwater_batch::{BatchHeader, Compression};
use highwater_env::Instant;
use highwater_log::{Acks, AppendError, AppendTicket, Appended, Origin};
use highwater_meta::{ClusterState, Topic};
use highwater_wire::messages::produce::{
    LeaderIdAndEpoch, NodeEndpoint, PartitionProduceData, PartitionProduceResponse, ProduceRequest, ProduceResponse,
    TopicProduceData, TopicProduceResponse,
};
use highwater_wire::{Decoder, ErrorCode, Str, Uuid};

use super::{keep, ready};
use crate::budget::Charge;
use crate::call::Call;
use crate::connection::service::{Pending, Reply};
use crate::errors;
use crate::topics;

/// First version that may carry zstd (KIP-110).
const FIRST_WITH_ZSTD: i16 = 7;
/// First version that names topics by id.
const FIRST_WITH_IDS: i16 = 13;
/// First version that tells the present leader (KIP-951).
const FIRST_WITH_LEADER: i16 = 10;

/// A topic of the request while its partitions are on their way.
struct TopicInFlight {
    name: Str,
    topic_id: Uuid,
    partitions: Vec<(i32, Progress)>,
}

/// One partition of the request.
enum Progress {
    /// In the log; durable when the ticket says so.
    Appended(AppendTicket),
    /// Refused, or done.
    Done(Outcome),
}

struct Outcome {
    error: ErrorCode,
    message: Option<String>,
    appended: Option<Appended>,
}

impl Outcome {
    const fn failed(error: ErrorCode) -> Self {
        Self { error, message: None, appended: None }
    }

    fn of(result: Result<Appended, AppendError>, by_id: bool) -> Self {
        match result {
            Ok(appended) => Self { error: ErrorCode::None, message: None, appended: Some(appended) },
            Err(AppendError::Unknown) if by_id => Self::failed(ErrorCode::UnknownTopicId),
            Err(error) => {
                let told = matches!(
                    error,
                    AppendError::Corrupt(_)
                        | AppendError::InvalidRecord(_)
                        | AppendError::UnsupportedMagic(_)
                        | AppendError::TooLarge { .. }
                        | AppendError::InvalidTimestamp(_)
                );
                Self { error: errors::of_append(&error), message: told.then(|| error.to_string()), appended: None }
            }
        }
    }
}

/// Stage one: everything is appended, or refused, when this is done.
pub async fn begin(call: Call, mut decoder: Decoder, charge: Charge) -> Result<Pending, String> {
    let request = ProduceRequest::decode(&mut decoder, call.version).map_err(|error| error.to_string())?;
    let charge = keep(charge, &decoder, &call);
    let timeout = Duration::from_millis(u64::try_from(request.timeout_ms).unwrap_or(0));
    let deadline = call.broker.env.now() + timeout;
    let acks = match request.acks {
        0 => Ok(Acks::None),
        1 => Ok(Acks::Leader),
        -1 => Ok(Acks::All),
        _ => Err(ErrorCode::InvalidRequiredAcks),
    };
    let acks = match request.transactional_id {
        Some(_) => acks.and(Err(ErrorCode::TransactionalIdAuthorizationFailed)),
        None => acks,
    };
    let state = call.broker.meta.state();
    let mut in_flight = Vec::with_capacity(request.topic_data.len());
    for topic in request.topic_data {
        in_flight.push(append_topic(&call, &state, topic, acks, deadline).await);
    }
    // What was appended is the log's to account for, and nothing else of the frame is left.
    drop(charge);
    if acks == Ok(Acks::None) {
        return Ok(ready(without_answer(&call, &in_flight)));
    }
    Ok(Box::pin(async move { answer(&call, in_flight, deadline).await }))
}

async fn append_topic(
    call: &Call,
    state: &ClusterState,
    data: TopicProduceData,
    acks: Result<Acks, ErrorCode>,
    deadline: Instant,
) -> TopicInFlight {
    let by_id = call.version >= FIRST_WITH_IDS;
    let topic = acks.and_then(|acks| {
        let topic = topics::find(state, &data.name, data.topic_id.into(), by_id)?;
        // Kafka takes none from clients either, but for its own admin tools.
        if topic.internal { Err(ErrorCode::InvalidTopicException) } else { Ok((topic, acks)) }
    });
    let mut partitions = Vec::with_capacity(data.partition_data.len());
    for partition in data.partition_data {
        let index = partition.index;
        let progress = match topic {
            Ok((topic, acks)) => append(call, topic, partition, acks, deadline).await,
            Err(error) => Progress::Done(Outcome::failed(error)),
        };
        partitions.push((index, progress));
    }
    TopicInFlight {
        // A name shares the frame: what was refused must not stay in memory until its turn.
        name: data.name.detached(),
        topic_id: data.topic_id,
        partitions,
    }
}

async fn append(call: &Call, topic: &Topic, data: PartitionProduceData, acks: Acks, deadline: Instant) -> Progress {
    let by_id = call.version >= FIRST_WITH_IDS;
    let records = data.records.map_or_else(Bytes::new, highwater_wire::Records::into_bytes);
    if call.version < FIRST_WITH_ZSTD && is_zstd(&records) {
        return Progress::Done(Outcome::failed(ErrorCode::UnsupportedCompressionType));
    }
    let partition = match topics::open(&call.broker, topic, data.index) {
        Ok(partition) => partition,
        Err(error) => return Progress::Done(Outcome::failed(error)),
    };
    let batch = match partition.admit(&records, call.frame_bytes, Origin::Client) {
        Ok(batch) => batch,
        Err(error) => return Progress::Done(Outcome::of(Err(error), by_id)),
    };
    loop {
        match partition.append(&batch, acks) {
            Ok(ticket) => return Progress::Appended(ticket),
            // Holds up this connection, and so its socket, until there is room.
            Err(AppendError::Backpressure) if wait_for_room(call, deadline).await => {}
            Err(error) => return Progress::Done(Outcome::of(Err(error), by_id)),
        }
    }
}

/// Whether there may be room now; false when the request's time is up.
async fn wait_for_room(call: &Call, deadline: Instant) -> bool {
    let broker = &call.broker;
    let left = deadline - broker.env.now();
    if left.is_zero() {
        return false;
    }
    broker.env.timeout(left, broker.log.room()).await.is_ok()
}

fn is_zstd(records: &[u8]) -> bool {
    BatchHeader::parse(records).is_ok_and(|header| header.attributes.compression() == Some(Compression::Zstd))
}

/// acks=0 has no answer; a failure closes the connection, which is all that the producer can see.
fn without_answer(call: &Call, topics: &[TopicInFlight]) -> Reply {
    for topic in topics {
        for (index, progress) in &topic.partitions {
            if let Progress::Done(outcome) = progress
                && outcome.error != ErrorCode::None
            {
                return Reply::Close(format!(
                    "a produce request with acks=0 failed: {} for partition {index} of topic '{}' (client id {:?})",
                    outcome.error.name(),
                    topic.name,
                    call.client_id
                ));
            }
        }
    }
    Reply::Nothing
}

/// Stage two: waits for the tickets, for all of them together until the deadline.
async fn answer(call: &Call, topics: Vec<TopicInFlight>, deadline: Instant) -> Reply {
    let by_id = call.version >= FIRST_WITH_IDS;
    let mut deadline = Deadline { call, at: deadline, sleep: None };
    let mut response = ProduceResponse { responses: Vec::with_capacity(topics.len()), ..Default::default() };
    for topic in topics {
        let mut partitions = Vec::with_capacity(topic.partitions.len());
        for (index, progress) in topic.partitions {
            let outcome = match progress {
                Progress::Done(outcome) => outcome,
                Progress::Appended(ticket) => deadline.wait(ticket, by_id).await,
            };
            if outcome.error != ErrorCode::None {
                call.broker.config.metrics.partition_failed(call.key, outcome.error);
            }
            partitions.push(partition_response(index, outcome));
        }
        let topic = TopicProduceResponse {
            name: topic.name,
            topic_id: topic.topic_id,
            partition_responses: partitions,
            ..Default::default()
        };
        response.responses.push(topic);
    }
    if call.version >= FIRST_WITH_LEADER {
        tell_leaders(call, &mut response);
    }
    call.reply(|encoder, version| response.encode(encoder, version))
}

/// The request's time, with a timer only once something has to be waited for.
struct Deadline<'a> {
    call: &'a Call,
    at: Instant,
    sleep: Option<futures::future::BoxFuture<'static, ()>>,
}

impl Deadline<'_> {
    async fn wait(&mut self, mut ticket: AppendTicket, by_id: bool) -> Outcome {
        if let Some(result) = (&mut ticket).now_or_never() {
            return Outcome::of(result, by_id);
        }
        let clock = &self.call.broker.env.clock;
        let sleep = self.sleep.get_or_insert_with(|| clock.sleep_until(self.at));
        match select(ticket, &mut *sleep).await {
            Either::Left((result, _)) => Outcome::of(result, by_id),
            Either::Right(((), _)) => {
                // Completed timers are not to be polled again; the next one is over at once.
                self.sleep = None;
                Outcome::failed(ErrorCode::RequestTimedOut)
            }
        }
    }
}

fn partition_response(index: i32, outcome: Outcome) -> PartitionProduceResponse {
    let response = PartitionProduceResponse {
        index,
        error_code: outcome.error.code(),
        base_offset: -1,
        error_message: outcome.message.map(Str::from),
        ..Default::default()
    };
    match outcome.appended {
        Some(appended) => PartitionProduceResponse {
            base_offset: appended.base_offset,
            log_append_time_ms: appended.log_append_time_ms,
            log_start_offset: appended.log_start_offset,
            ..response
        },
        None => response,
    }
}

fn tell_leaders(call: &Call, response: &mut ProduceResponse) {
    let broker = &call.broker;
    let state = broker.meta.state();
    for topic in &mut response.responses {
        for partition in &mut topic.partition_responses {
            if partition.error_code != ErrorCode::NotLeaderOrFollower.code() {
                continue;
            }
            let by_id = call.version >= FIRST_WITH_IDS;
            let found = topics::find(&state, &topic.name, topic.topic_id.into(), by_id);
            let Some(hint) = found.ok().and_then(|topic| topics::leader_hint(call, topic, partition.index)) else {
                continue;
            };
            partition.current_leader =
                LeaderIdAndEpoch { leader_id: hint.node, leader_epoch: hint.epoch, ..Default::default() };
            if response.node_endpoints.iter().all(|endpoint| endpoint.node_id != hint.node) {
                response.node_endpoints.push(NodeEndpoint {
                    node_id: hint.node,
                    host: Str::from(hint.endpoint.host),
                    port: hint.endpoint.port.into(),
                    rack: hint.rack.map(Str::from),
                    ..Default::default()
                });
            }
        }
    }
}
