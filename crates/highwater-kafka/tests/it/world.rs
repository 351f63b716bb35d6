//! One broker with its socket, and a client that speaks raw messages.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use highwater_batch::{BatchBuilder, Batches, Compression, Expansion, Records, StoredBatch};
use highwater_env::Env;
use highwater_env::real::RealEnv;
use highwater_groups::{GroupSettings, Groups, PartitionOffsetsLog};
use highwater_kafka::{Broker, Endpoint, Gate, KafkaConfig, OFFSETS_TOPIC, Server, SingleBroker, bind};
use highwater_log::{Engine, EngineOptions};
use highwater_meta::{MetaClient, MetaOptions};
use highwater_store::{MemoryStore, Store};
use highwater_types::{Incarnation, NodeId};
use highwater_wire::messages::create_topics::{
    CreatableTopic, CreatableTopicConfig, CreateTopicsRequest, CreateTopicsResponse,
};
use highwater_wire::messages::fetch::{FetchPartition, FetchRequest, FetchResponse, FetchTopic};
use highwater_wire::messages::header::{RequestHeader, ResponseHeader};
use highwater_wire::messages::produce::{
    PartitionProduceData, PartitionProduceResponse, ProduceRequest, ProduceResponse, TopicProduceData,
};
use highwater_wire::{ApiKey, DecodeError, Decoder, EncodeError, Encoder, Str, Uuid};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;

/// A broker at work.
pub struct World {
    pub broker: Arc<Broker>,
    pub server: Server,
    pub engine: Engine,
    pub address: SocketAddr,
    /// The second listener, which advertises [`OUTSIDE_HOST`].
    pub outside: SocketAddr,
    _dir: tempfile::TempDir,
}

/// What clients of the second listener are told.
pub const OUTSIDE_HOST: &str = "outside.example";

/// Everything that waits, waits at most so long.
pub const LIMIT: Duration = Duration::from_secs(20);

impl World {
    pub async fn start() -> Self {
        Self::start_with(|_| {}).await
    }

    pub async fn start_with(change: impl FnOnce(&mut KafkaConfig)) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let env: Env = RealEnv::new(tokio::runtime::Handle::current());
        let store: Arc<dyn Store> = Arc::new(MemoryStore::new(&env));
        let incarnation = Incarnation(1);
        let mut options = MetaOptions::new();
        options.node_id = 1;
        options.shards = 2;
        options.configs.insert("highwater.durability".into(), "local".into());
        let meta = MetaClient::open(&env, Arc::clone(&store), incarnation, options).await.unwrap();
        let mut options = EngineOptions::new(dir.path().join("wal"), 1, false);
        options.wal_file_bytes = 8 << 20;
        let engine = Engine::start(env.clone(), store, meta.clone(), incarnation, options).await.unwrap();
        let log = engine.log();
        let known = meta.clone();
        let topic = Arc::new(move || {
            let state = known.state();
            state.topic(OFFSETS_TOPIC).map(|topic| (topic.id, u32::try_from(topic.partitions.len()).unwrap()))
        });
        let settings = GroupSettings { initial_rebalance_delay_ms: 50, ..GroupSettings::default() };
        let offsets = Arc::new(PartitionOffsetsLog::new(log.clone(), topic));
        let groups = Groups::start(env.clone(), offsets, settings);

        let listener = bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let address = listener.local_addr().unwrap();
        let endpoint = Endpoint { host: address.ip().to_string(), port: address.port() };
        let outside = bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let outside_address = outside.local_addr().unwrap();
        let outside_endpoint = Endpoint { host: OUTSIDE_HOST.to_owned(), port: 9 };
        let mut config = KafkaConfig::new(NodeId(1));
        change(&mut config);
        let brokers = Arc::new(SingleBroker::new(NodeId(1), None, vec![endpoint, outside_endpoint], |_| 1));
        let draining = CancellationToken::new();
        let broker = Broker::new(env.clone(), config.clone(), log, meta, groups, brokers, draining.clone());
        let gate = Arc::new(Gate::new(Arc::clone(&broker)));
        let server = Server::start(&env, vec![listener, outside], gate, &config, draining).unwrap();
        Self { broker, server, engine, address, outside: outside_address, _dir: dir }
    }

    pub async fn client(&self) -> Client {
        Client::connect(self.address).await
    }

    /// A topic of one shard's partitions.
    pub async fn create(&self, name: &str, partitions: i32) -> Uuid {
        self.client().await.create(name, partitions, &[]).await
    }
}

/// A connection that speaks raw messages.
pub struct Client {
    pub stream: TcpStream,
    correlation: i32,
}

/// How a message is encoded in a version.
pub trait Encoding: Fn(&mut Encoder, i16) -> Result<(), EncodeError> {}
impl<F: Fn(&mut Encoder, i16) -> Result<(), EncodeError>> Encoding for F {}

/// A request's frame.
pub fn frame(key: ApiKey, version: i16, correlation_id: i32, encode: &impl Encoding) -> Bytes {
    let mut encoder = Encoder::for_frame();
    let header = RequestHeader {
        request_api_key: key.code(),
        request_api_version: version,
        correlation_id,
        client_id: Some(Str::from_static("test")),
        ..Default::default()
    };
    header.encode(&mut encoder, key.request_header_version(version)).unwrap();
    encode(&mut encoder, version).unwrap();
    encoder.finish_joined()
}

