//! From a frame to its handler: header, version, handler.

use std::sync::Arc;

use bytes::Bytes;
use highwater_env::Instant;
use highwater_wire::{ApiKey, Decoder, decode_request_header, frame_charge};

use crate::broker::Broker;
use crate::budget::Charge;
use crate::call::Call;
use crate::connection::frame::Announced;
use crate::connection::service::{Peer, Pending, Reply, Service};
use crate::handlers::{self, Begin};

/// The Kafka protocol as a [`Service`].
pub struct Gate {
    broker: Arc<Broker>,
}

impl Gate {
    /// In front of `broker`.
    pub const fn new(broker: Arc<Broker>) -> Self {
        Self { broker }
    }
}

impl Service for Gate {
    fn memory_of(&self, announced: Announced) -> usize {
        let decoding = match ApiKey::from_code(announced.key) {
            Some(key) => key.frame_charge(announced.length),
            None => frame_charge(0),
        };
        announced.length.saturating_add(decoding)
    }

    async fn begin(&self, peer: &Peer, frame: Bytes, charge: Charge) -> Result<Pending, String> {
        let frame_bytes = frame.len();
        let began = self.broker.env.now();
        self.broker.config.metrics.arrived(frame_bytes);
        // A frame larger than the whole budget may allocate no more than was left of it.
        let allowance = charge.bytes().saturating_sub(frame_bytes);
        let mut decoder = Decoder::with_allowance(frame, allowance);
        let (key, header) = decode_request_header(&mut decoder).map_err(|error| error.to_string())?;
        let version = header.request_api_version;
        let call = Call {
            broker: Arc::clone(&self.broker),
            key,
            version,
            correlation_id: header.correlation_id,
            client_id: header.client_id.map(|id| id.detached()),
            peer: *peer,
            frame_bytes,
        };
        let handler = handlers::find(key).filter(|handler| handler.served.contains(version));
        match handler {
            Some(handler) => {
                let pending = match handler.begin {
                    Begin::AtHead(begin) => begin(call, decoder, charge)?,
                    Begin::InOrder(begin) => begin(call, decoder, charge).await?,
                };
                Ok(measured(Arc::clone(&self.broker), key, began, pending))
            }
            None if key == ApiKey::ApiVersions => Ok(handlers::api_versions::unsupported(call)),
            None => Err(format!("{key} version {version} is not supported (client id {:?})", call.client_id)),
        }
    }
}

/// Counts the answer when it is there.
fn measured(broker: Arc<Broker>, key: ApiKey, began: Instant, pending: Pending) -> Pending {
    Box::pin(async move {
        let reply = pending.await;
        let bytes = match &reply {
            Reply::Send { chunks, .. } => chunks.iter().map(Bytes::len).sum(),
            Reply::Nothing | Reply::Close(_) => 0,
        };
        broker.config.metrics.answered(key, bytes, broker.env.now().since(began));
        reply
    })
}
