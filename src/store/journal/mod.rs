//! The write-behind: commits events to the database in groups, after readers have them.
//!
//! One task owns the writing connection. It gathers events for some milliseconds, the longer the more
//! a commit takes, or until there is enough for a transaction, or until somebody waits for it, and
//! commits them in one transaction with the rows that they project. Ids are committed in contiguous
//! ranges, so that "durable through" is one number. While the database is down it keeps what it has and
//! tries again.

mod archive;
mod asked;
mod commit;
mod handle;
mod lease;

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::backoff::Policy;
use crate::db::{Mark, Writer, was_in_the_way};
use crate::event::{Event, EventId};
use crate::job::Fact;
use crate::telemetry::metrics::metrics;
use crate::telemetry::trail;

use super::{Log, ProducerSeq, Store, lock};

use asked::Waiting;

pub use handle::{Journal, JournalError};

/// The most events in one transaction.
const GROUP: usize = 8192;

/// The most bytes of frames in one transaction.
const GROUP_BYTES: usize = 4 << 20;

/// Which part of the time goes into commits while nobody waits for one: a fifth.
const SHARE: u32 = 5;

/// How long there is between the beginnings of two commits at least, whatever they take.
const SHORTEST_PACE: Duration = Duration::from_millis(25);

/// How long at most.
const LONGEST_PACE: Duration = Duration::from_millis(200);

/// How a database that takes no writes is tried again, for ever.
const RETRY: Policy =
    Policy { first: Duration::from_millis(50), ceiling: Duration::from_secs(1), retries: None };

/// How long the database is tried for once the server goes down.
const LAST_TRIES: Duration = Duration::from_secs(2);

/// The delay between those tries; a longer one is cut short by the stop.
const LAST_DELAY: Duration = Duration::from_millis(100);

/// How the database is doing, as the journal sees it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Health {
    /// What the last commit failed with; nothing while commits succeed.
    pub trouble: Option<String>,
}

/// An event that is published and not yet durable.
#[derive(Debug)]
pub(super) struct Unwritten {
    pub(super) log: Arc<Log>,
    pub(super) event: Event,
    /// What it says, where rows show that.
    pub(super) row: Option<Box<Fact>>,
    /// How far it says that the job is, also where its row has that already.
    pub(super) percent: Option<u8>,
    pub(super) producer: Option<ProducerSeq>,
    /// By which entry of a cluster's log it came; on one of the events of an entry.
    pub(super) put: Option<ProducerSeq>,
}

/// The journal's own ends of its channels, until its task starts.
#[derive(Debug)]
pub struct Feed {
    changes: mpsc::Receiver<Box<dyn Waiting>>,
    durable: watch::Sender<EventId>,
    health: watch::Sender<Health>,
}

#[cfg(all(test, feature = "shuttle"))]
impl Feed {
    /// Says that everything up to an event is committed: for a test that has no database.
    pub(super) fn commit(&self, through: EventId) {
        self.durable.send_replace(through);
    }
}

/// Whether so much is enough for a transaction.
pub(super) const fn is_enough(events: usize, bytes: usize) -> bool {
    events >= GROUP || bytes >= GROUP_BYTES
}

/// What is committed together.
#[derive(Debug)]
struct Group {
    /// Which one of this server's.
    number: u64,
    /// What it has left in the database, if it may be committed although that has not said so.
    in_doubt: Option<Mark>,
    /// Whether its events are those of a cluster, which only one node at a time may write.
    is_shared: bool,
    /// The places of changes that the database refused in the last transaction, rising, and why.
    refused: Vec<(usize, sqlx::Error)>,
    events: Vec<Unwritten>,
    changes: Vec<Box<dyn Waiting>>,
}

/// Tells who looks at a job that its events are in the database.
fn note_commit(events: &[Unwritten], took: Duration) {
    if trail::is_empty() {
        return;
    }
    let mut last = HashMap::new();
    for event in events {
        last.insert(Arc::as_ptr(&event.log), event);
    }
    let jobs = last.values().map(|event| (event.log.job.as_str(), event.event.id.get()));
    trail::committed(jobs, took.as_millis());
}

/// The task that writes.
struct Task {
    store: Store,
    writer: Writer,
    feed: Feed,
    /// Changes whose barrier is not committed yet.
    waiting: VecDeque<Box<dyn Waiting>>,
    /// Before when the next commit is not begun by itself.
    rests_until: Instant,
    /// How many groups there were.
    groups: u64,
    /// When this node of a cluster tries again to become the one that archives.
    keep_due: Instant,
    /// When it next says that it lives.
    beat_due: Instant,
    /// When it gives up what cannot be written, once it goes down.
    give_up_at: Option<Instant>,
    /// Up to where others were asked to write, and when.
    hurried: (EventId, Instant),
    /// Up to where it waits for others to write, once it goes down.
    leaves_through: Option<EventId>,
}

