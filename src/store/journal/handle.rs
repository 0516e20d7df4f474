//! What the rest of the server asks the journal for.

use tokio::sync::{mpsc, oneshot, watch};

use crate::db::{Change, Conn};
use crate::event::EventId;

use super::asked::{Asked, Waiting};
use super::{Feed, Health};

/// How many changes may wait for the journal.
const CHANGES: usize = 4096;

/// Why a change was not made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JournalError {
    /// The database does not take writes at the moment; nothing was changed.
    #[error("the database is not available: {0}")]
    Unavailable(String),
    /// The change itself failed.
    #[error("the database refused the change: {0}")]
    Refused(String),
    /// The server is going down.
    #[error("the server is going down")]
    Stopped,
}

/// A handle on the journal; cheap to clone.
#[derive(Clone, Debug)]
pub struct Journal {
    changes: mpsc::Sender<Box<dyn Waiting>>,
    durable: watch::Receiver<EventId>,
    health: watch::Receiver<Health>,
}

impl Journal {
    /// A journal that has committed everything up to `durable`.
    #[must_use]
    pub fn new(durable: EventId) -> (Self, Feed) {
        let (change_sender, changes) = mpsc::channel(CHANGES);
        let (durable_sender, durable) = watch::channel(durable);
        let (health_sender, health) = watch::channel(Health::default());
        let feed = Feed { changes, durable: durable_sender, health: health_sender };
        (Self { changes: change_sender, durable, health }, feed)
    }

    /// The newest id that is committed, with everything below it.
    #[must_use]
    pub fn durable_through(&self) -> EventId {
        *self.durable.borrow()
    }

    /// Has everything up to an event committed, now.
    ///
    /// # Errors
    /// [`JournalError::Stopped`] when the journal ended before.
    ///
    /// # Cancel safety
    /// Safe: the commit goes on without whoever waited.
    pub async fn wait_durable(&self, id: EventId) -> Result<(), JournalError> {
        if self.durable_through() >= id {
            return Ok(());
        }
        self.change_after(id, Nothing).await
    }

    /// How the database is doing.
    #[must_use]
    pub fn health(&self) -> Health {
        self.health.borrow().clone()
    }

    /// Makes a change, or says at once that the database is down.
    ///
    /// # Errors
    /// [`JournalError`]; nothing was changed then.
    pub async fn change<C: Change>(&self, change: C) -> Result<C::Outcome, JournalError> {
        if let Some(trouble) = self.health().trouble {
            return Err(JournalError::Unavailable(trouble));
        }
        self.ask(change, EventId::ZERO, false).await
    }

    /// Makes a change once everything up to `barrier` is committed, however long the database is
    /// down.
    ///
    /// # Errors
    /// [`JournalError::Refused`] or [`JournalError::Stopped`]; nothing was changed then.
    pub async fn change_after<C: Change>(
        &self,
        barrier: EventId,
        change: C,
    ) -> Result<C::Outcome, JournalError> {
        self.ask(change, barrier, true).await
    }

    async fn ask<C: Change>(
        &self,
        change: C,
        barrier: EventId,
        patient: bool,
    ) -> Result<C::Outcome, JournalError> {
        let (reply, answer) = oneshot::channel();
        let asked = Asked::new(change, barrier, patient, reply);
        let sent = self.changes.send(Box::new(asked)).await;
        sent.map_err(|_| JournalError::Stopped)?;
        answer.await.map_err(|_| JournalError::Stopped)?
    }
}

/// What somebody asks for who waits for events and changes nothing.
struct Nothing;

impl Change for Nothing {
    type Outcome = ();

    async fn apply(&self, _: &mut Conn<'_>) -> Result<(), sqlx::Error> {
        Ok(())
    }
}
