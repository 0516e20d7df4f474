//! The log of one job: its newest events in memory, with the state that they fold to.

mod page;

use std::collections::VecDeque;
use std::pin::pin;
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use tokio::time::Instant;

use crate::event::payload::Progress;
use crate::event::{Event, EventId};
use crate::job::{ArtifactId, Job, JobId, Kind, State, Status, StoredArtifact};
use crate::sync::{AtomicU32, AtomicU64, Mutex, MutexGuard, Notify};

use super::project::Project;

pub use page::{Look, Page};

/// What an event costs in memory beyond its bytes: its entry, its shared frame, its allocations.
const EVENT_OVERHEAD: usize = 176;

/// One job's events.
///
/// Everything above `floor` is in `entries`; everything up to it is in the database and is read
/// back on demand. A reader holds a position and nothing else.
#[derive(Debug)]
pub struct Log {
    /// Whose events.
    pub job: JobId,
    /// What the job makes.
    pub kind: Kind,
    /// Whether a narration is part of the job.
    pub has_voiceover: bool,
    /// Whom the job waits for; nothing for one that others run.
    pub lane: Option<Box<str>>,
    /// When it was submitted, in UTC milliseconds.
    pub created_at: i64,
    /// The project, for those who follow all of its jobs.
    pub project: Arc<Project>,
    /// Events up to here were given up by retention.
    trimmed: AtomicU64,
    /// The newest event, readable without the lock.
    tail: AtomicU64,
    /// How many followers there are: only watched jobs are looked up in the database.
    followers: AtomicU32,
    /// Its place among the jobs that wait for the same provider, from 1; 0 when not known.
    position: AtomicU32,
    /// Wakes the followers; one call per append, whatever their number.
    pub(super) wake: Notify,
    /// Wakes those who wait for the end and nothing else.
    pub(super) over: Notify,
    /// The listeners that have readers of this log, a bit each.
    heard_by: AtomicU32,
    /// Of these, the ones that were told of an append and have not looked since.
    told: AtomicU32,
    /// What the database shows while no event can come, see [`Log::set_aside`].
    aside: Mutex<Aside>,
    /// Held in a cluster by whoever of this node proposes events of the job.
    pub(super) proposing: tokio::sync::Mutex<()>,
    inner: Mutex<Inner>,
}

/// What the lock of a log guards.
#[derive(Debug)]
pub(super) struct Inner {
    /// What the events fold to.
    pub(super) state: State,
    /// The events in memory, in order.
    entries: VecDeque<Event>,
    /// Everything up to here is in the database only.
    floor: EventId,
    /// What `entries` takes.
    bytes: usize,
    /// When the current attempt started, in UTC milliseconds.
    pub(super) started_at: Option<i64>,
    /// When the log last grew or was opened: an idle one may leave memory.
    pub(super) used_at: Instant,
    /// When the database first showed an end that has no event yet.
    end_seen_at: Option<Instant>,
}

/// What the database shows of a job while its events are out of reach.
#[derive(Debug, Default)]
struct Aside {
    /// How often it has changed.
    count: u32,
    frame: Bytes,
}

/// What a log tells about itself in one look.
#[derive(Clone, Debug)]
pub struct Standing {
    /// Where the job is in its life.
    pub status: Status,
    /// Which run is current.
    pub attempt: u32,
    /// The job's newest event.
    pub last: EventId,
    /// Whether the terminal event is published.
    pub ended: bool,
    /// How far the job is, in percent.
    pub percent: u8,
    /// When the current attempt started, in UTC milliseconds.
    pub started_at: Option<i64>,
}