impl Client {
    pub async fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).await.unwrap();
        stream.set_nodelay(true).unwrap();
        Self { stream, correlation: 0 }
    }

    pub async fn send(&mut self, key: ApiKey, version: i16, encode: &impl Encoding) -> i32 {
        self.correlation += 1;
        self.stream.write_all(&frame(key, version, self.correlation, encode)).await.unwrap();
        self.correlation
    }

    /// The next answer; `None` when the broker closed.
    pub async fn answer(&mut self) -> Option<Bytes> {
        let read = async {
            let length = self.stream.read_u32().await.ok()?;
            let mut body = vec![0; length as usize];
            self.stream.read_exact(&mut body).await.ok()?;
            Some(Bytes::from(body))
        };
        tokio::time::timeout(LIMIT, read).await.expect("an answer, or the end")
    }

    pub async fn receive<R>(
        &mut self,
        key: ApiKey,
        version: i16,
        decode: fn(&mut Decoder, i16) -> Result<R, DecodeError>,
    ) -> (i32, R) {
        let mut decoder = Decoder::new(self.answer().await.expect("an answer"));
        let header = ResponseHeader::decode(&mut decoder, key.response_header_version(version)).unwrap();
        let response = decode(&mut decoder, version).unwrap();
        decoder.expect_end().unwrap();
        (header.correlation_id, response)
    }

    pub async fn call<R>(
        &mut self,
        key: ApiKey,
        version: i16,
        encode: impl Encoding,
        decode: fn(&mut Decoder, i16) -> Result<R, DecodeError>,
    ) -> R {
        let sent = self.send(key, version, &encode).await;
        let (correlation, response) = self.receive(key, version, decode).await;
        assert_eq!(correlation, sent);
        response
    }

    pub async fn create(&mut self, name: &str, num_partitions: i32, configs: &[(&str, &str)]) -> Uuid {
        let config = |(name, value): &(&str, &str)| CreatableTopicConfig {
            name: Str::from(*name),
            value: Some(Str::from(*value)),
            ..Default::default()
        };
        let request = CreateTopicsRequest {
            topics: vec![CreatableTopic {
                name: Str::from(name),
                num_partitions,
                replication_factor: -1,
                configs: configs.iter().map(config).collect(),
                ..Default::default()
            }],
            timeout_ms: 10_000,
            ..Default::default()
        };
        let response =
            self.call(ApiKey::CreateTopics, 7, |e, v| request.encode(e, v), CreateTopicsResponse::decode).await;
        assert_eq!(response.topics[0].error_code, 0, "{:?}", response.topics[0].error_message);
        response.topics[0].topic_id
    }

    /// Produces one batch with acks=all; gives its partition's answer.
    pub async fn produce(&mut self, topic: &str, partition: i32, batch: Bytes) -> PartitionProduceResponse {
        let request = produce_request(topic, partition, batch, -1);
        let response = self.call(ApiKey::Produce, 9, |e, v| request.encode(e, v), ProduceResponse::decode).await;
        response.responses[0].partition_responses[0].clone()
    }

    /// Fetches without a session, version 12.
    pub async fn fetch(&mut self, request: FetchRequest) -> FetchResponse {
        self.call(ApiKey::Fetch, 12, |e, v| request.encode(e, v), FetchResponse::decode).await
    }
}

pub fn produce_request(topic: &str, index: i32, batch: Bytes, acks: i16) -> ProduceRequest {
    ProduceRequest {
        acks,
        timeout_ms: 10_000,
        topic_data: vec![TopicProduceData {
            name: Str::from(topic),
            partition_data: vec![PartitionProduceData { index, records: Some(batch.into()), ..Default::default() }],
            ..Default::default()
        }],
        ..Default::default()
    }
}

pub fn fetch_request(topic: &str, wanted: &[(i32, i64)]) -> FetchRequest {
    let partition = |(partition, fetch_offset): &(i32, i64)| FetchPartition {
        partition: *partition,
        fetch_offset: *fetch_offset,
        partition_max_bytes: 1 << 20,
        ..Default::default()
    };
    FetchRequest {
        max_bytes: 50 << 20,
        min_bytes: 1,
        topics: vec![FetchTopic {
            topic: Str::from(topic),
            partitions: wanted.iter().map(partition).collect(),
            ..Default::default()
        }],
        ..Default::default()
    }
}

/// A batch of these values.
pub fn batch(values: &[&str]) -> Bytes {
    let mut builder = BatchBuilder::new(Compression::None);
    for value in values {
        builder.push(1_700_000_000_000, None, Some(value.as_bytes())).unwrap();
    }
    builder.finish().unwrap().to_bytes()
}

/// A batch with one record of `size` bytes.
pub fn large(size: usize) -> Bytes {
    let mut builder = BatchBuilder::new(Compression::None);
    builder.push(1_700_000_000_000, None, Some(&vec![b'x'; size])).unwrap();
    builder.finish().unwrap().to_bytes()
}

/// Offsets and values of a fetched records field.
pub fn values(records: &Option<highwater_wire::Records>) -> Vec<(i64, String)> {
    let bytes = records.clone().map(highwater_wire::Records::into_bytes).unwrap_or_default();
    let mut values = Vec::new();
    for batch in Batches::new(bytes) {
        let stored = StoredBatch::from_bytes(&batch.unwrap().1).unwrap();
        assert!(stored.crc_is_right());
        for record in Records::open(&stored, Expansion::DEFAULT).unwrap() {
            let record = record.unwrap();
            values.push((record.offset, String::from_utf8(record.value.unwrap().to_vec()).unwrap()));
        }
    }
    values
}
