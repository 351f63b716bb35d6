//! Records into one topic: batched by partition, idempotent, a few requests in flight.

use std::collections::{BTreeMap, VecDeque};

use bytes::Bytes;
use highwater_batch::header::advance_sequence;
use highwater_batch::{BatchBuilder, Compression, RecordHeader, StoredBatch};
use highwater_wire::messages::init_producer_id::{InitProducerIdRequest, InitProducerIdResponse};
use highwater_wire::messages::produce::{PartitionProduceData, ProduceRequest, ProduceResponse, TopicProduceData};
use highwater_wire::{ApiKey, ErrorCode, Str};

use crate::cluster::{ANY, Cluster};
use crate::connection::Sent;
use crate::error::{ClientError, code_of};
use crate::partitioner;

/// Requests in flight to one broker: as many as an idempotent producer may have.
const IN_FLIGHT: usize = 5;
/// A batch is sent at this size, before compression; below the default of max.message.bytes.
const BATCH_BYTES: usize = 512 << 10;
/// What a record takes beside its key and value, at most.
const RECORD_OVERHEAD: usize = 64;

/// How to produce.
#[derive(Clone, Debug)]
pub struct ProducerOptions {
    /// Codec of the batches.
    pub compression: Compression,
    /// 0, 1, or -1 for all.
    pub acks: i16,
    /// How long a broker may wait for the acknowledgement, milliseconds.
    pub timeout_ms: i32,
}

impl Default for ProducerOptions {
    fn default() -> Self {
        Self { compression: Compression::None, acks: -1, timeout_ms: 30_000 }
    }
}

/// A record to be written.
#[derive(Clone, Debug, Default)]
pub struct Record {
    /// Milliseconds since 1970.
    pub timestamp: i64,
    /// Its key.
    pub key: Option<Bytes>,
    /// Its value.
    pub value: Option<Bytes>,
    /// Its headers.
    pub headers: Vec<(String, Bytes)>,
    /// Where it has to go; otherwise by its key, or wherever.
    pub partition: Option<i32>,
}

/// A batch that is not acknowledged.
struct Unacked {
    partition: i32,
    records: i64,
    batch: StoredBatch,
}

/// Writes records of one topic.
pub struct Producer<'a> {
    cluster: &'a mut Cluster,
    topic: String,
    options: ProducerOptions,
    leaders: Vec<i32>,
    /// Id and epoch, where the brokers give one.
    identity: Option<(i64, i16)>,
    sequences: BTreeMap<i32, i32>,
    open: BTreeMap<i32, BatchBuilder>,
    in_flight: BTreeMap<i32, VecDeque<(Option<Sent>, Unacked)>>,
    /// Where records without a key go at present: a batch for each partition in turn.
    sticky: usize,
    acknowledged: i64,
}

impl<'a> Producer<'a> {
    /// A producer for a topic, which may come to be by being named.
    ///
    /// # Errors
    /// When there is no such topic or no leader for it.
    pub async fn new(cluster: &'a mut Cluster, topic: &str, options: ProducerOptions) -> Result<Self, ClientError> {
        let leaders = cluster.topic(topic, true).await?.leaders;
        let identity = if options.acks == -1 { identity(cluster).await? } else { None };
        Ok(Self {
            cluster,
            topic: topic.to_owned(),
            options,
            leaders,
            identity,
            sequences: BTreeMap::new(),
            open: BTreeMap::new(),
            in_flight: BTreeMap::new(),
            sticky: 0,
            acknowledged: 0,
        })
    }

    /// Records that were acknowledged (with acks=0: sent).
    pub const fn acknowledged(&self) -> i64 {
        self.acknowledged
    }

    /// Takes a record in; sends its batch when that is full, which may wait for an acknowledgement.
    ///
    /// # Errors
    /// When a record does not fit, or a batch is refused for good.
    pub async fn send(&mut self, record: &Record) -> Result<(), ClientError> {
        let partition = self.partition(record)?;
        let size = |bytes: &Option<Bytes>| bytes.as_ref().map_or(0, Bytes::len);
        let bytes = size(&record.key) + size(&record.value) + RECORD_OVERHEAD;
        if self.open.get(&partition).is_some_and(|open| open.records_bytes() + bytes > BATCH_BYTES) {
            self.close_batch(partition).await?;
        }
        let headers: Vec<RecordHeader> = record
            .headers
            .iter()
            .map(|(name, value)| RecordHeader { name: Bytes::from(name.clone()), value: Some(value.clone()) })
            .collect();
        let compression = self.options.compression;
        let open = self.open.entry(partition).or_insert_with(|| BatchBuilder::new(compression));
        open.push_with_headers(record.timestamp, record.key.as_deref(), record.value.as_deref(), &headers)
            .map_err(|error| ClientError::Invalid(error.to_string()))
    }

