//! The event store: the only place where ids are given out.
//!
//! In memory, one [`Log`] a job. An append is decided by [`accept`], gets its id, is published and
//! raises the head in one step; then it wakes the job's followers. The [`Journal`] commits it to
//! the database afterwards, so that no reader waits for a disk.

pub mod accept;
pub mod follow;
pub mod journal;
pub mod load;
pub mod log;
pub mod merge;
pub mod project;
pub mod read;
pub mod retention;
pub mod snapshot;

pub use accept::{ProducerSeq, Proposal, Refusal, Source};
pub use follow::{Follower, Gap, Next};
pub use journal::{Journal, JournalError};
pub use log::{Log, Look, Page, Standing, Watch};
pub use merge::{Merge, Merged};
pub use snapshot::Snapshot;

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::Ordering;
use std::sync::{Arc, OnceLock, PoisonError};
use std::time::Duration;

use crate::db::epochs::Epochs;
use crate::db::{Db, DbError};
use crate::event::{Event, EventId};
use crate::job::state::count_producer;
use crate::job::{Fact, Job, JobId, State};
use crate::sync::{AtomicU64, AtomicUsize, Mutex, MutexGuard, Notify};

use accept::Verdict;
use journal::Unwritten;
use log::Inner as LogInner;
use project::Project;

/// Bounds of the store.
#[derive(Clone, Debug)]
pub struct Options {
    /// What all logs together may take in memory, in bytes.
    pub memory_limit: usize,
    /// What may wait for the database, in bytes; past it ingest and workers wait.
    pub journal_limit: usize,
    /// How long a finished log stays in memory.
    pub memory_retention: Duration,
    /// How long the events of a finished job stay in the database.
    pub database_retention: Duration,
    /// How long the journal gathers events before it commits them; longer where there are many.
    pub commit_interval: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            memory_limit: 512 << 20,
            journal_limit: 128 << 20,
            memory_retention: Duration::from_secs(300),
            database_retention: Duration::from_secs(30 * 24 * 3600),
            commit_interval: Duration::from_millis(5),
        }
    }
}

/// Serves many readers of logs by itself, and hears of each append to a log that it has readers of.
pub trait Listener: std::fmt::Debug + Send + Sync {
    /// Something was appended since the listener last looked. Called with no lock held; it is told
    /// once, until it says [`Log::looked`].
    fn appended(&self, log: &Arc<Log>);
}

/// A handle on the event store; cheap to clone.
#[derive(Clone, Debug)]
pub struct Store {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    db: Db,
    options: Options,
    epochs: Epochs,
    /// The newest published id of the whole store.
    head: AtomicU64,
    tail: Mutex<Tail>,
    /// Tells the journal that there is something to write.
    unwritten: Notify,
    /// What waits for the database, in bytes.
    unwritten_bytes: AtomicUsize,
    /// Tells those who wait for room that there is some.
    room: Notify,
    /// What all logs take in memory, in bytes.
    memory: AtomicUsize,
    /// Tells retention that memory has reached its bound.
    tight: Notify,
    logs: Mutex<HashMap<JobId, Arc<Log>>>,
    projects: Mutex<HashMap<String, Arc<Project>>>,
    /// Held while a log is loaded or evicted, so that no two of one job exist.
    loading: tokio::sync::Mutex<()>,
    journal: Journal,
    /// Who hears of appends besides the followers; a log names them by their place.
    listeners: OnceLock<Vec<Arc<dyn Listener>>>,
}

/// What the process-wide lock guards: the next id, and the order in which ids were given out.
#[derive(Debug)]
struct Tail {
    next: EventId,
    unwritten: VecDeque<Unwritten>,
}

