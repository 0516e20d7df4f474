//! The event store: the only place where ids are given out.
//!
//! In memory, one [`Log`] a job. An append is decided by [`accept`], gets its id, is published and
//! raises the head in one step; then it wakes the job's followers. The [`Journal`] commits it to
//! the database afterwards, so that no reader waits for a disk.

pub mod accept;
mod append;
pub mod cluster;
mod figures;
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
pub use append::Appended;
pub use cluster::{Cluster, OutOfReach};
pub use follow::{Follower, Gap, Next};
pub use journal::{Journal, JournalError};
pub use log::{Log, Look, Page, Standing, Watch};
pub use merge::{Merge, Merged};
pub use snapshot::Snapshot;

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::atomic::Ordering;
use std::sync::{Arc, OnceLock, PoisonError};
use std::time::Duration;

use crate::db::epochs::Epochs;
use crate::db::{Db, DbError};
use crate::event::{Cursor, EventId};
use crate::job::{Job, JobId, State};
use crate::sync::{AtomicU64, AtomicUsize, Mutex, MutexGuard, Notify};

use journal::Unwritten;
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
    /// The newest published id.
    newest: AtomicU64,
    /// From where on events are missing here, of jobs whose rows are waited for; 0 while none are.
    held_from: AtomicU64,
    tail: Mutex<Tail>,
    /// Jobs of a cluster whose ends are being told.
    announcing: Mutex<HashSet<JobId>>,
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
    /// The other nodes; nothing where this one is alone.
    cluster: Option<Cluster>,
    /// Who hears of appends besides the followers; a log names them by their place.
    listeners: OnceLock<Vec<Arc<dyn Listener>>>,
}

/// What the process-wide lock guards: the next id, and the order in which ids were given out.
#[derive(Debug)]
struct Tail {
    next: EventId,
    unwritten: VecDeque<Unwritten>,
    /// How many were taken from there that are not in the database yet.
    being_written: usize,
    /// When the first of those was made, in UTC milliseconds.
    written_since: Option<i64>,
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
        Self::build(db, epochs, options, journal, (head, first), None)
    }

    /// A store that folds the log of a cluster, which has given out the ids of this epoch.
    #[must_use]
    pub fn among(
        db: Db,
        epochs: Epochs,
        options: Options,
        journal: Journal,
        cluster: Cluster,
    ) -> Self {
        let head = cluster.archived();
        Self::build(db, epochs, options, journal, (head, head.next()), Some(cluster))
    }

    fn build(
        db: Db,
        epochs: Epochs,
        options: Options,
        journal: Journal,
        (head, next): (EventId, EventId),
        cluster: Option<Cluster>,
    ) -> Self {
        Self {
            shared: Arc::new(Shared {
                db,
                options,
                epochs,
                newest: AtomicU64::new(head.get()),
                held_from: AtomicU64::new(0),
                tail: Mutex::new(Tail {
                    next,
                    unwritten: VecDeque::new(),
                    being_written: 0,
                    written_since: None,
                }),
                announcing: Mutex::default(),
                unwritten: Notify::new(),
                unwritten_bytes: AtomicUsize::new(0),
                room: Notify::new(),
                memory: AtomicUsize::new(0),
                tight: Notify::new(),
                logs: Mutex::default(),
                projects: Mutex::default(),
                loading: tokio::sync::Mutex::default(),
                journal,
                cluster,
                listeners: OnceLock::new(),
            }),
        }
    }

    /// The other nodes; nothing where this one is alone.
    #[must_use]
    pub fn cluster(&self) -> Option<&Cluster> {
        self.shared.cluster.as_ref()
    }

    /// Who runs the jobs that run here: the number of this node, or the epoch of a server that is
    /// alone.
    #[must_use]
    pub fn runner(&self) -> i64 {
        self.cluster().map_or_else(|| i64::from(self.epoch()), Cluster::runner)
    }

    /// Whether it is here that things are done which are done once for all: always, unless another
    /// node of a cluster does them.
    #[must_use]
    pub fn keeps(&self) -> bool {
        self.cluster().is_none_or(Cluster::keeps)
    }

    /// Whether nothing can be appended at the moment, for the log of the cluster is out of reach.
    #[must_use]
    pub fn is_degraded(&self) -> bool {
        self.cluster().is_some_and(Cluster::is_degraded)
    }

    /// Waits until an event is here that a reader has seen, on another node of a cluster.
    ///
    /// # Errors
    /// [`OutOfReach`]: whether there is such an event cannot be told. To say that it is ahead of everything
    /// would be a gap that is none.
    ///
    /// # Cancel safety
    /// Safe: it only waits.
    pub async fn reach(&self, cursor: Cursor) -> Result<(), OutOfReach> {
        let (Some(cluster), Cursor::At(id)) = (self.cluster(), cursor) else { return Ok(()) };
        if id <= self.newest() {
            return Ok(());
        }
        cluster.reach(id).await
    }

    /// Waits until everything is here that was appended by now, on whatever node of a cluster.
    ///
    /// # Errors
    /// [`OutOfReach`]: it is not, so what is missing here may be elsewhere.
    ///
    /// # Cancel safety
    /// Safe: it only waits.
    pub async fn catch_up(&self) -> Result<(), OutOfReach> {
        let Some(cluster) = self.cluster() else { return Ok(()) };
        cluster.catch_up().await?;
        if self.is_holding() { Err(OutOfReach) } else { Ok(()) }
    }

    /// The newest published id of the whole store: every event up to it is here.
    #[must_use]
    pub fn head(&self) -> EventId {
        // First the newest: what is held from later on is behind it.
        let newest = self.newest();
        match self.held_from() {
            None => newest,
            Some(first) => newest.min(EventId::from_u64(first.get() - 1).unwrap_or_default()),
        }
    }

    /// The newest published id, even if events of other jobs before it wait for their rows.
    fn newest(&self) -> EventId {
        EventId::from_u64(self.shared.newest.load(Ordering::Acquire)).unwrap_or_default()
    }

    /// Notes that everything up to an event is here although it was not published here.
    fn has_through(&self, id: EventId) {
        let _tail = lock(&self.shared.tail);
        self.shared.newest.fetch_max(id.get(), Ordering::AcqRel);
    }

    /// From where on events are missing here, of jobs whose rows are waited for.
    fn held_from(&self) -> Option<EventId> {
        EventId::from_u64(self.shared.held_from.load(Ordering::Acquire)).filter(|id| id.get() > 0)
    }

    /// Whether events are missing here, of jobs whose rows are waited for.
    fn is_holding(&self) -> bool {
        self.held_from().is_some()
    }

    /// Notes from where on events are missing here, or that none are.
    fn hold_from(&self, first: Option<EventId>) {
        self.shared.held_from.store(first.map_or(0, EventId::get), Ordering::Release);
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
            // Boxed: it is large, and seldom.
            None => Box::pin(self.load(job)).await,
        }
    }
}

#[cfg(all(test, feature = "shuttle"))]
pub(crate) mod interleavings;
#[cfg(test)]
mod tests;