    /// Sends what is open, and waits for no more than room to do so.
    ///
    /// # Errors
    /// When a batch is refused for good.
    pub async fn send_open(&mut self) -> Result<(), ClientError> {
        let open: Vec<i32> = self.open.keys().copied().collect();
        for partition in open {
            self.close_batch(partition).await?;
        }
        Ok(())
    }

    /// Sends what is open and waits for every acknowledgement.
    ///
    /// # Errors
    /// When a batch is refused for good.
    pub async fn flush(&mut self) -> Result<(), ClientError> {
        self.send_open().await?;
        let nodes: Vec<i32> = self.in_flight.keys().copied().collect();
        for node in nodes {
            while self.in_flight.get(&node).is_some_and(|queue| !queue.is_empty()) {
                self.settle(node).await?;
            }
        }
        Ok(())
    }

    fn partition(&self, record: &Record) -> Result<i32, ClientError> {
        let count = self.leaders.len();
        let index = match (record.partition, &record.key) {
            (Some(partition), _) => usize::try_from(partition).ok().filter(|at| *at < count).ok_or_else(|| {
                ClientError::Invalid(format!("topic '{}' has {count} partitions, none is {partition}", self.topic))
            })?,
            (None, Some(key)) => partitioner::of_key(key, count),
            (None, None) => self.sticky % count.max(1),
        };
        Ok(i32::try_from(index).unwrap_or(i32::MAX))
    }

    async fn close_batch(&mut self, partition: i32) -> Result<(), ClientError> {
        let Some(mut open) = self.open.remove(&partition).filter(|open| !open.is_empty()) else { return Ok(()) };
        self.sticky = self.sticky.wrapping_add(1);
        let count = open.count();
        if let Some((id, epoch)) = self.identity {
            let sequence = self.sequences.entry(partition).or_insert(0);
            open = open.producer(id, epoch, *sequence);
            *sequence = advance_sequence(*sequence, count);
        }
        let batch = open.finish().map_err(|error| ClientError::Invalid(error.to_string()))?;
        self.dispatch(Unacked { partition, records: i64::from(count), batch }).await
    }

    fn leader(&self, partition: i32) -> i32 {
        usize::try_from(partition).ok().and_then(|at| self.leaders.get(at)).copied().unwrap_or(ANY)
    }

    /// Puts a batch on its way, behind those before it.
    async fn dispatch(&mut self, unacked: Unacked) -> Result<(), ClientError> {
        let node = self.leader(unacked.partition);
        while self.in_flight.get(&node).is_some_and(|queue| queue.len() >= IN_FLIGHT) {
            self.settle(node).await?;
        }
        let request = self.request(&unacked);
        let sent = match self.cluster.connection(node).await {
            Ok(connection) => connection.send(&request).await,
            Err(error) => Err(error),
        };
        if self.options.acks == 0 {
            // Nothing answers it.
            let _ = sent?;
            self.acknowledged += unacked.records;
            return Ok(());
        }
        if let Err(error) = &sent
            && !error.is_retriable()
        {
            return Err(sent.err().unwrap_or_else(|| ClientError::Invalid("not sent".to_owned())));
        }
        // What could not be sent waits in its place and is sent again with the others.
        self.in_flight.entry(node).or_default().push_back((sent.ok(), unacked));
        Ok(())
    }

    fn request(&self, unacked: &Unacked) -> ProduceRequest {
        let records = vec![Bytes::copy_from_slice(unacked.batch.head()), unacked.batch.body().clone()];
        let data =
            PartitionProduceData { index: unacked.partition, records: Some(records.into()), ..Default::default() };
        ProduceRequest {
            acks: self.options.acks,
            timeout_ms: self.options.timeout_ms,
            topic_data: vec![TopicProduceData {
                name: Str::from(&self.topic),
                partition_data: vec![data],
                ..Default::default()
            }],
            ..Default::default()
        }
    }

