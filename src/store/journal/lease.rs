//! Saying that a node of a cluster lives, by the connection on which it writes.

use std::time::Duration;

use tokio::time::Instant;

use crate::db::Change;
use crate::db::nodes::{Heartbeat, Leave, milliseconds};
use crate::store::lock;

use super::{Health, LAST_TRIES, Task, was_in_the_way};

/// How soon after a beat that failed the next one is tried.
const AGAIN: Duration = Duration::from_millis(500);

impl Task {
    /// Says that this node lives, where that is due. One that was given up meanwhile, for it was silent,
    /// comes back as a new one: what it was running is others' by then.
    pub(super) async fn beat(&mut self) {
        let Some(cluster) = self.store.cluster().cloned() else { return };
        if Instant::now() < self.beat_due {
            return;
        }
        self.beat_due = Instant::now() + cluster.lease() / 4;
        let lease_ms = milliseconds(cluster.lease());
        match self.alone(Heartbeat { node: cluster.runner(), lease_ms }).await {
            Ok(true) => self.note_trouble(None),
            Ok(false) => self.join().await,
            Err(error) if was_in_the_way(&error) => {}
            Err(error) => {
                tracing::debug!(%error, "cannot say that this node lives");
                self.note_trouble(Some(error.to_string()));
                self.beat_due = Instant::now() + AGAIN;
                self.rejoin().await;
            }
        }
    }

    /// A node that has nothing to write finds out by its beats how the database is.
    fn note_trouble(&self, trouble: Option<String>) {
        self.feed.health.send_replace(Health { trouble });
    }

    /// Comes back where the database does not take what a node writes that was given up.
    pub(super) async fn rejoin(&mut self) {
        let Some(cluster) = self.store.cluster() else { return };
        if matches!(self.store.db().is_alive(cluster.runner()).await, Ok(false)) {
            self.join().await;
        }
    }

    async fn join(&mut self) {
        let Some(cluster) = self.store.cluster().cloned() else { return };
        match self.writer.join(cluster.label(), cluster.lease()).await {
            Ok(number) => {
                tracing::warn!(number, "the cluster had given this node up; it is back");
                cluster.set_runner(number);
            }
            Err(error) => tracing::debug!(%error, "cannot come back to the cluster yet"),
        }
    }

    /// Leaves the cluster in order: nobody has to wait for the lease to be over.
    pub(super) async fn leave(&mut self) {
        let Some(cluster) = self.store.cluster().cloned() else { return };
        if let Err(error) = self.alone(Leave { node: cluster.runner() }).await {
            tracing::debug!(%error, "cannot leave the cluster in order");
        }
    }

    /// Makes a change in a transaction of its own.
    async fn alone<C: Change>(&mut self, change: C) -> Result<C::Outcome, sqlx::Error> {
        let mut tx = self.writer.begin().await?;
        let outcome = change.apply(&mut tx.conn()).await?;
        tx.commit().await?;
        Ok(outcome)
    }

    /// Whether there is nothing more to wait for when the server goes down: what others have to write
    /// is waited for a moment, so that nodes which all go down leave nothing to be written.
    pub(super) fn has_waited_enough(&mut self) -> bool {
        let newest = || lock(&self.store.shared.tail).unwritten.back().map(|last| last.event.id);
        let last = *self.leaves_through.get_or_insert_with(|| newest().unwrap_or_default());
        if self.waiting.is_empty() && *self.feed.durable.borrow() >= last {
            return true;
        }
        let until = self.tries_until();
        // Looked at again when they say that they have.
        self.keep_due = self.keep_due.min(until);
        Instant::now() >= until
    }

    /// Until when what could not be written is tried; its time begins when this is first asked.
    pub(super) fn tries_until(&mut self) -> Instant {
        *self.give_up_at.get_or_insert_with(|| Instant::now() + LAST_TRIES)
    }
}
