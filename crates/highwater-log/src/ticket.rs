//! Acknowledgements: a ticket is given at append and resolved, in the order of the log, when the
//! batch is durable.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures::channel::oneshot;

use crate::api::{AppendError, Appended};

/// Resolves when the batch is durable as asked, or can no longer become so under this leader.
/// Dropping it changes nothing for the batch.
pub struct AppendTicket(State);

enum State {
    Ready(Option<Result<Appended, AppendError>>),
    Waiting(oneshot::Receiver<Result<Appended, AppendError>>),
}

impl AppendTicket {
    pub(crate) fn ready(outcome: Appended) -> Self {
        Self(State::Ready(Some(Ok(outcome))))
    }

    pub(crate) fn waiting() -> (TicketSender, Self) {
        let (sender, receiver) = oneshot::channel();
        (TicketSender(sender), Self(State::Waiting(receiver)))
    }
}

impl Future for AppendTicket {
    type Output = Result<Appended, AppendError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        match &mut self.0 {
            // Polled again after completion: the outcome was given away.
            State::Ready(outcome) => Poll::Ready(outcome.take().unwrap_or(Err(AppendError::NotLeader))),
            State::Waiting(receiver) => Pin::new(receiver).poll(context).map(|outcome| {
                // The sender goes away without a word only when the shard is dropped.
                outcome.unwrap_or(Err(AppendError::NotLeader))
            }),
        }
    }
}

/// The other end of a ticket.
pub(crate) struct TicketSender(oneshot::Sender<Result<Appended, AppendError>>);

impl TicketSender {
    /// Resolves the ticket; nobody may be waiting any more.
    pub(crate) fn resolve(self, outcome: Result<Appended, AppendError>) {
        let _ = self.0.send(outcome);
    }
}