    /// Takes the oldest acknowledgement of a broker; on trouble, everything in flight is sent again.
    async fn settle(&mut self, node: i32) -> Result<(), ClientError> {
        let Some((sent, unacked)) = self.in_flight.get_mut(&node).and_then(VecDeque::pop_front) else { return Ok(()) };
        let answer = match sent {
            Some(sent) => match self.cluster.connection(node).await {
                Ok(connection) => connection.receive::<ProduceRequest>(sent).await,
                Err(error) => Err(error),
            },
            None => Err(ClientError::Invalid("not sent".to_owned())),
        };
        match answer {
            Ok(response) => match code(&response) {
                ErrorCode::None | ErrorCode::DuplicateSequenceNumber => {
                    self.acknowledged += unacked.records;
                    Ok(())
                }
                // A batch behind one that has to be sent again.
                ErrorCode::OutOfOrderSequenceNumber => self.again(node, unacked).await,
                code if code.is_retriable() => self.again(node, unacked).await,
                code => {
                    let message = message(&response);
                    let what = || format!("partition {} of topic '{}'", unacked.partition, self.topic);
                    ClientError::check(code.code(), message, what)
                }
            },
            Err(error) if error.is_retriable() || sent_never(&error) => self.again(node, unacked).await,
            Err(error) => Err(error),
        }
    }

    /// Sends a batch and those behind it once more, one at a time, where they are led now.
    async fn again(&mut self, node: i32, first: Unacked) -> Result<(), ClientError> {
        let mut left = vec![first];
        for (sent, unacked) in self.in_flight.remove(&node).unwrap_or_default() {
            let answer = match sent {
                Some(sent) => match self.cluster.connection(node).await {
                    Ok(connection) => connection.receive::<ProduceRequest>(sent).await.ok(),
                    Err(_) => None,
                },
                None => None,
            };
            match answer.map(|response| code(&response)) {
                Some(ErrorCode::None | ErrorCode::DuplicateSequenceNumber) => self.acknowledged += unacked.records,
                _ => left.push(unacked),
            }
        }
        self.cluster.forget(node);
        let deadline = self.cluster.deadline();
        for unacked in left {
            loop {
                let outcome = self.once(&unacked).await;
                match outcome {
                    Ok(()) => break,
                    Err(error) if error.is_retriable() && self.cluster.pause(deadline).await => {
                        self.leaders = self.cluster.topic(&self.topic, false).await?.leaders;
                    }
                    Err(error) => return Err(error),
                }
            }
            self.acknowledged += unacked.records;
        }
        Ok(())
    }

    async fn once(&mut self, unacked: &Unacked) -> Result<(), ClientError> {
        let node = self.leader(unacked.partition);
        let request = self.request(unacked);
        let response = self.cluster.call(node, &request).await?;
        let found = match code(&response) {
            ErrorCode::DuplicateSequenceNumber => ErrorCode::None,
            found => found,
        };
        let what = || format!("partition {} of topic '{}'", unacked.partition, self.topic);
        ClientError::check(found.code(), message(&response), what)
    }
}

fn sent_never(error: &ClientError) -> bool {
    matches!(error, ClientError::Invalid(why) if why == "not sent")
}

fn code(response: &ProduceResponse) -> ErrorCode {
    let partition = response.responses.first().and_then(|topic| topic.partition_responses.first());
    partition.map_or(ErrorCode::UnknownServerError, |partition| code_of(partition.error_code))
}

fn message(response: &ProduceResponse) -> Option<&str> {
    response.responses.first()?.partition_responses.first()?.error_message.as_deref()
}

/// An id for idempotence, where the brokers give one.
async fn identity(cluster: &mut Cluster) -> Result<Option<(i64, i16)>, ClientError> {
    if !cluster.connection(ANY).await?.serves(ApiKey::InitProducerId) {
        return Ok(None);
    }
    let request =
        InitProducerIdRequest { transactional_id: None, transaction_timeout_ms: 60_000, ..Default::default() };
    let deadline = cluster.deadline();
    loop {
        let given: InitProducerIdResponse = cluster.call(ANY, &request).await?;
        match ClientError::check(given.error_code, None, || "a producer id".to_owned()) {
            Ok(()) => return Ok(Some((given.producer_id, given.producer_epoch))),
            Err(error) if error.is_retriable() && cluster.pause(deadline).await => {}
            Err(error) => return Err(error),
        }
    }
}
