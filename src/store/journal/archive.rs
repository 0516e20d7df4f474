//! Who archives the events of a cluster: one node at a time, and any other a moment later.
//!
//! Every node has folded what is to be archived, and keeps it until the database has it. The one that
//! writes it holds a lock of the database's, by the very connection on which it writes: whoever has
//! lost the one cannot write by the other.

use std::collections::VecDeque;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::time::Instant;

use crate::event::EventId;
use crate::store::cluster::{Cluster, entry_of};
use crate::store::{Store, lock};

use super::{Group, Task, Unwritten};

/// How often a node tries to become the one that archives.
const TRY: Duration = Duration::from_millis(500);

/// How soon a commit is asked for again that does not come.
const ASK_AGAIN: Duration = Duration::from_millis(100);

/// So many events, or some more: those of one entry are archived together.
pub(super) fn whole_entries(unwritten: &VecDeque<Unwritten>, count: usize) -> usize {
    let entry = |at: usize| unwritten.get(at).map(|event| entry_of(event.event.id));
    let last = count.checked_sub(1).and_then(entry);
    (count..unwritten.len()).find(|at| entry(*at) != last).unwrap_or(unwritten.len())
}

impl Store {
    /// Lets go of what is archived up to here, whoever did it.
    pub(in crate::store) fn drop_archived(&self, cluster: &Cluster, through: EventId) {
        if cluster.note_archived(through) {
            self.shared.unwritten.notify_one();
        }
    }

    fn forget_archived(&self, through: EventId) {
        let bytes = drop_until(&mut lock(&self.shared.tail).unwritten, through);
        if bytes > 0 {
            self.shared.unwritten_bytes.fetch_sub(bytes, Ordering::Relaxed);
            self.shared.room.notify_waiters();
        }
    }
}

/// Drops what is archived up to here; gives how many bytes of frames that were.
pub(super) fn drop_until(unwritten: &mut VecDeque<Unwritten>, through: EventId) -> usize {
    let mut bytes = 0;
    while let Some(event) = unwritten.pop_front_if(|event| event.event.id <= through) {
        bytes += event.event.frame.bytes().len();
    }
    bytes
}

impl Task {
    fn cluster(&self) -> Option<Cluster> {
        self.store.cluster().cloned()
    }

    /// Whether it is this server that writes events.
    pub(super) fn archives(&self) -> bool {
        match self.store.cluster() {
            None => true,
            Some(_) => self.writer.keeps() && !self.store.is_holding(),
        }
    }

    /// Whether there is a change that can be made now: whoever does not archive makes those whose
    /// barrier is in the database.
    pub(super) fn may_change(&self) -> bool {
        if self.archives() {
            return !self.waiting.is_empty();
        }
        let archived = *self.feed.durable.borrow();
        self.waiting.iter().any(|change| change.barrier() <= archived)
    }

    /// Whether somebody on another node waits for what is to be written.
    pub(super) fn is_hurried(&self) -> bool {
        self.store.cluster().is_some_and(Cluster::is_hurried)
    }

    /// The events that are written next, and the id through which everything is durable then.
    pub(super) fn take_events(&self) -> (Vec<Unwritten>, EventId) {
        if self.archives() {
            return self.store.take_unwritten();
        }
        (Vec::new(), *self.feed.durable.borrow())
    }

    /// Takes note of what others have archived, asks them to do it now where somebody here waits for
    /// it, and tries to do it itself.
    pub(super) async fn look_after_archive(&mut self) {
        let Some(cluster) = self.cluster() else { return };
        self.take_note(&cluster);
        if cluster.is_degraded() && self.writer.keeps() {
            // What is not folded here cannot be archived here: the lock goes with the connection.
            self.writer.lose();
        }
        cluster.set_keeps(self.writer.keeps());
        if cluster.keeps() || cluster.is_degraded() {
            return;
        }
        let archived = *self.feed.durable.borrow();
        let barriers =
            self.waiting.iter().map(|change| change.barrier()).chain(self.leaves_through);
        if let Some(last) = barriers.max().filter(|last| *last > archived) {
            self.hurry(&cluster, last);
        }
        if Instant::now() >= self.keep_due {
            self.keep_due = Instant::now() + TRY;
            if let Err(error) = self.try_keep(&cluster).await {
                tracing::debug!(%error, "cannot ask who archives");
            }
        }
    }

    /// Asks for a commit of everything up to here: once, and again when that may not have been heard.
    fn hurry(&mut self, cluster: &Cluster, last: EventId) {
        let (asked, at) = self.hurried;
        if last > asked || at.elapsed() >= ASK_AGAIN {
            self.hurried = (last, Instant::now());
            cluster.hurry();
        }
    }

    async fn try_keep(&mut self, cluster: &Cluster) -> Result<(), crate::db::DbError> {
        if !self.writer.try_keep().await? {
            return Ok(());
        }
        // Read after the lock was ours: nobody raises it any more.
        let through = self.writer.archived().await?;
        cluster.note_archived(through);
        self.take_note(cluster);
        cluster.set_keeps(true);
        Ok(())
    }

    /// What is archived is durable, and needs no writing here.
    fn take_note(&self, cluster: &Cluster) {
        let archived = cluster.archived();
        self.raise(archived);
        self.store.forget_archived(archived);
    }

    fn raise(&self, through: EventId) {
        self.feed.durable.send_if_modified(|durable| {
            let is_news = through > *durable;
            *durable = through.max(*durable);
            is_news
        });
    }

    /// Everything up to here was written by us.
    pub(super) fn durable_through(&self, last: EventId) {
        self.raise(last);
        if let Some(cluster) = self.store.cluster() {
            cluster.tell_archived(last);
        }
    }

    /// With the connection the right to archive is gone.
    pub(super) fn lost_writer(&mut self) {
        if let Some(cluster) = self.store.cluster() {
            cluster.set_keeps(false);
            self.keep_due = Instant::now();
        }
    }

    /// Puts events back that were to be written, where it is known that they were not: whoever archives
    /// next writes them. What was to be done after them waits for that.
    pub(super) fn give_back(&mut self, group: &mut Group) {
        let Some(cluster) = self.cluster() else { return };
        if group.in_doubt.is_some() {
            return;
        }
        {
            let mut tail = lock(&self.store.shared.tail);
            for event in group.events.drain(..).rev() {
                tail.unwritten.push_front(event);
            }
            (tail.being_written, tail.written_since) = (0, None);
        }
        self.take_note(&cluster);
        let durable = *self.feed.durable.borrow();
        let (now, later): (Vec<_>, Vec<_>) =
            group.changes.drain(..).partition(|change| change.barrier() <= durable);
        group.changes = now;
        self.waiting.extend(later);
    }
}
