//! Every message of the schema with the code that decodes and encodes it.

use std::path::PathBuf;

use bytes::Bytes;
use highwater_wire::messages::{consumer_protocol as consumer, group_records as group, header};
use highwater_wire::{ApiKey, DecodeError, Decoder, EncodeError, Encoder, Request, Response};

use crate::schema::{self, Message};

/// One message of the schema.
pub struct Target {
    /// What the schema says.
    pub message: Message,
    /// What the generator made of it.
    pub codec: Codec,
}

/// Which generated code a message belongs to.
#[derive(Clone, Copy)]
pub enum Codec {
    /// A request.
    Request(ApiKey),
    /// A response.
    Response(ApiKey),
    /// A message of no API: what decodes it, and what encodes it again, too.
    Other(fn(&mut Decoder, i16) -> Result<(), DecodeError>, Recode),
}

/// Decodes a message and encodes it again.
pub type Recode = fn(&mut Decoder, i16) -> Result<Encoded, DecodeError>;

/// What came of encoding what was decoded.
pub type Encoded = Result<Bytes, EncodeError>;

impl Target {
    /// Decodes a message at the decoder's position and encodes it again.
    pub fn recode(&self, d: &mut Decoder, version: i16) -> Result<Encoded, DecodeError> {
        match self.codec {
            Codec::Request(key) => {
                let message = Request::decode(key, d, version)?;
                assert_eq!(message.api_key(), key);
                Ok(encoded(|e| message.encode(e, version)))
            }
            Codec::Response(key) => {
                let message = Response::decode(key, d, version)?;
                assert_eq!(message.api_key(), key);
                Ok(encoded(|e| message.encode(e, version)))
            }
            Codec::Other(_, recode) => recode(d, version),
        }
    }

    /// Decodes a message and drops it.
    pub fn decode(&self, d: &mut Decoder, version: i16) -> Result<(), DecodeError> {
        match self.codec {
            Codec::Request(key) => Request::decode(key, d, version).map(drop),
            Codec::Response(key) => Response::decode(key, d, version).map(drop),
            Codec::Other(decode, _) => decode(d, version),
        }
    }
}

fn encoded(encode: impl FnOnce(&mut Encoder) -> Result<(), EncodeError>) -> Encoded {
    let mut e = Encoder::new();
    encode(&mut e)?;
    let length = e.len();
    let bytes = e.finish_joined();
    assert_eq!(bytes.len(), length);
    Ok(bytes)
}

macro_rules! other {
    ($name:expr, $($message:ty),+ $(,)?) => {
        match $name {
            $(name if name == stringify!($message).rsplit("::").next().unwrap().trim() => {
                let decode: fn(&mut Decoder, i16) -> _ =
                    |d, version| <$message>::decode(d, version).map(drop);
                Codec::Other(decode, |d, version| {
                    let message = <$message>::decode(d, version)?;
                    Ok(encoded(|e| message.encode(e, version)))
                })
            })+
            name => panic!("no code for {name}"),
        }
    };
}

/// Every message of the schema.
pub fn all() -> Vec<Target> {
    let folder = PathBuf::from(std::env::var_os("CARGO_MANIFEST_DIR").unwrap()).join("schema");
    let mut paths: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    let mut targets = Vec::new();
    for path in paths {
        let stem = path.file_stem().unwrap().to_str().unwrap();
        let file = schema::parse(stem, &std::fs::read_to_string(&path).unwrap()).unwrap();
        for message in file.messages {
            let key = file.api.as_ref().map(|api| ApiKey::from_code(api.key).unwrap());
            let codec = match key {
                Some(key) if message.name().ends_with("Request") => Codec::Request(key),
                Some(key) => Codec::Response(key),
                None => other!(
                    message.name(),
                    header::RequestHeader,
                    header::ResponseHeader,
                    consumer::ConsumerProtocolSubscription,
                    consumer::ConsumerProtocolAssignment,
                    group::OffsetCommitKey,
                    group::OffsetCommitValue,
                    group::GroupMetadataKey,
                    group::GroupMetadataValue,
                ),
            };
            targets.push(Target { message, codec });
        }
    }
    targets
}

/// Calls `work` for every message and version.
pub fn each(mut work: impl FnMut(&Target, i16)) {
    for target in all() {
        for version in target.message.versions.min..=target.message.versions.max {
            work(&target, version);
        }
    }
}