impl Store {
    /// Writes until it is told to stop and everything is written.
    pub async fn run_journal(self, writer: Writer, feed: Feed, stop: CancellationToken) {
        let mut task = Task {
            store: self,
            writer,
            feed,
            waiting: VecDeque::new(),
            rests_until: Instant::now(),
            groups: 0,
            keep_due: Instant::now(),
            beat_due: Instant::now(),
            give_up_at: None,
            hurried: (EventId::ZERO, Instant::now()),
            leaves_through: None,
        };
        while let Some(group) = task.gather(&stop).await {
            let begin = Instant::now();
            if !group.is_empty() && !task.commit(group, &stop).await {
                break;
            }
            let took = begin.elapsed();
            metrics().journal_commit_seconds.observe(took.as_secs_f64());
            let pace = took * SHARE;
            task.rests_until = begin + pace.clamp(SHORTEST_PACE, LONGEST_PACE);
        }
        task.refuse_rest();
        task.leave().await;
        task.writer.close().await;
    }

    /// The oldest events that fit, and the id through which everything is durable once they are.
    pub(super) fn take_unwritten(&self) -> (Vec<Unwritten>, EventId) {
        let mut tail = lock(&self.shared.tail);
        if let Some(cluster) = &self.shared.cluster {
            // What another node has archived may have been folded here only now.
            let dropped = archive::drop_until(&mut tail.unwritten, cluster.archived());
            self.shared.unwritten_bytes.fetch_sub(dropped, Ordering::Relaxed);
        }
        let mut bytes = 0;
        let count = tail.unwritten.iter().take(GROUP).take_while(|unwritten| {
            bytes += unwritten.event.frame.bytes().len();
            bytes <= GROUP_BYTES
        });
        let mut count = count.count().max(1).min(tail.unwritten.len());
        if self.shared.cluster.is_some() {
            count = archive::whole_entries(&tail.unwritten, count);
        }
        // Looked at under the lock under which whatever is behind them came.
        let held_from = self.held_from();
        if let Some(held) = held_from {
            count = count.min(tail.unwritten.partition_point(|event| event.event.id < held));
        }
        let events: Vec<_> = tail.unwritten.drain(..count).collect();
        tail.being_written = count;
        tail.written_since = events.first().map(|event| event.event.at);
        if tail.unwritten.is_empty() && tail.unwritten.capacity() > 8 * GROUP {
            tail.unwritten.shrink_to(GROUP);
        }
        let through = match events.last() {
            Some(last) if !tail.unwritten.is_empty() => last.event.id,
            _ => EventId::from_u64(held_from.unwrap_or(tail.next).get() - 1).unwrap_or_default(),
        };
        (events, through)
    }
}

impl Group {
    fn is_empty(&self) -> bool {
        self.events.is_empty() && self.changes.is_empty()
    }
}

impl Task {
    /// The next group, once there is anything to write; nothing when it is time to end.
    async fn gather(&mut self, stop: &CancellationToken) -> Option<Group> {
        let shared = Arc::clone(&self.store.shared);
        let mut deadline = None;
        loop {
            let written = shared.unwritten.notified();
            self.receive_changes();
            self.beat().await;
            self.look_after_archive().await;
            let archives = self.archives();
            let count = if archives { lock(&shared.tail).unwritten.len() } else { 0 };
            let bytes = shared.unwritten_bytes.load(Ordering::Relaxed);
            let is_due = deadline.is_some_and(|at| at <= Instant::now());
            let in_a_hurry =
                is_enough(count, bytes) || is_due || stop.is_cancelled() || self.is_hurried();
            if self.may_change() || (count > 0 && in_a_hurry) {
                return Some(self.take_group());
            }
            if stop.is_cancelled() && self.has_waited_enough() {
                return None;
            }
            if count > 0 {
                let gathered = Instant::now() + shared.options.commit_interval;
                deadline.get_or_insert(gathered.max(self.rests_until));
            }
            let until = deadline.unwrap_or_else(Instant::now);
            tokio::select! {
                () = written => {}
                () = tokio::time::sleep_until(until), if count > 0 => {}
                () = tokio::time::sleep_until(self.keep_due), if !archives => {}
                () = tokio::time::sleep_until(self.beat_due), if self.store.cluster().is_some() => {}
                Some(change) = self.feed.changes.recv() => self.waiting.push_back(change),
                () = stop.cancelled(), if self.give_up_at.is_none() => {}
            }
        }
    }

