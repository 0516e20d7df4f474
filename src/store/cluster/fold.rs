//! Folding the log: the one place in a cluster where proposals become events.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use crate::backoff::Policy;
use crate::job::JobId;
use crate::nats::Entry;
use crate::store::accept::ProducerSeq;
use crate::store::append::{Appended, Origin};
use crate::store::{Log, Store, lock};

use super::wire::{self, Batch};
use super::{Cluster, entry_of, first_id};

/// How many entries are folded between two looks at anything else.
const AT_ONCE: usize = 256;

/// How many logs are read again at a time.
const RELOAD: usize = 256;

/// How a log or a database that does not answer is asked again, for ever.
const RETRY: Policy =
    Policy { first: Duration::from_millis(20), ceiling: Duration::from_millis(500), retries: None };

impl Store {
    /// Folds what all nodes propose, for ever.
    pub(super) async fn fold_all(&self, cluster: &Cluster) {
        let mut delays = RETRY.delays();
        loop {
            let next = *cluster.shared.folded.borrow() + 1;
            match cluster.shared.log.entries(next).await {
                Ok(mut entries) => {
                    while let Some(some) = entries.next(AT_ONCE).await {
                        delays = RETRY.delays();
                        self.fold(cluster, some).await;
                    }
                }
                Err(error) => tracing::debug!(%error, "cannot read the event log"),
            }
            tokio::time::sleep(delays.next().unwrap_or(RETRY.ceiling)).await;
        }
    }

    async fn fold(&self, cluster: &Cluster, entries: Vec<Entry>) {
        let read: Vec<_> = entries.into_iter().filter_map(read).collect();
        let mut logs = self.logs_of(read.iter().filter_map(|(_, batch)| Some(&batch.as_ref()?.0))).await;
        for (seq, batch) in read {
            let folded = *cluster.shared.folded.borrow();
            if seq <= folded {
                continue;
            }
            if seq > folded + 1 {
                self.pass_over(cluster, seq).await;
            }
            if let Some((job, batch)) = batch
                && let Some(log) = logs.get_mut(&job)
            {
                self.fold_one(cluster, log, seq, batch);
            }
            let next = first_id(seq + 1);
            let mut tail = lock(&self.shared.tail);
            tail.next = tail.next.max(next);
            drop(tail);
            cluster.shared.folded.send_replace(seq);
        }
    }

    fn fold_one(&self, cluster: &Cluster, log: &Arc<Log>, seq: u64, batch: Batch) {
        let Batch { node, count, proposals } = batch;
        let is_ours = node == cluster.shared.node;
        let put = ProducerSeq { producer: name_of(node), seq: count };
        if log.last_of_producer(&put.producer) >= count {
            // It was put in twice, or the database had it already when the log was loaded.
            if is_ours {
                let admitted = u32::try_from(proposals.len()).unwrap_or(u32::MAX);
                let appended = Appended { last: log.last(), admitted, ignored: 0 };
                cluster.answer(count, (appended, None));
            }
            return;
        }
        if entry_of(log.last()) >= seq {
            return;
        }
        let outcome = self.take_in(log, proposals, Some(Origin { first: first_id(seq), put }));
        if is_ours {
            cluster.answer(count, outcome);
        }
    }

    /// The logs of some jobs, however often the database has to be asked; none for an unknown job.
    async fn logs_of<'a>(
        &self,
        jobs: impl Iterator<Item = &'a JobId>,
    ) -> HashMap<JobId, Arc<Log>> {
        let mut logs = HashMap::new();
        let mut unknown = BTreeSet::new();
        for job in jobs {
            match self.find(job) {
                Some(log) => drop(logs.insert(job.clone(), log)),
                None => drop(unknown.insert(job.clone())),
            }
        }
        if unknown.is_empty() {
            return logs;
        }
        let unknown: Vec<_> = unknown.into_iter().collect();
        let mut delays = RETRY.delays();
        loop {
            match self.load_all(&unknown).await {
                Ok(loaded) => {
                    logs.extend(loaded.into_iter().map(|log| (log.job.clone(), log)));
                    return logs;
                }
                Err(error) => {
                    tracing::warn!(%error, "events wait for a job that the database does not give");
                }
            }
            tokio::time::sleep(delays.next().unwrap_or(RETRY.ceiling)).await;
        }
    }

    /// Goes on behind entries that were given up before this node has read them: the database has what
    /// became of them, and every log in memory is read again.
    async fn pass_over(&self, cluster: &Cluster, seq: u64) {
        tracing::info!(seq, "entries of the event log were given up before they were read here");
        let jobs: Vec<_> = lock(&self.shared.logs).keys().cloned().collect();
        let mut delays = RETRY.delays();
        for some in jobs.chunks(RELOAD) {
            while let Err(error) = self.reload(some).await {
                tracing::warn!(%error, "cannot read logs again yet");
                tokio::time::sleep(delays.next().unwrap_or(RETRY.ceiling)).await;
            }
        }
        cluster.shared.folded.send_replace(seq - 1);
        self.answer_by_state(cluster);
    }

    /// Answers those whose entries were passed over, by what the database has of them.
    fn answer_by_state(&self, cluster: &Cluster) {
        let mut waiting = lock(&cluster.shared.waiting);
        let known: Vec<_> = waiting
            .iter()
            .filter_map(|(count, waiting)| {
                let log = self.find(&waiting.job)?;
                let is_in = log.last_of_producer(&cluster.shared.name) >= *count;
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
fn read(entry: Entry) -> Option<(u64, Option<(JobId, Batch)>)> {
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

/// A node as a producer of entries: no producer of events has so long a name.
pub(super) fn name_of(node: i64) -> String {
    format!("{:-<64} node {node}", "")
}
