//! Requests on their way to the driver: an operation, its planned answer, and who waits for it.

use tokio::sync::oneshot;

use crate::draft::Draft;
use crate::errors::MetaError;
use crate::operations::Operation;

/// What the driver receives.
pub(crate) enum Request {
    /// Change the metadata.
    Change(Box<dyn Queued>),
    /// Read what others wrote.
    Refresh(oneshot::Sender<Result<(), MetaError>>),
    /// Finish.
    Close,
}

/// An operation whose kind the driver need not know.
pub(crate) trait Queued: Send {
    /// Plans it (again) on this draft.
    fn plan(&mut self, draft: &mut Draft);
    /// Gives the planned answer to whoever waits.
    fn answer(self: Box<Self>);
    /// Tells whoever waits that the journal could not be written.
    fn fail(self: Box<Self>, error: &MetaError);
}

/// An operation and who waits for it.
pub(crate) struct Waiting<O: Operation> {
    operation: O,
    planned: Option<O::Answer>,
    reply: oneshot::Sender<O::Answer>,
}

impl<O: Operation> Waiting<O> {
    pub(crate) fn new(operation: O) -> (Box<Self>, oneshot::Receiver<O::Answer>) {
        let (reply, answer) = oneshot::channel();
        (Box::new(Self { operation, planned: None, reply }), answer)
    }
}

impl<O: Operation> Queued for Waiting<O> {
    fn plan(&mut self, draft: &mut Draft) {
        self.planned = Some(self.operation.plan(draft));
    }

    fn answer(self: Box<Self>) {
        let Self { operation, planned, reply } = *self;
        let answer = planned.unwrap_or_else(|| operation.failed(&MetaError::Closed));
        // Whoever waited may have gone; what was done stays done.
        let _ = reply.send(answer);
    }

    fn fail(self: Box<Self>, error: &MetaError) {
        let _ = self.reply.send(self.operation.failed(error));
    }
}