impl Log {
    /// The log of a job whose events so far, if any, are all in the database.
    pub(super) fn new(job: &Job, state: State, project: Arc<Project>) -> Self {
        Self {
            job: job.id.clone(),
            kind: job.kind,
            has_voiceover: job.has_voiceover(),
            lane: job.lane.as_deref().map(Into::into),
            created_at: job.created_at,
            project,
            trimmed: AtomicU64::new(job.trimmed_through.get()),
            tail: AtomicU64::new(job.last_event_id.get()),
            followers: AtomicU32::new(0),
            position: AtomicU32::new(0),
            wake: Notify::new(),
            over: Notify::new(),
            heard_by: AtomicU32::new(0),
            told: AtomicU32::new(0),
            aside: Mutex::default(),
            proposing: tokio::sync::Mutex::default(),
            inner: Mutex::new(Inner {
                state,
                entries: VecDeque::new(),
                floor: job.last_event_id,
                bytes: 0,
                started_at: job.started_at,
                used_at: Instant::now(),
                end_seen_at: None,
            }),
        }
    }

    /// A panic while the lock is held would be a bug in code that only moves values; the log is
    /// still whole, and other jobs must not suffer for it.
    pub(super) fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The job's newest event; zero when there is none.
    #[must_use]
    pub fn last(&self) -> EventId {
        EventId::from_u64(self.tail.load(Ordering::Acquire)).unwrap_or_default()
    }

    /// Events up to here were given up by retention; zero while all are kept.
    #[must_use]
    pub fn trimmed_through(&self) -> EventId {
        EventId::from_u64(self.trimmed.load(Ordering::Acquire)).unwrap_or_default()
    }

    pub(super) fn set_trimmed_through(&self, through: EventId) {
        self.trimmed.store(through.get(), Ordering::Release);
    }

    /// What the log knows of its job, in one look.
    #[must_use]
    pub fn standing(&self) -> Standing {
        let inner = self.lock();
        Standing {
            status: inner.state.status,
            attempt: inner.state.attempt,
            last: self.last(),
            ended: inner.state.end.is_some(),
            percent: inner.state.progress.percent,
            started_at: inner.started_at,
        }
    }

    /// How far the job is, as its readers were told.
    #[must_use]
    pub fn progress(&self) -> Progress {
        self.lock().state.progress.clone()
    }

    /// Waits until the terminal event is published; gives the job's last status.
    ///
    /// # Cancel safety
    /// Safe: it only waits.
    pub async fn ended(&self) -> Status {
        loop {
            // Registered before looking: an end in between is not slept through.
            let mut woken = pin!(self.over.notified());
            woken.as_mut().enable();
            let standing = self.standing();
            if standing.ended {
                return standing.status;
            }
            woken.await;
        }
    }

    /// The last `producer_seq` of a producer; 0 for one that has not counted yet.
    #[must_use]
    pub fn last_of_producer(&self, producer: &str) -> u64 {
        self.lock().state.last_of_producer(producer)
    }

    /// A file of the job that readers have been told of.
    #[must_use]
    pub fn artifact(&self, id: &ArtifactId) -> Option<StoredArtifact> {
        self.lock().state.artifacts.iter().find(|stored| stored.id == *id).cloned()
    }

    /// The job's place in the queue, from 1, while it waits and somebody has looked.
    #[must_use]
    pub fn position(&self) -> Option<u32> {
        let position = self.position.load(Ordering::Relaxed);
        (position > 0 && self.lock().state.status == Status::Pending).then_some(position)
    }

    /// Notes the job's place in the queue for those who watch it.
    pub fn set_position(&self, position: u32) {
        self.position.store(position, Ordering::Relaxed);
    }

    /// Notes that the database shows an end; gives how long ago it was first seen.
    pub fn note_end_seen(&self) -> Duration {
        self.lock().end_seen_at.get_or_insert_with(Instant::now).elapsed()
    }

    /// How many followers there are.
    #[must_use]
    pub fn follower_count(&self) -> u32 {
        self.followers.load(Ordering::Relaxed)
    }

    /// Counts a follower for as long as the guard lives.
    #[must_use]
    pub fn watch(self: &Arc<Self>) -> Watch {
        self.followers.fetch_add(1, Ordering::Relaxed);
        Watch { log: Arc::clone(self) }
    }

