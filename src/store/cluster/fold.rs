//! Folding the log: the one place in a cluster where proposals become events.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio::time::Instant;

use crate::backoff::Policy;
use crate::event::EventId;
use crate::job::JobId;
use crate::nats::{Entries, Entry};
use crate::store::accept::ProducerSeq;
use crate::store::append::{Appended, Origin};
use crate::store::{Log, Store, lock};

use super::pulse::LATE;
use super::wire::{self, Batch};
use super::{Cluster, entry_of, first_id, last_id};

/// How many entries are folded between two looks at anything else.
const AT_ONCE: usize = 256;

/// How many logs are read again at a time.
const RELOAD: usize = 256;

/// How much may be held, in bytes of events; past it nothing more is read.
const MOST_HELD: usize = 64 << 20;

/// How long the others wait for a job that the database does not give.
const LOAD_LIMIT: Duration = Duration::from_secs(1);

/// How often it is asked for one again.
const LOOK_AGAIN: Duration = Duration::from_millis(200);

/// How a log or a database that does not answer is asked again, for ever.
const RETRY: Policy =
    Policy { first: Duration::from_millis(20), ceiling: Duration::from_millis(500), retries: None };

/// Jobs that the database was asked for, and the logs of those that there are.
type Found = (Vec<JobId>, Vec<Arc<Log>>);

/// What folds.
pub(super) struct Fold {
    store: Store,
    cluster: Cluster,
    /// Entries of jobs that the database does not give at the moment, for each in their order: others do
    /// not wait for them.
    held: BTreeMap<JobId, Vec<(u64, Batch)>>,
    held_bytes: usize,
    /// The logs of these jobs, where the database is being asked for them.
    asked: Option<JoinHandle<Option<Found>>>,
    /// When it is asked for these jobs again.
    look_due: Instant,
}

impl Fold {
    pub(super) fn new(store: Store, cluster: Cluster) -> Self {
        Self {
            store,
            cluster,
            held: BTreeMap::new(),
            held_bytes: 0,
            asked: None,
            look_due: Instant::now(),
        }
    }

    /// Folds what all nodes propose, for ever.
    pub(super) async fn run(mut self) {
        let mut delays = RETRY.delays();
        loop {
            match self.cluster.shared.log.entries(self.folded() + 1).await {
                Ok(mut entries) => {
                    while let Some(some) = self.next(&mut entries).await {
                        if !self.fold(some).await {
                            break;
                        }
                        delays = RETRY.delays();
                    }
                }
                Err(error) => tracing::debug!(%error, "cannot read the event log"),
            }
            tokio::time::sleep(delays.next().unwrap_or(RETRY.ceiling)).await;
        }
    }

    /// The next entries; looks meanwhile for the jobs that some are held for. Nothing when none come
    /// although there are some: a server that dies takes the consumer with it, and a client of its own
    /// notices that only half a minute later.
    async fn next(&mut self, entries: &mut Entries) -> Option<Vec<Entry>> {
        let began = Instant::now();
        loop {
            if began.elapsed() >= LATE && self.cluster.is_degraded() {
                return None;
            }
            let (is_asked, is_holding) = (self.asked.is_some(), !self.held.is_empty());
            tokio::select! {
                some = entries.next(AT_ONCE), if self.held_bytes < MOST_HELD => return some,
                () = tokio::time::sleep(LATE) => {}
                // Due by time: that others' entries come all the while is no reason to wait.
                () = tokio::time::sleep_until(self.look_due), if is_holding && !is_asked => {
                    self.ask();
                }
                asked = async { self.asked.as_mut().expect("it was asked").await }, if is_asked => {
                    self.asked = None;
                    self.look_due = Instant::now() + LOOK_AGAIN;
                    if let Ok(Some((jobs, logs))) = asked {
                        self.release(jobs, logs);
                    }
                }
            }
        }
    }

    fn folded(&self) -> u64 {
        *self.cluster.shared.folded.borrow()
    }

