//! Bringing a log back from the database.

use std::sync::Arc;

use crate::db::DbError;
use crate::db::artifacts::ArtifactRow;
use crate::db::watched::Stored;
use crate::event::payload::{ArtifactReady, End, TtsCompleted};
use crate::event::{Draft, EventId, EventType, now_ms};
use crate::job::{Fact, JobId, State, Status};

use super::{Log, Proposal, Refusal, Source, Store, lock};

impl Store {
    /// Loads a log's state; its events stay in the database until somebody reads them.
    pub(super) async fn load(&self, id: &JobId) -> Result<Option<Arc<Log>>, DbError> {
        let logs = self.load_all(std::slice::from_ref(id)).await?;
        Ok(logs.into_iter().next())
    }

    /// The same for several; those that are in memory already stay as they are.
    pub(super) async fn load_all(&self, ids: &[JobId]) -> Result<Vec<Arc<Log>>, DbError> {
        let _loading = self.shared.loading.lock().await;
        let mut logs: Vec<_> = ids.iter().filter_map(|id| self.find(id)).collect();
        let missing: Vec<_> = ids.iter().filter(|id| self.find(id).is_none()).cloned().collect();
        if missing.is_empty() {
            return Ok(logs);
        }
        for stored in self.shared.db.stored(&missing).await? {
            let log = self.insert(&stored.job, restore(&stored));
            if let Some(end) = stored.job.end.clone().filter(|_| stored.job.end_event_id.is_none())
            {
                self.announce_stored_end(&log, stored, end).await;
            }
            logs.push(log);
        }
        Ok(logs)
    }

    /// Reads logs in memory again of which events were missed.
    pub(super) async fn reload(&self, ids: &[JobId]) -> Result<(), DbError> {
        let _loading = self.shared.loading.lock().await;
        for stored in self.shared.db.stored(ids).await? {
            if let Some(log) = self.find(&stored.job.id)
                && let Some(ended) = log.catch_up(&stored.job, restore(&stored))
            {
                self.wake(&log, ended);
            }
        }
        Ok(())
    }

    /// Tells of an end that is committed and has no event. In a cluster that is told beside: whoever
    /// loads a log may be the one who would have to fold it.
    async fn announce_stored_end(&self, log: &Arc<Log>, stored: Stored, end: End) {
        let (store, log) = (self.clone(), Arc::clone(log));
        let job = log.job.clone();
        let announcing = async move {
            store.announce_files(&log, &stored.artifacts).await;
            store.announce_end(&log, &end, stored.job.ended_at).await;
        };
        if self.shared.cluster.is_none() {
            return announcing.await;
        }
        // Once at a time: without the event log it takes as long as that is away.
        if lock(&self.shared.announcing).insert(job.clone()) {
            let store = self.clone();
            tokio::spawn(async move {
                announcing.await;
                lock(&store.shared.announcing).remove(&job);
            });
        }
    }

    /// Tells of the end of a job that is committed and has no event.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn announce_end_of(&self, job: &JobId) -> Result<(), DbError> {
        // To load a log tells of its end.
        let Some(log) = self.open(job).await? else { return Ok(()) };
        if log.standing().ended {
            return Ok(());
        }
        for stored in self.shared.db.stored(std::slice::from_ref(job)).await? {
            if let Some(end) = stored.job.end.clone() {
                self.announce_stored_end(&log, stored, end).await;
            }
        }
        Ok(())
    }

    /// Appends the terminal event of a job whose final row is committed; a second one is not
    /// admitted, whoever proposes it.
    pub async fn announce_end(&self, log: &Arc<Log>, end: &End, ended_at: Option<i64>) {
        let at = ended_at.unwrap_or_else(now_ms);
        loop {
            let attempt = log.standing().attempt;
            match self.append(log, [ending(attempt, end, at)]).await {
                Ok(_) => return,
                // A claim that was committed before the end told its attempt this moment.
                Err(Refusal::Fenced { .. }) => {}
                Err(refusal) => {
                    let job = &log.job;
                    return tracing::debug!(%job, %refusal, "the end was announced already");
                }
            }
        }
    }

    /// Tells of the files that another program left behind with its end: nothing can be told of
    /// them after it.
    async fn announce_files(&self, log: &Arc<Log>, artifacts: &[ArtifactRow]) {
        let attempt = log.standing().attempt;
        let ready = artifacts.iter().filter(|row| row.ready);
        let proposals: Vec<_> = ready.flat_map(|row| stored_file(row, attempt)).collect();
        if let Err(refusal) = self.append(log, proposals).await {
            tracing::debug!(job = %log.job, %refusal, "the job moved on while it was loaded");
        }
    }
}

/// What tells readers of a file that lies in the database: `artifact_ready`, and of a narration
/// `tts_completed`, in this order.
#[must_use]
pub fn stored_file(row: &ArtifactRow, attempt: u32) -> Vec<Proposal> {
    let stored = &row.stored;
    let source = Source::Database;
    let proposal = |fact, draft| Proposal { attempt, source, fact, draft, producer: None };
    let ready = ArtifactReady { artifact: stored.view.clone() };
    let draft = Draft::new(EventType::ArtifactReady, &ready, now_ms());
    let mut proposals = vec![proposal(Fact::ArtifactReady(Box::new(stored.clone())), draft)];
    if stored.view.kind == "voice" {
        let narration = TtsCompleted {
            artifact_id: stored.view.id.clone(),
            url: stored.view.url.clone(),
            duration_ms: stored.view.duration_ms.unwrap_or(0),
            voice: stored.voice.clone().unwrap_or_default(),
        };
        let fact = Fact::TtsCompleted { artifact: stored.id.clone(), attempt: stored.attempt };
        let draft = Draft::new(EventType::TtsCompleted, &narration, now_ms());
        proposals.push(proposal(fact, draft));
    }
    proposals
}

fn ending(attempt: u32, end: &End, at: i64) -> Proposal {
    let draft = match end {
        // A worker's own `at` is kept, and ours does not come beside it.
        End::Completed(result) if result.get("at").is_some() => {
            Draft::raw(EventType::Completed, &result.to_string(), at)
        }
        End::Completed(result) => Draft::new(EventType::Completed, result, at),
        End::Failed(failed) => Draft::new(EventType::Failed, failed, at),
        End::Canceled(canceled) => Draft::new(EventType::Canceled, canceled, at),
    };
    Proposal {
        attempt,
        source: Source::Worker,
        fact: Fact::End(end.clone()),
        draft,
        producer: None,
    }
}

/// The state that a job's committed events fold to, as the rows show it.
///
/// The rows are projections of the events, but a claim raises `attempt` before its event, an end sets
/// `status`, and other programs move a job on: of these, what events have told is kept beside.
fn restore(stored: &Stored) -> State {
    let Stored { job, artifacts, producers } = stored;
    let mut state = State::new();
    state.attempt = job.told_attempt;
    state.producers = producers.clone();
    state.progress = job.progress.clone();
    state.told_percent = job.told_percent;
    state.status = job.told_status.unwrap_or(Status::Pending);
    if job.end_event_id.is_some() {
        state.end = job.end.clone();
    }
    if job.last_event_id > EventId::ZERO {
        state.told = true;
        state.text = None;
    }
    for row in artifacts.iter().filter(|row| row.ready && row.announced) {
        state.restore_artifact(row.stored.clone(), row.narrated);
    }
    state
}