    /// Shows the followers, once each, what the database has of the job while its events are out of
    /// reach. It is no event: no position moves by it.
    pub fn set_aside(&self, frame: Bytes) {
        {
            let mut aside = self.aside.lock().unwrap_or_else(PoisonError::into_inner);
            if aside.frame == frame {
                return;
            }
            aside.count += 1;
            aside.frame = frame;
        }
        self.wake.notify_waiters();
    }

    /// How often something was set aside.
    #[must_use]
    pub fn asides(&self) -> u32 {
        self.aside.lock().unwrap_or_else(PoisonError::into_inner).count
    }

    /// What is set aside, unless a follower has had it; notes that it has.
    pub fn aside(&self, seen: &mut u32) -> Option<Bytes> {
        let aside = self.aside.lock().unwrap_or_else(PoisonError::into_inner);
        let is_news = aside.count > *seen;
        *seen = aside.count;
        is_news.then(|| aside.frame.clone())
    }

    /// Takes over what the database has of the job, where events were missed: up to `last` they are
    /// there. Gives whether the log has ended; nothing where it is not behind.
    pub(super) fn catch_up(&self, job: &Job, state: State) -> Option<bool> {
        let mut inner = self.lock();
        if job.last_event_id <= self.last() {
            return None;
        }
        inner.state = state;
        inner.started_at = job.started_at;
        inner.entries.clear();
        inner.bytes = 0;
        inner.floor = job.last_event_id;
        self.tail.store(job.last_event_id.get(), Ordering::Release);
        self.set_trimmed_through(job.trimmed_through);
        Some(inner.state.end.is_some())
    }

    /// Publishes an event that has its id. Called with the id's lock held.
    pub(super) fn push(&self, inner: &mut Inner, event: Event) -> usize {
        let cost = event.frame.bytes().len() + EVENT_OVERHEAD;
        inner.bytes += cost;
        self.tail.store(event.id.get(), Ordering::Release);
        inner.entries.push_back(event);
        cost
    }

    /// When the newest event was made that is in memory, or the current attempt started; in UTC
    /// milliseconds.
    #[must_use]
    pub fn last_at(&self) -> Option<i64> {
        let inner = self.lock();
        inner.entries.back().map(|event| event.at).or(inner.started_at)
    }

    /// From now on a listener hears of every append, until it is told otherwise. What it does not
    /// find when it looks after this call, it will hear of.
    pub fn hear(&self, listener: u32, hears: bool) {
        if hears {
            self.heard_by.fetch_or(1 << listener, Ordering::SeqCst);
        } else {
            self.heard_by.fetch_and(!(1 << listener), Ordering::SeqCst);
            self.looked(listener);
        }
    }

    /// A listener is about to look: what is appended from now on, it has to be told of again.
    pub fn looked(&self, listener: u32) {
        self.told.fetch_and(!(1 << listener), Ordering::SeqCst);
    }

    /// The listeners that have to be told of an append, each once until it looks.
    pub(super) fn to_tell(&self) -> u32 {
        let heard_by = self.heard_by.load(Ordering::SeqCst);
        if heard_by == 0 {
            return 0;
        }
        heard_by & !self.told.fetch_or(heard_by, Ordering::SeqCst)
    }
}

impl Inner {
    /// What the log takes in memory.
    pub(super) fn weight(&self) -> usize {
        self.bytes + self.state.weight()
    }

    /// Drops events that the database has, oldest first, until `excess` bytes are gone.
    pub(super) fn trim(&mut self, durable: EventId, excess: usize) -> usize {
        let mut freed = 0;
        while freed < excess
            && let Some(event) = self.entries.front()
            && event.id <= durable
        {
            freed += event.frame.bytes().len() + EVENT_OVERHEAD;
            self.floor = event.id;
            self.entries.pop_front();
        }
        self.bytes -= freed;
        if self.entries.is_empty() {
            self.entries.shrink_to_fit();
        }
        freed
    }
}

/// Counts as a follower of a log until it is dropped.
#[derive(Debug)]
pub struct Watch {
    log: Arc<Log>,
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.log.followers.fetch_sub(1, Ordering::Relaxed);
    }
}