    /// Folds entries; not any further where some before them have to be read again.
    async fn fold(&mut self, entries: Vec<Entry>) -> bool {
        let read: Vec<_> = entries.iter().filter_map(read).collect();
        let jobs = read.iter().filter_map(|(_, batch)| Some(&batch.as_ref()?.0));
        let jobs = jobs.filter(|job| !self.held.contains_key(*job)).collect();
        let (logs, withheld) = self.logs_of(jobs).await;
        for (seq, batch) in read {
            let folded = self.folded();
            if seq <= folded {
                continue;
            }
            if seq > folded + 1 {
                // A consumer may skip what the log has.
                if !self.is_archived(seq - 1).await {
                    return false;
                }
                self.pass_over(seq).await;
            }
            if let Some((job, batch)) = batch {
                if self.held.contains_key(&job) || withheld.contains(&job) {
                    if batch.node == self.cluster.shared.node {
                        self.cluster.note_held(batch.count);
                    }
                    self.held_bytes += bytes_of(&batch);
                    self.held.entry(job).or_default().push((seq, batch));
                    self.note_held();
                } else if let Some(log) = logs.get(&job) {
                    self.fold_one(log, seq, batch);
                }
            }
            self.go_on(first_id(seq + 1));
            self.cluster.shared.folded.send_replace(seq);
        }
        true
    }

    /// Whether the database has everything up to an entry.
    async fn is_archived(&self, seq: u64) -> bool {
        match self.store.db().archived().await {
            Ok(through) => entry_of(through) >= seq,
            Err(error) => {
                tracing::debug!(%error, "cannot ask up to where events are archived");
                false
            }
        }
    }

    /// The next event's id will be this one at least.
    fn go_on(&self, next: EventId) {
        let mut tail = lock(&self.store.shared.tail);
        tail.next = tail.next.max(next);
    }

    fn fold_one(&self, log: &Arc<Log>, seq: u64, batch: Batch) {
        let Batch { node, count, proposals } = batch;
        let is_ours = node == self.cluster.shared.node;
        let put = ProducerSeq { producer: name_of(node), seq: count };
        let is_in = log.last_of_producer(&put.producer) >= count;
        if !is_in && entry_of(log.last()) < seq {
            let origin = Origin { first: first_id(seq), put };
            let outcome = self.store.take_in(log, proposals, Some(origin));
            if is_ours {
                self.cluster.answer(count, outcome);
            }
            return;
        }
        // It was put in twice, or the database had it already when the log was loaded: then readers of
        // several jobs learn only here that they may go on to it.
        self.store.has_through(log.last().min(last_id(seq)));
        self.store.wake(log, log.standing().ended);
        if is_in && is_ours {
            let admitted = u32::try_from(proposals.len()).unwrap_or(u32::MAX);
            self.cluster.answer(count, (Appended { last: log.last(), admitted, ignored: 0 }, None));
        }
    }

    /// The logs of some jobs, and the jobs that the database does not give at the moment. A job that it
    /// does not know has no log.
    async fn logs_of(&self, jobs: BTreeSet<&JobId>) -> (HashMap<JobId, Arc<Log>>, BTreeSet<JobId>) {
        let mut logs = HashMap::new();
        let mut missing = Vec::new();
        for job in jobs {
            match self.store.find(job) {
                Some(log) => drop(logs.insert(job.clone(), log)),
                None => missing.push(job.clone()),
            }
        }
        if missing.is_empty() {
            return (logs, BTreeSet::new());
        }
        if !self.held.is_empty() {
            // The database gives nothing at the moment. It is asked for all of them beside.
            return (logs, missing.into_iter().collect());
        }
        match tokio::time::timeout(LOAD_LIMIT, self.store.load_all(&missing)).await {
            Ok(Ok(loaded)) => {
                logs.extend(loaded.into_iter().map(|log| (log.job.clone(), log)));
                (logs, BTreeSet::new())
            }
            Ok(Err(error)) => {
                tracing::debug!(%error, "events wait for jobs that the database does not give");
                (logs, missing.into_iter().collect())
            }
            Err(_) => (logs, missing.into_iter().collect()),
        }
    }

