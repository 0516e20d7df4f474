//! Changes that wait for the journal, whatever their type.

use std::any::type_name;

use futures_util::future::BoxFuture;
use tokio::sync::oneshot;

use crate::db::{Change, Conn};
use crate::event::EventId;

use super::JournalError;

/// A change with somebody who waits for it.
pub(super) trait Waiting: Send + std::fmt::Debug {
    /// The event that must be durable first.
    fn barrier(&self) -> EventId;
    /// Whether it waits for a database that is down.
    fn is_patient(&self) -> bool;
    fn apply<'a>(&'a mut self, tx: &'a mut Conn<'_>) -> BoxFuture<'a, Result<(), sqlx::Error>>;
    fn succeed(self: Box<Self>);
    fn fail(self: Box<Self>, error: JournalError);
}

/// A change, and the channel on which its outcome is waited for.
pub(super) struct Asked<C: Change> {
    change: C,
    barrier: EventId,
    patient: bool,
    outcome: Option<C::Outcome>,
    reply: oneshot::Sender<Result<C::Outcome, JournalError>>,
}

impl<C: Change> Asked<C> {
    pub(super) fn new(
        change: C,
        barrier: EventId,
        patient: bool,
        reply: oneshot::Sender<Result<C::Outcome, JournalError>>,
    ) -> Self {
        Self { change, barrier, patient, outcome: None, reply }
    }
}

impl<C: Change> std::fmt::Debug for Asked<C> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(type_name::<C>())
    }
}

impl<C: Change> Waiting for Asked<C> {
    fn barrier(&self) -> EventId {
        self.barrier
    }

    fn is_patient(&self) -> bool {
        self.patient
    }

    fn apply<'a>(&'a mut self, tx: &'a mut Conn<'_>) -> BoxFuture<'a, Result<(), sqlx::Error>> {
        Box::pin(async move {
            self.outcome = Some(self.change.apply(tx).await?);
            Ok(())
        })
    }

    fn succeed(self: Box<Self>) {
        let outcome = self.outcome.ok_or(JournalError::Stopped);
        // Whoever asked may have gone away; the change stands all the same.
        drop(self.reply.send(outcome));
    }

    fn fail(self: Box<Self>, error: JournalError) {
        drop(self.reply.send(Err(error)));
    }
}
