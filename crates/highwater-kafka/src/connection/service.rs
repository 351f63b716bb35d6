//! What a connection asks of the layer above it: requests in, answers out.

use std::net::SocketAddr;

use bytes::Bytes;
use futures::future::BoxFuture;

use super::frame::Announced;
use crate::budget::Charge;
use crate::config::ListenerId;

/// The other end of a connection.
#[derive(Clone, Copy, Debug)]
pub struct Peer {
    /// Its address.
    pub address: SocketAddr,
    /// The listener that it came in by.
    pub listener: ListenerId,
}

/// An answer, ready to be written.
pub enum Reply {
    /// Frames to write: length prefix included, in order, concatenated.
    Send {
        /// Their bytes, shared with whoever else has them.
        chunks: Vec<Bytes>,
        /// Memory that is given back when they are written.
        charge: Option<Charge>,
    },
    /// The request has no answer (acks=0).
    Nothing,
    /// Close the connection: the text says why.
    Close(String),
}

/// A request that was taken in. It is driven, and answered, only when everything before it on its
/// connection has been answered; what has to happen earlier has happened in
/// [`Service::begin`] or goes on without being driven.
pub type Pending = BoxFuture<'static, Reply>;

/// Handles requests. One value serves all connections.
pub trait Service: Send + Sync + 'static {
    /// Memory that a frame takes, itself and what its decoding may allocate. Charged before the
    /// frame is read.
    fn memory_of(&self, announced: Announced) -> usize;

    /// Stage one of a request, in the order of its connection: decodes it, checks it, and appends
    /// what it wants to append. May wait, which holds up its connection alone. The charge stands
    /// for the frame's memory and is dropped when that is free; a frame larger than the whole budget
    /// has only that.
    ///
    /// An `Err` closes the connection; the text says why.
    fn begin(&self, peer: &Peer, frame: Bytes, charge: Charge) -> impl Future<Output = Result<Pending, String>> + Send;
}