    /// Asks the database for the jobs that entries are held for, beside the fold: others do not wait for it.
    fn ask(&mut self) {
        let (store, jobs) = (self.store.clone(), self.held.keys().cloned().collect::<Vec<_>>());
        self.asked = Some(tokio::spawn(async move {
            match store.load_all(&jobs).await {
                Ok(logs) => Some((jobs, logs)),
                Err(error) => {
                    tracing::debug!(%error, "events wait for jobs that the database does not give");
                    None
                }
            }
        }));
    }

    /// Folds what was held for these jobs. One that the database does not know has no log.
    fn release(&mut self, jobs: Vec<JobId>, logs: Vec<Arc<Log>>) {
        let logs: HashMap<_, _> = logs.into_iter().map(|log| (log.job.clone(), log)).collect();
        for job in jobs {
            for (seq, batch) in self.held.remove(&job).unwrap_or_default() {
                self.held_bytes -= bytes_of(&batch);
                let ours = (batch.node == self.cluster.shared.node).then_some(batch.count);
                if let Some(log) = logs.get(&job) {
                    self.fold_one(log, seq, batch);
                }
                ours.into_iter().for_each(|count| self.cluster.let_go(count));
            }
        }
        self.note_held();
    }

    /// Notes where the first event is that is held: no reader of several jobs goes past it, and nothing
    /// behind it is archived here.
    fn note_held(&self) {
        let first = self.held.values().filter_map(|entries| entries.first()).map(|(seq, _)| *seq);
        self.store.hold_from(first.min().map(first_id));
    }

    /// Goes on behind entries that were given up before this node has read them: the database has what
    /// became of them, and every log in memory is read again.
    async fn pass_over(&self, seq: u64) {
        tracing::info!(seq, "entries of the event log were given up before they were read here");
        let jobs: Vec<_> = lock(&self.store.shared.logs).keys().cloned().collect();
        let mut delays = RETRY.delays();
        for some in jobs.chunks(RELOAD) {
            while let Err(error) = self.store.reload(some).await {
                tracing::warn!(%error, "cannot read logs again yet");
                tokio::time::sleep(delays.next().unwrap_or(RETRY.ceiling)).await;
            }
        }
        self.go_on(first_id(seq));
        self.store.has_through(last_id(seq - 1));
        self.cluster.shared.folded.send_replace(seq - 1);
        self.answer_by_state();
    }

    /// Answers those whose entries were passed over, by what the database has of them.
    fn answer_by_state(&self) {
        let mut waiting = lock(&self.cluster.shared.waiting);
        let known: Vec<_> = waiting
            .iter()
            .filter_map(|(count, waiting)| {
                let log = self.store.find(&waiting.job)?;
                let is_in = log.last_of_producer(&self.cluster.shared.name) >= *count;
                is_in.then(|| (*count, log.last(), waiting.proposed))
            })
            .collect();
        for (count, last, admitted) in known {
            if let Some(waiting) = waiting.remove(&count) {
                let appended = Appended { last, admitted, ignored: 0 };
                drop(waiting.answer.send((appended, None)));
            }
        }
    }
}

/// The number of an entry, with its job and what was proposed, where that can be read.
fn read(entry: &Entry) -> Option<(u64, Option<(JobId, Batch)>)> {
    let batch = match (entry.subject.parse::<JobId>(), wire::decode(&entry.payload)) {
        (Ok(job), Ok(batch)) => Some((job, batch)),
        (job, batch) => {
            let (seq, subject) = (entry.seq, &entry.subject);
            let why = job.err().map(|error| error.to_string());
            let why = why.or_else(|| Some(batch.err()?.to_string())).unwrap_or_default();
            tracing::error!(seq, subject, why, "an entry of the event log is left out");
            None
        }
    };
    Some((entry.seq, batch))
}

fn bytes_of(batch: &Batch) -> usize {
    batch.proposals.iter().map(|proposal| proposal.draft.len()).sum()
}

/// A node as a producer of entries: no producer of events has so long a name.
pub(super) fn name_of(node: i64) -> String {
    format!("{:-<64} node {node}", "")
}
