//! One socket to one broker: requests out, answers in, in order. Requests may be sent ahead of their
//! answers.

use std::collections::BTreeMap;
use std::io;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use highwater_env::Env;
use highwater_wire::messages::api_versions::ApiVersionsRequest;
use highwater_wire::messages::header::{RequestHeader, ResponseHeader};
use highwater_wire::{ApiKey, Decoder, Encoder, ErrorCode, Str};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::api::Request;
use crate::error::{ClientError, code_of};

/// Largest answer that is read: far above what this client asks for.
const MAX_ANSWER_BYTES: usize = 256 << 20;
const CLIENT_ID: &str = "highwater";

/// A connection that knows what its broker speaks.
pub struct Connection {
    env: Env,
    address: String,
    limit: Duration,
    stream: TcpStream,
    /// Oldest and newest version by API.
    versions: BTreeMap<i16, (i16, i16)>,
    next_correlation: i32,
    /// Requests whose answers have not been read: also those of calls that were given up.
    due: usize,
}

/// A request whose answer is to be read.
#[must_use]
pub struct Sent {
    correlation: i32,
    version: i16,
}

impl Connection {
    /// Connects and asks for versions. Every answer is waited for as long as `limit`, and as long again
    /// as the request itself may wait.
    ///
    /// # Errors
    /// When nobody answers, or in another protocol.
    pub async fn open(env: &Env, address: &str, limit: Duration) -> Result<Self, ClientError> {
        let failed = |source: io::Error| ClientError::Connection { address: address.to_owned(), source };
        let connect = env.timeout(limit, TcpStream::connect(address)).await;
        let stream = connect
            .unwrap_or_else(|_| Err(io::Error::new(io::ErrorKind::TimedOut, "no answer in time")))
            .map_err(failed)?;
        stream.set_nodelay(true).map_err(failed)?;
        let mut connection = Self {
            env: env.clone(),
            address: address.to_owned(),
            limit,
            stream,
            versions: BTreeMap::from([(ApiKey::ApiVersions.code(), (0, ApiVersionsRequest::NEWEST))]),
            next_correlation: 0,
            due: 0,
        };
        connection.learn_versions().await?;
        Ok(connection)
    }

    async fn learn_versions(&mut self) -> Result<(), ClientError> {
        let asked = ApiVersionsRequest {
            client_software_name: Str::from_static(CLIENT_ID),
            client_software_version: Str::from_static(env!("CARGO_PKG_VERSION")),
            ..Default::default()
        };
        let mut told = self.call(&asked).await?;
        if code_of(told.error_code) == ErrorCode::UnsupportedVersion {
            // A broker that is older than the question answers it in version 0.
            self.versions.insert(ApiKey::ApiVersions.code(), (0, 0));
            told = self.call(&ApiVersionsRequest::default()).await?;
        }
        self.versions = told.api_keys.iter().map(|api| (api.api_key, (api.min_version, api.max_version))).collect();
        Ok(())
    }

    /// Whom it is to.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Answers that are still to come.
    pub const fn due(&self) -> usize {
        self.due
    }

    /// Whether the broker serves an API at all.
    pub fn serves(&self, key: ApiKey) -> bool {
        self.versions.contains_key(&key.code())
    }

    /// Sends a request and reads its answer. Nothing else may be waiting for one.
    ///
    /// # Errors
    /// When the connection breaks, the broker is late, or does not speak the API.
    pub async fn call<R: Request>(&mut self, request: &R) -> Result<R::Response, ClientError> {
        self.call_within(request, self.limit).await
    }

    /// As [`Connection::call`], for a request that may wait at the broker.
    ///
    /// # Errors
    /// As there.
    pub async fn call_within<R: Request>(&mut self, request: &R, limit: Duration) -> Result<R::Response, ClientError> {
        let sent = self.send(request).await?;
        self.receive_within::<R>(sent, limit).await
    }

    /// Sends a request; its answer comes after those of the requests before it.
    ///
    /// # Errors
    /// When the connection breaks or the broker does not speak the API.
    pub async fn send<R: Request>(&mut self, request: &R) -> Result<Sent, ClientError> {
        let unsupported = || ClientError::Unsupported { address: self.address.clone(), api: R::KEY };
        let (oldest, newest) = *self.versions.get(&R::KEY.code()).ok_or_else(unsupported)?;
        let version = R::NEWEST.min(newest);
        if version < oldest {
            return Err(unsupported());
        }
        self.next_correlation = self.next_correlation.wrapping_add(1);
        let header = RequestHeader {
            request_api_key: R::KEY.code(),
            request_api_version: version,
            correlation_id: self.next_correlation,
            client_id: Some(Str::from_static(CLIENT_ID)),
            ..Default::default()
        };
        let mut encoder = Encoder::for_frame();
        header
            .encode(&mut encoder, R::KEY.request_header_version(version))
            .and_then(|()| request.write(&mut encoder, version))
            .map_err(|error| ClientError::Invalid(format!("{} {version} cannot be written: {error}", R::KEY)))?;
        self.due += 1;
        let chunks = encoder.finish();
        let write = async {
            for chunk in &chunks {
                self.stream.write_all(chunk).await?;
            }
            Ok(())
        };
        let stuck = || io::Error::new(io::ErrorKind::TimedOut, "it takes no bytes");
        let written = self.env.timeout(self.limit, write).await.unwrap_or_else(|_| Err(stuck()));
        written.map_err(|source| self.broken(source))?;
        Ok(Sent { correlation: self.next_correlation, version })
    }

    /// Reads the answer of the oldest request that has none.
    ///
    /// # Errors
    /// When the connection breaks or the broker is late: the connection is then of no use any more.
    pub async fn receive<R: Request>(&mut self, sent: Sent) -> Result<R::Response, ClientError> {
        self.receive_within::<R>(sent, self.limit).await
    }

    /// As [`Connection::receive`], for a request that may wait at the broker.
    ///
    /// # Errors
    /// As there.
    pub async fn receive_within<R: Request>(
        &mut self,
        sent: Sent,
        limit: Duration,
    ) -> Result<R::Response, ClientError> {
        let env = self.env.clone();
        let frame = match env.timeout(limit, self.frame()).await {
            Ok(frame) => frame.map_err(|source| self.broken(source))?,
            Err(_) => return Err(ClientError::TimedOut { address: self.address.clone(), api: R::KEY, limit }),
        };
        self.due = self.due.saturating_sub(1);
        let malformed = |detail: String| ClientError::Malformed { address: self.address.clone(), api: R::KEY, detail };
        let mut decoder = Decoder::new(frame);
        let header = ResponseHeader::decode(&mut decoder, R::KEY.response_header_version(sent.version))
            .map_err(|error| malformed(error.to_string()))?;
        if header.correlation_id != sent.correlation {
            return Err(malformed(format!("an answer to {}, not to {}", header.correlation_id, sent.correlation)));
        }
        R::read(&mut decoder, sent.version).map_err(|error| malformed(error.to_string()))
    }

    async fn frame(&mut self) -> io::Result<Bytes> {
        let length = self.stream.read_i32().await?;
        let length = usize::try_from(length).ok().filter(|length| *length <= MAX_ANSWER_BYTES);
        let length =
            length.ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "an answer of impossible length"))?;
        let mut frame = BytesMut::with_capacity(length.min(1 << 20));
        let mut body = (&mut self.stream).take(length as u64);
        while frame.len() < length {
            if body.read_buf(&mut frame).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        Ok(frame.freeze())
    }

    fn broken(&self, source: io::Error) -> ClientError {
        ClientError::Connection { address: self.address.clone(), source }
    }
}