    fn receive_changes(&mut self) {
        while let Ok(change) = self.feed.changes.try_recv() {
            self.waiting.push_back(change);
        }
    }

    /// The oldest events, as many as fit into a transaction, and the changes that may go with
    /// them: those whose barrier is durable, or will be by then.
    fn take_group(&mut self) -> Group {
        let (events, through) = self.take_events();
        let (changes, waiting) =
            self.waiting.drain(..).partition::<Vec<_>, _>(|change| change.barrier() <= through);
        self.waiting = waiting.into();
        self.groups += 1;
        let is_shared = self.store.cluster().is_some();
        Group {
            number: self.groups,
            events,
            changes,
            in_doubt: None,
            is_shared,
            refused: Vec::new(),
        }
    }

    /// Commits a group, however often it takes; false when the server goes down first.
    async fn commit(&mut self, mut group: Group, stop: &CancellationToken) -> bool {
        let mut delays = RETRY.delays();
        loop {
            let begin = Instant::now();
            let error = match commit::try_commit(&mut self.writer, &mut group).await {
                Ok(last) => {
                    self.committed(group, last, begin);
                    return true;
                }
                // Whoever was let go on commits meanwhile, and this waits for that.
                Err(error) if was_in_the_way(&error) => {
                    tracing::debug!(%error, "another node goes first");
                    continue;
                }
                Err(error) => error,
            };
            let trouble = error.to_string();
            let first = self.feed.health.send_replace(Health { trouble: Some(trouble.clone()) });
            if first.trouble.is_none() {
                tracing::error!(%error, events = group.events.len(), "the database takes no writes");
            }
            self.writer.lose();
            self.lost_writer();
            // While it may have happened nobody is told that it did not: it would be done again.
            if group.in_doubt.is_none() {
                self.refuse_impatient(&mut group, &trouble);
            }
            self.give_back(&mut group);
            self.rejoin().await;
            let delay = delays.next().unwrap_or(Duration::from_secs(1));
            let delay = if stop.is_cancelled() { delay.min(LAST_DELAY) } else { delay };
            self.pause(delay, &trouble, stop).await;
            // Not for each group anew: what was given back comes in the next one.
            if stop.is_cancelled() && Instant::now() >= self.tries_until() {
                let lost = self.store.not_durable();
                tracing::error!(lost, "going down with events that the database did not take");
                group.changes.into_iter().for_each(|change| change.fail(JournalError::Stopped));
                return false;
            }
        }
    }

    fn committed(&self, group: Group, last: Option<EventId>, begin: Instant) {
        let before = self.feed.health.send_replace(Health::default());
        if before.trouble.is_some() {
            tracing::info!("the database takes writes again");
        }
        if let Some(last) = last {
            let bytes =
                group.events.iter().map(|unwritten| unwritten.event.frame.bytes().len()).sum();
            let shared = &self.store.shared;
            shared.unwritten_bytes.fetch_sub(bytes, Ordering::Relaxed);
            {
                let mut tail = lock(&shared.tail);
                (tail.being_written, tail.written_since) = (0, None);
            }
            self.durable_through(last);
            note_commit(&group.events, begin.elapsed());
            shared.room.notify_waiters();
        }
        group.changes.into_iter().for_each(Waiting::succeed);
    }

    fn refuse_impatient(&mut self, group: &mut Group, trouble: &str) {
        let (patient, impatient) =
            group.changes.drain(..).partition::<Vec<_>, _>(|change| change.is_patient());
        group.changes = patient;
        for change in impatient {
            change.fail(JournalError::Unavailable(trouble.into()));
        }
    }

    /// Waits before the next try, answering meanwhile who cannot wait for it.
    async fn pause(&mut self, delay: Duration, trouble: &str, stop: &CancellationToken) {
        let over = tokio::time::sleep(delay);
        tokio::pin!(over);
        loop {
            tokio::select! {
                () = &mut over => return,
                Some(change) = self.feed.changes.recv() => {
                    if change.is_patient() {
                        self.waiting.push_back(change);
                    } else {
                        change.fail(JournalError::Unavailable(trouble.into()));
                    }
                }
                () = stop.cancelled(), if delay > LAST_DELAY => return,
            }
        }
    }

    fn refuse_rest(&mut self) {
        self.feed.changes.close();
        while let Ok(change) = self.feed.changes.try_recv() {
            self.waiting.push_back(change);
        }
        self.waiting.drain(..).for_each(|change| change.fail(JournalError::Stopped));
    }
}

#[cfg(test)]
mod tests;