/// What an append did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Appended {
    /// The job's newest event afterwards.
    pub last: EventId,
    /// How many became events.
    pub admitted: u32,
    /// How many were known already.
    pub ignored: u32,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Store {
    /// A store that gives out the ids of this epoch; nothing is in memory yet.
    #[must_use]
    pub fn new(db: Db, epochs: Epochs, options: Options, journal: Journal) -> Self {
        let first = EventId::new(epochs.current(), 1).expect("the epoch was checked at its begin");
        let head = EventId::new(epochs.current(), 0).expect("the epoch was checked at its begin");
        Self {
            shared: Arc::new(Shared {
                db,
                options,
                epochs,
                head: AtomicU64::new(head.get()),
                tail: Mutex::new(Tail { next: first, unwritten: VecDeque::new() }),
                unwritten: Notify::new(),
                unwritten_bytes: AtomicUsize::new(0),
                room: Notify::new(),
                memory: AtomicUsize::new(0),
                tight: Notify::new(),
                logs: Mutex::default(),
                projects: Mutex::default(),
                loading: tokio::sync::Mutex::default(),
                journal,
                listeners: OnceLock::new(),
            }),
        }
    }

    /// The newest published id of the whole store.
    #[must_use]
    pub fn head(&self) -> EventId {
        EventId::from_u64(self.shared.head.load(Ordering::Acquire)).unwrap_or_default()
    }

    /// The epoch of this process.
    #[must_use]
    pub fn epoch(&self) -> u32 {
        self.shared.epochs.current()
    }

    /// What commits this store's events.
    #[must_use]
    pub fn journal(&self) -> &Journal {
        &self.shared.journal
    }

    /// The database behind the store.
    #[must_use]
    pub fn db(&self) -> &Db {
        &self.shared.db
    }

    /// What all logs take in memory, in bytes.
    #[must_use]
    pub fn memory(&self) -> usize {
        self.shared.memory.load(Ordering::Relaxed)
    }

    /// Whether the logs take more than they may: new jobs are then refused.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.memory() > self.shared.options.memory_limit
    }

    /// Appends events to a job's log, all of them before anybody reads one, and wakes the job's
    /// followers before it returns.
    ///
    /// # Errors
    /// The refusal of the first event that was not admitted; the ones before it were.
    pub fn append(
        &self,
        log: &Arc<Log>,
        proposals: impl IntoIterator<Item = Proposal>,
    ) -> Result<Appended, Refusal> {
        let (appended, refused) = self.append_some(log, proposals);
        refused.map_or(Ok(appended), Err)
    }

    /// The same, for those who have to know how many there were before the one that was refused.
    pub fn append_some(
        &self,
        log: &Arc<Log>,
        proposals: impl IntoIterator<Item = Proposal>,
    ) -> (Appended, Option<Refusal>) {
        let mut appended = Appended::default();
        let mut refused = None;
        let ended;
        {
            let mut inner = log.lock();
            let weight = inner.state.weight();
            let mut cost = 0;
            for proposal in proposals {
                match accept::accept(&inner.state, &proposal) {
                    Verdict::Admit => {
                        cost += self.publish(log, &mut inner, proposal);
                        appended.admitted += 1;
                    }
                    Verdict::Ignore => appended.ignored += 1,
                    Verdict::Refuse(refusal) => {
                        refused = Some(refusal);
                        break;
                    }
                }
            }
            appended.last = log.last();
            ended = inner.state.end.is_some();
            if appended.admitted > 0 {
                inner.used_at = tokio::time::Instant::now();
                self.count_memory(cost + inner.state.weight().saturating_sub(weight));
            }
        }
        if appended.admitted > 0 {
            log.wake.notify_waiters();
            self.tell_listeners(log);
            if ended {
                log.over.notify_waiters();
            }
            if log.project.followers.load(Ordering::Relaxed) > 0 {
                log.project.wake.notify_waiters();
            }
        }
        (appended, refused)
    }

    /// The one step: the id is taken, the frame is in its log and the head is raised under one
    /// lock. A reader that sees the head sees every event up to it. Gives what it costs in memory.
    fn publish(&self, log: &Arc<Log>, inner: &mut LogInner, proposal: Proposal) -> usize {
        let Proposal { fact, draft, producer, source, .. } = proposal;
        let at = draft.at();
        note(inner, &fact, producer.as_ref(), at);
        let percent =
            if let Fact::Progress(progress) = &fact { Some(progress.percent) } else { None };
        let row = shows_in_rows(source, &fact).then(|| Box::new(fact));
        let cost;
        let (size, bytes, count);
        {
            let mut tail = lock(&self.shared.tail);
            let id = tail.next;
            tail.next = id.next();
            let event = Event { id, at, frame: Arc::new(draft.seal(id)) };
            // Before the journal can see the event, or it could subtract what was not added yet.
            size = event.frame.bytes().len();
            bytes = self.shared.unwritten_bytes.fetch_add(size, Ordering::Relaxed) + size;
            let (log_too, event_too) = (Arc::clone(log), event.clone());
            let event_too = Unwritten { log: log_too, event: event_too, row, percent, producer };
            tail.unwritten.push_back(event_too);
            count = tail.unwritten.len();
            cost = log.push(inner, event);
            self.shared.head.store(id.get(), Ordering::Release);
        }
        // At the first, and at the one that makes it enough: the journal looks by itself then.
        let is_enough = journal::is_enough;
        if count == 1 || (is_enough(count, bytes) && !is_enough(count - 1, bytes - size)) {
            self.shared.unwritten.notify_one();
        }
        cost
    }

    /// Counts what a log has grown by, and tells retention when that passes the bound.
    fn count_memory(&self, grown: usize) {
        let limit = self.shared.options.memory_limit;
        let used = self.shared.memory.fetch_add(grown, Ordering::Relaxed);
        if used <= limit && used + grown > limit {
            self.shared.tight.notify_one();
        }
    }

    /// Names those who hear of appends besides followers, at most 32 of them; a log knows each by
    /// its place in the list. Once, before any log has one.
    pub fn set_listeners(&self, listeners: Vec<Arc<dyn Listener>>) {
        assert!(listeners.len() <= 32, "a log has a bit for each");
        self.shared.listeners.set(listeners).expect("listeners are set once, at the start");
    }

    /// Tells each listener with readers of this log, once until it looks.
    fn tell_listeners(&self, log: &Arc<Log>) {
        let mut places = log.to_tell();
        while places != 0 {
            let place = places.trailing_zeros();
            places &= places - 1;
            let listeners = self.shared.listeners.get();
            if let Some(listener) = listeners.and_then(|all| all.get(place as usize)) {
                listener.appended(log);
            }
        }
    }

    /// Waits until the journal has room for more events.
    ///
    /// # Cancel safety
    /// Safe: it only waits.
    pub async fn room(&self) {
        loop {
            let room = self.shared.room.notified();
            if self.has_room() {
                return;
            }
            room.await;
        }
    }

    /// Whether the journal has room for more events.
    #[must_use]
    pub fn has_room(&self) -> bool {
        self.shared.unwritten_bytes.load(Ordering::Relaxed) < self.shared.options.journal_limit
    }

    /// The log of a job that was submitted this moment: nothing of it can be in the database.
    #[must_use]
    pub fn create(&self, job: &Job) -> Arc<Log> {
        self.insert(job, State::new())
    }

    /// Adds a log, unless there is one: then that.
    fn insert(&self, job: &Job, state: State) -> Arc<Log> {
        let project = self.project(&job.project_id);
        let mut logs = lock(&self.shared.logs);
        if let Some(log) = logs.get(&job.id) {
            return Arc::clone(log);
        }
        let log = Arc::new(Log::new(job, state, project));
        self.shared.memory.fetch_add(log.lock().weight(), Ordering::Relaxed);
        // The project has it before anybody can find it and append: see `Merge::next`.
        let mut siblings = lock(&log.project.logs);
        // Not at each one: a project may have ten thousand that wait.
        if siblings.len() == siblings.capacity() {
            siblings.retain(|log| log.strong_count() > 0);
        }
        siblings.push(Arc::downgrade(&log));
        drop(siblings);
        logs.insert(job.id.clone(), Arc::clone(&log));
        log
    }

    fn project(&self, name: &str) -> Arc<Project> {
        let mut projects = lock(&self.shared.projects);
        if let Some(project) = projects.get(name) {
            return Arc::clone(project);
        }
        let project = Arc::new(Project::new(name));
        projects.insert(name.into(), Arc::clone(&project));
        project
    }

    /// The log of a job, if it is in memory.
    #[must_use]
    pub fn find(&self, job: &JobId) -> Option<Arc<Log>> {
        lock(&self.shared.logs).get(job).cloned()
    }

    /// Logs with at least one follower.
    #[must_use]
    pub fn watched(&self) -> Vec<Arc<Log>> {
        let logs = lock(&self.shared.logs);
        logs.values().filter(|log| log.follower_count() > 0).cloned().collect()
    }

    /// The log of a job, loaded from the database if it is not in memory; nothing for an unknown
    /// job.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn open(&self, job: &JobId) -> Result<Option<Arc<Log>>, DbError> {
        match self.find(job) {
            Some(log) => {
                log.lock().used_at = tokio::time::Instant::now();
                Ok(Some(log))
            }
            None => self.load(job).await,
        }
    }
}

/// Whether the journal writes what an event says into rows. Progress that was read there is not
/// written back: the program that keeps it may have moved it on meanwhile.
const fn shows_in_rows(source: Source, fact: &Fact) -> bool {
    match fact {
        Fact::Content(_) | Fact::Other => false,
        Fact::Progress(_) => !matches!(source, Source::Database),
        Fact::Status { .. } | Fact::ArtifactReady(_) | Fact::TtsCompleted { .. } | Fact::End(_) => {
            true
        }
    }
}

/// Folds a fact into a log's state.
fn note(inner: &mut LogInner, fact: &Fact, producer: Option<&ProducerSeq>, at: i64) {
    if let Fact::Status { status: crate::job::Status::Running, attempt } = fact
        && *attempt > inner.state.attempt
    {
        inner.started_at = Some(at);
    }
    inner.state.apply(fact);
    if let Some(seq) = producer {
        count_producer(&mut inner.state.producers, &seq.producer, seq.seq);
    }
}

#[cfg(all(test, feature = "shuttle"))]
pub(crate) mod interleavings;
#[cfg(test)]
mod tests;
