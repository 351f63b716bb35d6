//! One request as its handler sees it, and from an answer to its frame.

use std::sync::Arc;

use highwater_wire::messages::header::ResponseHeader;
use highwater_wire::{ApiKey, EncodeError, Encoder, Str};

use crate::broker::Broker;
use crate::connection::service::{Peer, Reply};

/// One request, as its handler sees it besides the message.
pub struct Call {
    /// This broker.
    pub broker: Arc<Broker>,
    /// The API.
    pub key: ApiKey,
    /// Its version, one that is served.
    pub version: i16,
    /// To be answered.
    pub correlation_id: i32,
    /// From the header; does not share the frame.
    pub client_id: Option<Str>,
    /// The other end.
    pub peer: Peer,
    /// Bytes of the frame.
    pub frame_bytes: usize,
}

impl Call {
    /// The frame of an answer. `encode` writes the message in the version that it is given.
    pub fn reply(&self, encode: impl FnOnce(&mut Encoder, i16) -> Result<(), EncodeError>) -> Reply {
        self.reply_at(self.version, encode)
    }

    /// As [`Call::reply`], in a version that is not the request's.
    pub fn reply_at(&self, version: i16, encode: impl FnOnce(&mut Encoder, i16) -> Result<(), EncodeError>) -> Reply {
        let mut encoder = Encoder::for_frame();
        let header = ResponseHeader { correlation_id: self.correlation_id, ..ResponseHeader::default() };
        let encoded = header
            .encode(&mut encoder, self.key.response_header_version(version))
            .and_then(|()| encode(&mut encoder, version));
        match encoded {
            Ok(()) => Reply::Send { chunks: encoder.finish(), charge: None },
            Err(error) => {
                tracing::error!(api = %self.key, version, %error, "an answer cannot be encoded");
                Reply::Close("internal error".to_owned())
            }
        }
    }

    /// The client's address as Kafka prints it: `/127.0.0.1`.
    pub fn client_host(&self) -> String {
        format!("/{}", self.peer.address.ip().to_canonical())
    }
}
