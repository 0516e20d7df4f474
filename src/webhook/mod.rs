//! Webhooks out: those who asked are told how a job ended, until they have heard it.
//!
//! What is to be told is in the outbox, a table that the database itself fills with each end
//! (`migrations/sqlite/0006_webhook.sql`). One task here looks into it, sends what is due to where
//! it goes, and notes what came of it. Nothing is noted before it is sent: what a dying process was
//! sending is sent again, under the same id.

mod attempt;
mod dispatch;
mod endpoints;
mod schedule;
#[cfg(test)]
mod tests;

pub use attempt::message_id;
pub use schedule::DELAYS;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde_json::Value;
use tokio::sync::Notify;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::db::artifacts::ArtifactRow;
use crate::db::webhooks::{Delivery, Replay, TellOfAll};
use crate::event::now_ms;
use crate::job::Job;
use crate::outward::{Outward, Refused, Target, Trust};
use crate::signing::Signer;
use crate::store::{JournalError, Store};

use endpoints::Endpoints;

/// How webhooks are sent.
#[derive(Clone, Debug)]
pub struct Options {
    /// Signs each of them.
    pub signer: Signer,
    /// Whether they go to private addresses, and without TLS, too: for development and tests.
    pub may_be_private: bool,
    /// How many are sent at once.
    pub at_once: usize,
    /// How long an answer may take in all.
    pub time_limit: Duration,
    /// How long to wait before each further try.
    pub delays: &'static [Duration],
    /// How old a delivery gets before it is given up while its endpoint does not answer at all.
    pub patience: Duration,
    /// How often the outbox is looked into for what other programs and the passing of time put
    /// there; this process's own ends are looked for at once.
    pub look: Duration,
    /// How long attempts may go on once the server goes down; what is not heard by then was not
    /// tried.
    pub drain: Duration,
    /// How long a delivery that is over is kept.
    pub retention: Duration,
}

impl Options {
    /// The defaults, with this signer.
    #[must_use]
    pub fn new(signer: Signer) -> Self {
        Self {
            signer,
            may_be_private: false,
            at_once: 16,
            time_limit: Duration::from_secs(15),
            delays: &DELAYS,
            patience: Duration::from_secs(36 * 3600),
            look: Duration::from_secs(1),
            drain: Duration::from_secs(3),
            retention: Duration::from_secs(30 * 24 * 3600),
        }
    }
}

/// Writes what is told; the shape of that is the wire's.
pub trait Words: std::fmt::Debug + Send + Sync {
    /// The end of a job, which happened at `at` (UTC milliseconds), with the files that are there.
    fn message(&self, job: &Job, files: &[ArtifactRow], at: i64) -> Value;
}

/// A handle on the webhooks; cheap to clone.
#[derive(Clone, Debug)]
pub struct Webhooks {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    store: Store,
    outward: Arc<Outward>,
    words: Arc<dyn Words>,
    options: Options,
    /// Tells the dispatcher that something may be due.
    due: Arc<Notify>,
    /// How those are who are told, as far as it is known.
    endpoints: Mutex<Endpoints>,
}

impl Webhooks {
    /// Webhooks out of this store; `due` is notified whenever a job has ended.
    #[must_use]
    pub fn new(
        store: Store,
        outward: Arc<Outward>,
        words: Arc<dyn Words>,
        due: Arc<Notify>,
        options: Options,
    ) -> Self {
        let endpoints = Mutex::default();
        Self { shared: Arc::new(Shared { store, outward, words, options, due, endpoints }) }
    }

    /// The address as it is kept, once it was looked at.
    ///
    /// # Errors
    /// [`Refused`] for one that nothing is sent to.
    pub fn check(&self, url: &str) -> Result<String, Refused> {
        Ok(Target::parse(url, self.trust())?.url().as_str().to_owned())
    }

    /// Begins a delivery anew, however it stands; nothing where there is none. Its endpoint is tried
    /// at once, whatever was heard of it.
    ///
    /// # Errors
    /// [`JournalError`].
    pub async fn replay(&self, id: i64) -> Result<Option<Delivery>, JournalError> {
        let delivery = self.shared.store.journal().change(Replay { id, now: now_ms() }).await?;
        if let Some(delivery) = &delivery {
            self.endpoints().try_now(&delivery.endpoint, Instant::now());
            self.shared.due.notify_one();
        }
        Ok(delivery)
    }

    /// Sends what is due until `draining` is set.
    pub async fn run(self, draining: CancellationToken) {
        dispatch::run(&self, draining).await;
    }

    fn trust(&self) -> Trust<'static> {
        if self.shared.options.may_be_private { Trust::Everybody } else { Trust::Nobody }
    }

    fn endpoints(&self) -> MutexGuard<'_, Endpoints> {
        self.shared.endpoints.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Has the ends of all jobs told to this address from now on, and to no other.
///
/// # Errors
/// [`JournalError`].
pub async fn tell_of_all(store: &Store, url: Option<String>) -> Result<(), JournalError> {
    store.journal().change_after(crate::event::EventId::ZERO, TellOfAll { url }).await
}
